/**
 * Housekeeping: the purge of cleared sets, the expiry of registers, compaction at causal stability, and the
 * cutting of the log. All of it in small steps between the writes of others, each step one job of the executor.
 *
 * Invariants
 * - A step touches a bounded number of records, and the next one starts when it is durable.
 * - Evidence goes only when the dot that made it is stable, and the horizon that says so is in the same batch.
 */
import {
  compactCounter,
  compactElement,
  compactRegister,
  covers,
  type Dot,
  isClearStable,
  joinVersionVectors,
  liveDots,
  type ReplicaId,
  type VersionVector,
} from '@causeway/crdt';
import { chunkHead, isChunkWhole, type SetPurge } from '@causeway/protocol';
import type { Now } from '../environment.js';
import type { ScanEntry } from '../events.js';
import { clearedThrough } from './apply.js';
import {
  bytesText,
  concat,
  decodeText,
  dueRange,
  elementRange,
  garbageKey,
  garbageRange,
  type KeyRange,
  KIND,
  kindRange,
  logRange,
  recordKeyOfGarbage,
  restOfTimedKey,
  splitElementKey,
  textKey,
  timeOfKey,
} from './keyspace.js';
import { CounterSlot, ElementSlot, RegisterSlot, type ResultSlot, SetSlot, type Slot } from './slot.js';
import type { RangeWatch, Store } from './store.js';

const SCAN_BYTES = 1 << 20;
/** After a scan that failed. */
const EXPIRY_RETRY_MS = 1_000;
const EMPTY = new Uint8Array(0);
const neverStable = () => false;

/** Work of the executor itself: run when all its records are loaded. */
export interface Job {
  readonly slots: readonly Slot[];
  run(now: Now): void;
}

export class Housekeeping {
  /** Due expiries that are not done yet, purges under way: the digest is not settled. */
  private readonly purging = new Set<string>();
  /** Purges that wait for the disk to read again. */
  private readonly unread = new Set<string>();
  private nextExpiry = 0;
  /** Earliest expiry told since the last search began. */
  private noted = Number.POSITIVE_INFINITY;
  private expiring = false;
  private compacting = false;
  private cutting = false;
  private forgetting = false;
  /** Of each origin, up to where no evidence is left that could go. */
  private readonly compacted = new Map<ReplicaId, number>();
  /** Origins with evidence that came while they were being looked through. */
  private readonly revisit = new Set<ReplicaId>();
  private readonly cutThrough = new Map<ReplicaId, number>();

  constructor(
    private readonly store: Store,
    private readonly schedule: (job: Job) => void,
    /** A clear met an add that its writer had not seen. */
    private readonly onSurvivor: (set: SetSlot, element: ElementSlot, add: Dot, now: Now) => void,
  ) {}

  /** No purge is under way and no expiry is due. */
  isSettled(now: Now): boolean {
    return this.purging.size + this.unread.size === 0 && !this.expiring && this.nextExpiry > now.wall;
  }

  /** When the next register expires; undefined while none is known to. */
  get deadline(): number | undefined {
    return this.expiring || this.nextExpiry === Number.POSITIVE_INFINITY ? undefined : this.nextExpiry;
  }

  /** A register expires at `at`. */
  expiryWanted(at: number): void {
    this.nextExpiry = Math.min(this.nextExpiry, at);
    this.noted = Math.min(this.noted, at);
  }

  /** At the start and after a discard, when nothing that was under way is answered any more. */
  restart(purges: readonly string[]): void {
    this.purging.clear();
    this.unread.clear();
    this.expiring = false;
    this.compacting = false;
    this.cutting = false;
    this.forgetting = false;
    this.nextExpiry = 0;
    this.compacted.clear();
    this.revisit.clear();
    this.cutThrough.clear();
    for (const key of purges) this.purge(key);
  }

  // Purge of a cleared set

  purge(key: string): void {
    // A clear that comes while its set is being purged has set the cursor back: the next step sees it.
    if (this.purging.has(key)) return;
    this.purging.add(key);
    this.store.whenDurable(() => {
      this.purgeStep(key);
    });
  }

  /** Tries again what could not be read. */
  retryPurges(): void {
    const keys = [...this.unread];
    this.unread.clear();
    for (const key of keys) this.purge(key);
  }

  private purgeStep(key: string): void {
    const { store } = this;
    const set = store.set(key);
    this.schedule({
      slots: [set],
      run: () => {
        const { purge } = set.meta;
        if (purge === undefined) {
          this.purging.delete(key);
          store.release(set);
          return;
        }
        // What was written before the clear must be on disk to be found; what comes after it purges itself.
        store.whenDurable(() => {
          const watch = store.watchElements(key);
          const { cursor } = purge;
          const range = elementRange(key, cursor.length === 0 ? undefined : cursor);
          store.reads.scan(range, store.limits.housekeepingRecords, SCAN_BYTES, (entries) => {
            this.purgePage(set, purge, watch, entries);
          });
        });
      },
    });
  }

  private purgePage(
    set: SetSlot,
    begun: SetPurge,
    watch: RangeWatch,
    entries: readonly ScanEntry[] | undefined,
  ): void {
    const { store } = this;
    const key = set.userKey;
    if (entries === undefined) {
      // Not at once: what the disk cannot read now it will not read in the same moment.
      store.unwatch(watch);
      store.release(set);
      this.purging.delete(key);
      this.unread.add(key);
      return;
    }
    const last = entries.at(-1);
    const slots = entries.map((entry) => store.element(key, splitElementKey(entry.key).element));
    this.schedule({
      slots: [set, ...slots],
      run: (now) => {
        store.unwatch(watch);
        // After a further clear the step is done over.
        if (set.meta.purge?.seen === begun.seen) {
          const through = last === undefined ? undefined : splitElementKey(last.key).element;
          this.purgeElements(set, slots, watch, through, now);
        }
        for (const slot of slots) store.release(slot);
        store.release(set);
        store.whenDurable(() => {
          this.purgeStep(key);
        });
      },
    });
  }

  /** `through`: the last element of this step; undefined when the step reaches the end of the set. */
  private purgeElements(
    set: SetSlot,
    scanned: readonly ElementSlot[],
    watch: RangeWatch,
    through: Uint8Array | undefined,
    now: Now,
  ): void {
    const { store } = this;
    const { purge } = set.meta;
    if (purge === undefined) return;
    const cleared = clearedThrough(set);
    const seen = new Map<string, ElementSlot>();
    for (const slot of scanned) {
      seen.set(slot.id, slot);
      const after = compactElement(slot.state, cleared, neverStable);
      if (after === slot.state) continue;
      store.touch(slot);
      slot.state = after;
    }
    const cursor = bytesText(purge.cursor);
    const end = through === undefined ? undefined : bytesText(through);
    for (const [id, slot] of watch.changes) {
      if (!(slot instanceof ElementSlot)) continue;
      const place = bytesText(slot.element);
      if (place > cursor && (end === undefined || place <= end)) seen.set(id, slot);
    }
    let live = 0;
    for (const slot of seen.values()) {
      const survivors = liveDots(slot.state, cleared);
      if (survivors.length > 0) live++;
      const met = survivors.find((dot) => covers(purge.seen, dot));
      if (met !== undefined) this.onSurvivor(set, slot, met, now);
    }
    store.touch(set);
    const counted = purge.counted + live;
    if (through !== undefined) {
      set.meta = { ...set.meta, purge: { ...purge, cursor: through, counted } };
      return;
    }
    const { purge: _done, ...rest } = set.meta;
    set.meta = { ...rest, size: rest.size ?? counted };
    store.delete(textKey(KIND.purge, set.userKey));
  }

  // Expiry

  expire(now: Now): void {
    if (this.expiring || now.wall < this.nextExpiry) return;
    this.expiring = true;
    // Everything told before is found on disk; what is told from now on is noted.
    this.noted = Number.POSITIVE_INFINITY;
    const { store } = this;
    store.whenDurable(() => {
      this.expireStep(now.wall);
    });
  }

  private expireStep(wall: number): void {
    const { store } = this;
    store.reads.scan(dueRange(KIND.expiry, wall), store.limits.housekeepingRecords, SCAN_BYTES, (due) => {
      if (due === undefined || due.length === 0) return this.findNextExpiry();
      const slots = due.map((entry) => store.slotOf(restOfTimedKey(entry.key)) as RegisterSlot);
      this.schedule({
        slots,
        run: () => {
          slots.forEach((slot, index) => {
            const { key } = due[index]!;
            this.expireRegister(slot, timeOfKey(key));
            store.delete(key);
            store.release(slot);
          });
          store.whenDurable(() => {
            this.expireStep(wall);
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
    this.store.put(garbageKey(register.dot.replica, register.dot.seq, slot.key), EMPTY);
    // The dot may be stable already, and its evidence is new: a pass under way has not seen it on disk.
    const { replica } = register.dot;
    this.store.whenDurable(() => {
      this.compacted.delete(replica);
      this.revisit.add(replica);
    });
  }

  private findNextExpiry(): void {
    this.store.reads.scan(kindRange(KIND.expiry), 1, SCAN_BYTES, (first) => {
      const entry = first?.[0];
      this.expiring = false;
      // What could not be read is looked for again in a while; it was due.
      if (first === undefined) this.noted = Math.min(this.noted, this.store.now.wall + EXPIRY_RETRY_MS);
      this.nextExpiry = Math.min(
        this.noted,
        entry === undefined ? Number.POSITIVE_INFINITY : timeOfKey(entry.key),
      );
    });
  }

  // Compaction

  compact(stable: VersionVector): void {
    if (this.compacting) return;
    const due = [...stable].filter(([origin, seq]) => (this.compacted.get(origin) ?? 0) < seq);
    if (due.length === 0) return;
    this.compacting = true;
    this.compactOrigins(due, new Map(stable));
  }

  /** One after the other, so that an origin that writes all the time does not keep the others waiting. */
  private compactOrigins(due: readonly (readonly [ReplicaId, number])[], stable: VersionVector): void {
    const [first, ...rest] = due;
    if (first === undefined) {
      this.compacting = false;
      return;
    }
    const [origin, seq] = first;
    this.revisit.delete(origin);
    this.compactStep(stable, garbageRange(origin, seq), 0, (kept) => {
      if (kept === 0 && !this.revisit.has(origin)) this.compacted.set(origin, seq);
      this.compactOrigins(rest, stable);
    });
  }

  /** `kept`: entries so far whose evidence had to stay. */
  private compactStep(
    stable: VersionVector,
    range: KeyRange,
    kept: number,
    then: (kept: number) => void,
  ): void {
    const { store } = this;
    store.reads.scan(range, store.limits.housekeepingRecords, SCAN_BYTES, (entries) => {
      const last = entries?.at(-1);
      // What could not be read is looked at again with the next housekeeping.
      if (entries === undefined) return then(kept + 1);
      if (last === undefined) return then(kept);
      this.compactEntries(entries, stable, (stayed) => {
        const from = concat(last.key, Uint8Array.of(0));
        this.compactStep(stable, { from, to: range.to }, kept + stayed, then);
      });
    });
  }

  private compactEntries(
    entries: readonly ScanEntry[],
    stable: VersionVector,
    then: (stayed: number) => void,
  ): void {
    const { store } = this;
    const isStable = (dot: Dot) => covers(stable, dot);
    const slots: Slot[] = [];
    const found = entries.map(({ key }) => {
      const slot = store.slotOf(recordKeyOfGarbage(key));
      const set = slot instanceof ElementSlot ? store.set(slot.userKey) : undefined;
      if (slot !== undefined) slots.push(slot);
      if (set !== undefined) slots.push(set);
      return { key, slot, set };
    });
    this.schedule({
      slots,
      run: (now) => {
        // A tombstone goes when the clock has passed it, also on a node that never writes.
        store.clock.observe({ physical: now.wall, logical: 0 }, now.wall);
        let stayed = 0;
        for (const { key, slot, set } of found) {
          if (slot === undefined || this.compactRecord(slot, set, isStable, now)) store.delete(key);
          else stayed++;
        }
        for (const slot of slots) store.release(slot);
        for (const [origin, seq] of joinVersionVectors(store.horizon, stable)) store.horizon.set(origin, seq);
        store.commitReplicaRecord();
        store.whenDurable(() => then(stayed));
      },
    });
  }

  /** Whether the evidence is gone, or will be found under another entry. */
  private compactRecord(
    slot: Slot,
    set: SetSlot | undefined,
    isStable: (dot: Dot) => boolean,
    now: Now,
  ): boolean {
    const { store } = this;
    if (slot.corrupt) return true;
    if (slot instanceof RegisterSlot) {
      const { register } = slot;
      if (register === undefined) return true;
      const left = compactRegister(register, isStable, store.clock.last, now.wall);
      if (left === undefined) {
        store.touch(slot);
        slot.register = undefined;
        return true;
      }
      // A dead one that has to wait for the clock keeps its entry.
      return register.value !== undefined && !slot.expired;
    }
    if (slot instanceof ElementSlot && set !== undefined) {
      const left = compactElement(slot.state, clearedThrough(set), isStable);
      if (left !== slot.state) {
        store.touch(slot);
        slot.state = left;
      }
      return true;
    }
    if (slot instanceof SetSlot) {
      const { clear, purge } = slot.meta;
      if (clear === undefined) return true;
      if (purge !== undefined) return false;
      if (!isClearStable(clear, isStable)) return true;
      store.touch(slot);
      const { clear: _gone, ...rest } = slot.meta;
      slot.meta = rest;
      return true;
    }
    if (slot instanceof CounterSlot) {
      const left = compactCounter(slot.counter, isStable);
      if (left !== slot.counter) {
        store.touch(slot);
        slot.counter = left;
      }
    }
    return true;
  }

  // Results of operations with idempotency keys

  forget(now: Now): void {
    if (this.forgetting) return;
    this.forgetting = true;
    this.forgetStep(now.wall);
  }

  private forgetStep(wall: number): void {
    const { store } = this;
    const range = dueRange(KIND.resultExpiry, wall);
    store.reads.scan(range, store.limits.housekeepingRecords, SCAN_BYTES, (due) => {
      if (due === undefined || due.length === 0) {
        this.forgetting = false;
        return;
      }
      const slots = due.map(({ key }) => store.result(decodeText(restOfTimedKey(key))));
      this.schedule({
        slots,
        run: () => {
          slots.forEach((slot, index) => {
            store.delete(due[index]!.key);
            this.forgetResult(slot);
            store.release(slot);
          });
          store.whenDurable(() => this.forgetStep(wall));
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

  // Log

  /** Drops chunks of `origin` that every member has, but for the newest ones. `held`: what all members have. */
  cutLog(held: VersionVector): void {
    if (this.cutting) return;
    const due: [ReplicaId, number][] = [];
    for (const [origin, seq] of held) {
      const through = seq - this.store.limits.logFloorTransactions;
      if (through > (this.cutThrough.get(origin) ?? 0)) due.push([origin, through]);
    }
    if (due.length === 0) return;
    this.cutting = true;
    this.cutOrigins(due);
  }

  private cutOrigins(due: readonly (readonly [ReplicaId, number])[]): void {
    const [first, ...rest] = due;
    if (first === undefined) {
      this.cutting = false;
      return;
    }
    const [origin, through] = first;
    const range = logRange(origin, (this.cutThrough.get(origin) ?? 0) + 1, through + 1);
    this.cutStep(origin, range, through, () => this.cutOrigins(rest));
  }

  private cutStep(origin: ReplicaId, range: KeyRange, through: number, then: () => void): void {
    const { store } = this;
    store.reads.scan(range, store.limits.housekeepingRecords, SCAN_BYTES, (entries) => {
      const old = (entries ?? []).filter(
        ({ value }) => !isChunkWhole(value) || chunkHead(value).lastSeq <= through,
      );
      const last = old.at(-1);
      if (last === undefined) return then();
      this.schedule({
        slots: [],
        run: () => {
          for (const { key } of old) store.delete(key);
          // The chunk behind it starts right there, however many transactions it holds.
          if (isChunkWhole(last.value)) this.cutThrough.set(origin, chunkHead(last.value).lastSeq);
          const from = concat(last.key, Uint8Array.of(0));
          store.whenDurable(() => this.cutStep(origin, { from, to: range.to }, through, then));
        },
      });
    });
  }
}
