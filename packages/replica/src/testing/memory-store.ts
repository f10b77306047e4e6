/**
 * A store in memory for one replica under test: an ordered map of byte strings that a test can look into.
 *
 * Batches are applied as LevelDB is given them by the real host, the puts and then the deletes, and a batch that
 * names a key in both is refused: what it leaves would depend on the host.
 */

import type { ScanEntry } from '../events.js';
import type { Batch, Scan } from '../ready.js';
import type { KeyRange } from '../store/keyspace.js';
import { bytesText } from '../store/keyspace.js';

interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export class MemoryStore {
  private readonly entries = new Map<string, Entry>();
  /** Keys in byte order; undefined after a change. */
  private order: string[] | undefined;

  apply({ puts, deletes }: Batch): void {
    const written = new Set(puts.map(({ key }) => bytesText(key)));
    for (const key of deletes) {
      if (written.has(bytesText(key))) throw new Error(`a batch puts and deletes ${nameOf(key)}`);
    }
    for (const { key, value } of puts) this.put(key, value);
    for (const key of deletes) this.delete(key);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.order = undefined;
    this.entries.set(bytesText(key), { key: key.slice(), value: value.slice() });
  }

  delete(key: Uint8Array): void {
    this.order = undefined;
    this.entries.delete(bytesText(key));
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.entries.get(bytesText(key))?.value;
  }

  scan({ from, to, entriesMax, bytesMax }: Omit<Scan, 'id'>): ScanEntry[] {
    const found: ScanEntry[] = [];
    let bytes = 0;
    for (const entry of this.range({ from, to })) {
      if (found.length >= entriesMax || bytes >= bytesMax) break;
      bytes += entry.key.length + entry.value.length;
      found.push(entry);
    }
    return found;
  }

  range({ from, to }: KeyRange): Entry[] {
    const first = bytesText(from);
    const end = bytesText(to);
    this.order ??= [...this.entries.keys()].sort((a, b) => (a < b ? -1 : 1));
    const { order } = this;
    let low = 0;
    for (let high = order.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (order[middle]! < first) low = middle + 1;
      else high = middle;
    }
    const found: Entry[] = [];
    for (let i = low; i < order.length && order[i]! < end; i++) found.push(this.entries.get(order[i]!)!);
    return found;
  }

  /** Entries of one kind, or all: see keyspace.ts. */
  all(kind?: number): Entry[] {
    if (kind === undefined) return this.range({ from: new Uint8Array(0), to: Uint8Array.of(0xff, 0xff) });
    return this.range({ from: Uint8Array.of(kind), to: Uint8Array.of(kind + 1) });
  }

  /** How many entries of each kind there are, by the letter of the kind. */
  census(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { key } of this.all()) {
      const letter = String.fromCharCode(key[0]!);
      counts[letter] = (counts[letter] ?? 0) + 1;
    }
    return counts;
  }

  /** Entries are never changed, so that a copy of the map is one of the store. */
  snapshot(): MemoryStore {
    const copy = new MemoryStore();
    for (const [id, entry] of this.entries) copy.entries.set(id, entry);
    return copy;
  }

  clone(): MemoryStore {
    const copy = new MemoryStore();
    for (const { key, value } of this.entries.values()) copy.put(key, value);
    return copy;
  }

  /** Flips one bit of a value, as a disk does. */
  damage(key: Uint8Array, at = -1): void {
    const value = this.get(key);
    if (value === undefined) throw new Error(`nothing is stored under ${nameOf(key)}`);
    const damaged = value.slice();
    const index = at < 0 ? damaged.length + at : at;
    damaged[index] = damaged[index]! ^ 0x10;
    this.put(key, damaged);
  }
}

/** A key as a person can read it. */
export function nameOf(key: Uint8Array): string {
  return JSON.stringify(bytesText(key));
}
