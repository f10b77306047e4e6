/** The command `npm run bench`: which suites there are, and what is done with what they find. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { formatTable, processOutput } from '@causeway/cli';
import { Command, InvalidArgumentError, Option } from 'commander';
import { compareResults, describeComparison } from './compare/compare.js';
import { RESULTS } from './harness/paths.js';
import { Progress } from './harness/progress.js';
import { type BenchResult, type OptionValue, type OptionValues, readResult } from './harness/result.js';
import { type Job, presetOf, runJobs } from './harness/run.js';
import type { Suite } from './harness/suite.js';
import { rowOf } from './harness/table.js';
import { renderReport } from './report/html.js';
import { fillTables } from './report/markdown.js';
import { SUITES } from './suites/index.js';

const { print, note, colors } = processOutput();

interface Common {
  readonly out?: string;
}

const program = new Command('bench')
  .enablePositionalOptions()
  .description(
    'Measures Causeway: lag, convergence, throughput and the rest. Without a suite the quick set of all runs, which ends ' +
      'within five minutes. Results go to bench/results as JSON and as an HTML report.',
  )
  .addOption(outOption())
  .action((options: Common) =>
    run(
      SUITES.filter(({ isQuick }) => isQuick).map((suite) => ({ suite, options: presetOf(suite, true) })),
      'quick',
      options,
    ),
  );

program.commandsGroup('Suites:');
for (const suite of SUITES) program.addCommand(suiteCommand(suite));
program.commandsGroup('Results:');
program
  .command('compare')
  .description('ratios of two results, and which of them are more than noise')
  .argument('<a>', 'JSON of the run before')
  .argument('<b>', 'JSON of the run after')
  .action(async (a: string, b: string) => {
    const comparison = compareResults(await readResult(a), await readResult(b));
    print(describeComparison(comparison, colors));
    process.exitCode = comparison.some(({ verdict }) => verdict === 'worse') ? 1 : 0;
  });
program
  .command('report')
  .description('make the HTML report of a result again')
  .argument('<file>', 'JSON of a run')
  .action(async (file: string) => {
    const path = file.replace(/(\.json)?$/, '.html');
    await writeFile(path, renderReport(await readResult(file)));
    print(path);
  });
program
  .command('tables')
  .description('put figures of results between the markers of documents')
  .argument('<file...>', 'JSON of runs; of a suite that is in several, the last counts')
  .option(
    '--into <document...>',
    'Markdown with lines <!-- bench SUITE --> or <!-- bench figures, and <!-- /bench -->',
    ['README.md', 'docs/benchmarks.md'],
  )
  .action(async (files: string[], { into }: { readonly into: readonly string[] }) => {
    const results = await Promise.all(files.map(readResult));
    for (const document of into) {
      await writeFile(document, fillTables(await readFile(document, 'utf8'), results));
      print(document);
    }
  });
// What was started is ended at the exit of this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
try {
  await program.parseAsync();
} catch (error) {
  note(colors.red(error instanceof Error ? error.message : String(error)));
  process.exitCode = 1;
}
// Clients of a suite that failed would dial on for ever.
process.exit();

function outOption(): Option {
  return new Option(
    '-o, --out <file>',
    'where the JSON goes; the report lies beside it (default: bench/results/…)',
  );
}

function suiteCommand(suite: Suite): Command {
  const command = new Command(suite.name)
    .description(suite.about)
    .addOption(outOption())
    .option('--quick', 'with the short values of the quick set');
  for (const [name, spec] of Object.entries(suite.options)) {
    const { about, value, quick } = spec;
    const short = quick === undefined ? '' : `, quick: ${shown(quick)}`;
    const flag = typeof value === 'boolean' ? `--${name}` : `--${name} <value>`;
    command.addOption(
      new Option(flag, `${about} (default: ${shown(value)}${short})`).argParser((text) => parse(text, value)),
    );
  }
  return command.action((flags: Common & { readonly quick?: boolean }) => {
    const given = Object.fromEntries(
      Object.keys(suite.options).flatMap((name) => {
        const value = command.getOptionValue(camelCase(name)) as OptionValue | undefined;
        return value === undefined ? [] : [[name, value] as const];
      }),
    );
    const options: OptionValues = { ...presetOf(suite, flags.quick === true), ...given };
    return run([{ suite, options }], suite.name, flags);
  });
}

async function run(jobs: readonly Job[], name: string, { out }: Common): Promise<void> {
  const progress = new Progress(process.stderr);
  let result: BenchResult;
  try {
    result = await runJobs(jobs, {
      begin: (suite) => progress.begin(suite),
      tell: (text) => progress.tell(text),
      failed: (suite, reason) => progress.say(colors.red(`${suite} failed: ${reason}`)),
    });
  } finally {
    progress.end();
  }
  const stamp = result.startedAt.slice(0, 19).replaceAll(':', '-');
  const path = out ?? join(RESULTS, `${stamp}-${name}.json`);
  const reportPath = path.replace(/(\.json)?$/, '.html');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(result, undefined, 1)}\n`);
  await writeFile(reportPath, renderReport(result));
  print(tables(result));
  for (const text of result.suites.flatMap(({ notes }) => notes)) note(colors.dim(`- ${text}`));
  if (result.suites.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
  note(`\n${Math.round(result.seconds)} s. ${path}, report: ${basename(reportPath)}`);
}

function tables(result: BenchResult): string {
  return result.suites
    .map(({ title, figures }) => {
      const rows = figures.map(rowOf).map(({ name, median, range, unit, aim, reached }) => {
        const aimed =
          reached === undefined ? '' : reached ? colors.green(aim) : colors.yellow(`${aim} missed`);
        return [name, median, unit, range, aimed];
      });
      const columns = [
        { title: title },
        { title: 'median', align: 'right' as const },
        { title: '' },
        { title: 'range' },
        { title: 'aim' },
      ];
      return formatTable(columns, rows, colors);
    })
    .join('\n\n');
}

function parse(text: string, like: OptionValue): OptionValue {
  if (typeof like === 'string') return text;
  if (typeof like === 'number') return parseNumber(text);
  if (typeof like === 'boolean') return true;
  const items = text.split(',').filter((item) => item !== '');
  return typeof like[0] === 'number' ? items.map(parseNumber) : items;
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError('It must be a number, not below 0.');
  }
  return value;
}

function shown(value: OptionValue): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}

function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
