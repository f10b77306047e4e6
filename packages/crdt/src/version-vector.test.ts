import fc from 'fast-check';
import { expect, test } from 'vitest';
import { replicaId } from './dot.js';
import { checkJoinLaws } from './testing/laws.js';
import {
  covers,
  dominates,
  equalVersionVectors,
  joinVersionVectors,
  meetVersionVectors,
  seqOf,
  type VersionVector,
} from './version-vector.js';

const IDS = ['a', 'b', 'c'].map((region) => replicaId(`${region}.00000001`));

/** Zeros included: they mean the same as absence. */
const anyVector: fc.Arbitrary<VersionVector> = fc
  .array(fc.tuple(fc.constantFrom(...IDS), fc.nat(3)), { maxLength: 3 })
  .map((entries) => new Map(entries));

const show = (vector: VersionVector) => IDS.map((id) => seqOf(vector, id)).join();

test('join keeps its laws and is the least vector above both', () => {
  fc.assert(
    fc.property(anyVector, anyVector, anyVector, (a, b, c) => {
      checkJoinLaws({ join: joinVersionVectors, show }, a, b, c);
      const both = joinVersionVectors(a, b);
      expect(dominates(both, a) && dominates(both, b)).toBe(true);
      if (dominates(c, a) && dominates(c, b)) expect(dominates(c, both)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('meet is the greatest vector below all, without zeros', () => {
  fc.assert(
    fc.property(anyVector, anyVector, anyVector, (a, b, c) => {
      const met = meetVersionVectors([a, b]);
      expect(dominates(a, met) && dominates(b, met)).toBe(true);
      if (dominates(a, c) && dominates(b, c)) expect(dominates(met, c)).toBe(true);
      expect([...met.values()]).not.toContain(0);
      expect(show(meetVersionVectors([a, b, c]))).toBe(show(meetVersionVectors([met, c])));
    }),
    { numRuns: 500 },
  );
});

test('the meet of one vector is a copy, of none empty', () => {
  const one = new Map([[IDS[0]!, 2]]);
  const met = meetVersionVectors([one]);
  met.set(IDS[0]!, 9);
  expect(seqOf(one, IDS[0]!)).toBe(2);
  expect(meetVersionVectors([]).size).toBe(0);
});

test('order and equality agree, and a zero is like nothing', () => {
  fc.assert(
    fc.property(anyVector, anyVector, (a, b) => {
      expect(equalVersionVectors(a, b)).toBe(show(a) === show(b));
      expect(dominates(a, b)).toBe(IDS.every((id) => seqOf(a, id) >= seqOf(b, id)));
    }),
  );
});

test('a vector covers the dots up to its entry', () => {
  const vector = new Map([[IDS[0]!, 2]]);
  const covered = [1, 2, 3].map((seq) => covers(vector, { replica: IDS[0]!, seq }));
  expect(covered).toEqual([true, true, false]);
  expect(covers(vector, { replica: IDS[1]!, seq: 1 })).toBe(false);
});
