/**
 * Forgets the results of operations with idempotency keys when their time is over, by the clock of retention-clock.ts.
 *
 * Key 'q' time id → nothing: when the result 'o' id goes.
 */
import type { Now } from '../environment.js';
import { SCAN_BYTES, type Schedule } from './job.js';
import { decodeText, dueRange, KIND, restOfTimedKey } from './keyspace.js';
import type { ResultSlot } from './slot.js';
import type { Store } from './store.js';

export class Results {
  private forgetting = false;

  constructor(
    private readonly store: Store,
    private readonly schedule: Schedule,
  ) {}

  /** At the start and after a discard, when nothing that was under way is answered any more. */
  restart(): void {
    this.forgetting = false;
  }

  forget(now: Now): void {
    if (this.forgetting) return;
    this.forgetting = true;
    const { store } = this;
    const clock = store.resultBytes > 0 ? store.retention.save(now) : undefined;
    if (clock !== undefined) store.put(clock.key, clock.value);
    this.step(store.retention.at(now));
  }

  private step(time: number): void {
    const { store } = this;
    const range = dueRange(KIND.resultExpiry, time);
    store.reads.scan(range, store.limits.housekeepingRecords, SCAN_BYTES, (due) => {
      if (due === undefined || due.length === 0) {
        this.forgetting = false;
        return;
      }
      const slots = due.map(({ key }) => store.records.result(decodeText(restOfTimedKey(key))));
      this.schedule({
        slots,
        run: () => {
          slots.forEach((slot, index) => {
            store.delete(due[index]!.key);
            this.forgetResult(slot);
            store.records.release(slot);
          });
          store.whenDurable(() => this.step(time));
        },
      });
    });
  }

  private forgetResult(slot: ResultSlot): void {
    if (slot.stored === undefined) return;
    this.store.touch(slot);
    this.store.resultBytes -= slot.stored.bytes;
    slot.stored = undefined;
  }
}
