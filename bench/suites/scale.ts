/**
 * What size costs: nodes with ever more keys, each loaded in turn with the one that has the fewest, so that the machine's
 * ways cancel out; and sets with ever more elements in one store. Memory, disk, start after SIGKILL, write amplification,
 * and bytes replicated for a write.
 */
import { join } from 'node:path';
import type { Cluster, NodeProcess } from '@causeway/cli';
import { connect, type Database } from '@causeway/client';
import { closedLoop, each } from '../harness/load.js';
import { bytesDelivered, startRegions } from '../harness/regions.js';
import { median } from '../harness/statistics.js';
import { defineSuite, type Recorder } from '../harness/suite.js';
import { bytesOfDirectory, usageOf } from '../harness/usage.js';
import { keyOf } from './mixes.js';

const LANES = 64;
const FILL_LANES = 1_000;
const ADD_BATCH = 500;
/** Of its own for each write: neither LevelDB nor the links make less of it. */
const value = () => crypto.getRandomValues(new Uint8Array(100));
const ENTRY_BYTES = 120;
const FLAT = 1.5;

export const scale = defineSuite({
  name: 'scale',
  title: 'Scale',
  about: 'memory, disk, start-up and the cost of writes and reads with the number of keys and of elements',
  isQuick: false,
  options: {
    keys: { about: 'numbers of keys', value: [10_000, 100_000, 1_000_000], quick: [10_000, 50_000] },
    elements: { about: 'elements of a set', value: [10, 1_000, 100_000, 1_000_000], quick: [10, 10_000] },
    rounds: { about: 'measurements of each, in turn', value: 6, quick: 3 },
    seconds: { about: 'length of a measurement', value: 1.5, quick: 0.5 },
    starts: { about: 'kills and starts of each node', value: 3, quick: 1 },
  },
  run: async (options, recorder) => {
    const nodes: Sized[] = [];
    try {
      for (const keys of options.keys) nodes.push(await filled(keys, recorder));
      await costs(nodes, options, recorder);
      for (const node of nodes) await starts(node, options.starts, recorder);
      plot(nodes, recorder);
    } finally {
      await Promise.all(nodes.map(({ cluster }) => cluster.stop()));
    }
    await sets(options, recorder);
    await replicated(recorder);
    recorder.note(
      'Keys of 20 bytes, values of 100. Costs are of random updates and reads over all keys, 64 in flight; each is told ' +
        'as a ratio to that of the fewest keys, taken in turn. Write amplification: what a node handed to the block layer ' +
        `while it was filled, for each ${ENTRY_BYTES} bytes of key and value.`,
    );
  },
});

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly elements: readonly number[];
}

interface Sized {
  readonly keys: number;
  readonly cluster: Cluster;
  readonly node: NodeProcess;
  readonly residentBytes: number;
  readonly diskBytes: number;
}

async function filled(keys: number, recorder: Recorder): Promise<Sized> {
  recorder.tell(`writing ${keys} keys`);
  const cluster = await startRegions({ regions: ['solo'] });
  const node = cluster.node('solo');
  const pids = [node.pid ?? 0];
  const before = await usageOf(pids);
  const db = await connect({ endpoints: [node.urls.client] });
  await each(keys, FILL_LANES, (index) => db.register(keyOf(index)).set(value()));
  await db.close();
  const { residentBytes, writtenBytes } = await usageOf(pids);
  const diskBytes = await bytesOfDirectory(join(cluster.directory, 'solo', 'db'));
  const name = `${keys} keys`;
  recorder.figure(`${name}: memory of the node`, 'MiB', residentBytes / 2 ** 20, { better: 'lower' });
  recorder.figure(`${name}: disk ÷ keys and values`, '×', diskBytes / (keys * ENTRY_BYTES), {
    better: 'lower',
  });
  const amplification = (writtenBytes - before.writtenBytes) / (keys * ENTRY_BYTES);
  recorder.figure(`${name}: write amplification`, '×', amplification, { better: 'lower' });
  return { keys, cluster, node, residentBytes, diskBytes };
}

async function costs(
  nodes: readonly Sized[],
  { rounds, seconds }: Options,
  recorder: Recorder,
): Promise<void> {
  const databases = await Promise.all(nodes.map(({ node }) => connect({ endpoints: [node.urls.client] })));
  const take = async (index: number, kind: 'write' | 'read') => {
    const { keys, node } = nodes[index]!;
    const key = () => databases[index]!.register(keyOf(Math.floor(Math.random() * keys)));
    const before = await usageOf([node.pid ?? 0]);
    const { perSecond, latencies } = await closedLoop(LANES, seconds, () =>
      kind === 'write' ? key().set(value()) : key().get(),
    );
    const cpuSeconds = (await usageOf([node.pid ?? 0])).cpuSeconds - before.cpuSeconds;
    return { micros: 1e6 / perSecond, cpuMicros: (cpuSeconds * 1e6) / latencies.count };
  };
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['write', 'read'] as const) {
      recorder.tell(`${kind}s, round ${round + 1} of ${rounds}`);
      const fewest = await take(0, kind);
      for (const [index, { keys }] of nodes.entries()) {
        const { micros, cpuMicros } = index === 0 ? fewest : await take(index, kind);
        recorder.figure(`${keys} keys: ${kind}`, 'µs', micros, { better: 'lower' });
        if (index === 0) continue;
        const than = `÷ with ${nodes[0]!.keys}`;
        const traits = { better: 'lower', ...(kind === 'write' && { aim: { atMost: FLAT } }) } as const;
        recorder.figure(`${keys} keys: time of a ${kind} ${than}`, '×', micros / fewest.micros, traits);
        recorder.figure(`${keys} keys: CPU of a ${kind} ${than}`, '×', cpuMicros / fewest.cpuMicros, traits);
      }
    }
  }
  await Promise.all(databases.map((db) => db.close()));
}

async function starts({ keys, node, cluster }: Sized, times: number, recorder: Recorder): Promise<void> {
  for (let time = 0; time < times; time++) {
    recorder.tell(`${keys} keys: start ${time + 1} of ${times}`);
    const writer = await connect({ endpoints: [node.urls.client] });
    const load = Array.from({ length: 256 }, (_, index) =>
      writer.register(keyOf((index * 997) % keys)).set(value()),
    );
    await load[0];
    await Promise.allSettled([...load, node.kill('SIGKILL'), writer.close()]);
    const started = performance.now();
    await node.start();
    await cluster.untilReady({ everyMs: 5 });
    recorder.figure(`${keys} keys: ready after SIGKILL`, 'ms', performance.now() - started, {
      better: 'lower',
    });
    const reader = await connect({ endpoints: [node.urls.client] });
    const found = await reader.register(keyOf(keys - 1)).get();
    if (found === undefined) throw new Error('an acknowledged write is lost');
    await reader.close();
  }
}

function plot(nodes: readonly Sized[], recorder: Recorder): void {
  recorder.plot(
    'Memory and disk with the number of keys',
    { label: 'keys', scale: 'log' },
    { label: 'MiB', scale: 'log' },
    [
      { name: 'memory', points: nodes.map(({ keys, residentBytes }) => [keys, residentBytes / 2 ** 20]) },
      { name: 'disk', points: nodes.map(({ keys, diskBytes }) => [keys, diskBytes / 2 ** 20]) },
      { name: 'keys and values', points: nodes.map(({ keys }) => [keys, (keys * ENTRY_BYTES) / 2 ** 20]) },
    ],
  );
}

async function sets({ elements, rounds, seconds }: Options, recorder: Recorder): Promise<void> {
  const cluster = await startRegions({ regions: ['solo'] });
  try {
    const db = await connect({ endpoints: [cluster.node('solo').urls.client] });
    for (const size of elements) {
      recorder.tell(`a set of ${size} elements`);
      await each(Math.ceil(size / ADD_BATCH), 20, (batch) => {
        const from = batch * ADD_BATCH;
        const count = Math.min(ADD_BATCH, size - from);
        return db
          .set<number>(`set:${size}`)
          .add(...Array.from({ length: count }, (_, index) => from + index));
      });
    }
    const taken = new Map<string, number[]>();
    for (let round = 0; round < rounds; round++) {
      for (const kind of ['add', 'has', 'remove'] as const) {
        recorder.tell(`sets: ${kind}, round ${round + 1} of ${rounds}`);
        let fewest = 0;
        for (const [index, size] of elements.entries()) {
          const { perSecond } = await closedLoop(LANES, seconds, setOperation(db, kind, size));
          if (index === 0) fewest = 1e6 / perSecond;
          else
            recorder.figure(`set of ${size}: ${kind} ÷ of ${elements[0]}`, '×', 1e6 / perSecond / fewest, {
              better: 'lower',
              aim: { atMost: FLAT },
            });
          const samples = taken.get(`${kind} ${size}`) ?? [];
          taken.set(`${kind} ${size}`, [...samples, 1e6 / perSecond]);
        }
      }
    }
    recorder.plot(
      'Time of an operation with the number of elements, 64 in flight',
      { label: 'elements', scale: 'log' },
      { label: 'µs', scale: 'linear' },
      ['add', 'has', 'remove'].map((kind) => ({
        name: kind,
        points: elements.map((size) => [size, median(taken.get(`${kind} ${size}`) ?? [])]),
      })),
    );
    await db.close();
  } finally {
    await cluster.stop();
  }
}

/** Fresh elements come and go; those that are asked for are there. */
function setOperation(db: Database, kind: 'add' | 'has' | 'remove', size: number) {
  const set = db.set<number>(`set:${size}`);
  if (kind === 'has') return (index: number) => set.has((index * 7_919) % size);
  return (index: number) => (kind === 'add' ? set.add(size + index) : set.remove(size + index));
}

/** Bytes on the link for each write of 120 bytes: alone in its commit, and many in one. */
async function replicated(recorder: Recorder): Promise<void> {
  const cluster = await startRegions({ regions: ['a', 'b'] });
  try {
    const db = await connect({ endpoints: [cluster.node('a').urls.client] });
    for (const [lanes, count] of [
      [1, 1_000],
      [256, 20_000],
    ] as const) {
      recorder.tell(`bytes replicated, ${lanes} in flight`);
      await cluster.untilEqual();
      const before = bytesDelivered(cluster);
      await each(count, lanes, (index) => db.register(keyOf(index)).set(value()));
      await cluster.untilEqual();
      const perWrite = (bytesDelivered(cluster) - before) / count;
      recorder.figure(`bytes on the link for each write, ${lanes} in flight`, 'B', perWrite, {
        better: 'lower',
      });
    }
    await db.close();
  } finally {
    await cluster.stop();
  }
}
