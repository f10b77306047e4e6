import { expect, test } from 'vitest';
import { Prng } from './prng.js';

const draw = (prng: Prng, count: number): number[] => Array.from({ length: count }, () => prng.random());

test('the same name gives the same stream, another one another', () => {
  expect(draw(new Prng('seed 1'), 20)).toEqual(draw(new Prng('seed 1'), 20));
  expect(draw(new Prng('seed 1'), 20)).not.toEqual(draw(new Prng('seed 2'), 20));
});

test('what one part draws does not shift what another draws', () => {
  const busy = new Prng('seed');
  draw(busy, 1000);
  expect(draw(busy.split('disk'), 20)).toEqual(draw(new Prng('seed').split('disk'), 20));
});

test('draws are spread evenly over [0, 1)', () => {
  const buckets = new Array<number>(10).fill(0);
  for (const value of draw(new Prng('even'), 100_000)) buckets[Math.floor(value * 10)]!++;
  for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});

test('neighbouring seeds have nothing in common', () => {
  const firsts = Array.from({ length: 10_000 }, (_, seed) => new Prng(`causeway ${seed}`).uint32());
  expect(new Set(firsts).size).toBeGreaterThan(9_990);
  const mean = firsts.reduce((sum, value) => sum + value / 2 ** 32, 0) / firsts.length;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
});

test('weights decide how often, and 0 means never', () => {
  const prng = new Prng('weights');
  const counts = { often: 0, seldom: 0, never: 0 };
  for (let draws = 0; draws < 10_000; draws++) counts[prng.weighted({ often: 3, seldom: 1, never: 0 })]++;
  expect(counts.never).toBe(0);
  expect(Math.abs(counts.often - 7500)).toBeLessThan(300);
});

test('the mean of exponential draws is the mean asked for', () => {
  const prng = new Prng('exponential');
  const sum = Array.from({ length: 50_000 }, () => prng.exponential(20)).reduce(
    (total, value) => total + value,
    0,
  );
  expect(Math.abs(sum / 50_000 - 20)).toBeLessThan(0.5);
});
