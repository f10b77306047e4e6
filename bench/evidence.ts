/**
 * Evidence goes: keys of each type are written and deleted while all members are up; how long until no tombstone,
 * no removed dot, no clear record and no spent counter entry is left on any disk, and what the disks hold after a
 * compaction beside the log's floor. Then the same with one member down: what waits, and that it goes on its return.
 *
 *   node bench/dist/evidence.js [--keys 100000]
 *
 * Exit code 1 when anything is left after a minute, or a disk holds more than the log and 5 MB.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Cluster, startCluster } from '@causeway/cli';
import { connect, type Database } from '@causeway/client';
import { Level } from 'level';

const { values: options } = parseArgs({ options: { keys: { type: 'string', default: '100000' } } });
const keys = Number(options.keys);
const REGIONS = ['a', 'b', 'c'];
const IN_FLIGHT = 1_000;
const ELEMENTS_PER_SET = 10;
const GONE_WITHIN_MS = 60_000;
const SPARE_BYTES = 5_000_000;

/** Kinds of LevelDB keys, by their first byte: records and evidence that waits. */
const KINDS: Readonly<Record<string, string>> = {
  r: 'registers',
  s: 'set records',
  e: 'set elements',
  c: 'counters',
  g: 'evidence that waits',
};

async function each(
  count: number,
  what: string,
  operation: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  let told = performance.now();
  const lane = async () => {
    while (next < count) {
      await operation(next++);
      if (performance.now() - told > 2_000) {
        told = performance.now();
        console.log(`${what}: ${Math.round((100 * next) / count)} %`);
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

async function writeAndDelete(databases: readonly Database[]): Promise<void> {
  const at = (index: number) => databases[index % databases.length]!;
  const value = crypto.getRandomValues(new Uint8Array(100));
  await each(keys, 'registers written', (i) => at(i).register(`r${i}`).set(value));
  await each(keys, 'elements added', (i) =>
    at(i)
      .set(`s${Math.floor(i / ELEMENTS_PER_SET)}`)
      .add(i),
  );
  await each(keys, 'counters incremented', (i) => at(i).counter(`c${i}`).increment());
  await each(keys, 'registers deleted', (i) =>
    at(i + 1)
      .register(`r${i}`)
      .delete(),
  );
  await each(keys / ELEMENTS_PER_SET, 'sets cleared', (i) => clearOrRemove(at(i + 1), i));
  await each(keys, 'counters reset', (i) =>
    at(i + 1)
      .counter(`c${i}`)
      .reset(),
  );
}

/** Half of the sets are cleared, of the others each element is removed. */
async function clearOrRemove(db: Database, index: number): Promise<void> {
  const set = db.set<number>(`s${index}`);
  if (index % 2 === 0) return set.clear();
  await set.remove(...Array.from({ length: ELEMENTS_PER_SET }, (_, i) => index * ELEMENTS_PER_SET + i));
}

interface Stored {
  /** Entries by what they are. */
  readonly left: ReadonlyMap<string, number>;
  readonly logBytes: number;
  readonly diskBytes: number;
}

interface Compactable {
  compactRange(from: Uint8Array, to: Uint8Array): Promise<void>;
}

/** What a stopped node's store holds, after a compaction. */
async function storedIn(directory: string): Promise<Stored> {
  const path = join(directory, 'db');
  const db = new Level<Uint8Array, Uint8Array>(path, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing: false,
  });
  const left = new Map<string, number>();
  let logBytes = 0;
  for await (const [key, value] of db.iterator()) {
    const kind = String.fromCharCode(key[0] ?? 0);
    if (kind === 'l') logBytes += key.length + value.length;
    const name = KINDS[kind];
    if (name !== undefined) left.set(name, (left.get(name) ?? 0) + 1);
  }
  // Of LevelDB on disk alone, so that the type of `level`, which is a browser's too, lacks it.
  await (db as unknown as Compactable).compactRange(Uint8Array.of(0), Uint8Array.of(255, 255));
  await db.close();
  let diskBytes = 0;
  for (const name of await readdir(path)) {
    if (name.endsWith('.ldb') || name.endsWith('.log')) diskBytes += (await stat(join(path, name))).size;
  }
  return { left, logBytes, diskBytes };
}

async function untilStable(cluster: Cluster): Promise<number> {
  const started = performance.now();
  await cluster.untilEqual({ timeoutMs: GONE_WITHIN_MS });
  for (;;) {
    const statuses = await Promise.all(cluster.nodes.map((node) => node.status()));
    if (statuses.every(({ oldestUnstableSeconds }) => oldestUnstableSeconds === 0)) break;
    if (performance.now() - started > GONE_WITHIN_MS) throw new Error('not everything became stable');
    await sleep(100);
  }
  return (performance.now() - started) / 1000;
}

/** Stops the nodes, looks at their stores, and starts them again. */
async function look(cluster: Cluster, mayHold: boolean): Promise<void> {
  for (const node of cluster.nodes) {
    if (!node.running) continue;
    await node.stop();
    const { left, logBytes, diskBytes } = await storedIn(join(cluster.directory, node.region));
    const found = [...left].map(([name, count]) => `${count} ${name}`).join(', ') || 'nothing';
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    console.log(
      `${node.region}: ${found} left; log ${megabytes(logBytes)}, disk after a compaction ${megabytes(diskBytes)}`,
    );
    if (!mayHold && (left.size > 0 || diskBytes > logBytes + SPARE_BYTES)) process.exitCode = 1;
    await node.start();
  }
  await cluster.untilReady();
}

const cluster = await startCluster({ regions: REGIONS });
try {
  await cluster.untilReady();
  const all = await Promise.all(cluster.nodes.map((node) => connect({ endpoints: [node.urls.client] })));
  await writeAndDelete(all);
  await Promise.all(all.map((db) => db.close()));
  const deleted = performance.now();
  console.log(`everywhere stable ${(await untilStable(cluster)).toFixed(1)} s after the last delete`);
  // Compaction runs in the background; a minute is what it may take.
  await sleep(Math.max(0, GONE_WITHIN_MS - (performance.now() - deleted)));
  await look(cluster, false);

  console.log('once more, with c down');
  await cluster.node('c').stop();
  const two = await Promise.all(
    ['a', 'b'].map((region) => connect({ endpoints: [cluster.node(region).urls.client] })),
  );
  await writeAndDelete(two);
  await Promise.all(two.map((db) => db.close()));
  await look(cluster, true);
  await cluster.node('c').start();
  await cluster.untilReady();
  const back = performance.now();
  console.log(`everywhere stable ${(await untilStable(cluster)).toFixed(1)} s after c came back`);
  await sleep(Math.max(0, GONE_WITHIN_MS - (performance.now() - back)));
  await look(cluster, false);
} finally {
  await cluster.stop();
}
console.log(process.exitCode === 1 ? 'something is left' : 'nothing is left');
