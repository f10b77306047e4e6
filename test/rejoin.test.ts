/**
 * A data directory that is not what it was, on real processes: the node begins anew by itself and says why, the regions
 * are equal afterwards, and nothing that was acknowledged is lost or counted twice.
 */
import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Cluster, startCluster, until } from './support/cluster.js';
import { HttpClient } from './support/http.js';

const REGIONS = ['eu', 'us', 'ap'];
const TIMEOUT_MS = 90_000;

async function started(flags: readonly string[] = []): Promise<Cluster> {
  return startCluster({ regions: REGIONS, delayMs: 5, flags });
}

/** Adds `by` to the counter at a region, with some registers beside it. */
async function write(cluster: Cluster, region: string, by: number): Promise<void> {
  const client = new HttpClient(cluster.node(region).urls.http);
  const operations = [
    { type: 'counter', key: 'sum', op: 'increment', by },
    ...Array.from({ length: 50 }, (_, i) => ({
      type: 'register',
      key: `${region}-${i}`,
      op: 'set',
      value: by,
    })),
  ];
  expect((await client.send('POST', '/v1/transactions', { operations })).status).toBe(200);
  client.close();
}

/** Flips so many bits, evenly over the largest table of the store. */
async function flip(db: string, bits: number): Promise<void> {
  const tables = (await readdir(db)).filter((name) => name.endsWith('.ldb'));
  const sizes = await Promise.all(
    tables.map(async (name) => ({ name, size: (await stat(join(db, name))).size })),
  );
  const [largest] = sizes.sort((a, b) => b.size - a.size);
  if (largest === undefined) throw new Error(`${db} has no table`);
  const file = await open(join(db, largest.name), 'r+');
  const byte = Buffer.alloc(1);
  for (let i = 0; i < bits; i++) {
    const at = Math.floor((largest.size * (i + 0.5)) / bits);
    await file.read(byte, 0, 1, at);
    byte[0] = byte[0]! ^ 0x10;
    await file.write(byte, 0, 1, at);
  }
  await file.close();
}

/** Registers of which no two share many bytes, so that most of a table is of them. */
async function fill(cluster: Cluster, region: string): Promise<void> {
  const client = new HttpClient(cluster.node(region).urls.http);
  for (let i = 0; i < 300; i++) {
    await client.send('PUT', `/v1/registers/long-${i}`, { value: randomBytes(1_000).toString('base64') });
  }
  client.close();
}

async function sums(cluster: Cluster): Promise<unknown[]> {
  await cluster.untilReady();
  await cluster.untilEqual();
  return Promise.all(
    cluster.nodes.map(async ({ urls }) => {
      const client = new HttpClient(urls.http);
      const { body } = await client.send('GET', '/v1/counters/sum');
      client.close();
      return (body as { value: number }).value;
    }),
  );
}

const dataOf = (cluster: Cluster, region: string) => join(cluster.directory, region);
const replicaOf = async (cluster: Cluster, region: string) => (await cluster.node(region).status()).replica;
const says = (cluster: Cluster, region: string, words: RegExp) =>
  cluster
    .node(region)
    .log()
    .filter((line) => words.test(line));

/** The node runs under another identity than `before`, and is ready. */
async function untilAnew(cluster: Cluster, region: string, before: string): Promise<void> {
  await until(
    `${region} to begin anew`,
    async () => {
      const { replica, ready } = await cluster.node(region).status();
      return replica !== before && ready;
    },
    { timeoutMs: 40_000 },
  );
}

describe('a data directory that is not what it was', () => {
  test(
    'deleted: a new replica copies everything',
    async () => {
      const cluster = await started();
      await write(cluster, 'eu', 1);
      await write(cluster, 'us', 2);
      await cluster.untilEqual();
      const before = await replicaOf(cluster, 'eu');
      await cluster.node('eu').kill();
      await rm(dataOf(cluster, 'eu'), { recursive: true });
      await write(cluster, 'us', 4);
      await cluster.node('eu').start();
      await untilAnew(cluster, 'eu', before);
      expect(await sums(cluster)).toEqual([7, 7, 7]);
    },
    TIMEOUT_MS,
  );

  test(
    'copied to a second node: the copy begins anew, the original goes on',
    async () => {
      const cluster = await started();
      await write(cluster, 'eu', 1);
      await write(cluster, 'ap', 2);
      await cluster.untilEqual();
      const original = await replicaOf(cluster, 'eu');
      await cluster.node('ap').stop();
      await cluster.node('eu').stop();
      await rm(dataOf(cluster, 'ap'), { recursive: true });
      await cp(dataOf(cluster, 'eu'), dataOf(cluster, 'ap'), { recursive: true });
      await cluster.node('eu').start();
      await until('eu to be linked', async () =>
        (await cluster.node('eu').status()).peers.some(({ state }) => state === 'connected'),
      );
      await write(cluster, 'eu', 4);
      await cluster.node('ap').start();
      await untilAnew(cluster, 'ap', original);
      expect(await replicaOf(cluster, 'eu')).toBe(original);
      expect(says(cluster, 'ap', /CAUSEWAY_DUPLICATE_IDENTITY.*leaves its identity behind/)).toHaveLength(1);
      await write(cluster, 'ap', 8);
      await write(cluster, 'eu', 16);
      expect(await sums(cluster)).toEqual([31, 31, 31]);
    },
    TIMEOUT_MS,
  );

  test(
    'put back as it was yesterday: what was written since is fetched, and the old store kept',
    async () => {
      const cluster = await started();
      await write(cluster, 'eu', 1);
      await cluster.untilEqual();
      await cluster.node('eu').stop();
      const backup = join(cluster.directory, 'backup');
      await cp(dataOf(cluster, 'eu'), backup, { recursive: true });
      await cluster.node('eu').start();
      await cluster.untilReady();
      await write(cluster, 'eu', 2);
      await write(cluster, 'us', 4);
      await cluster.untilEqual();
      const before = await replicaOf(cluster, 'eu');
      await cluster.node('eu').kill();
      await rm(dataOf(cluster, 'eu'), { recursive: true });
      await rename(backup, dataOf(cluster, 'eu'));
      await cluster.node('eu').start();
      await untilAnew(cluster, 'eu', before);
      expect(says(cluster, 'eu', /CAUSEWAY_AMNESIA.*rolled back.*leaves its identity behind/)).toHaveLength(
        1,
      );
      const aside = (await readdir(dataOf(cluster, 'eu'))).filter((name) => name.startsWith('db.left-'));
      expect(aside).toEqual([expect.stringContaining(before)]);
      await write(cluster, 'eu', 8);
      expect(await sums(cluster)).toEqual([15, 15, 15]);
    },
    TIMEOUT_MS,
  );

  test(
    'with a table of LevelDB deleted: it is moved aside, and everything comes from the peers',
    async () => {
      const cluster = await started();
      await write(cluster, 'eu', 1);
      await write(cluster, 'us', 2);
      await cluster.untilEqual();
      const before = await replicaOf(cluster, 'eu');
      // A start writes what the log holds as a table.
      await cluster.node('eu').stop();
      await cluster.node('eu').start();
      await cluster.node('eu').stop();
      const db = join(dataOf(cluster, 'eu'), 'db');
      const tables = (await readdir(db)).filter((name) => name.endsWith('.ldb'));
      expect(tables.length).toBeGreaterThan(0);
      for (const table of tables) await rm(join(db, table));
      await cluster.node('eu').start();
      await untilAnew(cluster, 'eu', before);
      expect(says(cluster, 'eu', /the store is damaged and does not open/)).toHaveLength(1);
      await write(cluster, 'eu', 4);
      expect(await sums(cluster)).toEqual([7, 7, 7]);
    },
    TIMEOUT_MS,
  );

  test(
    'written asynchronously and not closed: it begins anew, with what it had not handed on',
    async () => {
      const cluster = await started(['--durability', 'async']);
      await write(cluster, 'eu', 1);
      await cluster.untilEqual();
      const before = await replicaOf(cluster, 'eu');
      for (const link of cluster.links.all()) link.cut();
      await write(cluster, 'eu', 2);
      await cluster.node('eu').kill();
      for (const link of cluster.links.all()) link.heal();
      await cluster.node('eu').start();
      await untilAnew(cluster, 'eu', before);
      expect(says(cluster, 'eu', /not stopped in good order.*identity/).length).toBeGreaterThan(0);
      expect(await sums(cluster)).toEqual([3, 3, 3]);
      // In good order it keeps its identity.
      const kept = await replicaOf(cluster, 'us');
      await cluster.node('us').stop();
      await cluster.node('us').start();
      expect(await replicaOf(cluster, 'us')).toBe(kept);
    },
    TIMEOUT_MS,
  );

  test.each([
    { name: 'of a node that is stopped', running: false },
    { name: 'of a node that runs', running: true },
  ])(
    'with bits flipped in a table $name: what is damaged comes back from the peers',
    async ({ running }) => {
      const token = join(await mkdtemp(join(tmpdir(), 'causeway-token-')), 'token');
      await writeFile(token, 'secret-of-the-test\n');
      const cluster = await started(['--admin-token-file', token]);
      for (let i = 0; i < 20; i++) await write(cluster, REGIONS[i % 3]!, 1);
      await fill(cluster, 'us');
      await cluster.untilEqual();
      // A start writes what the log holds as a table.
      const node = cluster.node('eu');
      await node.stop();
      await node.start();
      await cluster.untilEqual();
      if (!running) await node.stop();
      await flip(join(dataOf(cluster, 'eu'), 'db'), 40);
      if (!running) await node.start();
      // What aborts the process, or keeps it from starting, a supervisor answers with another start.
      const supervise = setInterval(() => {
        if (!node.running) node.start().catch(() => undefined);
      }, 500);
      try {
        await until('a scrub', async () => {
          const headers = { authorization: 'Bearer secret-of-the-test' };
          return (await fetch(`${node.urls.admin}/v1/admin/scrub`, { method: 'POST', headers })).ok;
        });
        await write(cluster, 'us', 1);
        await cluster.untilReady({ timeoutMs: 30_000 });
        await until('the damage to be found', () => says(cluster, 'eu', /damage|cannot be read/).length > 0, {
          timeoutMs: 30_000,
        });
        expect(await sums(cluster)).toEqual([21, 21, 21]);
      } finally {
        clearInterval(supervise);
      }
    },
    TIMEOUT_MS,
  );
});
