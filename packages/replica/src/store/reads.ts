/**
 * Reads: what is wanted of the store, as point reads of records and as scans of ranges, until their answers come. A record
 * that the host has at hand is filled at once.
 *
 * Invariant: after `clear` no answer to an earlier question reaches anybody.
 */
import { unsealValue } from '@causeway/protocol';
import type { Environment } from '../environment.js';
import type { ScanEntry } from '../events.js';
import type { Load, Scan } from '../ready.js';
import { bytesText, type KeyRange, KIND, textBytes, textOfKey } from './keyspace.js';
import type { Slot } from './slot.js';
import type { SlotCache } from './slot-cache.js';

/** `undefined`: the read failed. */
type Scanned = (entries: readonly ScanEntry[] | undefined) => void;
type Valued = (values: readonly (Uint8Array | undefined)[] | undefined) => void;

export class Reads {
  private wantLoads: Slot[] = [];
  /** Out of a load that has failed. */
  private wantSingly: Slot[] = [];
  /** Unreadable for now. */
  private later: Slot[] = [];
  private wantScans: Scan[] = [];
  private wantValues: Load[] = [];
  private readonly loads = new Map<number, readonly Slot[]>();
  private readonly scans = new Map<number, Scanned>();
  private readonly valueLoads = new Map<number, Valued>();
  /** Keys of records that were found damaged, also when they have been written since. */
  private readonly damaged = new Set<string>();
  private nextId = 1;
  /** Since the last trim. */
  private isFilled = false;
  /** A record was found damaged. */
  damageFound: (key: Uint8Array) => void = () => {};

  constructor(
    private readonly slots: SlotCache,
    private readonly env: Environment,
  ) {}

  /** Takes in which records are damaged. */
  restore(entries: readonly ScanEntry[]): void {
    this.damaged.clear();
    for (const { key } of entries) if (key[0] === KIND.damaged) this.damaged.add(bytesText(key.subarray(1)));
  }

  /** Loads a slot that is among the records in memory, and pinned. */
  load(slot: Slot): void {
    const value = this.env.readNow(slot.key);
    if (value === 'later') {
      this.wantLoads.push(slot);
      return;
    }
    this.fill(slot, value);
    this.isFilled = true;
  }

  /** What was filled at once may be more than memory is to hold. Once for many: a trim may have to pass all that is in use. */
  trim(): void {
    if (this.isFilled) this.slots.trim();
    this.isFilled = false;
  }

  /** [from, to) on one snapshot; ends at whichever bound comes first, with at least one entry if there is any. */
  scan(range: KeyRange, entriesMax: number, bytesMax: number, then: Scanned, snapshot?: number): void {
    const id = this.nextId++;
    const scan = { id, from: range.from, to: range.to, entriesMax, bytesMax };
    this.wantScans.push(snapshot === undefined ? scan : { ...scan, snapshot });
    this.scans.set(id, then);
  }

  /** Stored values as they are, past the records in memory. */
  values(keys: readonly Uint8Array[], then: Valued, snapshot: number): void {
    const id = this.nextId++;
    this.wantValues.push({ id, keys, snapshot });
    this.valueLoads.set(id, then);
  }

  takeLoads(): readonly Load[] {
    if (this.wantLoads.length + this.wantSingly.length + this.wantValues.length === 0) return NO_LOADS;
    const values = this.wantValues;
    if (values.length > 0) this.wantValues = [];
    const groups = this.wantSingly.map((slot) => [slot]);
    if (this.wantLoads.length > 0) groups.push(this.wantLoads);
    this.wantLoads = [];
    this.wantSingly = [];
    const loads: Load[] = groups.map((slots) => {
      const id = this.nextId++;
      this.loads.set(id, slots);
      return { id, keys: slots.map((slot) => slot.key) };
    });
    return values.length === 0 ? loads : [...loads, ...values];
  }

  takeScans(): readonly Scan[] {
    const scans = this.wantScans;
    if (scans.length > 0) this.wantScans = [];
    return scans;
  }

  loaded(id: number, values: readonly (Uint8Array | undefined)[]): void {
    const slots = this.loads.get(id);
    if (slots === undefined) return this.valued(id, values);
    this.loads.delete(id);
    slots.forEach((slot, index) => {
      this.fill(slot, values[index]);
    });
    this.slots.trim();
  }

  scanned(id: number, entries: readonly ScanEntry[] | undefined): void {
    const then = this.scans.get(id);
    if (then === undefined) return;
    this.scans.delete(id);
    then(entries);
  }

  /**
   * A scan is told. Of a load that failed whole each record is asked for alone; one that fails alone is unreadable for
   * now, which says nothing of what it holds: who can wait for it waits, and it is asked for again by `retry`.
   */
  failed(id: number, error: unknown): void {
    const slots = this.loads.get(id);
    if (slots === undefined) {
      this.valued(id, undefined);
      return this.scanned(id, undefined);
    }
    this.loads.delete(id);
    for (const slot of slots) {
      if (slots.length > 1) {
        this.wantSingly.push(slot);
        continue;
      }
      if (!slot.unreadable)
        this.env.log.error({ key: textOfKey(slot.key), error }, 'a record cannot be read just now');
      slot.unreadable = true;
      this.later.push(slot);
    }
  }

  private valued(id: number, values: readonly (Uint8Array | undefined)[] | undefined): void {
    const then = this.valueLoads.get(id);
    if (then === undefined) return;
    this.valueLoads.delete(id);
    then(values);
  }

  /** Asks again for what was unreadable and is still needed. Who needs it later asks for it then. */
  retry(): void {
    for (const slot of this.later) {
      if (slot.pins > 0) this.wantSingly.push(slot);
      else this.slots.drop(slot);
    }
    this.later = [];
  }

  clear(): void {
    this.wantLoads = [];
    this.wantSingly = [];
    this.later = [];
    this.wantScans = [];
    this.wantValues = [];
    this.loads.clear();
    this.scans.clear();
    this.valueLoads.clear();
  }

  private damage(slot: Slot): void {
    slot.corrupt = true;
    this.damaged.add(bytesText(slot.key));
    this.damageFound(slot.key);
  }

  /** Keys of records that lack something. */
  damagedKeys(): Uint8Array[] {
    return [...this.damaged].map(textBytes);
  }

  /** The record has all again. */
  mended(slot: Slot): void {
    slot.corrupt = false;
    this.damaged.delete(bytesText(slot.key));
  }

  private fill(slot: Slot, value: Uint8Array | undefined): void {
    slot.loaded = true;
    slot.unreadable = false;
    slot.corrupt = this.damaged.size > 0 && this.damaged.has(bytesText(slot.key));
    if (value === undefined) return;
    const { key } = slot;
    this.slots.resize(slot, key.length + value.length);
    try {
      slot.decode(unsealValue(key, value));
    } catch (error) {
      // Absent means unknown: what arrives is joined all the same, and repair brings the rest back.
      this.env.log.error({ key: textOfKey(key), error }, 'a stored record is damaged and is treated as lost');
      this.damage(slot);
    }
  }
}

const NO_LOADS: readonly Load[] = [];
