/**
 * How stale a local read is: one region writes versions of some keys, the others read them. A read misses a write when it
 * returns an older version although the write was acknowledged in its own region before the read began. The share of reads
 * that miss a write of a given age is what probabilistically bounded staleness asks for (Bailis et al. 2012).
 */
import { connect } from '@causeway/client';
import { openLoop } from '../harness/load.js';
import { layout, startRegions } from '../harness/regions.js';
import type { Series } from '../harness/result.js';
import { defineSuite } from '../harness/suite.js';

const AGE_STEP_MS = 5;

export const staleness = defineSuite({
  name: 'staleness',
  title: 'Staleness',
  about: 'share of reads in other regions that miss an acknowledged write, by its age',
  isQuick: true,
  options: {
    links: { about: 'matrix of distances: three or world', value: 'three' },
    regions: { about: 'number of regions; the first writes', value: 3 },
    'write-rate': { about: 'writes per second', value: 200 },
    'read-rate': { about: 'reads per second in each other region', value: 1_000 },
    keys: { about: 'keys that are written in turn', value: 50 },
    seconds: { about: 'measured', value: 30, quick: 6 },
  },
  run: async ({ links, regions: count, keys, seconds, ...rates }, recorder) => {
    const { regions, delayMs } = layout(links, count);
    const [writer = '', ...readers] = regions;
    recorder.tell(`starting ${regions.join(', ')}`);
    const cluster = await startRegions({ regions, delayMs });
    try {
      const connectTo = (region: string) => connect({ endpoints: [cluster.node(region).urls.client] });
      const db = await connectTo(writer);
      /** Of the newest acknowledged version of each key. */
      const newest = Array.from({ length: keys }, () => ({ version: 0, at: Number.NaN }));
      recorder.tell(`writing in ${writer}, reading in ${readers.join(', ')}`);
      const writing = openLoop({ perSecond: rates['write-rate'], seconds }, async (index) => {
        const key = index % keys;
        const version = Math.floor(index / keys) + 1;
        await db.register<number>(`stale:${key}`).set(version);
        // Answers of one connection come in order: no later version was acknowledged before.
        newest[key] = { version, at: performance.now() };
      });
      const ages = readers.map(() => new Ages());
      const reading = readers.map(async (region, index) => {
        const reader = await connectTo(region);
        await openLoop({ perSecond: rates['read-rate'], seconds, warmUpSeconds: 0 }, async (at) => {
          const key = (at * 7) % keys;
          const { version, at: acknowledgedAt } = newest[key]!;
          const began = performance.now();
          const seen = (await reader.register<number>(`stale:${key}`).get()) ?? 0;
          if (version > 0) ages[index]!.record(began - acknowledgedAt, seen < version);
        });
        await reader.close();
      });
      await Promise.all([writing, ...reading]);
      const curves: Series[] = [];
      for (const [index, region] of readers.entries()) {
        const name = `${region}, ${delayMs(writer, region)} ms away`;
        const { missedShare, untilPercent, series } = ages[index]!;
        recorder.figure(`${name}: reads that miss a write`, '%', missedShare() * 100, { better: 'lower' });
        recorder.figure(`${name}: age at which fewer than 1 % are missed`, 'ms', untilPercent(1), {
          better: 'lower',
        });
        curves.push(series(name));
      }
      recorder.plot(
        'Reads that miss a write, by the age of the write',
        { label: 'ms since the write was acknowledged in its region', scale: 'linear' },
        { label: '% of the reads', scale: 'linear' },
        curves,
      );
      await db.close();
    } finally {
      await cluster.stop();
    }
    recorder.note(
      `${rates['write-rate']} writes per second over ${keys} keys, so each key changes every ` +
        `${Math.round((keys * 1000) / rates['write-rate'])} ms; reads of a key whose newest write is older than that do not occur.`,
    );
  },
});

/** Reads by the age of the newest write that they could have seen. */
class Ages {
  private readonly reads: number[] = [];
  private readonly missed: number[] = [];

  record(ageMs: number, missed: boolean): void {
    const step = Math.floor(ageMs / AGE_STEP_MS);
    this.reads[step] = (this.reads[step] ?? 0) + 1;
    if (missed) this.missed[step] = (this.missed[step] ?? 0) + 1;
  }

  missedShare = (): number => {
    const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + (count ?? 0), 0);
    return sum(this.missed) / sum(this.reads);
  };

  /** The first age from which on fewer than so many per cent are missed. */
  untilPercent = (percent: number): number => {
    const last = this.shares().findLast(([, share]) => share >= percent);
    return (last?.[0] ?? -AGE_STEP_MS) + AGE_STEP_MS;
  };

  series = (name: string): Series => ({ name, points: this.shares() });

  private shares(): (readonly [ageMs: number, percent: number])[] {
    return [...this.reads.entries()].flatMap(([step, count]) =>
      count > 0 ? [[step * AGE_STEP_MS, ((this.missed[step] ?? 0) / count) * 100] as const] : [],
    );
  }
}
