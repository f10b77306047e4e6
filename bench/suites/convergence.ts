/**
 * Time until all regions hold the same: after the last write of a steady load, after a partition that was silent or a reset,
 * after a region's loss and return, after a new region's join; for each data type, and with conflicts. Cuts are of processes
 * that have caught up once before, as those of regions that have been up for a while have; the first is told apart.
 *
 * In a partition the first region is cut off from all others; both sides write `keys` keys meanwhile. Bytes are what nodes
 * receive from the heal until all are equal, against the keys and values that have to come: those of one side once to each
 * region of the other. The bytes of the links are told beside them: those hold also what was sent into a silent cut, and
 * hand it over at the heal to connections that nobody reads any more.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '@causeway/cli';
import { connect, type Database } from '@causeway/client';
import { type Convergence, untilCalm, untilConverged } from '../harness/convergence.js';
import { each, openLoop } from '../harness/load.js';
import { bytesDelivered, layout, startRegions } from '../harness/regions.js';
import type { Series } from '../harness/result.js';
import { defineSuite, type FigureTraits, type Recorder } from '../harness/suite.js';
import { Scrape } from './prometheus.js';

const CUTS = ['silence', 'reset', 'types', 'conflicts'];
const SCENARIOS = ['steady', ...CUTS, 'loss', 'join'];
const LANES = 256;
const KEY_BYTES = 20;
const VALUE_BYTES = 100;
const STEADY_PER_SECOND = 500;
const STEADY_SECONDS = 2;
/** A process that has never caught up compiles on the way what it does: its first cut is a figure of its own. */
const FIRST_CUT_SECONDS = 2;
const TIMEOUT_MS = 180_000;
const HEALED_WITHIN_MS = 1_000;
const BYTES_PER_PAYLOAD_MAX = 1.25;
const JOINER = 'joiner';

export const convergence = defineSuite({
  name: 'convergence',
  title: 'Convergence',
  about:
    'from the last write, the heal, the return or the start until all digests are equal, and what crosses the links',
  isQuick: true,
  options: {
    scenarios: {
      about: `of ${SCENARIOS.join(', ')}`,
      value: SCENARIOS,
      quick: ['steady', 'silence', 'reset', 'loss', 'join'],
    },
    links: { about: 'matrix of distances: three or world', value: 'three' },
    regions: { about: 'numbers of regions', value: [2, 3, 5, 10], quick: [3] },
    cuts: { about: 'lengths of a partition, seconds', value: [1, 10, 60], quick: [5] },
    keys: { about: 'keys that each side writes in a partition', value: 10_000 },
    shares: { about: 'keys that both sides write, per cent', value: [0, 10, 50, 100] },
    repetitions: { about: 'of everything', value: 3, quick: 1 },
  },
  run: async (options, recorder) => {
    for (const count of options.regions) {
      const { regions, delayMs } = layout(options.links, count);
      recorder.tell(`starting ${regions.join(', ')}`);
      const cluster = await startRegions({
        regions: [...regions, JOINER],
        later: [JOINER],
        delayMs: (from, to) =>
          delayMs(from === JOINER ? regions[0]! : from, to === JOINER ? regions[1]! : to),
      });
      try {
        const databases = await Promise.all(
          regions.map((region) => connect({ endpoints: [cluster.node(region).urls.client] })),
        );
        const run = new Run(cluster, regions, databases, options, recorder);
        if (options.scenarios.some((scenario) => CUTS.includes(scenario))) await run.firstCut();
        for (const scenario of options.scenarios) await run.scenario(scenario);
        await Promise.all(databases.map((db) => db.close()));
      } finally {
        await cluster.stop();
      }
    }
    recorder.note(
      `Keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES}. Payload is keys plus values, once for each region that lacked ` +
        'them; bytes are what nodes received from the heal until all were equal, heartbeats and handshakes included. Those ' +
        'of the links include what was sent into a silent cut on connections that were given up meanwhile.',
    );
  },
});

interface Options {
  readonly cuts: readonly number[];
  readonly keys: number;
  readonly shares: readonly number[];
  readonly repetitions: number;
}

interface Partition {
  readonly mode: 'silence' | 'reset';
  readonly seconds: number;
  readonly type: 'register' | 'counter' | 'set';
  /** Of the keys, written on both sides. */
  readonly share: number;
  readonly isFirst?: boolean;
}

class Run {
  private written = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly regions: readonly string[],
    private readonly databases: readonly Database[],
    private readonly options: Options,
    private readonly recorder: Recorder,
  ) {}

  async scenario(name: string): Promise<void> {
    const { cuts, shares, repetitions } = this.options;
    const shortest = Math.min(...cuts);
    for (let repetition = 0; repetition < repetitions; repetition++) {
      if (name === 'steady') await this.steady();
      else if (name === 'loss') await this.loss();
      else if (name === 'join' && repetition === 0) await this.join();
      else if (name === 'silence' || name === 'reset') {
        for (const seconds of cuts) {
          await this.partition(`cut by ${name} for ${seconds} s`, this.plan(name, seconds), repetition);
        }
      } else if (name === 'types') {
        for (const type of ['register', 'counter', 'set'] as const) {
          await this.partition(`${type}s apart`, { ...this.plan('reset', shortest), type }, repetition);
        }
      } else if (name === 'conflicts') {
        for (const share of shares) {
          const title = `${share} % of the keys on both sides`;
          await this.partition(title, { ...this.plan('reset', shortest), share: share / 100 }, repetition);
        }
      }
    }
  }

  async firstCut(): Promise<void> {
    const plan = { ...this.plan('reset', FIRST_CUT_SECONDS), isFirst: true };
    await this.partition(`first cut of new processes, by reset for ${FIRST_CUT_SECONDS} s`, plan, 0);
  }

  private plan(mode: 'silence' | 'reset', seconds: number): Partition {
    return { mode, seconds, type: 'register', share: 0 };
  }

  private async steady(): Promise<void> {
    await this.calm('steady load');
    const loops = this.databases.map((db, index) =>
      openLoop({ perSecond: STEADY_PER_SECOND, seconds: STEADY_SECONDS }, (at) =>
        write(db, 'register', this.key(index, at)),
      ),
    );
    await Promise.all(loops);
    this.written += STEADY_PER_SECOND * STEADY_SECONDS;
    const { ms } = await untilConverged(this.cluster, performance.now(), TIMEOUT_MS);
    this.took(`after the last of ${STEADY_PER_SECOND} writes/s in each`, ms);
  }

  private async partition(title: string, plan: Partition, repetition: number): Promise<void> {
    const { keys } = this.options;
    await this.calm(title);
    const around = this.cluster.links.around(this.regions[0]!);
    around.cut({ mode: plan.mode });
    const cutAt = performance.now();
    const here = this.databases[0]!;
    const there = this.databases.slice(1);
    // At the pace of the cut, and as fast as it goes where that is not enough.
    const lanes = Math.min(LANES, Math.ceil((keys / (plan.seconds * 1000)) * 4) + 1);
    const writeAll = (side: number, of: (index: number) => Database) =>
      each(keys, lanes, async (index) => {
        const dueAt = cutAt + (index / keys) * plan.seconds * 900;
        if (dueAt > performance.now()) await sleep(dueAt - performance.now());
        await write(of(index), plan.type, this.key(index < plan.share * keys ? 0 : side, index));
      });
    await Promise.all([writeAll(0, () => here), writeAll(1, (index) => there[index % there.length]!)]);
    this.written += keys;
    await sleep(Math.max(0, cutAt + plan.seconds * 1000 - performance.now()));
    const receivedBefore = await this.bytesReceived();
    const deliveredBefore = bytesDelivered(this.cluster);
    around.heal();
    const converged = await untilConverged(this.cluster, performance.now(), TIMEOUT_MS);
    const isPromised = plan.type === 'register' && plan.share === 0 && plan.isFirst !== true;
    this.took(
      `${title}, after the heal`,
      converged.ms,
      isPromised ? { aim: { atMost: HEALED_WITHIN_MS } } : {},
    );
    const received = (await this.bytesReceived()) - receivedBefore;
    const delivered = bytesDelivered(this.cluster) - deliveredBefore;
    const payload = keys * (KEY_BYTES + VALUE_BYTES) * this.regions.length;
    if (plan.type === 'register') {
      this.figure(`${title}, bytes ÷ payload`, '×', received / payload, {
        better: 'lower',
        ...(isPromised && { aim: { atMost: BYTES_PER_PAYLOAD_MAX } }),
      });
      this.figure(`${title}, bytes of the links ÷ payload`, '×', delivered / payload, { better: 'lower' });
    } else {
      const perOperation = received / (keys * this.regions.length);
      this.figure(`${title}, bytes per operation and region`, 'B', perOperation, { better: 'lower' });
    }
    if (repetition === 0) this.plotMissing(title, converged);
  }

  private async loss(): Promise<void> {
    const { keys } = this.options;
    const lost = this.cluster.node(this.regions[0]!);
    await this.calm('loss of a region');
    await lost.kill();
    const others = this.databases.slice(1);
    await each(keys, LANES, (index) => write(others[index % others.length]!, 'register', this.key(1, index)));
    this.written += keys;
    const startedAt = performance.now();
    await lost.start();
    const { ms } = await untilConverged(this.cluster, startedAt, TIMEOUT_MS);
    this.took(`region killed, ${keys} keys later started again`, ms);
  }

  /** Last of all: the new region stays. */
  private async join(): Promise<void> {
    await this.calm('join of a region');
    const startedAt = performance.now();
    await this.cluster.node(JOINER).start();
    const { ms } = await untilConverged(this.cluster, startedAt, TIMEOUT_MS);
    this.took(`new region joins, ${this.written} keys or so`, ms);
    await this.cluster.node(JOINER).stop();
  }

  /** By the nodes from their peers, all together. */
  private async bytesReceived(): Promise<number> {
    const scrapes = await Promise.all(
      this.regions.map((region) => Scrape.of(this.cluster.node(region).urls.admin)),
    );
    return scrapes.reduce(
      (sum, scrape) => sum + scrape.sum('causeway_peer_bytes_total', { direction: 'received' }),
      0,
    );
  }

  private async calm(next: string): Promise<void> {
    this.recorder.tell(`${this.regions.length} regions: ${next}`);
    await untilCalm(this.cluster);
  }

  private took(what: string, ms: number, traits: FigureTraits = {}): void {
    this.figure(what, 'ms', ms, { better: 'lower', ...traits });
  }

  private figure(what: string, unit: string, value: number, traits: FigureTraits = {}): void {
    this.recorder.figure(`${this.regions.length} regions: ${what}`, unit, value, traits);
  }

  private plotMissing(title: string, { missing }: Convergence): void {
    const series: Series[] = [{ name: 'transactions that regions lack', points: missing }];
    this.recorder.plot(
      `${this.regions.length} regions, ${title}: what is missing after the heal`,
      { label: 'ms after the heal', scale: 'linear' },
      { label: 'transactions, all regions', scale: 'linear' },
      series,
    );
  }

  /** 20 bytes, different for every side and for every measurement. */
  private key(side: number, index: number): string {
    return `${side}:${String(this.written).padStart(9, '0')}:${String(index).padStart(8, '0')}`;
  }
}

function write(db: Database, type: Partition['type'], key: string): Promise<unknown> {
  if (type === 'counter') return db.counter(key).increment();
  if (type === 'set') return db.set<number>(key).add(1);
  return db.register(key).set(crypto.getRandomValues(new Uint8Array(VALUE_BYTES)));
}
