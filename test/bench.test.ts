/** The benchmark from end to end, as small as it gets: a suite with real regions, its JSON, its report, a comparison. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { checkResult } from '../bench/harness/result.js';

const BENCH = fileURLToPath(new URL('../bench/dist/main.js', import.meta.url));
const TINY = ['lag', '--regions', '2', '--rates', '50', '--seconds', '1'];
/** It starts a dozen processes, on a machine that may run other tests beside it. */
const PATIENCE_MS = 240_000;

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-bench-'));
  return () => rm(directory, { recursive: true, force: true });
});

test('a suite leaves a result and a report; compared with itself nothing has changed', {
  timeout: PATIENCE_MS,
}, async () => {
  const file = join(directory, 'lag.json');
  const ran = await bench([...TINY, '--out', file]);
  expect(ran.code, ran.errors).toBe(0);
  expect(ran.output).toContain('lag beyond the link p50 at 50/s');
  expect(ran.errors).toMatch(/lag: 50 writes\/s in each of 2 regions/);

  const result = checkResult(JSON.parse(await readFile(file, 'utf8')));
  const [suite] = result.suites;
  expect(suite?.options).toMatchObject({ regions: 2, rates: [50], seconds: 1, links: 'three' });
  const p50 = suite?.figures.find(({ name }) => name === 'lag beyond the link p50 at 50/s');
  expect(p50?.samples.every((ms) => ms >= 0 && ms < 10_000)).toBe(true);

  const report = await readFile(join(directory, 'lag.html'), 'utf8');
  expect(report).toMatch(/<svg[\s\S]*<path[\s\S]*<\/svg>/);
  expect(report).toContain('lag beyond the link p50 at 50/s');
  expect(report, 'it needs nothing from elsewhere').not.toMatch(/(src|href)="(?!#)|url\(|@import/);

  const compared = await bench(['compare', file, file]);
  expect(compared.code, compared.errors).toBe(0);
  expect(compared.output).not.toMatch(/better|worse|changed/);

  const document = join(directory, 'benchmarks.md');
  await writeFile(document, '# Figures\n\n<!-- bench lag -->\nold\n<!-- /bench -->\n\nThe end.\n');
  const filled = await bench(['tables', file, '--into', document]);
  expect(filled.code, filled.errors).toBe(0);
  const tables = await readFile(document, 'utf8');
  expect(tables).toMatch(/^# Figures\n\n<!-- bench lag -->\n\d{4}-\d\d-\d\d, /);
  expect(tables).toMatch(
    /\| lag beyond the link p50 at 50\/s \| [\d.]+ ms \|[\s\S]*<!-- \/bench -->\n\nThe end\.\n$/,
  );
  expect(tables).not.toContain('old');
});

test('wrong use is told, and nothing is started', { timeout: PATIENCE_MS }, async () => {
  const wrong = await bench(['lag', '--rates', 'many']);
  expect(wrong.code).not.toBe(0);
  expect(wrong.errors).toContain('It must be a number');

  const file = join(directory, 'other.json');
  await writeFile(file, '{"format": "something else"}');
  const foreign = await bench(['compare', file, file]);
  expect(foreign.code).toBe(1);
  expect(foreign.errors).toContain('not a result of this benchmark');
});

async function bench(args: readonly string[]): Promise<{ code: number; output: string; errors: string }> {
  const child = spawn(process.execPath, [BENCH, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await exited) as [number];
  return { code, output, errors };
}
