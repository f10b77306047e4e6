/** Acknowledged writes and reads a second of one place, each peer and Causeway in turn. */
import { causeway } from '../harness/causeway-targets.js';
import { closedLoop, each } from '../harness/load.js';
import type { Series } from '../harness/result.js';
import { median } from '../harness/statistics.js';
import type { Recorder } from '../harness/suite.js';
import type { Target, TargetClient } from '../harness/target.js';
import type { Peer } from '../peers/peer.js';
import { keyOf, operationOf } from './mixes.js';
import type { Attempts } from './peers-attempts.js';

const MIXES = ['writes', 'reads'] as const;
const FILL_LANES = 256;
const VALUES = 64;
const VALUE_BYTES = 100;
/** Of what is promised, for writes. */
const AIMS: Readonly<Record<string, { readonly shapes: readonly string[]; readonly atLeast: number }>> = {
  'redis-always': { shapes: ['1x256'], atLeast: 1 },
  etcd: { shapes: ['1x64', '1x256', '50x1'], atLeast: 5 },
  pouchdb: { shapes: ['1x64', '1x256', '50x1'], atLeast: 10 },
};

export interface ThroughputOptions {
  readonly shapes: readonly string[];
  readonly pairs: number;
  readonly seconds: number;
  readonly keys: number;
}

export async function measureThroughput(
  peers: readonly Peer[],
  options: ThroughputOptions,
  recorder: Recorder,
  attempts: Attempts,
): Promise<void> {
  const { keys } = options;
  const values = Array.from({ length: VALUES }, () => crypto.getRandomValues(new Uint8Array(VALUE_BYTES)));
  const fill = async (target: Target): Promise<void> => {
    recorder.tell(`writing ${keys} keys: ${target.name}`);
    const client = await target.connect();
    await each(keys, FILL_LANES, (index) => client.put(keyOf(index), values[index % VALUES]!));
    await client.close();
  };
  const ours = await causeway.start({ placeCount: 1, delayMs: 0 });
  try {
    await fill(ours);
    for (const peer of peers) {
      const { id, throughput } = peer;
      if ('not' in throughput) continue;
      await attempts.of(`throughput of ${id}`, async () => {
        const theirs = await peer.start({ ...throughput, delayMs: 0 });
        try {
          await fill(theirs);
          recorder.note(
            `Throughput of ${id} is of ${theirs.name}; an acknowledged write has survived: ${theirs.durability}. ` +
              `Causeway's: ${ours.durability}.`,
          );
          await compare(peer, [theirs, ours], { ...options, values }, recorder);
        } finally {
          await theirs.stop();
        }
      });
    }
  } finally {
    await ours.stop();
  }
  plot(peers, options, recorder);
}

interface Comparison extends ThroughputOptions {
  readonly values: readonly Uint8Array[];
}

async function compare(
  { id }: Peer,
  targets: readonly [theirs: Target, ours: Target],
  options: Comparison,
  recorder: Recorder,
): Promise<void> {
  for (const shape of options.shapes) {
    const [connections = 1, lanes = 1] = shape.split('x').map(Number);
    const clients: TargetClient[][] = [];
    for (const target of targets) {
      clients.push(await Promise.all(Array.from({ length: connections }, () => target.connect())));
    }
    for (const mix of MIXES) {
      const take = async (index: number, pair: number): Promise<number> => {
        const operations = clients[index]!.map((client, seed) =>
          operationOf(mix, client, { ...options, seed: pair * 1_000 + seed }),
        );
        const { perSecond, failed } = await closedLoop(connections * lanes, options.seconds, (at) =>
          operations[at % connections]!(at),
        );
        if (failed > 0) recorder.note(`${failed} ${mix} failed: ${targets[index]!.name}, ${shape}`);
        return perSecond;
      };
      for (let pair = 0; pair < options.pairs; pair++) {
        recorder.tell(`${mix} ${shape} beside ${id}, pair ${pair + 1} of ${options.pairs}`);
        // Each goes first as often as the other.
        const first = pair % 2;
        const taken = new Map([[first, await take(first, pair)]]);
        taken.set(1 - first, await take(1 - first, pair));
        const [theirs, ours] = [taken.get(0)!, taken.get(1)!];
        const aim = mix === 'writes' && AIMS[id]?.shapes.includes(shape) ? AIMS[id] : undefined;
        recorder.figure(`${mix} ${shape}, Causeway ÷ ${id}`, '×', ours / theirs, {
          better: 'higher',
          ...(aim !== undefined && { aim: { atLeast: aim.atLeast } }),
        });
        recorder.figure(`${mix} ${shape}, ${id}`, '/s', theirs);
        recorder.figure(`${mix} ${shape}, Causeway beside ${id}`, '/s', ours, { better: 'higher' });
      }
    }
    await Promise.all(clients.flat().map((client) => client.close()));
  }
}

/** Side by side, each relative to Causeway in the same pairs. */
function plot(peers: readonly Peer[], { shapes }: ThroughputOptions, recorder: Recorder): void {
  for (const mix of MIXES) {
    const series = peers.map(
      ({ id }): Series => ({
        name: id,
        points: shapes.flatMap((shape, at) => {
          const found = recorder.figures.find(({ name }) => name === `${mix} ${shape}, Causeway ÷ ${id}`);
          return found === undefined ? [] : [[at + 1, median(found.samples)] as const];
        }),
      }),
    );
    recorder.plot(
      `Acknowledged ${mix} per second, Causeway ÷ another; from left to right ${shapes.join(', ')}`,
      { label: 'connections x operations in flight on each', scale: 'linear' },
      { label: 'times as many', scale: 'log' },
      series,
    );
  }
}
