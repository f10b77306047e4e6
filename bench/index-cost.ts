/**
 * What the Merkle index costs a write: CPU of a node's main thread for each acknowledged write of a register, from the
 * frame to the answer, with the index and with the root alone (0 bits). Two nodes in one process, with a store each, are
 * written to in turn, a slice at a time, by one client in a process of its own: what the machine does meanwhile it does to
 * both.
 *
 *   node bench/dist/index-cost.js [--pairs 60] [--writes 20000] [--keys 100000] [--outstanding 256]
 *
 * Linux only: the CPU time of one thread is read from /proc.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connect, type Database } from '@causeway/client';
import { createNode } from '@causeway/node';
import { DEFAULT_LIMITS } from '@causeway/replica';
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

/** Asks the client for so many writes to the node of that address. */
interface Slice {
  readonly address: string;
  readonly count: number;
}

if (process.send === undefined) await compare();
else await serve();

async function compare(): Promise<void> {
  const client = fork(fileURLToPath(import.meta.url), process.argv.slice(2));
  const failed = once(client, 'exit').then(([code]) => {
    if (code !== 0) throw new Error(`the client has ended with ${code}: see above`);
  });
  const cost = async (address: string, count: number): Promise<number> => {
    const before = threadCpuNs();
    client.send({ address, count } satisfies Slice);
    await Promise.race([once(client, 'message'), failed]);
    return (threadCpuNs() - before) / 1e3 / count;
  };
  const nodes = [await start(0), await start(DEFAULT_LIMITS.indexBits)] as const;
  const [without, withIndex] = nodes;
  const off: number[] = [];
  const on: number[] = [];
  // To warm up: every key once.
  for (const { address } of nodes) await cost(address, keys);
  for (let pair = 0; pair < pairs; pair++) {
    // Who comes second finds the machine as the first has left it.
    const order = pair % 2 === 0 ? [without, withIndex] : [withIndex, without];
    for (const node of order) (node === without ? off : on).push(await cost(node.address, writes));
    process.stderr.write(`\r${pair + 1} of ${pairs} pairs `);
  }
  client.disconnect();
  await failed;
  for (const node of nodes) await node.stop();
  const shares = on.map((cost, i) => (100 * (cost - (off[i] ?? cost))) / (off[i] ?? cost));
  const [low, high] = intervalOfMedian(shares);
  console.log(
    `\n${pairs} pairs of ${writes} writes: median ${median(on).toFixed(3)} µs with, ${median(off).toFixed(3)} µs without`,
  );
  console.log(
    `the index takes ${median(shares).toFixed(1)} % more (95 %: ${low.toFixed(1)} to ${high.toFixed(1)})`,
  );
}

async function start(indexBits: number): Promise<{ address: string; stop(): Promise<void> }> {
  // No setting of a node: nobody should run without the index.
  const usual = DEFAULT_LIMITS.indexBits;
  Object.assign(DEFAULT_LIMITS, { indexBits });
  const directory = await mkdtemp(join(tmpdir(), 'index-cost-'));
  const listen = '127.0.0.1:0';
  const node = await createNode({
    region: 'bench',
    data: directory,
    clientListen: listen,
    peerListen: listen,
    adminListen: listen,
    logLevel: 'warn',
  });
  Object.assign(DEFAULT_LIMITS, { indexBits: usual });
  return {
    address: node.addresses.client,
    stop: async () => {
      await node.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** The client: writes as it is told to until nobody is there to tell it. */
async function serve(): Promise<void> {
  const value = 'x'.repeat(100);
  const databases = new Map<string, Database>();
  let next = 0;
  process.on('message', async ({ address, count }: Slice) => {
    const db = databases.get(address) ?? (await connect({ endpoints: [`ws://${address}`] }));
    databases.set(address, db);
    let left = count;
    const lane = async (): Promise<void> => {
      while (left-- > 0) await db.register(`key-${next++ % keys}`).set(value);
    };
    await Promise.all(Array.from({ length: outstanding }, lane));
    process.send?.('done');
  });
  await once(process, 'disconnect');
  for (const db of databases.values()) await db.close();
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
