/**
 * How often concurrent writes meet, against how fast clients write and how they choose their keys; and whether the nodes
 * count them all: beside their metric stands the count from the histories in their logs (harness/histories.ts).
 */
import { join } from 'node:path';
import { zipf } from '@causeway/cli';
import { connect } from '@causeway/client';
import { countConflicts, readHistory } from '../harness/histories.js';
import { openLoop } from '../harness/load.js';
import { layout, startRegions } from '../harness/regions.js';
import { defineSuite, type Recorder } from '../harness/suite.js';
import { keyOf } from './mixes.js';
import { seeded } from './random.js';

/** What a log holds for certain. */
const WRITES_MAX = 9_500;
const VALUE = 'x'.repeat(100);

export const conflicts = defineSuite({
  name: 'conflicts',
  title: 'Conflicts',
  about: 'conflicts per write against key skew and write rate, beside the exact count from the histories',
  isQuick: true,
  options: {
    links: { about: 'matrix of distances: three or world', value: 'three' },
    regions: { about: 'number of regions; the count is exact for two', value: 2 },
    skews: { about: 'of uniform, zipf', value: ['uniform', 'zipf'] as string[] },
    rates: { about: 'writes per second in each region', value: [50, 100, 200, 400, 800], quick: [100, 400] },
    keys: { about: 'keys that are written', value: 1_000 },
    seconds: { about: `of each measurement, at most ${WRITES_MAX} writes of a region`, value: 10, quick: 3 },
  },
  run: async (options, recorder) => {
    const curves: { name: string; points: [number, number][] }[] = [];
    for (const skew of options.skews) {
      const points: [number, number][] = [];
      for (const rate of options.rates) {
        recorder.tell(`${skew} keys, ${rate} writes/s in each region`);
        const { counted, exact, writes } = await measure({ ...options, skew, rate });
        const name = `${skew} keys, ${rate}/s`;
        recorder.figure(`${name}: conflicts per 100 writes`, '', (exact * 100) / writes);
        recorder.figure(
          `${name}: counted by the nodes ÷ exact`,
          '×',
          exact === 0 ? Number(counted === 0) : counted / exact,
          {
            ...(options.regions === 2 && { aim: { atLeast: 1 } }),
          },
        );
        points.push([rate, (exact * 100) / writes]);
      }
      curves.push({ name: skew, points });
    }
    plot(curves, recorder);
    recorder.note(
      `Registers only, ${options.keys} keys; zipf is 0.99. A conflict is counted in each region that meets it. The exact ` +
        'count replays the logs of the stopped nodes by what each chunk says that its writer had seen.',
    );
  },
});

interface Setting {
  readonly links: string;
  readonly regions: number;
  readonly skew: string;
  readonly rate: number;
  readonly keys: number;
  readonly seconds: number;
}

interface Counted {
  readonly counted: number;
  readonly exact: number;
  readonly writes: number;
}

async function measure({ links, regions: count, skew, rate, keys, seconds }: Setting): Promise<Counted> {
  const { regions, delayMs } = layout(links, count);
  const length = Math.min(seconds, WRITES_MAX / rate);
  const cluster = await startRegions({ regions, delayMs });
  try {
    const loops = cluster.nodes.map(async ({ urls }, index) => {
      const db = await connect({ endpoints: [urls.client] });
      const random = seeded(index + 1);
      const next = skew === 'zipf' ? zipf(keys, random) : () => Math.floor(random() * keys);
      await openLoop({ perSecond: rate, seconds: length }, (at) =>
        db.register(keyOf(next())).set(`${index} ${at} ${VALUE}`),
      );
      await db.close();
    });
    await Promise.all(loops);
    const statuses = await cluster.untilEqual();
    await Promise.all(cluster.nodes.map((node) => node.stop()));
    const counted = statuses.reduce((sum, status) => sum + (status.conflicts['register'] ?? 0), 0);
    const chunks = await readHistory(join(cluster.directory, regions[0]!, 'db'));
    return { counted, exact: countConflicts(chunks), writes: count * Math.round(rate * length) };
  } finally {
    await cluster.stop();
  }
}

function plot(curves: readonly { name: string; points: [number, number][] }[], recorder: Recorder): void {
  recorder.plot(
    'Conflicts against the write rate',
    { label: 'writes per second in each region', scale: 'log' },
    { label: 'conflicts per 100 writes, all regions', scale: 'linear' },
    curves,
  );
}
