/**
 * Replication lag in a steady state: writes at a fixed rate in every region, some of them followed to all others. What the
 * link takes is taken off, and an empty link of the same delay is measured before the load and beside it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '@causeway/cli';
import { clusterTarget } from '../harness/causeway-targets.js';
import { openEmptyLink } from '../harness/empty-link.js';
import { Latencies } from '../harness/latency.js';
import { openLoop } from '../harness/load.js';
import { Probes } from '../harness/probes.js';
import { directions, type Layout, layout, startRegions } from '../harness/regions.js';
import type { Series } from '../harness/result.js';
import { defineSuite, type Recorder } from '../harness/suite.js';
import { usageOf } from '../harness/usage.js';

/** One in so many writes is followed, so that following costs little. */
const PROBE_EVERY = 20;
const SLICES = 5;
const KEYS = 10_000;
const WARM_UP_SECONDS = 2;
const IDLE_ECHOES = 40;
const ECHO_EVERY_MS = 10;
const LAST_MS = 200;
/** What is promised, up to this rate in each region. */
const RATE_PROMISED = 1_000;
const P50_BEYOND_MS_MAX = 3;
const P99_BEYOND_EMPTY_MS_MAX = 25;

export const lag = defineSuite({
  name: 'lag',
  title: 'Replication lag',
  about: 'from the acknowledgement of a write until it is readable in each other region, minus the link',
  isQuick: true,
  options: {
    links: { about: 'matrix of distances: three or world', value: 'three' },
    regions: { about: 'number of regions', value: 3 },
    rates: { about: 'writes per second in each region', value: [100, 300, 1000, 2000], quick: [300, 1000] },
    seconds: { about: 'measured at each rate', value: 20, quick: 5 },
    'warm-up': { about: 'seconds under the highest rate promised before all of it', value: 30, quick: 12 },
    'value-bytes': { about: 'size of a value', value: 100 },
  },
  run: async (options, recorder) => {
    const where = layout(options.links, options.regions);
    recorder.tell(`starting ${where.regions.join(', ')}`);
    const cluster = await startRegions({ regions: where.regions, delayMs: where.delayMs });
    try {
      if (options['warm-up'] > 0) {
        recorder.tell('warming up: until the hot paths are compiled, compilers take much of the machine');
        const rate = Math.min(RATE_PROMISED, Math.max(...options.rates));
        await measure(cluster, where, {
          rate,
          seconds: options['warm-up'],
          value: new Uint8Array(options['value-bytes']),
        });
      }
      const byRate: { readonly rate: number; readonly lags: Latencies }[] = [];
      for (const rate of options.rates) {
        recorder.tell(`${rate} writes/s in each of ${where.regions.length} regions`);
        const load = { rate, seconds: options.seconds, value: new Uint8Array(options['value-bytes']) };
        byRate.push({ rate, lags: record(await measure(cluster, where, load), where, rate, recorder) });
      }
      plotAgainstRate(byRate, recorder);
      recorder.tell('waiting for equal digests');
      await cluster.untilEqual();
    } finally {
      await cluster.stop();
    }
    recorder.note(
      'A steady state: the nodes were under load before. Links, nodes and clients share this machine. "Beyond the ' +
        'link" is the lag minus the set delay of the pair of regions; the empty link carries an echo only, so what it ' +
        'shows beyond its delay is timers and the machine.',
    );
  },
});

interface Load {
  readonly rate: number;
  readonly seconds: number;
  readonly value: Uint8Array;
}

interface Measured {
  readonly probes: Probes;
  /** Empty link beyond its delay, before the load and beside it. */
  readonly idle: Latencies;
  readonly beside: Latencies;
  readonly acknowledged: Latencies;
  readonly cpuMicrosPerWrite: number;
}

async function measure(cluster: Cluster, where: Layout, load: Load): Promise<Measured> {
  const { rate, seconds, value } = load;
  const idle = await echoes(where, IDLE_ECHOES);
  const target = clusterTarget(cluster);
  const places = [...where.regions.keys()];
  const clients = await Promise.all(places.map((place) => target.connect(place)));
  const followers = await Promise.all(places.map((place) => target.connect(place)));
  const probes = new Probes(places.length, SLICES, (from, to) =>
    where.delayMs(where.regions[from]!, where.regions[to]!),
  );
  await Promise.all(places.map((place) => probes.follow(followers[place]!, place)));
  crypto.getRandomValues(value);
  probes.measure(performance.now() + WARM_UP_SECONDS * 1000, seconds);
  const before = await usageOf(target.pids);
  const loops = clients.map((client, from) =>
    openLoop({ perSecond: rate, seconds, warmUpSeconds: WARM_UP_SECONDS }, (index) =>
      index % PROBE_EVERY === 0
        ? probes.write(client, from, rate * 1_000_000 + index, value)
        : client.put(`load:${(index * 7919 + from) % KEYS}`, value),
    ),
  );
  const beside = await echoes(where, Math.floor((seconds * 1000) / (2 * longest(where) + ECHO_EVERY_MS)));
  const reports = await Promise.all(loops);
  const cpuSeconds = (await usageOf(target.pids)).cpuSeconds - before.cpuSeconds;
  // What was acknowledged last is still on its way.
  await sleep(longest(where) + LAST_MS);
  await Promise.all([...clients, ...followers].map((client) => client.close()));
  const acknowledged = new Latencies();
  for (const { latencies, failed } of reports) {
    if (failed > 0) throw new Error(`${failed} writes failed at ${rate}/s`);
    acknowledged.add(latencies);
  }
  const writes = places.length * rate * (seconds + WARM_UP_SECONDS);
  return { probes, idle, beside, acknowledged, cpuMicrosPerWrite: (cpuSeconds * 1e6) / writes };
}

/** Figures and plot of one rate; returns the lag of all pairs, each minus its link. */
function record(measured: Measured, where: Layout, rate: number, recorder: Recorder): Latencies {
  const { probes, idle, beside, acknowledged, cpuMicrosPerWrite } = measured;
  const isPromised = rate <= RATE_PROMISED;
  const total = new Latencies();
  for (let slice = 0; slice < SLICES; slice++) {
    const all = probes.ofSlice(slice);
    recorder.figure(`lag beyond the link p50 at ${rate}/s`, 'ms', all.at(50), {
      better: 'lower',
      ...(isPromised && { aim: { atMost: P50_BEYOND_MS_MAX } }),
    });
    recorder.figure(`lag beyond the link p99 at ${rate}/s`, 'ms', all.at(99), { better: 'lower' });
    total.add(all);
  }
  recorder.figure(`empty link beyond its delay p99, before ${rate}/s`, 'ms', idle.at(99));
  recorder.figure(`empty link beyond its delay p99, beside ${rate}/s`, 'ms', beside.at(99));
  recorder.figure(`lag beyond an empty link at ${rate}/s, p99 to p99`, 'ms', total.at(99) - idle.at(99), {
    better: 'lower',
    ...(isPromised && { aim: { atMost: P99_BEYOND_EMPTY_MS_MAX } }),
  });
  recorder.figure(`write acknowledged p99 at ${rate}/s, from its due time`, 'ms', acknowledged.at(99));
  recorder.figure(`CPU of all nodes per write at ${rate}/s`, 'µs', cpuMicrosPerWrite, { better: 'lower' });
  recorder.plot(
    `Lag beyond the link at ${rate} writes/s in each region`,
    { label: 'percentile', scale: 'percentile' },
    { label: 'ms beyond the one-way delay', scale: 'linear' },
    [
      ...pairSeries(probes, where),
      idle.series('an empty link, before'),
      beside.series('an empty link, beside'),
    ],
  );
  return total;
}

function pairSeries(probes: Probes, where: Layout): Series[] {
  return directions(where).map(([from, to]) =>
    probes.ofPair(where.regions.indexOf(from), where.regions.indexOf(to)).series(`${from} to ${to}`),
  );
}

function plotAgainstRate(
  byRate: readonly { readonly rate: number; readonly lags: Latencies }[],
  recorder: Recorder,
): void {
  if (byRate.length < 2) return;
  recorder.plot(
    'Lag beyond the link against the load',
    { label: 'writes per second in each region', scale: 'log' },
    { label: 'ms beyond the one-way delay', scale: 'log' },
    [50, 90, 99].map((percentile) => ({
      name: `p${percentile}`,
      points: byRate.map(({ rate, lags }) => [rate, Math.max(0.01, lags.at(percentile))]),
    })),
  );
}

/** What an empty link of the longest delay adds to it. */
async function echoes(where: Layout, count: number): Promise<Latencies> {
  const delayMs = longest(where);
  const link = await openEmptyLink({ delayMs });
  const beyond = new Latencies();
  for (let i = 0; i < count; i++) beyond.record((await link.echo()) - delayMs);
  await link.close();
  return beyond;
}

function longest(where: Layout): number {
  return Math.max(...directions(where).map(([from, to]) => where.delayMs(from, to)));
}
