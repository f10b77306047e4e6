import { expect, test } from 'vitest';
import { ReadAllowance } from './read-allowance.js';

/** Share of 100 s that reads of `ms` each take if they are made whenever they are allowed. */
function shareOf(ms: number): number {
  const allowance = new ReadAllowance(0);
  let [at, reading] = [0, 0];
  while (at < 100_000) {
    if (allowance.allows(at)) {
      allowance.took(ms);
      reading += ms;
      at += ms;
    } else at += 0.05;
  }
  return reading / at;
}

test('fast reads take a quarter of the time at the most', () => {
  expect(shareOf(0.005)).toBeGreaterThan(0.2);
  expect(shareOf(0.005)).toBeLessThan(0.26);
});

test.each([0.25, 1, 5, 50])('reads of %d ms wait for a disk, and take 1/64 of the time', (ms) => {
  expect(shareOf(ms)).toBeLessThan(1 / 60);
});

test('a process that stood still for an hour in a read reads again after four seconds', () => {
  const allowance = new ReadAllowance(0);
  allowance.took(3_600_000);
  expect(allowance.allows(3_990)).toBe(false);
  expect(allowance.allows(4_001)).toBe(true);
});

test('after a pause of any length a burst is two milliseconds long', () => {
  const allowance = new ReadAllowance(0);
  const at = 1e6;
  let reading = 0;
  for (; allowance.allows(at); reading += 0.01) allowance.took(0.01);
  expect(reading).toBeCloseTo(2, 1);
});
