/**
 * A node whose disk fills up, on a small file system of its own (tmpfs, so this runs only where it may be mounted).
 *
 * Reads go on, writes get an error that says why, nothing acknowledged is lost, the node recovers by itself when there
 * is space again, and the other regions notice nothing beyond the writes that are missing.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CausewayError, connect, type Database } from '@causeway/client';
import { expect, onTestFinished, test } from 'vitest';
import { type NodeProcess, startCluster, until } from './support/cluster.js';

const run = promisify(execFile);
const DISK_BYTES = 64 << 20;
/** Taken away while the disk is full, and given back. */
const FILLER_BYTES = 40 << 20;
/** Random, or LevelDB would store next to nothing of it. */
const VALUE = crypto.getRandomValues(new Uint8Array(64 << 10));
const mayMount = await canMount();

async function canMount(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const point = await mkdtemp(join(tmpdir(), 'causeway-mount-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', point]);
    await run('umount', [point]);
    return true;
  } catch {
    // Not allowed here, for whatever reason: the test is skipped and says so.
    return false;
  } finally {
    await rm(point, { recursive: true, force: true });
  }
}

/** A root for three regions, in which `region` has little room. Unmounted when the test has finished. */
async function rootWithSmallDisk(region: string): Promise<{ root: string; filler: string }> {
  const root = await mkdtemp(join(tmpdir(), 'causeway-full-'));
  const disk = join(root, region);
  await mkdir(disk);
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk]);
  onTestFinished(async () => {
    await run('umount', [disk]);
    await rm(root, { recursive: true, force: true });
  });
  return { root, filler: join(disk, 'filler') };
}

async function open(node: NodeProcess): Promise<Database> {
  const db = await connect({ endpoints: [node.urls.client] });
  onTestFinished(() => db.close());
  return db;
}

test.skipIf(!mayMount)(
  'a full disk costs the writes of its node and nothing else (needs root, to mount a small tmpfs)',
  async () => {
    const { root, filler } = await rootWithSmallDisk('full');
    await writeFile(filler, new Uint8Array(FILLER_BYTES));
    const cluster = await startCluster({ regions: ['full', 'b', 'c'], directory: root });
    const node = cluster.node('full');
    const [full, b] = [await open(node), await open(cluster.node('b'))];

    const acknowledged: string[] = [];
    let refusal: unknown;
    for (let i = 0; refusal === undefined && i < DISK_BYTES / VALUE.length; i++) {
      try {
        await full.register(`full ${i}`).set(VALUE);
        acknowledged.push(`full ${i}`);
      } catch (error) {
        refusal = error;
      }
    }
    expect(acknowledged.length).toBeGreaterThan(10);
    expect(refusal).toBeInstanceOf(CausewayError);
    await until('the node to say that it takes no writes', async () =>
      (await node.status()).reasons.includes('read-only'),
    );
    await expect(full.counter('clicks').increment()).rejects.toMatchObject({ code: 'CAUSEWAY_READ_ONLY' });
    expect((await full.register<Uint8Array>(acknowledged[0]!).get())?.length).toBe(VALUE.length);

    // The others are written to all the while, and agree with each other.
    for (let i = 0; i < 50; i++) await b.register(`b ${i}`).set(i);
    await until('c to have what b has', async () => {
      const [atB, atC] = [await cluster.node('b').status(), await cluster.node('c').status()];
      return atB.digest.root === atC.digest.root && atB.ready && atC.ready;
    });

    await rm(filler);
    await until('the node to be ready again', async () => (await node.status()).ready);
    await full.counter('clicks').increment();
    await cluster.untilEqual();
    for (const key of acknowledged)
      expect((await b.register<Uint8Array>(key).get())?.length).toBe(VALUE.length);
    for (let i = 0; i < 50; i++) expect(await full.register(`b ${i}`).get()).toBe(i);
    expect(await b.counter('clicks').value()).toBe(1);
  },
  60_000,
);
