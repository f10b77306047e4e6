/**
 * What a repair costs: bytes of its messages, questions one after the other, and time, for so many records that differ
 * out of all of them, over links with a delay. Beside it the floor (16 bytes of id for each difference and the values)
 * and what a full copy of the files would take.
 *
 *   node bench/dist/repair.js [--keys 1000000] [--differences 0,1,10,1000,100000] [--delay 40] [--value 100]
 *
 * The log is made useless by hand: while region b is away, so many keys are written in a, which is then stopped and has
 * every chunk deleted from its store. When b comes back no log reaches what it lacks, as after the log's cap. For 0
 * differences both are compared as they stand. Exit code 1 when the regions are not equal at the end.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Cluster, startCluster } from '@causeway/cli';
import { connect } from '@causeway/client';
import { Level } from 'level';

const { values: options } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    differences: { type: 'string', default: '0,1,10,1000,100000' },
    delay: { type: 'string', default: '40' },
    value: { type: 'string', default: '100' },
  },
});
const keys = Number(options.keys);
const valueBytes = Number(options.value);
const IN_FLIGHT = 1_000;
const LOG_KIND = 0x6c;
const ID_BYTES = 16;
const WAIT_MS = 600_000;

const keyOf = (index: number) => `key:${String(index).padStart(16, '0')}`;
const valueOf = () => crypto.getRandomValues(new Uint8Array(valueBytes));

interface Ended {
  readonly mode: string;
  readonly outcome: string;
  readonly records: number;
  readonly rounds: number;
  readonly ms: number;
}

/** Writes every `step`-th key of region a, `count` of them. */
async function write(cluster: Cluster, count: number, step: number): Promise<void> {
  const db = await connect({ endpoints: [cluster.node('a').urls.client] });
  let next = 0;
  const lane = async () => {
    while (next < count) await db.register(keyOf(step * next++)).set(valueOf());
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  await db.close();
}

async function forgetLog(cluster: Cluster): Promise<void> {
  const level = new Level<Uint8Array, Uint8Array>(join(cluster.directory, 'a', 'db'), {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing: false,
  });
  await level.open();
  await level.clear({ gte: Uint8Array.of(LOG_KIND), lt: Uint8Array.of(LOG_KIND + 1) });
  await level.close();
}

async function bytesOfFiles(cluster: Cluster): Promise<number> {
  const directory = join(cluster.directory, 'a', 'db');
  let bytes = 0;
  for (const name of await readdir(directory)) bytes += (await stat(join(directory, name))).size;
  return bytes;
}

/** Of all messages of repairs at region b, both ways. */
async function bytesOfRepairs(cluster: Cluster): Promise<number> {
  const text = await (await fetch(new URL('/metrics', cluster.node('b').urls.admin))).text();
  let sum = 0;
  for (const [, value] of text.matchAll(/^causeway_repair_bytes_total\{.*\} (\S+)$/gm)) sum += Number(value);
  return sum;
}

/** The newest repair of region b that has ended since and that `isIt`. */
function ended(cluster: Cluster, since: number, isIt: (one: Ended) => boolean): Ended | undefined {
  const lines = cluster
    .node('b')
    .log()
    .map((line) => JSON.parse(line) as Ended & { msg: string; time: number | string });
  const isEnd = ({ msg }: { msg: string }) => msg === 'a repair has ended' || msg === 'compared';
  return lines.findLast((line) => isEnd(line) && +new Date(line.time) >= since && isIt(line));
}

async function measure(cluster: Cluster, differences: number): Promise<void> {
  const [a, b] = [cluster.node('a'), cluster.node('b')];
  await b.stop();
  const since = Date.now();
  if (differences > 0) {
    await write(cluster, differences, Math.floor(keys / differences));
    await a.stop();
    await forgetLog(cluster);
    await a.start();
  }
  await b.start();
  const isIt = ({ mode, outcome }: Ended) =>
    differences === 0 ? outcome === 'equal' : mode === 'catch-up' && outcome === 'done';
  const until = performance.now() + WAIT_MS;
  let repair = ended(cluster, since, isIt);
  while (repair === undefined && performance.now() < until) {
    await sleep(100);
    repair = ended(cluster, since, isIt);
  }
  const bytes = await bytesOfRepairs(cluster);
  await cluster.untilEqual({ timeoutMs: WAIT_MS });
  if (repair === undefined) throw new Error('no repair has ended');
  const values = differences * valueBytes;
  const row = {
    differences,
    bytes,
    besidesValues: bytes - values,
    floor: differences * ID_BYTES + values,
    fullCopy: await bytesOfFiles(cluster),
    records: repair.records,
    rounds: repair.rounds,
    ms: repair.ms,
  };
  console.log(JSON.stringify(row));
}

const cluster = await startCluster({
  regions: ['a', 'b'],
  delayMs: Number(options.delay),
  flags: ['--log-level', 'debug'],
});
try {
  await cluster.untilReady();
  console.log(`writing ${keys} keys of ${valueBytes} bytes`);
  await write(cluster, keys, 1);
  await cluster.untilEqual({ timeoutMs: WAIT_MS });
  for (const differences of options.differences.split(',').map(Number)) await measure(cluster, differences);
} finally {
  await cluster.stop();
}
