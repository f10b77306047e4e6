/** `causeway simulate`: whole clusters under virtual time and seeded faults; a seed that fails is made small and shown. */
import { availableParallelism } from 'node:os';
import { FULL_SIZE, failureText, type SeedOptions, type SeedReport } from '@causeway/sim';
import { Command, InvalidArgumentError } from 'commander';
import { EXIT_FAILED } from '../failure.js';
import { minimizeFailure, search } from '../simulate/search.js';
import { Totals } from '../simulate/totals.js';
import type { Output } from '../terminal/output.js';
import { count } from '../terminal/text.js';
import { parseAmount, parseWhole } from './arguments.js';

interface SimulateFlags {
  readonly seed: number;
  readonly seeds: number;
  readonly nodes: NodeRange;
  readonly seconds: number;
  readonly workers: number;
  readonly faults?: ReadonlySet<number>;
  readonly trace: number;
  readonly minimize: number;
  readonly keepGoing?: boolean;
  readonly json?: boolean;
}

interface NodeRange {
  readonly least: number;
  readonly most: number;
}

const NODES_DEFAULT: NodeRange = { least: 3, most: 7 };
const NODES_MOST = 10;
const PROGRESS_EVERY_MS = 1_000;

export function simulateCommand(output: Output): Command {
  return new Command('simulate')
    .description('run whole clusters under virtual time and seeded faults, and check what they promise')
    .option('--seed <n>', 'the first seed', parseAmount, 1)
    .option('--seeds <n>', 'how many', parseWhole, 100)
    .option('--nodes <n|least..most>', 'nodes of a cluster (default: 3..7)', parseNodes, NODES_DEFAULT)
    .option(
      '--seconds <n>',
      'virtual seconds under faults, at least',
      parseWhole,
      FULL_SIZE.durationMs / 1000,
    )
    .option('--workers <n>', 'threads', parseWhole, availableParallelism())
    .option('--faults <ids>', 'only these faults of the seed strike: 3,17 or none', parseFaults)
    .option('--trace <lines>', 'events shown of a failure', parseAmount, 100)
    .option('--minimize <runs>', 'runs that making a failure small may take', parseAmount, 60)
    .option('--keep-going', 'run all seeds, also after one has failed')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', EXPLANATION)
    .action((flags: SimulateFlags) => run(flags, output));
}

const EXPLANATION = `
One seed gives one history, byte for byte: a failure comes with the command that replays it. Each seed has at least
${FULL_SIZE.operationsLeast} operations and 5 faults. Exit code 0: nothing promised was broken; else 1.`;

async function run(flags: SimulateFlags, output: Output): Promise<void> {
  const totals = new Totals();
  const simulation: SeedOptions = {
    ...FULL_SIZE,
    durationMs: flags.seconds * 1000,
    nodes: flags.nodes,
    ...(flags.faults === undefined ? {} : { faults: flags.faults }),
  };
  const timer = setInterval(() => output.note(output.noteColors.dim(totals.progress())), PROGRESS_EVERY_MS);
  const { seed: firstSeed, seeds, workers } = flags;
  const stopsAtFailure = flags.keepGoing !== true;
  try {
    await search({ firstSeed, seeds, workers, simulation, stopsAtFailure }, (report) => totals.add(report));
  } finally {
    clearInterval(timer);
  }
  const small = await makeSmall(totals.failures, simulation, flags, output);
  if (flags.json === true) {
    const failures = small.map((report) => ({
      ...report,
      counts: undefined,
      replay: replayOf(report, flags),
    }));
    output.print(JSON.stringify({ ...totals.json(), failures }, undefined, 2));
  } else {
    output.print(totals.text(output));
    for (const report of small) output.print(`\n${failureText(report, replayOf(report, flags))}`);
    if (totals.failures.length > 0) {
      const others = totals.failures.map(({ seed, failure }) => `${seed} ${failure?.property}`).sort();
      output.print(output.colors.red(`\n${count(others.length)} of the seeds failed: ${others.join(', ')}`));
    }
  }
  if (totals.failures.length > 0) process.exitCode = EXIT_FAILED;
}

/** The failure of the smallest seed: the others are most often the same. */
async function makeSmall(
  failures: readonly SeedReport[],
  simulation: SeedOptions,
  flags: SimulateFlags,
  output: Output,
): Promise<SeedReport[]> {
  const [first] = [...failures].sort((a, b) => a.seed - b.seed);
  if (first === undefined) return [];
  output.note(
    output.noteColors.dim(`seed ${first.seed} fails (${first.failure?.property}): looking for fewer faults`),
  );
  return [await minimizeFailure(first, simulation, flags.minimize, flags.trace)];
}

function replayOf({ seed, faults }: SeedReport, { nodes, seconds }: SimulateFlags): string {
  const ids = faults.map(({ id }) => id).join(',');
  return `causeway simulate --seed ${seed} --seeds 1 --nodes ${nodes.least}..${nodes.most} --seconds ${seconds} --faults ${ids === '' ? 'none' : ids}`;
}

function parseNodes(text: string): NodeRange {
  const [, from = '', to = from] = /^(\d+)(?:\.\.(\d+))?$/.exec(text) ?? [];
  const [least, most] = [Number(from), Number(to)];
  if (from === '' || least < 2 || most < least || most > NODES_MOST) {
    throw new InvalidArgumentError(
      `It must be a number or a range such as 3..7, between 2 and ${NODES_MOST}.`,
    );
  }
  return { least, most };
}

function parseFaults(text: string): ReadonlySet<number> {
  return new Set(text === 'none' ? [] : text.split(',').map(parseAmount));
}
