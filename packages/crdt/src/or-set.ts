/**
 * OR-set, one element: a record of its own, in which an add wins over a concurrent remove.
 *
 * State: for each replica the highest add, and the highest add that is known to be removed.
 *
 * Invariants
 * - `adds` is sorted by replica, one dot per replica at most, each above that replica's removal.
 * - `removals` is sorted by replica, one per replica at most; a removal takes out every add of its replica
 *   up to `seq`, of this element. That is what the remover saw: version vectors are contiguous, so who
 *   has seen an add has seen the earlier ones of the same replica.
 * - A removal never takes out the dot of its own transaction.
 * - Absent means unknown, never removed: evidence of a removal stays until the removal (`by`) is causally
 *   stable. By then no replica holds what it removed, and none can receive it any more.
 *
 * A set's clear is one record per set, seen through by every element: an add at or below `through` is
 * dead. Whoever joins an element's state drops such adds at once (`compactElement`), so that a finished
 * purge stays finished; the clear goes when it is stable and the purge is done.
 *
 * Bieniusa et al.: An Optimized Conflict-free Replicated Set, 2012, arXiv:1210.3368; decomposed by element
 * as in Brown, Lakhani, Place: Big(ger) Sets, PaPoC 2016, arXiv:1605.06424.
 */
import { assert } from './assert.js';
import type { Digest, Hasher } from './digest.js';
import { ELEMENT_SEED } from './digest.js';
import { compareDots, compareReplicas, type Dot, type ReplicaId, sameDot } from './dot.js';
import { covers, dominates, joinVersionVectors, type VersionVector } from './version-vector.js';

/** Every add of `replica` up to `seq` is removed; `by` is the dot of the transaction that did it. */
export interface Removal {
  readonly replica: ReplicaId;
  readonly seq: number;
  readonly by: Dot;
}

export interface SetElement {
  readonly adds: readonly Dot[];
  readonly removals: readonly Removal[];
}

export const EMPTY_ELEMENT: SetElement = { adds: [], removals: [] };

/** The delta of an add. */
export function elementAdd(dot: Dot): SetElement {
  return { adds: [dot], removals: [] };
}

/**
 * The delta of a remove: evidence for each add that is live through `cleared`; undefined when none is.
 * In a transaction that also adds the element, `state` is the one from before the transaction, and the
 * net effect is folded: the last operation decides whether the own dot is added.
 */
export function elementRemove(state: SetElement, cleared: VersionVector, by: Dot): SetElement | undefined {
  const removed = state.adds.filter((dot) => !covers(cleared, dot) && !sameDot(dot, by));
  return removed.length === 0 ? undefined : elementDelta(by, false, removed);
}

/** The delta that one transaction, `by`, leaves for an element: `removed` gone, and added again or not. */
export function elementDelta(by: Dot, add: boolean, removed: readonly Dot[]): SetElement {
  const removals: Removal[] = [];
  for (const dot of [...removed].sort(compareDots)) {
    assert(dot.replica !== by.replica || dot.seq < by.seq, 'a removal is later than what it removes');
    // Of one replica the highest comes last and takes the others along.
    if (removals.at(-1)?.replica === dot.replica) removals.pop();
    removals.push({ replica: dot.replica, seq: dot.seq, by });
  }
  return { adds: add ? [by] : [], removals };
}

/** The least state above both: adds and removals pointwise by their maximum. Returns `a` itself if equal. */
export function joinElements(a: SetElement, b: SetElement): SetElement {
  const removals = mergeByReplica(a.removals, b.removals, compareRemovals);
  const adds = mergeByReplica(dropRemoved(a.adds, removals), dropRemoved(b.adds, removals), compareDots);
  return adds === a.adds && removals === a.removals ? a : { adds, removals };
}

/** Of two removals of one replica the higher: by seq, then by the dot of the removal. */
function compareRemovals(a: Removal, b: Removal): number {
  return a.seq - b.seq || compareDots(a.by, b.by);
}

/** Merges two lists sorted by replica; where both have one, the higher stays. `a` itself if it holds all. */
function mergeByReplica<T extends { readonly replica: ReplicaId }>(
  a: readonly T[],
  b: readonly T[],
  compare: (x: T, y: T) => number,
): readonly T[] {
  if (b.length === 0) return a;
  if (a.length === 0) return b;
  const merged: T[] = [];
  let changed = false;
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const x = a[i];
    const y = b[j];
    const order = x === undefined ? 1 : y === undefined ? -1 : compareReplicas(x.replica, y.replica);
    const fromB = order > 0 || (order === 0 && compare(x!, y!) < 0);
    merged.push(fromB ? y! : x!);
    changed ||= fromB;
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
  return changed ? merged : a;
}

function dropRemoved(adds: readonly Dot[], removals: readonly Removal[]): readonly Dot[] {
  if (removals.length === 0) return adds;
  const kept = adds.filter((dot) => !isRemoved(dot, removals));
  return kept.length === adds.length ? adds : kept;
}

function isRemoved(dot: Dot, removals: readonly Removal[]): boolean {
  for (const removal of removals) if (removal.replica === dot.replica) return dot.seq <= removal.seq;
  return false;
}

/** The adds that make the element a member, as seen through the set's clear. Sorted by replica. */
export function liveDots(state: SetElement, cleared: VersionVector): Dot[] {
  return state.adds.filter((dot) => !covers(cleared, dot));
}

/** Whether the element is in the set, as seen through the set's clear. */
export function isLive(state: SetElement, cleared: VersionVector): boolean {
  for (const dot of state.adds) if (!covers(cleared, dot)) return true;
  return false;
}

/** Without what nobody needs: adds that the clear covers, removals that are stable. `state` if unchanged. */
export function compactElement(
  state: SetElement,
  cleared: VersionVector,
  isStable: (dot: Dot) => boolean,
): SetElement {
  const adds = liveDots(state, cleared);
  const removals = state.removals.filter((removal) => !isStable(removal.by));
  if (adds.length === state.adds.length && removals.length === state.removals.length) return state;
  return { adds, removals };
}

/** Adds the element to a digest: one hash per live dot. What compaction may drop adds nothing. */
export function addElementDigest(
  digest: Digest,
  hasher: Hasher,
  key: string,
  element: Uint8Array,
  state: SetElement,
  cleared: VersionVector,
): void {
  for (const dot of state.adds) {
    if (covers(cleared, dot)) continue;
    hasher.start(ELEMENT_SEED).text(key).bytes(element).text(dot.replica).uint(dot.seq).addTo(digest);
  }
}

/** All clears of a set, joined: what they removed, and of each replica the dot of its latest clear. */
export interface SetClear {
  readonly through: VersionVector;
  readonly by: VersionVector;
}

/** Pointwise maximum. Returns `a` itself when it holds all of `b`. */
export function joinClears(a: SetClear | undefined, b: SetClear): SetClear {
  if (a === undefined) return b;
  if (dominates(a.through, b.through) && dominates(a.by, b.by)) return a;
  return { through: joinVersionVectors(a.through, b.through), by: joinVersionVectors(a.by, b.by) };
}

/** Whether every clear in it is causally stable. It goes when, besides, its purge is done here. */
export function isClearStable(clear: SetClear, isStable: (dot: Dot) => boolean): boolean {
  for (const [replica, seq] of clear.by) if (!isStable({ replica, seq })) return false;
  return true;
}
