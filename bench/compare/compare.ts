/**
 * Two results side by side: the ratio of each figure that both have, with its interval, and whether it is more than noise.
 *
 * A figure decides when it says how far two runs of the same code may lie apart (`noise`): those are ratios to something
 * that was measured in turn in the same run, so that the machine's own ways cancel out. It has changed when the samples
 * of the two runs differ by more than chance, all deciding figures together, and the ratio lies beyond the noise: samples
 * of one run resemble each other more than those of two, which no test over samples can know. Other figures move with
 * the machine, and are shown without a verdict.
 */
import { formatTable, type Output } from '@causeway/cli';
import type { BenchResult, Figure, SuiteResult } from '../harness/result.js';
import { median } from '../harness/statistics.js';
import { amount } from '../harness/table.js';
import { holm, type Ratio, rankTest, ratioOfMedians } from './rank-test.js';

const LEVEL = 0.05;

export type Verdict = 'better' | 'worse' | 'changed' | 'noise' | 'not judged';

export interface Compared {
  readonly suite: string;
  readonly name: string;
  readonly unit: string;
  readonly before: number;
  readonly after: number;
  readonly ratio: Ratio;
  readonly verdict: Verdict;
}

interface Pair {
  readonly suite: string;
  readonly a: Figure;
  readonly b: Figure;
}

/** Figures of suites that ran to their end with the same options. Throws Error when there are none. */
export function compareResults(a: BenchResult, b: BenchResult): Compared[] {
  const pairs = b.suites.flatMap((suite) => {
    const before = a.suites.find((other) => isSame(other, suite));
    return before === undefined ? [] : pairsOf(before, suite);
  });
  if (pairs.length === 0) throw new Error('no suite ran with the same options in both');
  const judged = pairs.filter(({ b: { noise } }) => noise !== undefined);
  const chances = holm(judged.map((pair) => rankTest(pair.a.samples, pair.b.samples)));
  const chanceOf = new Map(judged.map((pair, index) => [pair, chances[index]!]));
  return pairs.map((pair) => {
    const ratio = ratioOfMedians(pair.a.samples, pair.b.samples);
    return {
      suite: pair.suite,
      name: pair.b.name,
      unit: pair.b.unit,
      before: median(pair.a.samples),
      after: median(pair.b.samples),
      ratio,
      verdict: verdictOn(pair.b, ratio.value, chanceOf.get(pair)),
    };
  });
}

function isSame(a: SuiteResult, b: SuiteResult): boolean {
  if (a.failure !== undefined || b.failure !== undefined) return false;
  return a.suite === b.suite && JSON.stringify(a.options) === JSON.stringify(b.options);
}

function pairsOf(before: SuiteResult, after: SuiteResult): Pair[] {
  return after.figures.flatMap((b) => {
    const a = before.figures.find(({ name }) => name === b.name);
    return a === undefined ? [] : [{ suite: after.suite, a, b }];
  });
}

function verdictOn({ noise, better }: Figure, ratio: number, chance: number | undefined): Verdict {
  if (noise === undefined || chance === undefined) return 'not judged';
  const beyond = ratio > 1 + noise || ratio < 1 / (1 + noise);
  if (!beyond || chance >= LEVEL) return 'noise';
  if (better === undefined) return 'changed';
  return ratio > 1 === (better === 'higher') ? 'better' : 'worse';
}

/** For people: a table, and what it comes to. */
export function describeComparison(compared: readonly Compared[], colors: Output['colors']): string {
  const paint = { better: colors.green, worse: colors.red, changed: colors.yellow } as const;
  const rows = compared.map(({ suite, name, unit, before, after, ratio, verdict }) => [
    suite,
    name,
    amount(before),
    amount(after),
    unit,
    ratio.value.toFixed(2),
    `${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)}`,
    verdict === 'noise' || verdict === 'not judged' ? colors.dim(verdict) : paint[verdict](verdict),
  ]);
  const right = { align: 'right' } as const;
  const columns = [
    { title: 'suite' },
    { title: 'figure' },
    { title: 'before', ...right },
    { title: 'after', ...right },
    { title: '' },
    { title: 'ratio', ...right },
    { title: '95 % interval' },
    { title: '' },
  ];
  return `${formatTable(columns, rows, colors)}\n\n${summary(compared)}`;
}

function summary(compared: readonly Compared[]): string {
  const changed = compared.filter(({ verdict }) => ['better', 'worse', 'changed'].includes(verdict));
  const judged = compared.filter(({ verdict }) => verdict !== 'not judged').length;
  if (judged === 0) return 'None of these figures can be judged: they move with the machine.';
  if (changed.length === 0) return `No difference beyond noise in ${judged} judged figures.`;
  return changed
    .map(({ suite, name, ratio, verdict }) => `${verdict}: ${suite}, ${name}, ${ratio.value.toFixed(2)}×`)
    .join('\n');
}
