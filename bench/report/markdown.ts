/**
 * Tables for documents; everything else of the document stays.
 *
 *   <!-- bench SUITE -->       what the newest of the given results says of the suite, with its date and machine
 *   <!-- /bench -->
 *
 *   <!-- bench SUITE regions=5 keys=10,100 -->         the newest with these options
 *   <!-- /bench -->
 *
 *   <!-- bench figures
 *   SUITE: FIGURE              one row for each of these lines
 *   -->
 *   <!-- /bench -->
 */
import type { BenchResult, Figure, SuiteResult } from '../harness/result.js';
import { rowOf } from '../harness/table.js';
import { describeMachine } from './html.js';

/** Of a table with more rows only those with an aim or a judgement are shown; the report has all. */
const ROWS_MAX = 40;
const SUITE_BLOCK = /(<!-- bench ([a-z-]+)((?: [a-z-]+=\S+)*) -->\n)[\s\S]*?(<!-- \/bench -->)/g;
const FIGURES_BLOCK = /(<!-- bench figures\n([\s\S]*?)-->\n)([\s\S]*?)(<!-- \/bench -->)/g;

/** Throws Error when a document has no markers. What is in no result, or failed there, stays as it is. */
export function fillTables(document: string, results: readonly BenchResult[]): string {
  let found = false;
  const suitesFilled = document.replace(
    SUITE_BLOCK,
    (block, begin: string, name: string, options: string, end: string) => {
      found = true;
      const measured = newest(results, name, options.trim().split(/ +/));
      return measured === undefined ? block : `${begin}${tableOf(...measured)}${end}`;
    },
  );
  const filled = suitesFilled.replace(
    FIGURES_BLOCK,
    (_block, begin: string, wanted: string, before: string, end: string) => {
      found = true;
      return `${begin}${figuresTable(wanted.trim().split('\n'), before.split('\n'), results)}${end}`;
    },
  );
  if (!found) throw new Error('the document has no lines <!-- bench SUITE --> and <!-- /bench -->');
  return filled;
}

function newest(
  results: readonly BenchResult[],
  name: string,
  asked: readonly string[],
): [BenchResult, SuiteResult] | undefined {
  const isIt = ({ suite, failure, options }: SuiteResult) =>
    suite === name &&
    failure === undefined &&
    asked.every((each) => {
      const [option, value] = splitOnce(each, '=');
      return option === '' || [options[option]].flat().join(',') === value;
    });
  const result = results.findLast(({ suites }) => suites.some(isIt));
  const suite = result?.suites.find(isIt);
  return result === undefined || suite === undefined ? undefined : [result, suite];
}

/** `before`: lines of the table that stands there, of which those rows stay that no result has. */
function figuresTable(
  wanted: readonly string[],
  before: readonly string[],
  results: readonly BenchResult[],
): string {
  const rows = wanted.map((line) => {
    const [suite = '', figure = ''] = splitOnce(line, ': ');
    const measured = results.findLast((result) => figureOf(result, suite, figure) !== undefined);
    const found = measured && figureOf(measured, suite, figure);
    if (measured === undefined || found === undefined)
      return before.find((row) => row.startsWith(`| ${figure} |`)) ?? `| ${figure} | not measured | | | |`;
    return rowText(found, `${when(measured)}, ${measured.machine.cpu}`);
  });
  return ['| figure | median | range | aim | measured |', '|---|---|---|---|---|', ...rows, ''].join('\n');
}

function figureOf({ suites }: BenchResult, suite: string, name: string): Figure | undefined {
  return suites.find((each) => each.suite === suite)?.figures.find((figure) => figure.name === name);
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + by.length)];
}

function rowText(figure: Figure, ...more: readonly string[]): string {
  const { name, median, unit, range, aim, reached } = rowOf(figure);
  const verdict = reached === false ? `${aim} missed` : aim;
  return `| ${[name, `${median} ${unit}`.trim(), range, verdict, ...more].join(' | ')} |`;
}

function when({ startedAt, revision }: BenchResult): string {
  return startedAt.slice(0, 10) + (revision === null ? '' : `, ${revision.commit.slice(0, 8)}`);
}

function tableOf(result: BenchResult, { options, figures }: SuiteResult): string {
  const shown = Object.entries(options).map(([name, value]) => `${name} ${[value].flat().join(', ')}`);
  const main = figures.filter(({ aim, noise }) => aim !== undefined || noise !== undefined);
  return [
    `${when(result)}, ${describeMachine(result.machine)}. Options: ${shown.join('; ')}.`,
    '',
    '| figure | median | range | aim |',
    '|---|---|---|---|',
    ...(figures.length > ROWS_MAX ? main : figures).map((figure) => rowText(figure)),
    '',
  ].join('\n');
}
