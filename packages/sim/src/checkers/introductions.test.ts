import type { ReplicaId, VersionVector } from '@causeway/crdt';
import { expect, test } from 'vitest';
import { Introductions } from './introductions.js';

const [A, B, C, JOINER] = ['a', 'b', 'c', 'joiner'] as ReplicaId[] as [
  ReplicaId,
  ReplicaId,
  ReplicaId,
  ReplicaId,
];
const NOTHING: VersionVector = new Map();
const vector = (...seqs: [ReplicaId, number][]): VersionVector => new Map(seqs);

/** Two that know each other, before either has written. */
function pair(introductions: Introductions, one: ReplicaId, other: ReplicaId): void {
  introductions.stored(one, other, NOTHING);
  introductions.stored(other, one, NOTHING);
}

test('who is stored counts for all of the cluster, with what the introducer had', () => {
  const introductions = new Introductions();
  pair(introductions, A, B);
  introductions.stored(B, JOINER, vector([A, 5], [B, 7]));
  expect(introductions.to(A).get(JOINER)).toEqual(vector([A, 5], [B, 7]));
  expect(introductions.to(B).get(JOINER)).toEqual(vector([A, 5], [B, 7]));
  expect([...introductions.to(JOINER).keys()]).toEqual([]);
});

// Seed 84238: the first cluster was said to know the other with what that had, which was nothing of the first.
test('a joiner that knits two clusters together introduces each to the other with what it is brought', () => {
  const introductions = new Introductions();
  pair(introductions, A, B);
  introductions.stored(JOINER, B, NOTHING);
  introductions.stored(JOINER, C, NOTHING);
  introductions.stored(B, JOINER, vector([A, 58], [B, 68]));
  introductions.stored(C, JOINER, vector([C, 63]));
  introductions.stored(C, B, vector([C, 63]));
  expect(introductions.to(A).get(C)).toEqual(vector([A, 58], [B, 68]));
  expect(introductions.to(C).get(A)).toEqual(vector([C, 63]));
});

test('whom the newcomer had stored counts from the moment at which it is stored itself', () => {
  const introductions = new Introductions();
  pair(introductions, A, B);
  introductions.stored(JOINER, C, NOTHING);
  introductions.stored(B, JOINER, vector([B, 1]));
  expect([...introductions.to(A).keys()]).toEqual([B, JOINER, C]);
});

test('whom it stores afterwards, with what it had by then as well', () => {
  const introductions = new Introductions();
  pair(introductions, A, B);
  introductions.stored(B, JOINER, vector([B, 1]));
  introductions.stored(JOINER, C, vector([A, 2]));
  expect(introductions.to(A).get(C)).toEqual(vector([A, 2], [B, 1]));
});

test('clusters that formed apart meet once', () => {
  const introductions = new Introductions();
  pair(introductions, A, B);
  expect(introductions.stored(B, C, NOTHING)).toEqual({ ours: new Set([B, A]), theirs: new Set([C]) });
  introductions.stored(C, B, NOTHING);
  expect(introductions.stored(C, A, NOTHING)).toBeUndefined();
});
