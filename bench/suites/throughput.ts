/**
 * Throughput of one node, against the ceiling in turn: the same client library, loops, keys and values load both, for a
 * moment each, pair after pair: what else the machine does then weighs on both. Closed loop first; then an open loop at shares of what the closed one reached, whose
 * latencies count from the time at which each operation was due.
 */
import { causeway, ceiling } from '../harness/causeway-targets.js';
import { Latencies } from '../harness/latency.js';
import { closedLoop, each, type Operation, openLoop } from '../harness/load.js';
import type { Series } from '../harness/result.js';
import { median } from '../harness/statistics.js';
import { defineSuite, type Recorder } from '../harness/suite.js';
import type { Target, TargetClient } from '../harness/target.js';
import { usageOf } from '../harness/usage.js';
import { keyOf, MIXES, operationOf } from './mixes.js';

const FILL_LANES = 1_000;
const VALUES = 64;
/** Of what is promised: writes and reads reach this share of the ceiling. */
const SHARE_OF_CEILING = 0.6;
/** How far medians of two runs of the same code may lie apart: an assumption, which `compare` tells of nothing below. */
const NOISE = 0.1;

export const throughput = defineSuite({
  name: 'throughput',
  title: 'Throughput of a node',
  about: 'acknowledged durable operations per second against the ceiling, and latency against throughput',
  isQuick: true,
  options: {
    mixes: {
      about: `of ${MIXES.join(', ')}`,
      value: [...MIXES] as string[],
      quick: ['writes', 'reads'],
    },
    shapes: {
      about: 'connections x operations in flight on each',
      value: ['1x1', '1x64', '1x256', '50x1'] as string[],
      quick: ['1x256', '50x1'],
    },
    starts: {
      about: 'how often both are started anew, since processes of the same code differ too',
      value: 4,
      quick: 3,
    },
    pairs: { about: 'windows of each after a start, in turn', value: 20, quick: 10 },
    seconds: { about: 'length of a window', value: 0.3, quick: 0.2 },
    loads: {
      about: 'open loop: shares of what the closed loop reached',
      value: [0.1, 0.25, 0.5, 0.75, 0.9],
      quick: [0.25, 0.5, 0.75],
    },
    'open-seconds': { about: 'open loop: length of a measurement', value: 10, quick: 2 },
    keys: { about: 'keys that are there', value: 200_000, quick: 50_000 },
    'value-bytes': { about: 'size of a value', value: 100 },
  },
  run: async (options, recorder) => {
    const values = Array.from({ length: VALUES }, () =>
      crypto.getRandomValues(new Uint8Array(options['value-bytes'])),
    );
    const { keys } = options;
    for (let start = 0; start < options.starts; start++) {
      const targets = await filled(keys, values, recorder);
      try {
        for (const shape of options.shapes) {
          for (const mix of options.mixes)
            await closed(targets, { ...options, mix, shape, values, start }, recorder);
        }
        if (start === options.starts - 1) await open(targets, { ...options, values }, recorder);
      } finally {
        await Promise.all(targets.map((target) => target.stop()));
      }
    }
    recorder.note(
      `Acknowledged writes are fsynced by both. Keys of 20 bytes, values of ${options['value-bytes']}; YCSB's popular ` +
        'keys are Zipf 0.99. The load generator shares the machine with what it measures, so the ratio within a pair is ' +
        'what counts. The ceiling sets registers instead of incrementing counters and adding to sets.',
    );
  },
});

/** The ceiling and a node, with the same keys. */
async function filled(
  keys: number,
  values: readonly Uint8Array[],
  recorder: Recorder,
): Promise<[bare: Target, ours: Target]> {
  const started: Target[] = [];
  try {
    for (const kind of [ceiling, causeway]) {
      const target = await kind.start({ placeCount: 1, delayMs: 0 });
      started.push(target);
      recorder.tell(`writing ${keys} keys: ${target.name}`);
      const client = await target.connect();
      await each(keys, FILL_LANES, (index) => client.put(keyOf(index), values[index % VALUES]!));
      await client.close();
    }
    return [started[0]!, started[1]!];
  } catch (error) {
    await Promise.all(started.map((target) => target.stop()));
    throw error;
  }
}

interface Closed {
  readonly mix: string;
  readonly shape: string;
  readonly start: number;
  readonly pairs: number;
  readonly seconds: number;
  readonly keys: number;
  readonly values: readonly Uint8Array[];
}

/** One target under one mix: measured window by window, in turn with the other. */
class Lane {
  readonly perSecond: number[] = [];
  readonly latencies = new Latencies();
  private readonly operations: number[] = [];
  /** Read at the start of each window: what a store does behind its answers falls into the window of the other. */
  private readonly cpuSeconds: number[] = [];

  private constructor(
    private readonly target: Target,
    private readonly clients: readonly TargetClient[],
    private readonly operationOfClient: readonly Operation[],
    private readonly lanes: number,
  ) {}

  static async open(target: Target, { mix, shape, start, ...options }: Closed): Promise<Lane> {
    const [connections = 1, lanes = 1] = shape.split('x').map(Number);
    const clients = await Promise.all(Array.from({ length: connections }, () => target.connect()));
    const operations = clients.map((client, index) =>
      operationOf(mix, client, { ...options, seed: start * 1_000 + index }),
    );
    return new Lane(target, clients, operations, connections * lanes);
  }

  async run(seconds: number): Promise<void> {
    this.cpuSeconds.push((await usageOf(this.target.pids)).cpuSeconds);
    const { length } = this.operationOfClient;
    const report = await closedLoop(this.lanes, seconds, (at) => this.operationOfClient[at % length]!(at));
    if (report.failed > 0) throw new Error(`${report.failed} operations failed: ${this.target.name}`);
    this.perSecond.push(report.perSecond);
    this.operations.push(report.latencies.count);
    this.latencies.add(report.latencies);
  }

  /** CPU of each window's operations, until the start of the next. Microseconds. */
  async close(): Promise<number[]> {
    this.cpuSeconds.push((await usageOf(this.target.pids)).cpuSeconds);
    await Promise.all(this.clients.map((client) => client.close()));
    return this.operations.map(
      (count, index) => ((this.cpuSeconds[index + 1]! - this.cpuSeconds[index]!) * 1e6) / count,
    );
  }
}

async function closed(
  [bareTarget, target]: readonly [Target, Target],
  options: Closed,
  recorder: Recorder,
): Promise<void> {
  const { mix, shape, start, pairs, seconds } = options;
  const name = `${mix} ${shape}`;
  recorder.tell(`${name}, start ${start + 1}`);
  const bare = await Lane.open(bareTarget, options);
  const ours = await Lane.open(target, options);
  for (let pair = 0; pair < pairs; pair++) {
    // Each goes first as often as the other.
    for (const lane of (start + pair) % 2 === 0 ? [bare, ours] : [ours, bare]) await lane.run(seconds);
  }
  const bareCpu = await bare.close();
  const cpu = await ours.close();
  const ratios = (of: readonly number[], to: readonly number[]) =>
    of.map((value, index) => value / to[index]!);
  const isPromised = mix === 'writes' || mix === 'reads';
  recorder.figure(`${name} ÷ ceiling`, '×', ratios(ours.perSecond, bare.perSecond), {
    better: 'higher',
    noise: NOISE,
    ...(isPromised && { aim: { atLeast: SHARE_OF_CEILING } }),
  });
  recorder.figure(`${name} CPU per operation ÷ ceiling`, '×', ratios(cpu, bareCpu), {
    better: 'lower',
    noise: NOISE,
  });
  recorder.figure(name, '/s', ours.perSecond, { better: 'higher' });
  recorder.figure(`${name} ceiling`, '/s', bare.perSecond);
  recorder.figure(`${name} p50`, 'ms', ours.latencies.at(50), { better: 'lower' });
  recorder.figure(`${name} p99`, 'ms', ours.latencies.at(99), { better: 'lower' });
}

interface Open {
  readonly loads: readonly number[];
  readonly 'open-seconds': number;
  readonly keys: number;
  readonly values: readonly Uint8Array[];
}

/** Writes on one connection at rates up to near what Causeway can do, of both. */
async function open(targets: readonly Target[], options: Open, recorder: Recorder): Promise<void> {
  const closedLoops = recorder.figures.filter(({ name }) => /^writes 1x\d+$/.test(name));
  const most = Math.max(...closedLoops.map(({ samples }) => median(samples)));
  if (closedLoops.length === 0 || options.loads.length === 0) return;
  const rates = options.loads.map((load) => Math.round(load * most));
  const curves: Series[] = [];
  const distributions: Series[] = [];
  for (const target of targets) {
    const client = await target.connect();
    const taken: { readonly rate: number; readonly latencies: Latencies }[] = [];
    for (const [index, rate] of rates.entries()) {
      recorder.tell(`open loop, ${rate} writes/s: ${target.name}`);
      const operation = operationOf('writes', client, { ...options, seed: index });
      const { latencies, failed } = await openLoop(
        { perSecond: rate, seconds: options['open-seconds'], warmUpSeconds: 0.5 },
        operation,
      );
      if (failed > 0) recorder.note(`${failed} writes failed at ${rate}/s: ${target.name}`);
      taken.push({ rate, latencies });
      const load = `open loop at ${Math.round(options.loads[index]! * 100)} %`;
      for (const percentile of [50, 99, 99.9]) {
        recorder.figure(`${load}, ${target.name} p${percentile}`, 'ms', latencies.at(percentile));
      }
      distributions.push(latencies.series(`${target.name}, ${rate}/s`));
    }
    for (const percentile of [50, 99, 99.9]) {
      const points = taken.map(({ rate, latencies }) => [rate, latencies.at(percentile)] as const);
      curves.push({ name: `${target.name} p${percentile}`, points });
    }
    await client.close();
  }
  recorder.plot(
    'Latency of a write against throughput, from the time at which it was due',
    { label: 'writes offered per second', scale: 'linear' },
    { label: 'ms', scale: 'log' },
    curves,
  );
  recorder.plot(
    'Latency of a write in an open loop',
    { label: 'percentile', scale: 'percentile' },
    { label: 'ms', scale: 'log' },
    distributions,
  );
}
