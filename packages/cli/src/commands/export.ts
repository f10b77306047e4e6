/** `causeway export`: everything at a node, as lines of JSON. */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Output } from '../terminal/output.js';
import { count } from '../terminal/text.js';
import { Ticker } from '../terminal/ticker.js';
import { exportLines } from '../transfer/export.js';
import { nodeCommand } from './node-command.js';

interface ExportOptions {
  readonly node: string;
  readonly type?: string;
  readonly prefix?: string;
  readonly output?: string;
}

export function exportCommand(output: Output): Command {
  const command = nodeCommand('export', 'write all keys with their values as lines of JSON')
    .addOption(new Option('--type <type>', 'only these').choices(['register', 'set', 'counter']))
    .option('--prefix <text>', 'only keys that begin so')
    .option('-o, --output <file>', 'instead of standard output')
    .addHelpText(
      'after',
      '\nThe node goes on; each key is read by itself. Times to live are not exported.' +
        '\ncauseway import writes the lines into another cluster.',
    );
  // Its output is JSON anyway.
  command.options.find(({ long }) => long === '--json')?.hideHelp();
  return command.action(async (options: ExportOptions) => {
    const file = options.output === undefined ? process.stdout : createWriteStream(options.output);
    const ticker = new Ticker(output);
    let lines = 0;
    for await (const line of exportLines(options.node, options)) {
      lines++;
      if (!file.write(`${JSON.stringify(line)}\n`)) await once(file, 'drain');
      ticker.tick(() => `${count(lines)} lines`);
    }
    if (file !== process.stdout) await new Promise((resolve) => file.end(() => resolve(undefined)));
    ticker.end();
    output.note(`exported ${count(lines)} lines in ${ticker.elapsed}`);
  });
}
