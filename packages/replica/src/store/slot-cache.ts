/**
 * SlotCache: the records in memory, bounded by bytes with a second chance for what was used lately (CLOCK).
 *
 * A library's cache does not fit: records that are pinned or dirty must stay, whatever the bound says, and every
 * operation passes here, so that moving records between a cache and a table of those in use costs a tenth of it.
 */
import { SLOT_BYTES } from '../limits.js';
import type { Slot } from './slot.js';

/** Slots that one trim looks at, at most: its time is bounded also when most are pinned. */
const TRIM_STEPS = 4_096;

export class SlotCache {
  private readonly slots = new Map<string, Slot>();
  private bytes = 0;
  /** The hand: where the last trim stopped. */
  private hand: Iterator<Slot> | undefined;

  constructor(private readonly bytesMax: number) {}

  get(id: string): Slot | undefined {
    const slot = this.slots.get(id);
    if (slot !== undefined) slot.recent = true;
    return slot;
  }

  /** Takes the place of a slot with the same id. */
  add(slot: Slot): void {
    const before = this.slots.get(slot.id);
    if (before !== undefined) this.bytes -= before.bytes + SLOT_BYTES;
    this.slots.set(slot.id, slot);
    this.bytes += slot.bytes + SLOT_BYTES;
  }

  /** The stored form of a slot has `bytes` now. */
  resize(slot: Slot, bytes: number): void {
    if (this.slots.get(slot.id) === slot) this.bytes += bytes - slot.bytes;
    slot.bytes = bytes;
  }

  /** Drops what nobody uses and nobody used lately, until the bound holds. */
  trim(): void {
    for (let step = 0; step < TRIM_STEPS && this.bytes > this.bytesMax; step++) {
      this.hand ??= this.slots.values();
      const { value: slot, done } = this.hand.next();
      if (done === true) {
        this.hand = undefined;
        continue;
      }
      if (slot.recent) slot.recent = false;
      else if (slot.pins === 0 && slot.dirty === 0) this.drop(slot);
    }
  }

  clear(): void {
    this.slots.clear();
    this.bytes = 0;
    this.hand = undefined;
  }

  private drop(slot: Slot): void {
    this.slots.delete(slot.id);
    this.bytes -= slot.bytes + SLOT_BYTES;
  }
}
