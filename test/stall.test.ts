/**
 * A node that is stopped (SIGSTOP): its connections stay open, its kernel takes what is sent, and nothing answers.
 *
 * The library promises to leave it within about 3 s; here it may take longer, since the machine may be busy.
 */
import { connect } from '@causeway/client';
import { expect, onTestFinished, test } from 'vitest';
import { startCluster } from './support/cluster.js';

const LEFT_MS_MAX = 6_000;

async function start() {
  const cluster = await startCluster({ regions: ['a', 'b'], delayMs: 5 });
  await cluster.untilReady();
  const [first, second] = [cluster.node('a'), cluster.node('b')];
  const signal = (name: NodeJS.Signals) => process.kill(first.pid!, name);
  const db = await connect({ endpoints: [first.urls.client, second.urls.client] });
  onTestFinished(async () => {
    signal('SIGCONT');
    await db.close();
  });
  return { db, signal };
}

test('a client leaves a node that is stopped: reads go to the next one, writes and watches are told', async () => {
  const { db, signal } = await start();
  await db.register('there').set('before');
  const watch = db.watch();
  await watch.opened;
  signal('SIGSTOP');
  const stoppedAt = performance.now();
  const [write, read, change] = await Promise.allSettled([
    db.counter('c').increment(),
    db.counter('c').value(),
    watch.next(),
  ]);
  expect(performance.now() - stoppedAt).toBeLessThan(LEFT_MS_MAX);
  expect(write).toMatchObject({ reason: { code: 'CAUSEWAY_OUTCOME_UNKNOWN' } });
  expect(read).toEqual({ status: 'fulfilled', value: 0 });
  expect(change).toMatchObject({ reason: { code: 'CAUSEWAY_WATCH_INTERRUPTED' } });
  expect(await db.counter('c').increment()).toBe(1);
});

test('a client that only watches leaves a node that is stopped', async () => {
  const { db, signal } = await start();
  const watch = db.watch();
  await watch.opened;
  signal('SIGSTOP');
  const stoppedAt = performance.now();
  await expect(watch.next()).rejects.toMatchObject({ code: 'CAUSEWAY_WATCH_INTERRUPTED' });
  expect(performance.now() - stoppedAt).toBeLessThan(LEFT_MS_MAX);
});

test('a client does not leave a node that stands still for a second', async () => {
  const { db, signal } = await start();
  signal('SIGSTOP');
  setTimeout(() => signal('SIGCONT'), 1_000);
  // Of a node that was left its outcome would be unknown.
  expect(await db.counter('c').increment()).toBe(1);
});
