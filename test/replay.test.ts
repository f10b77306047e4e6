/**
 * `causeway replay` against three node processes over 40 ms links: one region is cut off for the middle third of the
 * file, and killed and restarted near the end. All regions must end up equal, and right.
 *
 * It plays the first 15,000 lines; the whole file (185,770 lines, about two minutes) with
 *   npm run build && CAUSEWAY_TEST_DATA=… CAUSEWAY_REPLAY_LINES=all npx vitest run test/replay.test.ts
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createGunzip } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { type Cluster, startCluster } from './support/cluster.ts';

const CAUSEWAY = fileURLToPath(new URL('../packages/cli/bin/causeway.js', import.meta.url));
const REGIONS = ['eu', 'us', 'ap'];
const FILE = join(process.env['CAUSEWAY_TEST_DATA'] ?? '', 'online-retail-2011-jul-oct.csv.gz');
const LINES = process.env['CAUSEWAY_REPLAY_LINES'] ?? '15000';
const TIMEOUT_MS = LINES === 'all' ? 900_000 : 120_000;

test('a replay survives a cut and a killed node: all regions equal, totals right', {
  timeout: TIMEOUT_MS,
}, async ({ skip }) => {
  if (process.env['CAUSEWAY_TEST_DATA'] === undefined || !existsSync(FILE)) {
    skip('CAUSEWAY_TEST_DATA names no folder with the online-retail file');
  }
  const file = LINES === 'all' ? FILE : await firstLines(Number(LINES));
  const cluster = await startCluster({ regions: REGIONS, delayMs: 40 });

  const reached = new Set<number>();
  const { code, output, report } = await replay(cluster, file, async (percent) => {
    const passes = (mark: number) => percent >= mark && !reached.has(mark) && reached.add(mark);
    if (passes(33)) cluster.links.around('us').cut();
    if (passes(66)) cluster.links.around('us').heal();
    if (passes(85)) {
      await cluster.node('us').kill();
      await cluster.node('us').start();
    }
  });

  expect([...reached], output).toEqual([33, 66, 85]);
  expect({ code, equal: report.equal }, output).toEqual({ code: 0, equal: true });
  expect(new Set(report.digests).size).toBe(1);
  expect(report.retries, 'requests that the killed node did not answer').toBeGreaterThan(0);
  if (LINES === 'all') console.log(output);
});

interface Report {
  readonly equal: boolean;
  readonly digests: readonly string[];
  readonly retries: number;
}

/** Runs the command; `onPercent` is called with the progress that it prints. */
async function replay(
  { nodes }: Cluster,
  file: string,
  onPercent: (percent: number) => Promise<void>,
): Promise<{ code: number; output: string; report: Report }> {
  const urls = nodes.flatMap(({ urls: { client, admin } }) => ['--node', client, '--admin', admin]);
  const child = spawn(process.execPath, [CAUSEWAY, 'replay', file, '--json', ...urls], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  let steps = Promise.resolve();
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    const percent = /^(\d+) %/.exec(line);
    if (percent !== null) steps = steps.then(() => onPercent(Number(percent[1])));
  });
  let report = '';
  child.stdout.on('data', (chunk: Buffer) => {
    report += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  await steps;
  const output = [...lines, report].join('\n');
  return { code, output, report: report === '' ? {} : JSON.parse(report) };
}

/** The first lines of the file and its header, in a file of their own that goes away with the test. */
async function firstLines(count: number): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'causeway-replay-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const kept: string[] = [];
  const source = createReadStream(FILE);
  for await (const line of createInterface({ input: source.pipe(createGunzip()) })) {
    kept.push(line);
    if (kept.length > count) break;
  }
  source.destroy();
  const file = join(directory, 'orders.csv');
  await writeFile(file, `${kept.join('\n')}\n`);
  return file;
}
