/**
 * The expiry of registers: takes them out of the digest when their time has come, by an index in the order of
 * time.
 *
 * Invariant: `nextExpiry` is never later than the earliest expiry that is stored or forming.
 *
 * Key 'x' time record-key → nothing
 */
import type { ReplicaId } from '@causeway/crdt';
import type { Now } from '../environment.js';
import { SCAN_BYTES, type Schedule } from './job.js';
import { dueRange, garbageKey, KIND, kindRange, NO_BYTES, restOfTimedKey, timeOfKey } from './keyspace.js';
import type { RegisterSlot } from './slot.js';
import type { Store } from './store.js';

/** After a scan that failed. */
const RETRY_MS = 1_000;
export class Expiry {
  private nextExpiry = 0;
  /** Earliest expiry told since the last search began. */
  private noted = Number.POSITIVE_INFINITY;
  private expiring = false;

  constructor(
    private readonly store: Store,
    private readonly schedule: Schedule,
    /** Evidence under an old dot of `origin` is durable. */
    private readonly onEvidence: (origin: ReplicaId) => void,
  ) {}

  /** Nothing that is due is still in the digest. */
  isSettled(now: Now): boolean {
    return !this.expiring && this.nextExpiry > now.wall;
  }

  /** When the next register expires; undefined while none is known to. */
  get deadline(): number | undefined {
    return this.expiring || this.nextExpiry === Number.POSITIVE_INFINITY ? undefined : this.nextExpiry;
  }

  /** A register expires at `at`. */
  wanted(at: number): void {
    this.nextExpiry = Math.min(this.nextExpiry, at);
    this.noted = Math.min(this.noted, at);
  }

  /** At the start and after a discard, when nothing that was under way is answered any more. */
  restart(): void {
    this.expiring = false;
    this.nextExpiry = 0;
  }

  start(now: Now): void {
    if (this.expiring || now.wall < this.nextExpiry) return;
    this.expiring = true;
    // Everything told before is found on disk; what is told from now on is noted.
    this.noted = Number.POSITIVE_INFINITY;
    const { store } = this;
    store.whenDurable(() => {
      this.step(now.wall);
    });
  }

  private step(wall: number): void {
    const { store } = this;
    store.reads.scan(dueRange(KIND.expiry, wall), store.limits.housekeepingRecords, SCAN_BYTES, (due) => {
      if (due === undefined || due.length === 0) return this.findNextExpiry();
      const slots = due.map((entry) => store.records.slotOf(restOfTimedKey(entry.key)) as RegisterSlot);
      this.schedule({
        slots,
        run: () => {
          slots.forEach((slot, index) => {
            const { key } = due[index]!;
            this.expireRegister(slot, timeOfKey(key));
            store.delete(key);
            store.records.release(slot);
          });
          store.whenDurable(() => {
            this.step(wall);
          });
        },
      });
    });
  }

  private expireRegister(slot: RegisterSlot, at: number): void {
    const { register } = slot;
    if (register === undefined || slot.expired || register.expiresAt !== at) return;
    this.store.touch(slot);
    slot.expired = true;
    this.store.put(garbageKey(register.dot.replica, register.dot.seq, slot.key), NO_BYTES);
    // The dot may be stable already, and its evidence is new: a pass under way has not seen it on disk.
    const { replica } = register.dot;
    this.store.whenDurable(() => this.onEvidence(replica));
  }

  private findNextExpiry(): void {
    this.store.reads.scan(kindRange(KIND.expiry), 1, SCAN_BYTES, (first) => {
      const entry = first?.[0];
      this.expiring = false;
      // What could not be read is looked for again in a while; it was due.
      if (first === undefined) this.noted = Math.min(this.noted, this.store.now.wall + RETRY_MS);
      this.nextExpiry = Math.min(
        this.noted,
        entry === undefined ? Number.POSITIVE_INFINITY : timeOfKey(entry.key),
      );
    });
  }
}
