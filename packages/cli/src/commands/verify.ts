/** `causeway verify`: whether a data directory, or a backup, is whole. Exit code 1 on any finding. */
import type { Verification } from '@causeway/node';
import { Command } from 'commander';
import { EXIT_FAILED } from '../failure.js';
import type { Output } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';
import { count } from '../terminal/text.js';
import { Ticker } from '../terminal/ticker.js';

export function verifyCommand(output: Output): Command {
  return new Command('verify')
    .description(
      'check the data directory of a stopped node, or a backup; exit code 1 if anything is wrong with it',
    )
    .argument('<directory>')
    .option('--json', 'print JSON, for programs')
    .addHelpText(
      'after',
      '\nReads every record, and checks checksums, encodings, the log, members, digests and the index against each other.' +
        '\nNothing is written to the directory.',
    )
    .action(async (directory: string, { json }: { json?: boolean }) => {
      const { verifyDirectory } = await import('@causeway/node');
      const ticker = new Ticker(output);
      const verification = await verifyDirectory(directory, (entries) =>
        ticker.tick(() => `${count(entries)} entries`),
      );
      ticker.end();
      if (json === true) output.print(JSON.stringify(verification));
      else output.print(describe(verification, output));
      if (verification.findingsCount > 0) process.exitCode = EXIT_FAILED;
    });
}

function describe({ replica, parts, findings, findingsCount }: Verification, { colors }: Output): string {
  const table = formatTable(
    [
      { title: 'part' },
      { title: 'entries', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'findings', align: 'right' },
    ],
    parts.map(({ name, entries, bytes, findings: found }) => [
      name,
      count(entries),
      count(bytes),
      found === 0 ? colors.green('0') : colors.red(count(found)),
    ]),
    colors,
  );
  const more = findingsCount - findings.length;
  const lines = [...findings, ...(more > 0 ? [`and ${count(more)} more`] : [])].map((line) =>
    colors.red(line),
  );
  const verdict =
    findingsCount === 0 ? colors.green('whole') : colors.red(`${count(findingsCount)} findings`);
  return [
    `${replica ?? 'no identity'}: ${verdict}`,
    '',
    table,
    ...(lines.length > 0 ? ['', ...lines] : []),
  ].join('\n');
}
