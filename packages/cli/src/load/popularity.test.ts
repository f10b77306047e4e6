import { expect, test } from 'vitest';
import { zipf } from './popularity.js';

test.each([
  { name: 'the most popular', random: 0, want: 0 },
  { name: 'the least popular', random: 1 - Number.EPSILON, want: 99 },
  // 1 + 1/2^0.99 + … of 100 ranks is 5.29; the first has 0.189 of it.
  { name: 'the last chance of the first', random: 0.188, want: 0 },
  { name: 'the first chance of the second', random: 0.19, want: 1 },
])('$name of 100 keys', ({ random, want }) => {
  expect(zipf(100, () => random)()).toBe(want);
});

test('a single key is always the one', () => {
  expect(zipf(1, () => 0.999)()).toBe(0);
});
