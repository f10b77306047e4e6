/**
 * Replication lag in a steady state: three regions, 40 ms one-way links, an offered load of writes in each of them.
 * Measured from the acknowledgement of a write at its region to its change event at another, beside what the nodes'
 * own metric says, and beside an empty link of the same delay in the same run.
 *
 *   node bench/dist/lag.js [--delay 40] [--rate 1000] [--seconds 20]
 */
import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster } from '@causeway/cli';
import { connect, type Database } from '@causeway/client';
import { createWanLink } from '@causeway/wan-link';
import { histogramQuantile, quantile } from './harness/statistics.js';

const { values: options } = parseArgs({
  options: {
    delay: { type: 'string', default: '40' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '20' },
  },
});
const delayMs = Number(options.delay);
const rate = Number(options.rate);
const seconds = Number(options.seconds);

/** One in so many writes is watched in the other regions, so that watching costs little. */
const PROBE_EVERY = 20;
const KEYS = 10_000;
const TICK_MS = 5;
const WARM_UP_MS = 3_000;

/** One-way times over a link without anything else on it: half of an echo's round trip. */
async function emptyLink(): Promise<number[]> {
  const echo = createServer({ noDelay: true }, (socket) => {
    // The link ends its connections by a reset.
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as { port: number };
  const link = await createWanLink({ to: `127.0.0.1:${port}`, delayMs });
  const socket = dial({ host: '127.0.0.1', port: link.port, noDelay: true });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  const times: number[] = [];
  const payload = new Uint8Array(150);
  for (let i = 0; i < 60; i++) {
    const sent = performance.now();
    socket.write(payload);
    await once(socket, 'data');
    times.push((performance.now() - sent) / 2);
  }
  socket.destroy();
  await link.close();
  echo.close();
  return times;
}

const acknowledgedAt = new Map<string, number>();
const lags: number[] = [];
let measuring = false;

async function follow(db: Database, region: string): Promise<void> {
  for await (const change of db.watch({ prefix: 'probe:' })) {
    const seen = performance.now();
    if (change.key.startsWith(`probe:${region}:`)) continue;
    const acknowledged = acknowledgedAt.get(change.key);
    // A change may overtake the acknowledgement on its way to this process: then it took no time at all.
    if (measuring && acknowledged !== undefined) lags.push(seen - acknowledged);
  }
}

/** Writes at the offered rate, whatever the acknowledgements do. */
async function write(db: Database, region: string, until: number): Promise<number> {
  const value = crypto.getRandomValues(new Uint8Array(100));
  const started = performance.now();
  const running: Promise<void>[] = [];
  let sent = 0;
  while (performance.now() < until) {
    const due = Math.floor(((performance.now() - started) / 1000) * rate);
    for (; sent < due; sent++) {
      if (sent % PROBE_EVERY !== 0) {
        running.push(db.register(`load:${Math.floor(Math.random() * KEYS)}`).set(value));
        continue;
      }
      const key = `probe:${region}:${sent}`;
      running.push(
        db
          .register(key)
          .set(value)
          .then(() => void acknowledgedAt.set(key, performance.now())),
      );
    }
    await sleep(TICK_MS);
  }
  await Promise.all(running);
  return sent;
}

const cluster = await startCluster({ regions: ['a', 'b', 'c'], delayMs });
try {
  const empty = await emptyLink();
  await cluster.untilReady();
  const databases = await Promise.all(
    cluster.nodes.map((node) => connect({ endpoints: [node.urls.client] })),
  );
  const watches = databases.map((db, index) => follow(db, cluster.nodes[index]?.region ?? ''));
  const until = performance.now() + WARM_UP_MS + seconds * 1000;
  const load = databases.map((db, index) => write(db, cluster.nodes[index]?.region ?? '', until));
  await sleep(WARM_UP_MS);
  measuring = true;
  const written = await Promise.all(load);
  measuring = false;
  const metrics = await Promise.all(
    cluster.nodes.map(async (node) => (await fetch(`${node.urls.admin}/metrics`)).text()),
  );
  await cluster.untilEqual();
  const ms = (value: number) => value.toFixed(1).padStart(7);
  console.log(
    `three regions, ${delayMs} ms one way, ${rate} writes/s in each, ${seconds} s (${written.join(', ')} written)`,
  );
  console.log(`                      p50     p90     p99  ms`);
  for (const [name, samples] of [
    ['an empty link', empty],
    ['lag, as clients see', lags],
  ] as const) {
    console.log(`${name.padEnd(20)}${[0.5, 0.9, 0.99].map((q) => ms(quantile(samples, q))).join(' ')}`);
  }
  const metric = (q: number) =>
    quantile(
      metrics.map((text) => histogramQuantile(text, 'causeway_replication_lag_seconds', 'origin=', q) * 1000),
      0.5,
    );
  console.log(`${'lag, the metric'.padEnd(20)}${[0.5, 0.9, 0.99].map((q) => ms(metric(q))).join(' ')}`);
  await Promise.all(databases.map((db) => db.close()));
  await Promise.allSettled(watches);
} finally {
  await cluster.stop();
}
