/**
 * Version vectors: for each replica the highest seq that is known, and with it every lower one.
 *
 * Invariants
 * - Contiguous: an entry (r, s) stands for the dots (r, 1) … (r, s). OR-set removals and clears rely on it.
 * - An absent entry and 0 mean the same.
 *
 * Pure; no function changes an argument. After Parker et al.: Detection of Mutual Inconsistency in
 * Distributed Systems, 1983.
 */
import type { Dot, ReplicaId } from './dot.js';

export type VersionVector = ReadonlyMap<ReplicaId, number>;

export const EMPTY_VERSION_VECTOR: VersionVector = new Map();

/** The highest known seq of the replica, 0 when there is none. */
export function seqOf(vector: VersionVector, replica: ReplicaId): number {
  return vector.get(replica) ?? 0;
}

export function covers(vector: VersionVector, dot: Dot): boolean {
  return dot.seq <= seqOf(vector, dot.replica);
}

/** Whether `a` knows everything that `b` knows. Reflexive; two concurrent vectors dominate neither way. */
export function dominates(a: VersionVector, b: VersionVector): boolean {
  if (a === b) return true;
  for (const [replica, seq] of b) if (seq > seqOf(a, replica)) return false;
  return true;
}

/** The least vector that knows what either knows, as a new map that the caller may change. */
export function joinVersionVectors(a: VersionVector, b: VersionVector): Map<ReplicaId, number> {
  const joined = new Map(a);
  for (const [replica, seq] of b) if (seq > seqOf(joined, replica)) joined.set(replica, seq);
  return joined;
}

/**
 * What all of them know, as a new map without zeros. The meet of no vectors is empty: with nobody asked,
 * nothing is known to be known.
 */
export function meetVersionVectors(vectors: Iterable<VersionVector>): Map<ReplicaId, number> {
  let met: Map<ReplicaId, number> | undefined;
  for (const vector of vectors) {
    const next = new Map<ReplicaId, number>();
    for (const [replica, seq] of met ?? vector) {
      const least = Math.min(seq, seqOf(vector, replica));
      if (least > 0) next.set(replica, least);
    }
    met = next;
  }
  return met ?? new Map();
}

export function equalVersionVectors(a: VersionVector, b: VersionVector): boolean {
  return dominates(a, b) && dominates(b, a);
}
