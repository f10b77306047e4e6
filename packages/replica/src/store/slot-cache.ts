/**
 * SlotCache: the records in memory, bounded by bytes with a second chance for what was used lately (CLOCK).
 *
 * A library's cache does not fit: records that are pinned or dirty must stay, whatever the bound says, and every
 * operation passes here, so that moving records between a cache and a table of those in use costs a tenth of it.
 *
 * Each kind of record has a table of its own, keyed by the name that the record has anyway: a key that is put
 * together for the look-up alone is hashed as a new text every time.
 */
import { SLOT_BYTES } from '../limits.js';
import type { CounterSlot, ElementSlot, RegisterSlot, ResultSlot, SetSlot, Slot } from './slot.js';

/** Slots that one trim looks at, at most: its time is bounded also when most are pinned. */
const TRIM_STEPS = 4_096;

export type SlotTable<S extends Slot> = Map<string, S>;

export class SlotCache {
  readonly registers: SlotTable<RegisterSlot> = new Map();
  readonly counters: SlotTable<CounterSlot> = new Map();
  readonly sets: SlotTable<SetSlot> = new Map();
  readonly elements: SlotTable<ElementSlot> = new Map();
  readonly results: SlotTable<ResultSlot> = new Map();
  private readonly tables: readonly SlotTable<Slot>[] = [
    this.registers,
    this.counters,
    this.sets,
    this.elements,
    this.results,
  ] as readonly Map<string, Slot>[];
  private bytes = 0;
  /** The hand: where the last trim stopped. */
  private hand: Iterator<Slot> | undefined;
  private handTable = 0;

  constructor(private readonly bytesMax: number) {}

  get<S extends Slot>(table: SlotTable<S>, name: string): S | undefined {
    const slot = table.get(name);
    if (slot !== undefined) slot.recent = true;
    return slot;
  }

  /** Takes the place of a slot with the same name. */
  add<S extends Slot>(table: SlotTable<S>, slot: S): void {
    const before = table.get(slot.name);
    if (before !== undefined) this.forget(before);
    table.set(slot.name, slot);
    slot.table = table as SlotTable<Slot>;
    this.bytes += slot.bytes + SLOT_BYTES;
  }

  /** The stored form of a slot has `bytes` now. */
  resize(slot: Slot, bytes: number): void {
    if (slot.table !== undefined) this.bytes += bytes - slot.bytes;
    slot.bytes = bytes;
  }

  /** Drops what nobody uses and nobody used lately, until the bound holds. */
  trim(): void {
    for (let step = 0; step < TRIM_STEPS && this.bytes > this.bytesMax; step++) {
      this.hand ??= this.tables[this.handTable]!.values();
      const { value: slot, done } = this.hand.next();
      if (done === true) {
        this.hand = undefined;
        this.handTable = (this.handTable + 1) % this.tables.length;
        continue;
      }
      if (slot.recent) slot.recent = false;
      else if (slot.pins === 0 && slot.dirty === 0) this.drop(slot);
    }
  }

  /** Nobody must use it, and nothing of it be unwritten. */
  drop(slot: Slot): void {
    if (slot.table === undefined) return;
    slot.table.delete(slot.name);
    this.forget(slot);
  }

  /** Drops all that nobody uses; the rest is not to be used again once it is let go. */
  outdate(): void {
    for (const table of this.tables) {
      for (const slot of table.values()) {
        if (slot.pins === 0 && slot.dirty === 0) this.drop(slot);
        else slot.stale = true;
      }
    }
    this.hand = undefined;
  }

  clear(): void {
    for (const table of this.tables) {
      for (const slot of table.values()) slot.table = undefined;
      table.clear();
    }
    this.bytes = 0;
    this.hand = undefined;
  }

  private forget(slot: Slot): void {
    slot.table = undefined;
    this.bytes -= slot.bytes + SLOT_BYTES;
  }
}
