/** Figures as people read them: a median with its range, and whether it reaches its aim. */
import type { Figure } from './result.js';
import { reachesAim } from './result.js';
import { median } from './statistics.js';

/** Three digits that count, thousands in groups. */
export function amount(value: number): string {
  const size = Math.abs(value);
  if (size >= 1_000) return Math.round(value).toLocaleString('en');
  if (size === 0) return '0';
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}

export interface Row {
  readonly name: string;
  readonly median: string;
  /** Lowest to highest, and of how many; empty for a single sample. */
  readonly range: string;
  readonly unit: string;
  /** Empty without an aim. */
  readonly aim: string;
  readonly reached: boolean | undefined;
}

export function rowOf(figure: Figure): Row {
  const { name, unit, samples, aim } = figure;
  const middle = median(samples);
  const [low, high] = [Math.min(...samples), Math.max(...samples)];
  return {
    name,
    median: amount(middle),
    range: samples.length === 1 ? '' : `${amount(low)} to ${amount(high)} of ${samples.length}`,
    unit,
    aim: aim === undefined ? '' : 'atMost' in aim ? `≤ ${amount(aim.atMost)}` : `≥ ${amount(aim.atLeast)}`,
    reached: reachesAim(figure, middle),
  };
}
