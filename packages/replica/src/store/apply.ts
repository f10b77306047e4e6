/**
 * Joins deltas into records: the same for a client's write, a peer's chunk and, later, a repair.
 *
 * Every removal that leaves evidence also leaves a garbage entry under the dot whose stability lets the
 * evidence go, in the same batch; so compaction never has to search.
 */
import {
  type CounterEntry,
  compactElement,
  dominates,
  isDeadRegister,
  isLive,
  joinClears,
  joinCounter,
  joinElements,
  joinRegisters,
  type Register,
  type SetClear,
  type SetElement,
  seqOf,
  type VersionVector,
} from '@causeway/crdt';
import type { Now } from '../environment.js';
import { detached, expiryKey, garbageKey, KIND, NO_BYTES, textKey } from './keyspace.js';
import {
  type CounterSlot,
  type ElementSlot,
  type RegisterSlot,
  type SetSlot,
  VALUE_FOLDED_MAX,
} from './slot.js';
import type { Store } from './store.js';

/** An empty version vector. */
export const NOTHING: VersionVector = new Map();
const neverStable = () => false;

/** What a set's elements are seen through. */
export function clearedThrough(set: SetSlot): VersionVector {
  return set.meta.clear?.through ?? NOTHING;
}

/** Whether `register` is the value afterwards. */
export function applyRegister(store: Store, slot: RegisterSlot, register: Register, now: Now): boolean {
  const joined = joinRegisters(slot.register, register);
  if (joined === slot.register) return false;
  store.touch(slot);
  slot.register = withOwnValue(joined);
  slot.expired = joined.expiresAt !== undefined && joined.expiresAt <= now.wall;
  if (isDeadRegister(joined, now.wall)) {
    store.put(garbageKey(joined.dot.replica, joined.dot.seq, slot.key), NO_BYTES);
  } else if (joined.expiresAt !== undefined) {
    store.put(expiryKey(joined.expiresAt, slot.key), NO_BYTES);
    store.expiryWanted(joined.expiresAt);
  }
  return true;
}

/** A value is a view of the frame that it came in; one that may be kept beyond its commit would keep all of that in memory. */
function withOwnValue(register: Register): Register {
  if (register.value === undefined || register.value.length <= VALUE_FOLDED_MAX) return register;
  const value = detached(register.value);
  if (value === register.value) return register;
  const { stamp, dot, expiresAt } = register;
  return expiresAt === undefined ? { stamp, dot, value } : { stamp, dot, value, expiresAt };
}

/** Joins into an element and keeps the set's size; 1 when it has become visible, -1 when it no longer is, else 0. */
export function applyElement(store: Store, set: SetSlot, slot: ElementSlot, delta: SetElement): number {
  const through = clearedThrough(set);
  const before = slot.state;
  // What a clear has removed need not be kept: dropping it is the purge of this element.
  const after = compactElement(joinElements(before, delta), through, neverStable);
  if (after === before) return 0;
  store.touch(slot);
  slot.state = after;
  for (const { by } of delta.removals) store.put(garbageKey(by.replica, by.seq, slot.key), NO_BYTES);
  const change = Number(isLive(after, through)) - Number(isLive(before, through));
  if (change !== 0) resize(store, set, slot, change);
  return change;
}

function resize(store: Store, set: SetSlot, slot: ElementSlot, change: number): void {
  const { meta } = set;
  store.touch(set);
  if (meta.size !== undefined) {
    set.meta = { ...meta, size: meta.size + change };
  } else if (meta.purge !== undefined && !isBehind(slot.element, meta.purge.cursor)) {
    set.meta = { ...meta, purge: { ...meta.purge, counted: meta.purge.counted + change } };
  }
}

/** The purge has not come to `element` yet. */
function isBehind(element: Uint8Array, cursor: Uint8Array): boolean {
  const length = Math.min(element.length, cursor.length);
  for (let i = 0; i < length; i++) {
    const difference = (element[i] ?? 0) - (cursor[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return element.length > cursor.length;
}

/**
 * Joins a clear record; false when it told nothing new. Its elements stay as they are stored until the purge comes to
 * them, and are seen through the record meanwhile.
 */
export function applyClear(store: Store, set: SetSlot, clear: SetClear): boolean {
  return takeClear(store, set, clear, seenBefore(store, clear));
}

/**
 * Joins a clear record out of a repair. What of the set is here has come in any order, so that it says nothing of who
 * met what: the elements are counted, and no conflict is told.
 */
export function adoptClear(store: Store, set: SetSlot, clear: SetClear): boolean {
  return takeClear(store, set, clear, undefined);
}

/**
 * What was here when the clear came: neither itself nor what follows it in its chunk. Undefined while a repair is
 * unfinished, which may have brought any of that already.
 */
function seenBefore(store: Store, clear: SetClear): VersionVector | undefined {
  if (!store.isWhole) return undefined;
  const seen = new Map(store.executed);
  for (const [replica, seq] of clear.by) {
    if (seqOf(seen, replica) < seq) continue;
    if (seq > 1) seen.set(replica, seq - 1);
    else seen.delete(replica);
  }
  return seen;
}

function takeClear(store: Store, set: SetSlot, clear: SetClear, seen: VersionVector | undefined): boolean {
  const joined = joinClears(set.meta.clear, clear);
  if (joined === set.meta.clear) return false;
  store.touch(set);
  // Where the clear covers all of it, nothing is left; else the purge has to count.
  const known = seen !== undefined && dominates(joined.through, seen);
  const purge = { cursor: NO_BYTES, counted: 0, seen: seen ?? new Map() };
  set.meta = known ? { clear: joined, size: 0, purge } : { clear: joined, purge };
  store.put(textKey(KIND.purge, set.userKey), NO_BYTES);
  for (const [replica, seq] of clear.by) store.put(garbageKey(replica, seq, set.key), NO_BYTES);
  store.purgeWanted(set.userKey);
  return true;
}

export function applyCounter(store: Store, slot: CounterSlot, entries: readonly CounterEntry[]): boolean {
  const joined = joinCounter(slot.counter, entries);
  if (joined === slot.counter) return false;
  store.touch(slot);
  slot.counter = joined;
  for (const { by } of entries) {
    if (by !== undefined) store.put(garbageKey(by.replica, by.seq, slot.key), NO_BYTES);
  }
  return true;
}

/** The size that a set keeps is not that of its elements: they are counted, as after a clear that met unseen adds. */
export function countAnew(store: Store, set: SetSlot): void {
  store.touch(set);
  const { size: _unknown, ...rest } = set.meta;
  // Nothing has been cleared that an element could have met.
  set.meta = { ...rest, purge: { cursor: NO_BYTES, counted: 0, seen: new Map() } };
  store.put(textKey(KIND.purge, set.userKey), NO_BYTES);
  store.purgeWanted(set.userKey);
}
