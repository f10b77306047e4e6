/** `causeway add`: add elements to a set. */
import type { Command } from 'commander';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { count } from '../terminal/text.js';
import { parseValue } from '../values.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function addCommand(output: Output): Command {
  return nodeCommand('add', 'add elements to a set; they are JSON, or else text')
    .argument('<key>')
    .argument('<element...>')
    .action((key: string, elements: string[], options: NodeOptions) =>
      withDatabase(options.node, async (db) => {
        const set = db.set(key);
        await set.add(...elements.map(parseValue));
        const size = await set.size();
        printResult(output, options, `added to ${key}; it has ${count(size)} now`, { key, size });
      }),
    );
}
