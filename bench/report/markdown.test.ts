import { expect, test } from 'vitest';
import type { BenchResult } from '../harness/result.js';
import { fillTables } from './markdown.js';

const machine = { cpu: 'A CPU', cores: 2, memoryBytes: 2 ** 34, kernel: 'Linux 6', node: 'v20.0.0' };

function result(
  commit: string,
  suite: string,
  figures: Record<string, number>,
  failure?: string,
): BenchResult {
  return {
    format: 'causeway-bench',
    formatVersion: 1,
    startedAt: '2026-11-29T10:00:00.000Z',
    seconds: 1,
    machine,
    versions: {},
    revision: { commit: commit.repeat(40), changed: false },
    suites: [
      {
        suite,
        title: suite,
        options: { keys: 3 },
        seconds: 1,
        figures: Object.entries(figures).map(([name, value]) => ({
          name,
          unit: 'ms',
          samples: [value],
          aim: { atMost: 3 },
        })),
        plots: [],
        notes: [],
        ...(failure === undefined ? {} : { failure }),
      },
    ],
  };
}

test('a table of a suite is that of the newest result that did not fail', () => {
  const document =
    'a\n<!-- bench lag -->\nold\n<!-- /bench -->\n<!-- bench scale -->\nkept\n<!-- /bench -->\nb\n';
  const filled = fillTables(document, [
    result('1', 'lag', { p50: 9 }),
    result('2', 'lag', { p50: 2 }),
    result('3', 'lag', { p50: 1 }, 'it ended early'),
  ]);
  expect(filled).toBe(`a
<!-- bench lag -->
2026-11-29, 22222222, A CPU, 2 cores, 16 GiB, Linux 6, Node.js v20.0.0. Options: keys 3.

| figure | median | range | aim |
|---|---|---|---|
| p50 | 2 ms |  | ≤ 3 |
<!-- /bench -->
<!-- bench scale -->
kept
<!-- /bench -->
b
`);
});

test('a table may ask for options', () => {
  const document =
    '<!-- bench lag keys=3 -->\nold\n<!-- /bench -->\n<!-- bench lag keys=4 -->\nkept\n<!-- /bench -->\n';
  const filled = fillTables(document, [result('1', 'lag', { p50: 9 })]);
  expect(filled).toContain('| p50 | 9 ms |');
  expect(filled).toContain('<!-- bench lag keys=4 -->\nkept\n');
});

test('a table of chosen figures has each from the newest result that has it, and keeps what none has', () => {
  const document = `<!-- bench figures
lag: p50: beyond the link
scale: cost
heal: time
-->
| figure | median | range | aim | measured |
|---|---|---|---|---|
| time | 7 ms |  | ≤ 8 | then |
<!-- /bench -->
`;
  const filled = fillTables(document, [
    result('1', 'lag', { 'p50: beyond the link': 9 }),
    result('2', 'lag', { 'p50: beyond the link': 4 }),
    result('3', 'lag', { other: 1 }),
  ]);
  expect(filled.split('\n').slice(5)).toEqual([
    '| figure | median | range | aim | measured |',
    '|---|---|---|---|---|',
    '| p50: beyond the link | 4 ms |  | ≤ 3 missed | 2026-11-29, 22222222, A CPU |',
    '| cost | not measured | | | |',
    '| time | 7 ms |  | ≤ 8 | then |',
    '<!-- /bench -->',
    '',
  ]);
});

test('a document without markers is refused', () => {
  expect(() => fillTables('nothing here', [])).toThrow('<!-- bench SUITE -->');
});
