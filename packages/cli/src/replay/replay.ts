/**
 * Plays a file of order lines against any number of regions at once, then checks what every region holds.
 *
 * The file is read twice: for the single-threaded replay, and to play it. It is never held in memory.
 *
 * When the lines of a region have all been acknowledged, a last transaction there increments a marker. Delivery is
 * causal and in order, so a region that sees the marker of all has been told of every line.
 */
import { randomBytes } from 'node:crypto';
import type { Database } from '@causeway/client';
import { CausewayError } from '@causeway/protocol';
import { areEqual, readStatus } from '../cluster/node-status.js';
import { until } from '../cluster/poll.js';
import { listKeys } from '../commands/keys.js';
import { openDatabase } from '../node-api.js';
import { compareRegions, type Differences } from './comparison.js';
import { SingleThreadedReplay } from './expected-state.js';
import { Lane } from './lane.js';
import { operationsOf, regionOfLine } from './operations.js';
import { readOrderLines } from './order-lines.js';
import { type RegionState, readRegionState } from './region-state.js';
import { TransactionSender } from './transaction-sender.js';

export interface ReplayOptions {
  readonly file: string;
  /** Client URLs, one for each region. */
  readonly nodes: readonly string[];
  /** Admin URLs in the same order, or none: with them the digests have to be equal too. */
  readonly admins: readonly string[];
  /** Before every key. */
  readonly prefix: string;
  readonly linesPerTransaction: number;
  /** How long a node may be away, and how long the regions may take to be equal. Milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface ReplayEvents {
  /** The file has been read once. */
  counted(lines: readonly number[], lanes: readonly Lane[]): void;
  /** Every line is acknowledged. */
  played(): void;
  /** So many pairs of regions have not caught up. */
  waiting(pairs: number): void;
}

export interface ReplayReport {
  readonly lines: readonly number[];
  readonly playSeconds: number;
  readonly equalSeconds: number;
  readonly retries: number;
  readonly states: readonly RegionState[];
  readonly differences: readonly Differences[];
  /** Root digests, if admin URLs were given. */
  readonly digests: readonly string[];
}

/** Throws CausewayError for what ends it early; differences are part of the report. */
export async function replay(options: ReplayOptions, events: ReplayEvents): Promise<ReplayReport> {
  const { file, nodes, prefix, timeoutMs, signal } = options;
  const databases = await Promise.all(nodes.map(openDatabase));
  try {
    await refuseKeysThatAreThere(nodes, prefix);
    const truth = await replayAlone(options);
    const run = randomBytes(8).toString('hex');
    const lanes = nodes.map(() => new Lane(options.linesPerTransaction));
    const senders = nodes.map((node, index) => {
      const onTrouble = (reason: string | undefined) => {
        lanes[index]!.trouble = reason;
      };
      return new TransactionSender({
        node,
        name: `replay-${run}-${index}`,
        patienceMs: timeoutMs,
        signal,
        onTrouble,
      });
    });
    events.counted(truth.lines, lanes);
    const startedAt = performance.now();
    await play(file, prefix, lanes, senders, signal);
    const playSeconds = (performance.now() - startedAt) / 1000;
    events.played();
    const marker = `replay:${run}`;
    await untilMarked(databases, senders, marker, options, events);
    const equalSeconds = (performance.now() - startedAt) / 1000 - playSeconds;
    await databases[0]!.counter(marker).reset();
    const digests = await untilDigestsEqual(options);
    const states = await Promise.all(
      databases.map((db, index) => readRegionState(db, nodes[index]!, prefix)),
    );
    const ours = states.map((state) => withoutMarker(state, marker));
    return {
      lines: truth.lines,
      playSeconds,
      equalSeconds,
      retries: senders.reduce((total, { retries }) => total + retries, 0),
      states: ours,
      differences: compareRegions(truth.state(), ours),
      digests,
    };
  } finally {
    await Promise.all(databases.map((db) => db.close()));
  }
}

/** What is there already would be counted as wrong, after all the work. */
async function refuseKeysThatAreThere(nodes: readonly string[], prefix: string): Promise<void> {
  for (const node of nodes) {
    for await (const { type, key } of listKeys(node, { prefix: `${prefix}stock:` })) {
      throw new CausewayError(
        'CAUSEWAY_BAD_REQUEST',
        `${node} holds order lines already (${type} ${key}): name other keys with --prefix TEXT`,
      );
    }
  }
}

async function replayAlone({ file, nodes, prefix, signal }: ReplayOptions): Promise<SingleThreadedReplay> {
  const truth = new SingleThreadedReplay(nodes.length);
  for await (const line of readOrderLines(file)) {
    signal.throwIfAborted();
    truth.apply(operationsOf(line, prefix), regionOfLine(line, nodes.length));
  }
  return truth;
}

async function play(
  file: string,
  prefix: string,
  lanes: readonly Lane[],
  senders: readonly TransactionSender[],
  signal: AbortSignal,
): Promise<void> {
  const runs = Promise.all(lanes.map((lane, index) => lane.run(senders[index]!)));
  const failed = new Promise<never>((_, reject) => runs.catch(reject));
  const read = async (): Promise<void> => {
    for await (const line of readOrderLines(file)) {
      signal.throwIfAborted();
      await lanes[regionOfLine(line, lanes.length)]!.put(operationsOf(line, prefix));
    }
    for (const lane of lanes) lane.close();
  };
  await Promise.race([read(), failed]);
  await runs;
}

async function untilMarked(
  databases: readonly Database[],
  senders: readonly TransactionSender[],
  marker: string,
  { timeoutMs, signal }: ReplayOptions,
  events: ReplayEvents,
): Promise<void> {
  await Promise.all(
    senders.map((sender) => sender.send([{ type: 'counter', key: marker, op: 'increment', by: 1 }])),
  );
  const caughtUp = async (): Promise<boolean> => {
    const seen = await Promise.all(databases.map((db) => db.counter(marker).value()));
    const missing = seen.reduce((total, value) => total + databases.length - value, 0);
    events.waiting(missing);
    return missing === 0;
  };
  await until('every region to be told of every line', caughtUp, { timeoutMs, signal });
}

async function untilDigestsEqual({ admins, timeoutMs, signal }: ReplayOptions): Promise<string[]> {
  if (admins.length === 0) return [];
  const look = async () => {
    const statuses = await Promise.all(admins.map(readStatus));
    return areEqual(statuses) && statuses;
  };
  const statuses = await until('equal digests', look, { timeoutMs, signal });
  return statuses.map(({ digest }) => digest.root);
}

function withoutMarker(state: RegionState, marker: string): RegionState {
  const counters = new Map(state.counters);
  counters.delete(marker);
  return { ...state, counters };
}
