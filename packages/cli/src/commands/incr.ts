/** `causeway incr`: add to a counter. */
import type { Command } from 'commander';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { parseAmount } from './arguments.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function incrCommand(output: Output): Command {
  return nodeCommand('incr', 'add to a counter; prints the value at this node')
    .argument('<key>')
    .argument('[by]', 'whole number, default 1', parseAmount)
    .action((key: string, by: number | undefined, options: NodeOptions) =>
      withDatabase(options.node, async (db) => {
        const value = await db.counter(key).increment(by);
        printResult(output, options, String(value), { key, value });
      }),
    );
}
