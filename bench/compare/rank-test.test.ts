import { expect, test } from 'vitest';
import { holm, rankTest, ratioOfMedians } from './rank-test.js';

test.each([
  // Of the 20 orders of three and three, one in each direction.
  { name: 'wholly apart', a: [1, 2, 3], b: [4, 5, 6], want: 0.1 },
  { name: 'apart the other way', a: [4, 5, 6], b: [1, 2, 3], want: 0.1 },
  // Tables of Mann and Whitney: U = 3 of 4 and 5, 0.0556 one-sided, twice.
  { name: 'one out of place', a: [1, 2, 3, 7], b: [4, 5, 6, 8, 9], want: 0.1111 },
  { name: 'five and five, apart', a: [1, 2, 3, 4, 5], b: [6, 7, 8, 9, 10], want: 0.0079 },
  { name: 'in turn', a: [1, 3, 5, 7], b: [2, 4, 6, 8], want: 0.6857 },
  { name: 'all the same', a: [1, 1, 1], b: [1, 1, 1], want: 1 },
  { name: 'nothing to compare', a: [], b: [1, 2], want: 1 },
])('rank test: $name', ({ a, b, want }) => {
  expect(rankTest(a, b)).toBeCloseTo(want, 3);
});

test('with ties the approximation is near what is exact without', () => {
  const a = Array.from({ length: 12 }, (_, index) => index);
  const b = a.map((value) => value + 3.5);
  expect(rankTest([...a, 0], b)).toBeCloseTo(rankTest([...a, 0.1], b), 2);
});

test('Holm: each is held to the level of those that are left', () => {
  expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
  expect(holm([0.6, 0.001])).toEqual([0.6, 0.002]);
});

test('the interval of a ratio holds the ratio, and is the same each time', () => {
  const a = [9, 10, 11, 10, 12];
  const b = [19, 20, 21, 22, 20];
  const ratio = ratioOfMedians(a, b);
  expect(ratio.value).toBe(2);
  expect(ratio.low).toBeLessThanOrEqual(2);
  expect(ratio.high).toBeGreaterThanOrEqual(2);
  expect(ratioOfMedians(a, b)).toEqual(ratio);
});
