/** `causeway replay`: plays order lines against running regions, and checks that all end up the same, and right. */
import { existsSync } from 'node:fs';
import { Command, Option } from 'commander';
import { EXIT_FAILED, UsageError } from '../failure.js';
import { httpUrl, NODE_DEFAULT, webSocketUrl } from '../node-api.js';
import { type Differences, differenceCount } from '../replay/comparison.js';
import type { Lane } from '../replay/lane.js';
import { LINE_OPERATIONS_MAX } from '../replay/operations.js';
import { ReplayProgress } from '../replay/progress.js';
import { type ReplayEvents, type ReplayReport, replay } from '../replay/replay.js';
import { LiveBlock } from '../terminal/live-block.js';
import type { Output } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';
import { clip, count, seconds } from '../terminal/text.js';
import { collect, parseWhole } from './arguments.js';

interface ReplayFlags {
  readonly node?: string[];
  readonly admin?: string[];
  readonly prefix: string;
  readonly batch: number;
  readonly timeout: number;
  readonly json?: boolean;
}

const OPERATIONS_MAX = 1_000;
const BATCH_DEFAULT = 100;
const TIMEOUT_SECONDS_DEFAULT = 120;
/** Keys named for each kind of difference. */
const EXAMPLES_MAX = 3;

export function replayCommand(output: Output): Command {
  return new Command('replay')
    .description('play a file of order lines against running regions, then check what each of them holds')
    .argument('<file>', 'CSV, also gzipped (.csv.gz)')
    .addOption(
      new Option('-n, --node <url...>', `client URL of each region (default: ${NODE_DEFAULT})`)
        .env('CAUSEWAY_NODE')
        .argParser(collect),
    )
    .addOption(
      new Option('-a, --admin <url...>', 'admin URL of each region: their digests are compared too')
        .env('CAUSEWAY_ADMIN')
        .argParser(collect),
    )
    .option('--prefix <text>', 'put before every key', '')
    .option('--batch <lines>', 'lines in one transaction', parseWhole, BATCH_DEFAULT)
    .option(
      '--timeout <seconds>',
      'how long a node may be away, and the regions take to agree',
      parseWhole,
      TIMEOUT_SECONDS_DEFAULT,
    )
    .option('--json', 'print the report as JSON')
    .addHelpText('after', EXPLANATION)
    .action((file: string, flags: ReplayFlags) => run(file, flags, output));
}

const EXPLANATION = `
A line happens at the region that its customer hashes to, in order; a product is written everywhere:
  counter stock:<StockCode> moves by -Quantity, registers price: and description:<StockCode>,
  set bought:<CustomerID> gains StockCode (a cancellation removes it), set customers:<Country> gains CustomerID.
Batches carry an Idempotency-Key: a node that is killed and comes back is sent again what it did not answer.
Exit code 0: counters and sets are what one thread makes of the file, registers are the same everywhere; else 1.`;

async function run(file: string, flags: ReplayFlags, output: Output): Promise<void> {
  const { prefix, batch, timeout, json } = flags;
  const nodes = (flags.node ?? [NODE_DEFAULT]).map(webSocketUrl);
  const admins = (flags.admin ?? []).map(httpUrl);
  if (!existsSync(file)) throw new UsageError(`no such file: ${file}`);
  if (new Set(nodes).size < nodes.length) throw new UsageError('--node names a region twice');
  if (admins.length > 0 && admins.length !== nodes.length) {
    throw new UsageError(`--admin names ${admins.length} of ${nodes.length} regions: name all or none`);
  }
  if (batch * LINE_OPERATIONS_MAX > OPERATIONS_MAX) {
    throw new UsageError(`--batch is at most ${OPERATIONS_MAX / LINE_OPERATIONS_MAX}`);
  }
  const display = new Display(nodes, output);
  const stop = new AbortController();
  const abort = () => stop.abort(new Error('stopped before the end'));
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  try {
    const report = await replay(
      {
        file,
        nodes,
        admins,
        prefix,
        linesPerTransaction: batch,
        timeoutMs: timeout * 1000,
        signal: stop.signal,
      },
      display,
    );
    output.print(json === true ? JSON.stringify(toJsonReport(report)) : describe(report, nodes, output));
    if (!isRight(report)) process.exitCode = EXIT_FAILED;
  } finally {
    display.end();
    process.off('SIGINT', abort);
    process.off('SIGTERM', abort);
  }
}

/** What the person who waits sees, on standard error. */
class Display implements ReplayEvents {
  private progress: ReplayProgress | undefined;
  private readonly block = process.stderr.isTTY ? new LiveBlock(process.stderr) : undefined;
  private shownPairs = -1;

  constructor(
    private readonly nodes: readonly string[],
    private readonly output: Output,
  ) {
    output.note(output.noteColors.dim('reading the file for the single-threaded replay'));
  }

  counted(lines: readonly number[], lanes: readonly Lane[]): void {
    const state = () =>
      lanes.map(({ acknowledged, trouble }, index) => ({
        name: this.nodes[index] ?? '',
        lines: lines[index] ?? 0,
        acknowledged,
        trouble,
      }));
    this.progress = new ReplayProgress(state, this.output, this.block);
  }

  played(): void {
    this.end();
    this.output.note(
      this.output.noteColors.dim('every line is acknowledged; waiting for the regions to be equal'),
    );
  }

  waiting(pairs: number): void {
    if (pairs === this.shownPairs) return;
    this.shownPairs = pairs;
    const text =
      pairs === 0 ? 'every region has every line; comparing' : `${pairs} streams of lines are not through`;
    this.output.note(this.output.noteColors.dim(text));
  }

  end(): void {
    this.progress?.end();
    this.progress = undefined;
  }
}

function isRight({ differences, digests }: ReplayReport): boolean {
  return differences.every((each) => differenceCount(each) === 0) && new Set(digests).size <= 1;
}

function describe(report: ReplayReport, nodes: readonly string[], output: Output): string {
  const { lines, playSeconds, equalSeconds, retries, states, differences, digests } = report;
  const { colors } = output;
  const total = lines.reduce((sum, value) => sum + value, 0);
  const right = ['lines', 'counters', 'sets', 'elements', 'registers', 'different'];
  const columns = [
    { title: 'region' },
    ...right.map((title) => ({ title, align: 'right' as const })),
    ...(digests.length > 0 ? [{ title: 'digest' }] : []),
  ];
  const rows = states.map(({ counters, sets, registers }, index) => {
    const wrong = differenceCount(differences[index]!);
    return [
      nodes[index] ?? '',
      count(lines[index] ?? 0),
      count(counters.size),
      count(sets.size),
      count([...sets.values()].reduce((sum, elements) => sum + elements.size, 0)),
      count(registers.size),
      wrong === 0 ? colors.green('0') : colors.red(count(wrong)),
      ...(digests.length > 0 ? [clip(digests[index] ?? '', 9)] : []),
    ];
  });
  const rate = count(Math.round(total / playSeconds));
  const again = retries === 0 ? '' : `, ${count(retries)} requests sent again`;
  const verdict = isRight(report)
    ? colors.green('All regions are equal, and right.')
    : colors.red('The regions are not what they should be:');
  return [
    formatTable(columns, rows, colors),
    '',
    `${count(total)} lines in ${seconds(playSeconds)} (${rate}/s${again}); equal ${seconds(equalSeconds)} later.`,
    verdict,
    ...differences.flatMap((each, index) => examples(nodes[index] ?? '', each)),
  ].join('\n');
}

function examples(node: string, differences: Differences): string[] {
  return Object.entries(differences).flatMap(([kind, keys]: [string, readonly string[]]) => {
    if (keys.length === 0) return [];
    const more = keys.length > EXAMPLES_MAX ? `, and ${count(keys.length - EXAMPLES_MAX)} more` : '';
    return [`  ${node} ${kind}: ${keys.slice(0, EXAMPLES_MAX).join(', ')}${more}`];
  });
}

function toJsonReport(report: ReplayReport): object {
  const { states: _, ...rest } = report;
  return { ...rest, equal: isRight(report) };
}
