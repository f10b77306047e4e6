/** `causeway demo` as a newcomer runs it, in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createNode } from '@causeway/node';
import { expect, onTestFinished, test } from 'vitest';

const CAUSEWAY = fileURLToPath(new URL('../packages/cli/bin/causeway.js', import.meta.url));
/** The lag may be more than the link's delay by this: the machine that runs the tests does other things too. */
const SLACK_MS = 150;

function startDemo(...flags: string[]) {
  const child = spawn(process.execPath, [CAUSEWAY, 'demo', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  const waiting: { readonly text: string; readonly found: () => void }[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const { text, found } of waiting) if (line.includes(text)) found();
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    ended,
    output: () => lines.join('\n'),
    said: (text: string) => new Promise<void>((found) => waiting.push({ text, found })),
  };
}

async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'causeway-demo-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test('demo --once tells its story and ends with three equal digests', { timeout: 120_000 }, async () => {
  const { ended, output } = startDemo('--once');

  expect(await ended, output()).toBe(0);
  const text = output();
  for (const part of ['is cut off', 'has noticed after', 'caught up', 'Converged', 'All three are equal']) {
    expect(text).toContain(part);
  }
  const figures = (line: RegExp) =>
    [...(line.exec(text)?.[1] ?? '').matchAll(/(\d+) ms/g)].map((each) => Number(each[1]));
  const delays = figures(/^(.*) \(half of published round trips\)/m);
  const lags = figures(/Lag measured, median: (.*)/);
  expect(lags).toHaveLength(3);
  for (const [index, lag] of lags.entries()) {
    expect(lag, text).toBeGreaterThanOrEqual(delays[index]! - 5);
    expect(lag, text).toBeLessThanOrEqual(delays[index]! + SLACK_MS);
  }
});

test('a demo that is interrupted takes its nodes along', { timeout: 60_000 }, async () => {
  const directory = await scratchDirectory();
  const { child, ended, said, output } = startDemo('--keep', directory);
  await said('Each region takes writes');
  child.kill('SIGINT');

  expect(await ended, output()).toBe(1);
  const regions = await readdir(directory);
  expect(regions.sort()).toEqual(['ap-south', 'eu-west', 'us-east']);
  // A directory that can be opened belongs to nobody any more.
  for (const region of regions) {
    const any = '127.0.0.1:0';
    const node = await createNode({
      region,
      data: join(directory, region),
      clientListen: any,
      peerListen: any,
      adminListen: any,
      logLevel: 'silent',
    });
    await node.close();
  }
});
