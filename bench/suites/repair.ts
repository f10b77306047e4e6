/**
 * What a repair costs: bytes of its messages, questions one after the other, and time, for so many records that differ out
 * of all of them. Beside it the floor (16 bytes of id for each difference, and the values) and a full copy of the files.
 *
 * The log is made useless by hand: while region b is away, so many keys are written in a, which is then stopped and has
 * every chunk deleted from its store. When b comes back no log reaches what it lacks, as after the log's cap. For 0
 * differences both are compared as they stand.
 */
import { join } from 'node:path';
import { type Cluster, until } from '@causeway/cli';
import { connect } from '@causeway/client';
import { Level } from 'level';
import { each } from '../harness/load.js';
import { startRegions } from '../harness/regions.js';
import { defineSuite, type Recorder } from '../harness/suite.js';
import { bytesOfDirectory } from '../harness/usage.js';
import { keyOf } from './mixes.js';
import { Scrape } from './prometheus.js';

const LANES = 1_000;
const LOG_KIND = 0x6c;
const ID_BYTES = 16;
const WAIT_MS = 600_000;

export const repair = defineSuite({
  name: 'repair',
  title: 'Repair',
  about: 'bytes, questions and time to find and exchange the records that differ, when no log tells them',
  isQuick: true,
  options: {
    keys: { about: 'numbers of keys that both hold', value: [10_000, 100_000, 1_000_000], quick: [30_000] },
    differences: { about: 'records that differ', value: [0, 1, 10, 100, 1_000, 10_000], quick: [10, 1_000] },
    delay: { about: 'one way, ms', value: 40 },
    'value-bytes': { about: 'size of a value', value: 100 },
  },
  run: async ({ keys, differences, delay, 'value-bytes': valueBytes }, recorder) => {
    for (const count of keys) {
      recorder.tell(`starting two regions for ${count} keys`);
      const flags = ['--log-level', 'debug'];
      const cluster = await startRegions({ regions: ['a', 'b'], delayMs: delay, flags });
      const found: Found[] = [];
      try {
        recorder.tell(`writing ${count} keys`);
        await write(cluster, count, 1, valueBytes);
        await cluster.untilEqual({ timeoutMs: WAIT_MS });
        for (const each of differences.filter((some) => some <= count)) {
          recorder.tell(`${each} of ${count} keys differ`);
          found.push(await measure(cluster, count, each, valueBytes));
        }
      } finally {
        await cluster.stop();
      }
      record(count, found, valueBytes, recorder);
    }
    recorder.note(
      `Regions ${delay} ms apart, one way; values of ${valueBytes} bytes. The floor is an id of ${ID_BYTES} bytes for ` +
        'each difference, and the values. Time is that of the repair itself, as the node tells it.',
    );
  },
});

interface Found {
  readonly differences: number;
  readonly bytes: number;
  readonly rounds: number;
  readonly ms: number;
  readonly copyBytes: number;
}

function record(count: number, found: readonly Found[], valueBytes: number, recorder: Recorder): void {
  for (const { differences, bytes, rounds, ms } of found) {
    const name = `${differences} of ${count} keys`;
    recorder.figure(`${name}, bytes`, 'B', bytes, { better: 'lower' });
    recorder.figure(`${name}, questions in turn`, '', rounds, { better: 'lower' });
    recorder.figure(`${name}, time`, 'ms', ms, { better: 'lower' });
    if (differences > 0) {
      recorder.figure(`${name}, bytes ÷ floor`, '×', bytes / floorOf(differences, valueBytes), {
        better: 'lower',
      });
    }
  }
  // A log scale has no place for none.
  const some = found.filter(({ differences }) => differences > 0);
  recorder.plot(
    `Bytes of a repair, ${count} keys`,
    { label: 'records that differ', scale: 'log' },
    { label: 'bytes', scale: 'log' },
    [
      { name: 'repair', points: some.map(({ differences, bytes }) => [differences, bytes]) },
      {
        name: 'floor: ids and values',
        points: some.map(({ differences }) => [differences, floorOf(differences, valueBytes)]),
      },
      {
        name: 'a copy of the files',
        points: some.map(({ differences, copyBytes }) => [differences, copyBytes]),
      },
    ],
  );
}

function floorOf(differences: number, valueBytes: number): number {
  return differences * (ID_BYTES + valueBytes);
}

/** Writes every `step`-th key of region a, `count` of them. */
async function write(cluster: Cluster, count: number, step: number, valueBytes: number): Promise<void> {
  const db = await connect({ endpoints: [cluster.node('a').urls.client] });
  await each(count, LANES, (index) =>
    db.register(keyOf(step * index)).set(crypto.getRandomValues(new Uint8Array(valueBytes))),
  );
  await db.close();
}

async function measure(
  cluster: Cluster,
  keys: number,
  differences: number,
  valueBytes: number,
): Promise<Found> {
  const [a, b] = [cluster.node('a'), cluster.node('b')];
  await b.stop();
  const since = Date.now();
  if (differences > 0) {
    await write(cluster, differences, Math.floor(keys / differences), valueBytes);
    await a.stop();
    await forgetLog(join(cluster.directory, 'a', 'db'));
    await a.start();
  }
  await b.start();
  const isIt = ({ mode, outcome }: Ended) =>
    differences === 0 ? outcome === 'equal' : mode === 'catch-up' && outcome === 'done';
  const { rounds, ms } = await until('the repair to end', () => ended(cluster, since, isIt), {
    timeoutMs: WAIT_MS,
  });
  const bytes = (await Scrape.of(b.urls.admin)).sum('causeway_repair_bytes_total');
  await cluster.untilEqual({ timeoutMs: WAIT_MS });
  const copyBytes = await bytesOfDirectory(join(cluster.directory, 'a', 'db'));
  return { differences, bytes, rounds, ms, copyBytes };
}

async function forgetLog(path: string): Promise<void> {
  const level = new Level<Uint8Array, Uint8Array>(path, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing: false,
  });
  await level.open();
  await level.clear({ gte: Uint8Array.of(LOG_KIND), lt: Uint8Array.of(LOG_KIND + 1) });
  await level.close();
}

interface Ended {
  readonly msg: string;
  readonly time: number | string;
  readonly mode: string;
  readonly outcome: string;
  readonly rounds: number;
  readonly ms: number;
}

/** The newest repair of region b that has ended since and that `isIt`. */
function ended(cluster: Cluster, since: number, isIt: (one: Ended) => boolean): Ended | undefined {
  const lines = cluster
    .node('b')
    .log()
    .map((line) => JSON.parse(line) as Ended);
  const isEnd = ({ msg }: Ended) => msg === 'a repair has ended' || msg === 'compared';
  return lines.findLast((line) => isEnd(line) && +new Date(line.time) >= since && isIt(line));
}
