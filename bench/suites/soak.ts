/**
 * A long run: all types are written and deleted in every region over a fixed set of keys. Every `quiet-every` seconds the
 * load pauses until all digests are equal; a run whose regions do not agree at such a point fails. Memory and disk are to
 * stay where they are once evidence and log have come to their balance.
 */
import { join } from 'node:path';
import type { Cluster } from '@causeway/cli';
import { connect, type Database } from '@causeway/client';
import { untilConverged } from '../harness/convergence.js';
import { type LoopReport, openLoop } from '../harness/load.js';
import { layout, startRegions } from '../harness/regions.js';
import { defineSuite } from '../harness/suite.js';
import { bytesOfDirectory, usageOf } from '../harness/usage.js';
import { seeded } from './random.js';

const TIMEOUT_MS = 60_000;
const SAMPLES = 200;
const SAMPLE_EVERY_MS_MIN = 1_000;
const ELEMENTS = 20;
const VALUE = 'x'.repeat(100);
/** Of the last quarter against the second one, when start-up is over. */
const GROWTH_MAX = 1.1;
/** Shorter runs tell nothing of growth. */
const MINUTES_MIN = 10;

export const soak = defineSuite({
  name: 'soak',
  title: 'Soak',
  about: 'memory and disk over a long time under load, digests equal at every quiet point',
  isQuick: true,
  options: {
    minutes: { about: 'length', value: 60, quick: 0.2 },
    links: { about: 'matrix of distances: three or world', value: 'three' },
    regions: { about: 'number of regions', value: 3 },
    rate: { about: 'operations per second in each region', value: 500 },
    keys: { about: 'keys of each type', value: 10_000 },
    'quiet-every': { about: 'seconds between quiet points', value: 60, quick: 5 },
  },
  run: async ({ minutes, links, regions: count, rate, keys, 'quiet-every': quietEvery }, recorder) => {
    const { regions, delayMs } = layout(links, count);
    recorder.tell(`starting ${regions.join(', ')}`);
    const cluster = await startRegions({ regions, delayMs });
    const samples: Sample[] = [];
    const started = performance.now();
    const lengthMs = minutes * 60_000;
    const pace = setInterval(
      () => {
        void sample(cluster, started).then((taken) => samples.push(taken));
      },
      Math.max(SAMPLE_EVERY_MS_MIN, lengthMs / SAMPLES),
    );
    try {
      const databases = await Promise.all(
        cluster.nodes.map((node) => connect({ endpoints: [node.urls.client] })),
      );
      let failed = 0;
      for (let round = 0; performance.now() - started < lengthMs; round++) {
        const seconds = Math.round((performance.now() - started) / 1000);
        recorder.tell(`${seconds} of ${lengthMs / 1000} s, ${round} quiet points`);
        const loops = databases.map((db, index) =>
          load(db, round * count + index, { rate, keys, seconds: quietEvery }),
        );
        for (const report of await Promise.all(loops)) failed += report.failed;
        const { ms } = await untilConverged(cluster, performance.now(), TIMEOUT_MS);
        recorder.figure('quiet point, equal after', 'ms', ms, { better: 'lower' });
      }
      recorder.figure('operations that failed', '', failed, { better: 'lower', aim: { atMost: 0 } });
      await Promise.all(databases.map((db) => db.close()));
    } finally {
      clearInterval(pace);
      await cluster.stop();
    }
    for (const [title, of] of [
      ['memory', ({ residentBytes }: Sample) => residentBytes],
      ['disk', ({ diskBytes }: Sample) => diskBytes],
    ] as const) {
      const mebibytes = (taken: Sample, index: number) => (of(taken)[index] ?? Number.NaN) / 2 ** 20;
      const series = regions.map((name, index) => ({
        name,
        points: samples.map((taken) => [taken.seconds, mebibytes(taken, index)] as const),
      }));
      recorder.plot(
        `${title === 'memory' ? 'Memory' : 'Disk'} over time`,
        { label: 'seconds', scale: 'linear' },
        { label: 'MiB', scale: 'linear' },
        series,
      );
      for (const { name, points } of series) {
        recorder.figure(`${title} of ${name}, at the end`, 'MiB', points.at(-1)?.[1] ?? Number.NaN, {
          better: 'lower',
        });
        if (minutes < MINUTES_MIN) continue;
        recorder.figure(`${title} of ${name}, last quarter ÷ second`, '×', growth(points), {
          better: 'lower',
          aim: { atMost: GROWTH_MAX },
        });
      }
    }
    recorder.note(
      `${rate} operations per second in each region over ${keys} keys of each type: registers set and deleted, sets added ` +
        'to, removed from and cleared, counters incremented and reset.',
    );
  },
});

interface Sample {
  readonly seconds: number;
  /** By region. */
  readonly residentBytes: readonly number[];
  readonly diskBytes: readonly number[];
}

async function sample(cluster: Cluster, started: number): Promise<Sample> {
  const [usages, diskBytes] = await Promise.all([
    Promise.all(cluster.nodes.map(({ pid }) => usageOf(pid === undefined ? [] : [pid]))),
    Promise.all(cluster.nodes.map(({ region }) => bytesOfDirectory(join(cluster.directory, region, 'db')))),
  ]);
  const residentBytes = usages.map((usage) => usage.residentBytes);
  return { seconds: (performance.now() - started) / 1000, residentBytes, diskBytes };
}

function load(
  db: Database,
  seed: number,
  { rate, keys, seconds }: { readonly rate: number; readonly keys: number; readonly seconds: number },
): Promise<LoopReport> {
  const random = seeded(seed);
  return openLoop({ perSecond: rate, seconds }, (index): Promise<unknown> => {
    const key = `soak:${Math.floor(random() * keys)}`;
    const kind = random();
    if (kind < 0.35) return db.register(key).set(`${index} ${VALUE}`);
    if (kind < 0.4) return db.register(key).delete();
    if (kind < 0.58) return db.counter(key).increment();
    if (kind < 0.6) return db.counter(key).reset();
    const element = Math.floor(random() * ELEMENTS);
    const set = db.set<number>(key);
    if (kind < 0.8) return set.add(element);
    return kind < 0.98 ? set.remove(element) : set.clear();
  });
}

/** Mean of the last quarter of the time against that of the second one. */
function growth(points: readonly (readonly [number, number])[]): number {
  const quarter = Math.floor(points.length / 4);
  const mean = (from: number) => {
    const values = points.slice(from, from + quarter).map(([, value]) => value);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return mean(points.length - quarter) / mean(quarter);
}
