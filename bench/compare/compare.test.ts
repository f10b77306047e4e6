import { expect, test } from 'vitest';
import { type BenchResult, FORMAT, FORMAT_VERSION } from '../harness/result.js';
import { seeded } from '../suites/random.js';
import { compareResults, type Verdict } from './compare.js';

const FIGURES = 12;
const SAMPLES = 30;
const NOISE = 0.1;
/** What samples of one run, and what the runs themselves lie apart: standard deviations, as fractions. */
const WITHIN = 0.12;
const BETWEEN = 0.02;
const TRIES = 20;

test('two runs of the same code: no verdict in 9 of 10 tries', () => {
  const verdicts = Array.from({ length: TRIES }, (_, at) =>
    verdictsOn(run(2 * at + 1, 1), run(2 * at + 2, 1)),
  );
  const silent = verdicts.filter((some) => some.every((verdict) => verdict === 'noise'));
  expect(silent.length / TRIES).toBeGreaterThanOrEqual(0.9);
});

test('a slowdown of 20 % is told in 9 of 10 tries, as worse', () => {
  const verdicts = Array.from({ length: TRIES }, (_, at) =>
    verdictsOn(run(2 * at + 1, 1), run(2 * at + 2, 0.8)),
  );
  const told = verdicts.filter((some) => some.includes('worse'));
  expect(told.length / TRIES).toBeGreaterThanOrEqual(0.9);
  expect(verdicts.flat()).not.toContain('better');
});

test('a figure that moves with the machine is shown without a verdict', () => {
  const result = run(1, 1);
  const [suite] = result.suites;
  const loose = { ...suite!, figures: suite!.figures.map(({ noise: _, ...figure }) => figure) };
  const twice = { ...result, suites: [loose] };
  expect(new Set(verdictsOn(twice, twice))).toEqual(new Set(['not judged']));
});

test('suites that ran with other options are not compared', () => {
  const result = run(1, 1);
  const other = { ...result, suites: result.suites.map((suite) => ({ ...suite, options: { pairs: 2 } })) };
  expect(() => compareResults(result, other)).toThrow('no suite ran with the same options');
});

function verdictsOn(a: BenchResult, b: BenchResult): Verdict[] {
  return compareResults(a, b).map(({ verdict }) => verdict);
}

/** A run whose figures are `speed` on average. */
function run(seed: number, speed: number): BenchResult {
  const random = seeded(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const figures = Array.from({ length: FIGURES }, (_, index) => {
    const ofRun = speed * (1 + BETWEEN * normal());
    const samples = Array.from({ length: SAMPLES }, () => ofRun * (1 + WITHIN * normal()));
    return { name: `figure ${index}`, unit: '×', samples, better: 'higher' as const, noise: NOISE };
  });
  const suite = { suite: 'throughput', title: '', options: {}, seconds: 1, figures, plots: [], notes: [] };
  return {
    format: FORMAT,
    formatVersion: FORMAT_VERSION,
    startedAt: '2026-01-01T00:00:00.000Z',
    seconds: 1,
    machine: { cpu: '', cores: 1, memoryBytes: 1, kernel: '', node: '' },
    versions: {},
    revision: null,
    suites: [suite],
  };
}
