/**
 * The report: one file that needs nothing else, for a screen of any size, light or dark, and for paper. Under each plot
 * stand its numbers.
 */
import type { BenchResult, Machine, PlotData, SuiteResult } from '../harness/result.js';
import { amount, rowOf } from '../harness/table.js';
import { drawPlot, strokeOf } from './plot.js';
import { STYLE } from './style.js';

/** Rows under a plot. */
const ROWS_MAX = 14;

export function renderReport(result: BenchResult): string {
  const { startedAt, seconds, suites } = result;
  const day = startedAt.slice(0, 10);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Causeway benchmark, ${day}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>Causeway benchmark</h1>
<p>${escape(startedAt.slice(0, 16).replace('T', ' '))} UTC, ${Math.round(seconds)} s</p>
<dl>${facts(result)}</dl>
${suites.length > 1 ? `<nav>${suites.map(({ suite, title }) => `<a href="#${suite}">${escape(title)}</a>`).join(' ')}</nav>` : ''}
</header>
<main>
${suites.map(renderSuite).join('\n')}
</main>
</body>
</html>
`;
}

function facts({ machine, versions, revision }: BenchResult): string {
  const commit = revision === null ? 'unknown' : revision.commit.slice(0, 12);
  const changed = revision?.changed === true ? ', with changes' : '';
  const libraries = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return Object.entries({
    Machine: describeMachine(machine),
    Versions: libraries.join(', '),
    Revision: `${commit}${changed}`,
  })
    .map(([name, value]) => `<div><dt>${name}</dt><dd>${escape(value)}</dd></div>`)
    .join('');
}

export function describeMachine({ cpu, cores, memoryBytes, kernel, node }: Machine): string {
  return `${cpu}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${kernel}, Node.js ${node}`;
}

function renderSuite({
  suite,
  title,
  options,
  seconds,
  figures,
  plots,
  notes,
  failure,
}: SuiteResult): string {
  const shown = Object.entries(options).map(([name, value]) => `${name} ${[value].flat().join(', ')}`);
  const rows = figures.map(rowOf).map(({ name, median, range, unit, aim, reached }) => {
    const mark = reached === undefined ? '' : reached ? ' class="reached"' : ' class="missed"';
    const cells = [`<td class="number">${median}</td>`, `<td>${escape(unit)}</td>`, `<td>${range}</td>`];
    return `<tr><th scope="row">${escape(name)}</th>${cells.join('')}<td${mark}>${aim}${reached === false ? ' missed' : ''}</td></tr>`;
  });
  return `<section id="${suite}">
<h2>${escape(title)}</h2>
<p class="options">${escape(shown.join(' · '))} · ${Math.round(seconds)} s</p>
${failure === undefined ? '' : `<p class="missed">Failed: ${escape(failure)}</p>`}
${plots.map(renderPlot).join('\n')}
<div class="wide"><table>
<thead><tr><th>figure</th><th class="number">median</th><th></th><th>range</th><th>aim</th></tr></thead>
<tbody>${rows.join('\n')}</tbody>
</table></div>
${notes.map((note) => `<p class="note">${escape(note)}</p>`).join('\n')}
</section>`;
}

function renderPlot(plot: PlotData): string {
  const legend = plot.series.map(({ name }, index) => {
    const { color, dash } = strokeOf(index);
    const line = `<line x1="0" y1="6" x2="26" y2="6" stroke="${color}" stroke-width="3" stroke-dasharray="${dash}"/>`;
    return `<li><svg width="26" height="12" aria-hidden="true">${line}</svg> ${escape(name)}</li>`;
  });
  return `<figure>
<figcaption>${escape(plot.title)}</figcaption>
<ul class="legend">${legend.join('')}</ul>
${drawPlot(plot)}
<div class="wide">${renderNumbers(plot)}</div>
</figure>`;
}

/** The plot's numbers: a row for each x that is shown, or, where series have their own, a row for each series. */
function renderNumbers({ x, y, series }: PlotData): string {
  const all = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const shared = series.every(({ points }) => points.length * 2 >= all.length);
  const head = (cells: readonly string[]) =>
    `<thead><tr>${cells.map((cell, index) => `<th${index === 0 ? '' : ' class="number"'}>${escape(cell)}</th>`).join('')}</tr></thead>`;
  const body = (rows: readonly (readonly string[])[]) =>
    `<tbody>${rows.map(([first = '', ...cells]) => `<tr><th scope="row">${escape(first)}</th>${cells.map((cell) => `<td class="number">${cell}</td>`).join('')}</tr>`).join('\n')}</tbody>`;
  if (!shared) {
    const rows = series.map(({ name, points }) => {
      const values = points.map(([, value]) => value);
      const last = values.at(-1) ?? Number.NaN;
      return [name, ...[Math.min(...values), Math.max(...values), last].map(amount)];
    });
    return `<table>${head([y.label, 'lowest', 'highest', 'last'])}${body(rows)}</table>`;
  }
  const valueAt = series.map(({ points }) => new Map(points));
  const rows = thinned(all).map((at) => [
    x.scale === 'percentile' ? String(at) : amount(at),
    ...valueAt.map((values) => (values.has(at) ? amount(values.get(at)!) : '')),
  ]);
  return `<table>${head([x.label, ...series.map(({ name }) => name)])}${body(rows)}</table>`;
}

/** At most ROWS_MAX of them, first and last among them. */
function thinned(values: readonly number[]): number[] {
  if (values.length <= ROWS_MAX) return [...values];
  const step = (values.length - 1) / (ROWS_MAX - 1);
  return Array.from({ length: ROWS_MAX }, (_, index) => values[Math.round(index * step)]!);
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
