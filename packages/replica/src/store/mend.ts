/**
 * Mends damaged records that have got back from a peer what they lacked: reads of them are answered again.
 *
 * What is stored of them is written anew, or deleted where nothing was given back. How many elements a set has nobody
 * else knows: it is counted, also where no record is damaged and the size is not that of the elements.
 */
import { countAnew } from './apply.js';
import type { Schedule } from './job.js';
import { KIND } from './keyspace.js';
import { ElementSlot, SetSlot, type Slot } from './slot.js';
import type { Store } from './store.js';

export class Mending {
  constructor(
    private readonly store: Store,
    private readonly schedule: Schedule,
  ) {}

  start(keys: readonly Uint8Array[]): void {
    const { store } = this;
    const { housekeepingRecords } = store.limits;
    const slots = keys.slice(0, housekeepingRecords).flatMap((key) => {
      // An answer to an operation is known to nobody else.
      const slot = key[0] === KIND.result ? undefined : store.records.slotOf(key);
      return slot === undefined ? [] : [slot];
    });
    const rest = keys.slice(housekeepingRecords);
    this.schedule({
      slots,
      run: () => {
        const sets = new Set<string>();
        for (const slot of slots) {
          if (slot.corrupt) {
            this.mend(slot);
            // What came of the element while it was taken for lost was counted as new.
            if (slot instanceof ElementSlot) sets.add(slot.userKey);
          }
          store.records.release(slot);
        }
        if (sets.size > 0) this.count([...sets]);
        if (rest.length > 0) store.whenDurable(() => this.start(rest));
      },
    });
  }

  /** Counts sets whose size is not that of their elements. */
  count(keys: readonly string[]): void {
    const { store } = this;
    const { housekeepingRecords } = store.limits;
    const slots = keys.slice(0, housekeepingRecords).map((key) => store.records.set(key));
    const rest = keys.slice(housekeepingRecords);
    this.schedule({
      slots,
      run: () => {
        for (const slot of slots) {
          // One that a clear has met meanwhile is counted, or has been.
          if (slot.meta.purge === undefined) countAnew(store, slot);
          store.records.release(slot);
        }
        if (rest.length > 0) store.whenDurable(() => this.count(rest));
      },
    });
  }

  private mend(slot: Slot): void {
    const { store } = this;
    store.touch(slot);
    store.mend(slot);
    if (slot instanceof SetSlot) countAnew(store, slot);
  }
}
