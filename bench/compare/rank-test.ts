/**
 * Whether two lists of samples differ by more than chance. Pure; what chance there is comes from a fixed seed, so that the
 * same files always get the same answer.
 *
 * Mann–Whitney U (Mann, Whitney 1947): the samples need no particular distribution, only be drawn apart. Exact for small
 * lists without ties (the distribution of U by its recurrence), else by the normal approximation with the correction for
 * ties. Several tests at once are held to the level together (Holm 1979). The interval of a ratio of medians is a
 * percentile bootstrap.
 */
import { median } from '../harness/statistics.js';
import { seeded } from '../suites/random.js';

const EXACT_MAX = 20;
const RESAMPLES = 1_000;
const SEED = 1;

/** Probability of samples that are as far apart, or further, when there is no difference; 1 when either list is empty. */
export function rankTest(a: readonly number[], b: readonly number[]): number {
  if (a.length === 0 || b.length === 0) return 1;
  let u = 0;
  for (const x of a) for (const y of b) u += x > y ? 1 : x === y ? 0.5 : 0;
  const tied = new Set([...a, ...b]).size < a.length + b.length;
  const low = Math.min(u, a.length * b.length - u);
  if (!tied && a.length <= EXACT_MAX && b.length <= EXACT_MAX) return exact(low, a.length, b.length);
  return approximate(low, a, b);
}

/** Twice the share of arrangements whose U is at most `u`. */
function exact(u: number, n: number, m: number): number {
  const counts = arrangements(n, m);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const below = counts.slice(0, Math.floor(u) + 1).reduce((sum, count) => sum + count, 0);
  return Math.min(1, (2 * below) / total);
}

/** How many orders of n and m samples have each U: the largest sample is of the first list, and above all m, or is not. */
function arrangements(n: number, m: number): number[] {
  let rows: number[][] = Array.from({ length: m + 1 }, () => [1]);
  for (let i = 1; i <= n; i++) {
    const next: number[][] = [[1]];
    for (let j = 1; j <= m; j++) {
      const counts = new Array<number>(i * j + 1).fill(0);
      for (const [value, count] of rows[j]!.entries()) counts[value + j]! += count;
      for (const [value, count] of next[j - 1]!.entries()) counts[value]! += count;
      next.push(counts);
    }
    rows = next;
  }
  return rows[m]!;
}

function approximate(u: number, a: readonly number[], b: readonly number[]): number {
  const [n, m, total] = [a.length, b.length, a.length + b.length];
  const ties = new Map<number, number>();
  for (const value of [...a, ...b]) ties.set(value, (ties.get(value) ?? 0) + 1);
  const correction = [...ties.values()].reduce((sum, t) => sum + t ** 3 - t, 0) / (total * (total - 1));
  const deviation = Math.sqrt(((n * m) / 12) * (total + 1 - correction));
  if (deviation === 0) return 1;
  return Math.min(1, 2 * normalBelow((u + 0.5 - (n * m) / 2) / deviation));
}

/** Standard normal distribution function, Abramowitz and Stegun 7.1.26: within 1.5e-7. */
function normalBelow(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const tail = series.reduce((sum, c) => (sum + c) * t, 0) * Math.exp(-x * x);
  return z > 0 ? 1 - tail / 2 : tail / 2;
}

/** Probabilities held to one level together, in the order in which they came. */
export function holm(probabilities: readonly number[]): number[] {
  const order = [...probabilities.keys()].sort((i, j) => probabilities[i]! - probabilities[j]!);
  const adjusted = new Array<number>(probabilities.length).fill(1);
  let largest = 0;
  for (const [rank, index] of order.entries()) {
    largest = Math.max(largest, Math.min(1, probabilities[index]! * (probabilities.length - rank)));
    adjusted[index] = largest;
  }
  return adjusted;
}

export interface Ratio {
  /** Of the medians, second to first. */
  readonly value: number;
  /** 95 % interval. */
  readonly low: number;
  readonly high: number;
}

export function ratioOfMedians(a: readonly number[], b: readonly number[]): Ratio {
  const random = seeded(SEED);
  const draw = (samples: readonly number[]) =>
    median(samples.map(() => samples[Math.floor(random() * samples.length)]!));
  const ratios = Array.from({ length: RESAMPLES }, () => draw(b) / draw(a)).sort((x, y) => x - y);
  const at = (q: number) => ratios[Math.min(RESAMPLES - 1, Math.floor(q * RESAMPLES))]!;
  return { value: median(b) / median(a), low: at(0.025), high: at(0.975) };
}
