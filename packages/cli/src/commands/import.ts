/** `causeway import`: writes what `causeway export` has written. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { Output } from '../terminal/output.js';
import { count } from '../terminal/text.js';
import { Ticker } from '../terminal/ticker.js';
import { importLines } from '../transfer/import.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function importCommand(output: Output): Command {
  return nodeCommand(
    'import',
    'write the lines of an export: registers are set, elements added, counters increased',
  )
    .argument('[file]', 'default standard input')
    .addHelpText(
      'after',
      '\nIt can be begun again with the same file at the same node within a day: nothing is counted twice.',
    )
    .action(async (file: string | undefined, options: NodeOptions) => {
      const input = file === undefined ? process.stdin : createReadStream(file);
      const failed = new Promise<never>((_, reject) => input.once('error', reject));
      const ticker = new Ticker(output);
      const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
      const show = ({ lines: done }: { lines: number }) => ticker.tick(() => `${count(done)} lines`);
      const done = await Promise.race([importLines(options.node, lines, show), failed]);
      ticker.end();
      const text = `imported ${count(done.lines)} lines in ${count(done.transactions)} transactions, ${ticker.elapsed}`;
      printResult(output, options, text, done);
    });
}
