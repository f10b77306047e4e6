/** `causeway remove`: remove elements from a set. */
import type { Command } from 'commander';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { count } from '../terminal/text.js';
import { parseValue } from '../values.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function removeCommand(output: Output): Command {
  return nodeCommand('remove', 'remove elements from a set; they are JSON, or else text')
    .argument('<key>')
    .argument('<element...>')
    .action((key: string, elements: string[], options: NodeOptions) =>
      withDatabase(options.node, async (db) => {
        const set = db.set(key);
        await set.remove(...elements.map(parseValue));
        const size = await set.size();
        printResult(output, options, `removed from ${key}; it has ${count(size)} now`, { key, size });
      }),
    );
}
