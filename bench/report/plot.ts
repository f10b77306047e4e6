/**
 * Plots as static SVG. Colours are custom properties of the page, so that one drawing serves light, dark and print; dashes
 * tell series apart where colours do not.
 */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Axis, PlotData, Series } from '../harness/result.js';

const WIDTH = 720;
const HEIGHT = 372;
export const COLORS = 8;
const DASHES = ['none', '7 3', '2 3', '8 3 2 3'];
const PERCENTILE_TICKS = [0, 50, 90, 99, 99.9, 99.99];
/** Dots are drawn for so few points only. */
const DOTS_MAX = 40;

export function strokeOf(index: number): { readonly color: string; readonly dash: string } {
  return { color: `var(--c${index % COLORS})`, dash: DASHES[Math.floor(index / COLORS) % DASHES.length]! };
}

/** One drawing, without its title and legend. */
export function drawPlot({ x, y, series }: PlotData): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const marks = series.flatMap((each, index) => marksOf(each, index, x));
  const drawing = Plot.plot({
    document,
    width: WIDTH,
    height: HEIGHT,
    marginTop: 32,
    marginLeft: 64,
    marginBottom: 44,
    style: { background: 'transparent', fontSize: '14px' },
    x: scaleOf(x, series, 0),
    y: { ...scaleOf(y, series, 1), grid: true },
    marks,
  } as Plot.PlotOptions) as unknown as { readonly outerHTML: string };
  return drawing.outerHTML;
}

function marksOf({ name, points }: Series, index: number, x: Axis): Plot.Markish[] {
  const { color, dash } = strokeOf(index);
  const placed = points.map(([at, value]) => [placeOf(at, x), value] as const);
  const line = Plot.line(
    placed as never,
    {
      stroke: color,
      strokeWidth: 2,
      ...(dash !== 'none' && { strokeDasharray: dash }),
      ariaDescription: name,
    } as never,
  );
  if (points.length > DOTS_MAX || x.scale === 'percentile') return [line];
  return [line, Plot.dot(placed as never, { fill: color, r: 3 } as never)];
}

/** A percentile p stands at 1 / (1 - p): each nine is as wide as the one before. */
function placeOf(at: number, { scale }: Axis): number {
  return scale === 'percentile' ? 1 / (1 - at / 100) : at;
}

function scaleOf(axis: Axis, series: readonly Series[], coordinate: 0 | 1): object {
  const { label, scale } = axis;
  if (scale === 'percentile') {
    const last = Math.max(...series.flatMap(({ points }) => points.map(([at]) => at)));
    const ticks = PERCENTILE_TICKS.filter((tick) => tick <= last);
    return {
      label,
      type: 'log',
      ticks: ticks.map((tick) => placeOf(tick, axis)),
      tickFormat: (place: number) => String(Math.round((1 - 1 / place) * 1e6) / 1e4),
    };
  }
  if (scale === 'linear') return { label, type: 'linear', zero: coordinate === 1, nice: true };
  return { label, type: 'log', nice: true, ticks: 5, tickFormat: compact };
}

/** 1,000,000 as 1M: there is little room beside an axis. */
function compact(value: number): string {
  return value.toLocaleString('en', { notation: 'compact', maximumSignificantDigits: 3 });
}
