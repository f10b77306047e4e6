/** `causeway load`: clients in every region, for as long as it runs. */
import { connect, type Database } from '@causeway/client';
import { Command, Option } from 'commander';
import { reasonOf } from '../cluster/node-status.js';
import { UsageError } from '../failure.js';
import { Lane, type Tally } from '../load/lane.js';
import { zipf } from '../load/popularity.js';
import { NODE_DEFAULT, webSocketUrl } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { count, milliseconds } from '../terminal/text.js';
import { collect, parseWhole } from './arguments.js';

interface LoadFlags {
  readonly node?: string[];
  readonly writes: number;
  readonly keys: number;
  readonly seconds?: number;
}

const WRITES_DEFAULT = 100;
const KEYS_DEFAULT = 1_000;
/** The popularity of each takes 8 bytes. */
const KEYS_MAX = 10_000_000;
const TICK_MS = 10;
const REPORT_EVERY_MS = 5_000;
/** Regions that start together take a while. */
const CONNECT_TIMEOUT_MS = 60_000;
const OPERATION_TIMEOUT_MS = 5_000;

export function loadCommand(output: Output): Command {
  return new Command('load')
    .description('write and read in every region at a steady rate, on keys that the regions share')
    .addOption(
      new Option('-n, --node <url...>', `client URL of each region (default: ${NODE_DEFAULT})`)
        .env('CAUSEWAY_NODE')
        .argParser(collect),
    )
    .option(
      '--writes <n>',
      'writes each second and region; there are as many reads',
      parseWhole,
      WRITES_DEFAULT,
    )
    .option('--keys <n>', 'keys of each type; few of them are popular', parseWhole, KEYS_DEFAULT)
    .option('--seconds <n>', 'how long; default: until it is stopped', parseWhole)
    .action((flags: LoadFlags) => run(flags, output));
}

async function run(
  { node = [NODE_DEFAULT], writes, keys, seconds }: LoadFlags,
  output: Output,
): Promise<void> {
  if (keys > KEYS_MAX) throw new UsageError(`--keys: at most ${count(KEYS_MAX)}`);
  const databases: Database[] = [];
  try {
    for (const url of node.map(webSocketUrl)) databases.push(await open(url));
    const lanes = databases.map(
      (db) =>
        new Lane({ db, writesPerSecond: writes, nextKey: zipf(keys, Math.random), random: Math.random }),
    );
    await play(lanes, seconds, (tallies, elapsedMs) => {
      tallies.forEach((tally, index) => {
        output.print(`${node[index]}: ${describe(tally, elapsedMs)}`);
      });
    });
  } finally {
    await Promise.all(databases.map((db) => db.close()));
  }
}

function open(url: string): Promise<Database> {
  return connect({
    endpoints: [url],
    name: 'causeway load',
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    operationTimeoutMs: OPERATION_TIMEOUT_MS,
  });
}

/** Resolves when the time is up, or at a signal. */
function play(
  lanes: readonly Lane[],
  seconds: number | undefined,
  report: (tallies: readonly Tally[], elapsedMs: number) => void,
): Promise<void> {
  return new Promise((resolve) => {
    let reportedAt = performance.now();
    const tell = () => {
      const now = performance.now();
      report(
        lanes.map((lane) => lane.take()),
        now - reportedAt,
      );
      reportedAt = now;
    };
    const ticks = setInterval(() => {
      const now = performance.now();
      for (const lane of lanes) lane.tick(now);
    }, TICK_MS);
    const reports = setInterval(tell, REPORT_EVERY_MS);
    const stop = () => {
      clearInterval(ticks);
      clearInterval(reports);
      clearTimeout(timer);
      process.off('SIGTERM', stop).off('SIGINT', stop);
      tell();
      resolve();
    };
    const timer = seconds === undefined ? undefined : setTimeout(stop, seconds * 1_000);
    process.once('SIGTERM', stop).once('SIGINT', stop);
  });
}

function describe({ writes, reads, failed, heldBack, writeMs, error }: Tally, elapsedMs: number): string {
  const sorted = writeMs.sort((a, b) => a - b);
  const at = (quantile: number) => sorted[Math.floor(quantile * sorted.length)];
  const [p50, p99] = [at(0.5), at(0.99)];
  const rate = (n: number) => count(Math.round((n * 1_000) / elapsedMs));
  return [
    `${rate(writes)} writes/s`,
    `${rate(reads)} reads/s`,
    ...(p50 === undefined || p99 === undefined
      ? []
      : [`writes p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}`]),
    ...(heldBack > 0 ? [`${count(heldBack)} writes held back: too many wait for their answers`] : []),
    ...(failed > 0 ? [`${count(failed)} failed: ${reasonOf(error)}`] : []),
  ].join(', ');
}
