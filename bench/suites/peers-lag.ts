/**
 * Replication lag of each peer and Causeway in turn: writes at a fixed rate at the first place, followed to the last.
 *
 * It counts from the time at which a write was due until it is told at the other place, minus one link: so a system whose
 * acknowledgement waits for other places pays for that, and one that falls behind its load is charged for the queue.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { causeway } from '../harness/causeway-targets.js';
import { Latencies } from '../harness/latency.js';
import { openLoop } from '../harness/load.js';
import type { Series } from '../harness/result.js';
import type { Recorder } from '../harness/suite.js';
import type { Target } from '../harness/target.js';
import type { Peer } from '../peers/peer.js';
import type { Attempts } from './peers-attempts.js';

const WARM_UP_SECONDS = 1;
/** For what comes after the last write; what comes later still is told as missing. */
const PATIENCE_MS = 15_000;
const LOOK_EVERY_MS = 20;

export interface LagOptions {
  readonly rate: number;
  readonly seconds: number;
  readonly pairs: number;
  readonly delayMs: number;
}

export async function measureLag(
  peers: readonly Peer[],
  options: LagOptions,
  recorder: Recorder,
  attempts: Attempts,
): Promise<void> {
  const ours = await causeway.start({ placeCount: 2, delayMs: options.delayMs });
  const series: Series[] = [];
  const all = new Latencies();
  try {
    for (const peer of peers) {
      const { id, lag } = peer;
      if ('not' in lag) continue;
      await attempts.of(`lag of ${id}`, async () => {
        recorder.tell(`starting ${id}`);
        const theirs = await peer.start({ ...lag, delayMs: options.delayMs });
        try {
          const lags = await compare(peer, [theirs, ours], options, recorder);
          series.push(lags.theirs.series(id));
          all.add(lags.ours);
        } finally {
          await theirs.stop();
        }
      });
    }
  } finally {
    await ours.stop();
  }
  recorder.plot(
    `Lag at ${options.rate} writes/s over a link of ${options.delayMs} ms, minus the link`,
    { label: 'percentile', scale: 'percentile' },
    { label: 'ms', scale: 'log' },
    [all.series('causeway'), ...series],
  );
}

async function compare(
  { id }: Peer,
  targets: readonly [theirs: Target, ours: Target],
  options: LagOptions,
  recorder: Recorder,
): Promise<{ readonly theirs: Latencies; readonly ours: Latencies }> {
  const sums = [new Latencies(), new Latencies()] as const;
  for (let pair = 0; pair < options.pairs; pair++) {
    const taken: (Latencies | undefined)[] = [];
    for (const index of pair % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const target = targets[index];
      recorder.tell(`lag, pair ${pair + 1} of ${options.pairs}: ${target.name}`);
      const { lags, lost } = await measure(target, options);
      if (lost > 0) recorder.note(`${lost} writes were not told after ${PATIENCE_MS} ms: ${target.name}`);
      taken[index] = lags;
      sums[index].add(lags);
    }
    for (const percentile of [50, 99]) {
      const [theirs, ours] = taken.map((lags) => lags?.at(percentile) ?? Number.NaN) as [number, number];
      recorder.figure(`lag p${percentile}, ${id}`, 'ms', theirs);
      recorder.figure(`lag p${percentile}, Causeway beside ${id}`, 'ms', ours, { better: 'lower' });
      recorder.figure(`lag p${percentile}, Causeway ÷ ${id}`, '×', ours / theirs, { better: 'lower' });
    }
  }
  return { theirs: sums[0], ours: sums[1] };
}

let measurements = 0;

async function measure(
  target: Target,
  { rate, seconds, delayMs }: LagOptions,
): Promise<{ lags: Latencies; lost: number }> {
  const prefix = `lag${String(measurements++).padStart(4, '0')}:`;
  const writer = await target.connect(0);
  const follower = await target.connect(target.placeCount - 1);
  if (follower.watch === undefined) throw new Error(`${target.name} cannot tell of changes`);
  const lags = new Latencies();
  const due = new Map<string, number>();
  let startedAt = 0;
  await follower.watch(prefix, (key) => {
    const dueAt = due.get(key);
    if (dueAt === undefined) return;
    due.delete(key);
    if (dueAt >= startedAt + WARM_UP_SECONDS * 1000) lags.record(performance.now() - dueAt - delayMs);
  });
  const value = crypto.getRandomValues(new Uint8Array(100));
  startedAt = performance.now();
  await openLoop({ perSecond: rate, seconds, warmUpSeconds: WARM_UP_SECONDS }, (index) => {
    const key = `${prefix}${String(index).padStart(12, '0')}`;
    due.set(key, startedAt + (index * 1000) / rate);
    return writer.put(key, value);
  });
  for (const until = performance.now() + PATIENCE_MS; due.size > 0 && performance.now() < until; ) {
    await sleep(LOOK_EVERY_MS);
  }
  const lost = due.size;
  await Promise.all([writer.close(), follower.close()]);
  return { lags, lost };
}
