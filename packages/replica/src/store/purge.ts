/**
 * The purge of cleared sets: goes over the stored elements behind a clear and drops what the clear covers, after
 * they have been counted where the size is not known.
 *
 * Invariants
 * - The cursor is written with what has been purged up to it: a purge goes on where it was.
 * - A clear that comes meanwhile starts it over.
 *
 * Key 'p' set-key → nothing: a set that is being purged, found at the start.
 */
import { compactElement } from '@causeway/crdt';
import type { SetPurge } from '@causeway/protocol';
import type { ScanEntry } from '../events.js';
import { clearedThrough } from './apply.js';
import { SCAN_BYTES, type Schedule } from './job.js';
import { elementRange, KIND, splitElementKey, textKey } from './keyspace.js';
import { SetCount, type Survivor } from './set-count.js';
import type { ElementSlot, SetSlot } from './slot.js';
import type { Store } from './store.js';

const neverStable = () => false;

export class Purge {
  private readonly purging = new Set<string>();
  /** Purges that wait for the disk to read again. */
  private readonly unread = new Set<string>();
  private readonly count: SetCount;

  constructor(
    private readonly store: Store,
    private readonly schedule: Schedule,
    onSurvivor: Survivor,
  ) {
    this.count = new SetCount(store, schedule, onSurvivor);
  }

  /** Nothing is being purged: the digest has no part of what a clear covers. */
  get idle(): boolean {
    return this.purging.size + this.unread.size === 0;
  }

  /** At the start and after a discard, when nothing that was under way is answered any more. */
  restart(keys: readonly string[]): void {
    this.purging.clear();
    this.unread.clear();
    for (const key of keys) this.start(key);
  }

  start(key: string): void {
    // A clear that comes while its set is being purged has set the cursor back: the next step sees it.
    if (this.purging.has(key)) return;
    this.purging.add(key);
    this.step(key);
  }

  /** Tries again what could not be read. */
  retry(): void {
    const keys = [...this.unread];
    this.unread.clear();
    for (const key of keys) this.start(key);
  }

  private step(key: string): void {
    const { store } = this;
    const set = store.records.set(key);
    this.schedule({
      slots: [set],
      run: () => {
        const { purge, size } = set.meta;
        if (purge === undefined) {
          this.purging.delete(key);
          store.records.release(set);
        } else if (size === undefined) {
          this.count.run(set, (read) => {
            if (!read) return this.putOff(set);
            store.records.release(set);
            this.step(key);
          });
        } else {
          this.purge(set, purge);
        }
      },
    });
  }

  private purge(set: SetSlot, begun: SetPurge): void {
    const { store } = this;
    // What was written before the clear must be on disk to be found; what comes after it purges itself.
    store.whenDurable(() => {
      const { cursor } = begun;
      const range = elementRange(set.userKey, cursor.length === 0 ? undefined : cursor);
      store.reads.scan(range, store.limits.housekeepingRecords, SCAN_BYTES, (entries) => {
        if (entries === undefined) this.putOff(set);
        else this.takePage(set, begun, entries);
      });
    });
  }

  /** Not again at once: what the disk cannot read now it will not read in the same moment. */
  private putOff(set: SetSlot): void {
    this.store.records.release(set);
    this.purging.delete(set.userKey);
    this.unread.add(set.userKey);
  }

  private takePage(set: SetSlot, begun: SetPurge, entries: readonly ScanEntry[]): void {
    const { store } = this;
    const key = set.userKey;
    const last = entries.at(-1);
    const slots = entries.map((entry) => store.records.element(key, splitElementKey(entry.key).element));
    this.schedule({
      slots: [set, ...slots],
      run: () => {
        // After a further clear the step is done over.
        if (set.meta.purge?.seen === begun.seen) {
          this.purgeElements(set, slots);
          this.advance(set, last === undefined ? undefined : splitElementKey(last.key).element);
        }
        for (const slot of slots) store.records.release(slot);
        store.records.release(set);
        store.whenDurable(() => this.step(key));
      },
    });
  }

  private purgeElements(set: SetSlot, elements: readonly ElementSlot[]): void {
    const cleared = clearedThrough(set);
    for (const slot of elements) {
      const after = compactElement(slot.state, cleared, neverStable);
      if (after === slot.state) continue;
      this.store.touch(slot);
      slot.state = after;
    }
  }

  /** `through`: the last element of this step; undefined when the step reaches the end of the set. */
  private advance(set: SetSlot, through: Uint8Array | undefined): void {
    const { purge, ...rest } = set.meta;
    if (purge === undefined) return;
    this.store.touch(set);
    if (through !== undefined) {
      set.meta = { ...rest, purge: { ...purge, cursor: through } };
      return;
    }
    set.meta = rest;
    this.store.delete(textKey(KIND.purge, set.userKey));
  }
}
