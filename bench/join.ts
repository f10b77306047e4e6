/**
 * A new region joins three that are written to: what the join costs the old ones (write latency beside a control run
 * of the same length), how long it takes, what it sends, against a plain copy of the files.
 *
 *   node bench/dist/join.js [--keys 1000000] [--rate 1000] [--delay 40]
 *
 * Writes are offered at `rate` per second in all, at fixed times, so that a stall counts for every write that it
 * delays. Exit code 1 when the regions are not equal at the end.
 */
import { cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster } from '@causeway/cli';
import { connect, type Database } from '@causeway/client';
import { quantile } from './harness/statistics.js';

const { values: options } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    rate: { type: 'string', default: '1000' },
    delay: { type: 'string', default: '40' },
  },
});
const keys = Number(options.keys);
const rate = Number(options.rate);
const OLD = ['a', 'b', 'c'];
const NEW = 'd';
const IN_FLIGHT = 1_000;
const CONTROL_MS = 15_000;
const TICK_MS = 2;

const keyOf = (index: number) => `key:${String(index).padStart(16, '0')}`;
const valueOf = () => crypto.getRandomValues(new Uint8Array(100));

/** Writes at fixed times until `stop`; latencies from the time at which each was due. Milliseconds. */
class Load {
  readonly latencies: number[] = [];
  private running = true;
  private readonly pending = new Set<Promise<void>>();
  private readonly done: Promise<void>;

  constructor(private readonly databases: readonly Database[]) {
    this.done = this.run();
  }

  async stop(): Promise<number[]> {
    this.running = false;
    await this.done;
    await Promise.all(this.pending);
    return this.latencies;
  }

  private async run(): Promise<void> {
    const started = performance.now();
    for (let sent = 0; this.running; await sleep(TICK_MS)) {
      for (let due = started + (sent * 1000) / rate; due <= performance.now(); sent++) {
        this.write(sent, due);
        due = started + ((sent + 1) * 1000) / rate;
      }
    }
  }

  private write(index: number, due: number): void {
    const db = this.databases[index % this.databases.length]!;
    const key = keyOf(Math.floor(Math.random() * keys));
    const write = db
      .register(key)
      .set(valueOf())
      .then(() => {
        this.latencies.push(performance.now() - due);
        this.pending.delete(write);
      });
    this.pending.add(write);
  }
}

async function fill(databases: readonly Database[]): Promise<void> {
  let next = 0;
  let told = performance.now();
  const lane = async () => {
    while (next < keys) {
      const index = next++;
      await databases[index % databases.length]!.register(keyOf(index)).set(valueOf());
      if (performance.now() - told > 2_000) {
        told = performance.now();
        console.log(`writing: ${Math.round((100 * next) / keys)} %`);
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

/** Bytes and milliseconds of a copy of the directory's files, to the same disk. */
async function copyOf(directory: string): Promise<{ bytes: number; ms: number }> {
  let bytes = 0;
  for (const name of await readdir(join(directory, 'db')))
    bytes += (await stat(join(directory, 'db', name))).size;
  const target = await mkdtemp(join(tmpdir(), 'causeway-copy-'));
  const started = performance.now();
  await cp(directory, target, { recursive: true });
  const ms = performance.now() - started;
  await rm(target, { recursive: true, force: true });
  return { bytes, ms };
}

async function bytesReceived(adminUrl: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', adminUrl))).text();
  let sum = 0;
  for (const [, value] of text.matchAll(/^causeway_peer_bytes_total\{.*direction="received".*\} (\S+)$/gm))
    sum += Number(value);
  return sum;
}

function told(name: string, latencies: number[]): string {
  const figures = [0.5, 0.99, 0.999].map((q) => quantile(latencies, q).toFixed(1));
  return `${name}: write latency p50 ${figures[0]} ms, p99 ${figures[1]} ms, p99.9 ${figures[2]} ms (${latencies.length} writes)`;
}

const cluster = await startCluster({
  regions: [...OLD, NEW],
  later: [NEW],
  delayMs: Number(options.delay),
});
try {
  await cluster.untilReady();
  const databases = await Promise.all(
    OLD.map((region) => connect({ endpoints: [cluster.node(region).urls.client] })),
  );
  await fill(databases);
  await cluster.untilEqual({ timeoutMs: 120_000 });
  console.log(`${keys} keys in three regions`);

  const warm = new Load(databases);
  await sleep(CONTROL_MS / 3);
  await warm.stop();
  const control = new Load(databases);
  await sleep(CONTROL_MS);
  const before = await control.stop();
  console.log(told('control', before));

  const joining = new Load(databases);
  const started = performance.now();
  const node = cluster.node(NEW);
  await node.start();
  let looked = started;
  while (!(await node.status()).ready) {
    await sleep(50);
    if (performance.now() - looked < 2_000) continue;
    looked = performance.now();
    console.log(`joining: ${((await bytesReceived(node.urls.admin)) / 1e6).toFixed(0)} MB received`);
  }
  const joinedMs = performance.now() - started;
  const received = await bytesReceived(node.urls.admin);
  const during = await joining.stop();
  console.log(told('joining', during));
  console.log(`p50 while joining ÷ control: ${(quantile(during, 0.5) / quantile(before, 0.5)).toFixed(2)}`);
  await cluster.untilEqual({ timeoutMs: 60_000 });
  const copy = await copyOf(join(cluster.directory, 'a'));
  console.log(
    `ready after ${(joinedMs / 1000).toFixed(1)} s, ${(received / 1e6).toFixed(1)} MB received, equal at the end; ` +
      `a copy of the files: ${(copy.bytes / 1e6).toFixed(1)} MB in ${(copy.ms / 1000).toFixed(1)} s`,
  );
  await Promise.all(databases.map((db) => db.close()));
} finally {
  await cluster.stop();
}
