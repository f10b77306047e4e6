/**
 * Tables for documents. Between a line <!-- bench SUITE --> and the next <!-- /bench --> stands what the newest of the
 * given results says of the suite, with its date and machine; everything else of the document stays.
 */
import type { BenchResult, SuiteResult } from '../harness/result.js';
import { rowOf } from '../harness/table.js';
import { describeMachine } from './html.js';

/** Of a table with more rows only those with an aim or a judgement are shown; the report has all. */
const ROWS_MAX = 40;
const BLOCK = /(<!-- bench ([a-z-]+) -->\n)[\s\S]*?(<!-- \/bench -->)/g;

/** Throws Error when a document has no markers. A suite that is in no result, or failed, keeps its table. */
export function fillTables(document: string, results: readonly BenchResult[]): string {
  let found = false;
  const filled = document.replace(BLOCK, (block, begin: string, name: string, end: string) => {
    found = true;
    const isIt = ({ suite, failure }: SuiteResult) => suite === name && failure === undefined;
    const result = results.findLast(({ suites }) => suites.some(isIt));
    const suite = result?.suites.find(isIt);
    return result === undefined || suite === undefined ? block : `${begin}${tableOf(result, suite)}${end}`;
  });
  if (!found) throw new Error('the document has no lines <!-- bench SUITE --> and <!-- /bench -->');
  return filled;
}

function tableOf({ startedAt, machine, revision }: BenchResult, { options, figures }: SuiteResult): string {
  const shown = Object.entries(options).map(([name, value]) => `${name} ${[value].flat().join(', ')}`);
  const main = figures.filter(({ aim, noise }) => aim !== undefined || noise !== undefined);
  const rows = (figures.length > ROWS_MAX ? main : figures)
    .map(rowOf)
    .map(({ name, median, unit, range, aim, reached }) => {
      const verdict = reached === false ? `${aim} missed` : aim;
      return `| ${[name, `${median} ${unit}`.trim(), range, verdict].join(' | ')} |`;
    });
  const commit = revision === null ? '' : `, revision ${revision.commit.slice(0, 8)}`;
  return [
    `${startedAt.slice(0, 10)}, ${describeMachine(machine)}${commit}. Options: ${shown.join('; ')}.`,
    '',
    '| figure | median | range | aim |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
