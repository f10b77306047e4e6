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
import { SlotTable } from './slot-table.js';

/**
 * Slots that one trim looks at: at least so many, and for each that is too much twice what a second chance needs. So its
 * time is bounded, and what came while all of it was in use goes with the first trim after.
 */
const TRIM_STEPS_LEAST = 4_096;
const TRIM_STEPS_EACH = 4;

export class SlotCache {
  readonly registers = new SlotTable<RegisterSlot>();
  readonly counters = new SlotTable<CounterSlot>();
  readonly sets = new SlotTable<SetSlot>();
  readonly elements = new SlotTable<ElementSlot>();
  readonly results = new SlotTable<ResultSlot>();
  private readonly tables: readonly SlotTable<Slot>[] = [
    this.registers,
    this.counters,
    this.sets,
    this.elements,
    this.results,
  ] as readonly SlotTable<Slot>[];
  private bytes = 0;
  /** The hand: where the last trim stopped. */
  private hand: Iterator<Slot, void> | undefined;
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
    const steps = Math.max(TRIM_STEPS_LEAST, (TRIM_STEPS_EACH * (this.bytes - this.bytesMax)) / SLOT_BYTES);
    // After the second round nothing is left but what is pinned or dirty.
    let rounds = 2 * this.tables.length;
    for (let step = 0; step < steps && rounds >= 0 && this.bytes > this.bytesMax; step++) {
      this.hand ??= this.tables[this.handTable]!.values();
      const { value: slot } = this.hand.next();
      if (slot === undefined) {
        this.hand = undefined;
        this.handTable = (this.handTable + 1) % this.tables.length;
        rounds--;
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
