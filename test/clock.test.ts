/**
 * One node of three with a clock ten minutes ahead, and then back: what it writes meanwhile does not shut the others
 * out, it says that its clock is off, takes no register writes until it is right, and is one of them afterwards.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type Database } from '@causeway/client';
import { expect, onTestFinished, test } from 'vitest';
import { type NodeProcess, startCluster, until } from './support/cluster.js';

const AHEAD_MS = 600_000;
const SHIM = fileURLToPath(new URL('./support/shifted-clock.mjs', import.meta.url));

async function open(node: NodeProcess): Promise<Database> {
  const db = await connect({ endpoints: [node.urls.client] });
  onTestFinished(() => db.close());
  return db;
}

test('a clock that is ten minutes ahead shuts nobody out, and is told', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'causeway-clock-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const clock = join(directory, 'offset');
  await writeFile(clock, '0');
  const shim = `--import=file://${SHIM}?${encodeURIComponent(clock)}`;
  const cluster = await startCluster({
    regions: ['off', 'b', 'c'],
    directory: join(directory, 'data'),
    nodeFlags: (region) => (region === 'off' ? [shim] : []),
  });
  const node = cluster.node('off');
  const [off, b] = [await open(node), await open(cluster.node('b'))];

  // Until it knows better, it writes with a stamp ten minutes ahead; on a slow machine it may know before.
  const isRight = async () => (await node.status()).reasons.length === 0;
  for (let written = false; !written; ) {
    await until('the node to be right', isRight, { timeoutMs: 30_000 });
    await writeFile(clock, String(AHEAD_MS));
    written = await off
      .register('early')
      .set('from the future')
      .then(
        () => true,
        async (error: unknown) => {
          expect(error).toMatchObject({ code: 'CAUSEWAY_CLOCK_SKEW' });
          await writeFile(clock, '0');
          return false;
        },
      );
  }
  await until('the node to say that its clock is off', async () =>
    (await node.status()).reasons.some((reason) => reason.includes('clock')),
  );
  await expect(off.register('late').set(1)).rejects.toMatchObject({ code: 'CAUSEWAY_CLOCK_SKEW' });
  await off.counter('clicks').increment();
  await off.set('tags').add('kept');
  expect(node.log().some((line) => /"level":"(warn|error)".*clock/.test(line))).toBe(true);

  // Whoever has seen a value beats it, whatever the clocks say; and b's own clock was not dragged along.
  await until('b to have the write', async () => (await b.register('early').get()) !== undefined);
  await b.register('early').set('from b');
  await b.register('late').set('from b');
  await until('the node to have it', async () => (await off.register('early').get()) === 'from b');

  await writeFile(clock, '0');
  await until('the node to be right again', isRight, { timeoutMs: 30_000 });
  await off.register('late').set('from the node');
  await cluster.untilEqual();
  expect(await b.register('late').get()).toBe('from the node');
  expect(await b.register('early').get()).toBe('from b');
}, 60_000);
