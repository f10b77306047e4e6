/**
 * Compaction: drops the evidence of removals that is causally stable, found by an index under the dot that made
 * it.
 *
 * Invariant: evidence goes only when the dot that made it is stable, and the horizon that says so is in the same
 * batch.
 *
 * Key 'g' origin seq record-key → nothing
 */
import {
  compactCounter,
  compactElement,
  compactRegister,
  covers,
  type Dot,
  isClearStable,
  type ReplicaId,
  type VersionVector,
} from '@causeway/crdt';
import type { Now } from '../environment.js';
import type { ScanEntry } from '../events.js';
import { clearedThrough } from './apply.js';
import { SCAN_BYTES, type Schedule } from './job.js';
import { concat, dotOfGarbage, garbageRange, type KeyRange, recordKeyOfGarbage } from './keyspace.js';
import { CounterSlot, ElementSlot, RegisterSlot, SetSlot, type Slot } from './slot.js';
import type { Store } from './store.js';

export class Compaction {
  private compacting = false;
  /** Of each origin, up to where no evidence is left that could go. */
  private readonly compacted = new Map<ReplicaId, number>();
  /** Origins with evidence that came while they were being looked through. */
  private readonly revisit = new Set<ReplicaId>();

  constructor(
    private readonly store: Store,
    private readonly schedule: Schedule,
  ) {}

  /** Sessions of a repair during which nothing may go. */
  private readonly pausedBy = new Set<object>();

  pause(owner: object): void {
    this.pausedBy.add(owner);
  }

  resume(owner: object): void {
    this.pausedBy.delete(owner);
  }

  /** At the start and after a discard, when nothing that was under way is answered any more. */
  restart(): void {
    this.compacting = false;
    this.compacted.clear();
    this.revisit.clear();
  }

  /** There is new evidence under an old dot: a pass under way has not seen it on disk. */
  reconsider(origin: ReplicaId): void {
    this.compacted.delete(origin);
    this.revisit.add(origin);
  }

  start(stable: VersionVector): void {
    if (this.compacting || this.pausedBy.size > 0) return;
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
    this.step(stable, garbageRange(origin, seq), 0, (kept) => {
      if (kept === 0 && !this.revisit.has(origin)) this.compacted.set(origin, seq);
      this.compactOrigins(rest, stable);
    });
  }

  /** `kept`: entries so far whose evidence had to stay. */
  private step(stable: VersionVector, range: KeyRange, kept: number, then: (kept: number) => void): void {
    const { store } = this;
    store.reads.scan(range, store.limits.housekeepingRecords, SCAN_BYTES, (entries) => {
      const last = entries?.at(-1);
      // What could not be read is looked at again with the next housekeeping.
      if (entries === undefined) return then(kept + 1);
      if (last === undefined) return then(kept);
      this.compactEntries(entries, stable, (stayed) => {
        const from = concat(last.key, Uint8Array.of(0));
        this.step(stable, { from, to: range.to }, kept + stayed, then);
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
      const slot = store.records.slotOf(recordKeyOfGarbage(key));
      const set = slot instanceof ElementSlot ? store.records.set(slot.userKey) : undefined;
      if (slot !== undefined) slots.push(slot);
      if (set !== undefined) slots.push(set);
      return { key, slot, set };
    });
    this.schedule({
      slots,
      run: (now) => {
        if (this.pausedBy.size > 0) {
          for (const slot of slots) store.records.release(slot);
          this.compacting = false;
          return;
        }
        // A tombstone goes when the clock has passed it, also on a node that never writes.
        if (store.trustsClock) store.clock.observe({ physical: now.wall, logical: 0 }, now.wall);
        let stayed = 0;
        for (const { key, slot, set } of found) {
          if (slot === undefined || this.compactRecord(slot, set, dotOfGarbage(key), isStable, now))
            store.delete(key);
          else stayed++;
        }
        for (const slot of slots) store.records.release(slot);
        store.moveHorizon(stable);
        store.whenDurable(() => then(stayed));
      },
    });
  }

  /** Whether the evidence is gone, or will be found under another entry. */
  private compactRecord(
    slot: Slot,
    set: SetSlot | undefined,
    by: Dot,
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
      // By the time that the others are stable too, a member may have come for whom this one is not.
      if (!isClearStable(clear, isStable)) return clear.by.get(by.replica) !== by.seq;
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
}
