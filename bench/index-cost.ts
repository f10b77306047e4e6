/**
 * What the Merkle index costs a write: CPU of the main thread for each write of a register through the replica and its
 * LevelDB batch, with the index and with the root alone (0 bits). Two stores in one process, which write in turn, a slice
 * at a time: what the machine does meanwhile it does to both.
 *
 *   node bench/dist/index-cost.js [--pairs 60] [--writes 20000] [--keys 100000] [--outstanding 256]
 *
 * Linux only: the CPU time of one thread is read from /proc.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encodeCanonical } from '@causeway/protocol';
import {
  type Batch,
  DEFAULT_LIMITS,
  Driver,
  type Environment,
  type Host,
  Replica,
  START_RANGES,
} from '@causeway/replica';
import { Level } from 'level';
import { median } from './harness/statistics.js';

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '60' },
    writes: { type: 'string', default: '20000' },
    keys: { type: 'string', default: '100000' },
    outstanding: { type: 'string', default: '256' },
  },
});
const [pairs, writes, keys, outstanding] = [values.pairs, values.writes, values.keys, values.outstanding].map(
  Number,
) as [number, number, number, number];
if (pairs < 7) throw new Error('--pairs: at least 7, or the interval says nothing');

const nothing = (): void => undefined;
const environment: Environment = {
  random: Math.random,
  log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  telemetry: {
    lag: nothing,
    ack: nothing,
    convergence: nothing,
    duplicateChunk: nothing,
    repairSession: nothing,
    repairRecords: nothing,
    conflict: nothing,
    write: nothing,
    read: nothing,
  },
};

interface Writer {
  /** µs of this thread for each of so many writes. */
  write(count: number): Promise<number>;
  close(): Promise<void>;
}

await compare();

async function compare(): Promise<void> {
  const without = await open(0);
  const withIndex = await open(DEFAULT_LIMITS.indexBits);
  const off: number[] = [];
  const on: number[] = [];
  // To warm up: every key once.
  for (const writer of [without, withIndex]) await writer.write(keys);
  for (let pair = 0; pair < pairs; pair++) {
    // Who comes second finds the machine as the first has left it.
    const order = pair % 2 === 0 ? [without, withIndex] : [withIndex, without];
    for (const writer of order) (writer === without ? off : on).push(await writer.write(writes));
  }
  await without.close();
  await withIndex.close();
  const shares = on.map((cost, i) => (100 * (cost - (off[i] ?? cost))) / (off[i] ?? cost));
  const [low, high] = intervalOfMedian(shares);
  console.log(
    `${pairs} pairs of ${writes} writes: median ${median(on).toFixed(3)} µs with, ${median(off).toFixed(3)} µs without`,
  );
  console.log(
    `the index takes ${median(shares).toFixed(1)} % more (95 %: ${low.toFixed(1)} to ${high.toFixed(1)})`,
  );
}

async function open(indexBits: number): Promise<Writer> {
  const directory = await mkdtemp(join(tmpdir(), 'index-cost-'));
  const db = new Level<Uint8Array, Uint8Array>(directory, { keyEncoding: 'view', valueEncoding: 'view' });
  await db.open();
  const config = { region: 'eu', advertise: 'ws://127.0.0.1:1', seeds: [], limits: { indexBits } };
  const now = () => ({ monotonic: performance.now(), wall: Date.now() });
  await writeBatch(db, Replica.initialBatch(config, environment, now()));
  const entries = [];
  for (const { from, to } of START_RANGES) {
    for await (const [key, value] of db.iterator({ gte: from, lt: to })) entries.push({ key, value });
  }
  const replica = Replica.open({ entries }, config, environment, now());
  let answered = 0;
  let asked = 0;
  let timer: NodeJS.Timeout | undefined;
  const host: Host = {
    now,
    defer: (task) => setImmediate(task),
    wake: (at, task) => {
      clearTimeout(timer);
      timer = setTimeout(task, Math.max(0, at - performance.now()));
    },
    write: (batch) => writeBatch(db, batch),
    rejoin: () => undefined,
    reopen: () => Promise.reject(new Error('the disk failed')),
    load: (wanted) => db.getMany(wanted as Uint8Array[]),
    scan: () => Promise.resolve([]),
    openSnapshot: () => undefined,
    closeSnapshot: () => undefined,
    send: (sends) => {
      for (const { type } of sends) if (type === 'reply') answered++;
      feed();
    },
  };
  const driver = new Driver(replica, host);
  const value = encodeCanonical('x'.repeat(100));
  let end = 0;
  let done: () => void = () => undefined;
  const feed = (): void => {
    while (asked < end && asked - answered < outstanding) {
      const key = `key-${asked % keys}`;
      const operations = [{ op: 'register.set' as const, key, value }];
      driver.step({ type: 'request', session: 1, request: asked++, operations });
    }
    if (answered === end) done();
  };
  const phase = (writesMore: number): Promise<void> =>
    new Promise((resolve) => {
      done = resolve;
      end = asked + writesMore;
      feed();
    });
  return {
    write: async (count) => {
      const before = threadCpuNs();
      await phase(count);
      return (threadCpuNs() - before) / 1e3 / count;
    },
    close: async () => {
      driver.stop();
      clearTimeout(timer);
      await db.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** As the node writes, but for the sync, which costs this thread nothing. */
async function writeBatch(db: Level<Uint8Array, Uint8Array>, { puts, deletes }: Batch): Promise<void> {
  const chained = db.batch();
  for (const { key, value } of puts) chained.put(key, value);
  for (const key of deletes) chained.del(key);
  await chained.write();
}

/** Of the main thread, whose id is that of the process. */
function threadCpuNs(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]);
}

/** Order statistics that hold the median in 95 of 100 cases, whatever the distribution. */
function intervalOfMedian(samples: readonly number[]): [low: number, high: number] {
  const sorted = [...samples].sort((a, b) => a - b);
  const n = sorted.length;
  let tail = 0.5 ** n;
  let k = 0;
  for (let term = tail; 2 * tail <= 0.05 && k < n / 2 - 1; k++) {
    term *= (n - k) / (k + 1);
    tail += term;
  }
  const at = Math.max(0, k - 1);
  return [sorted[at] as number, sorted[n - 1 - at] as number];
}
