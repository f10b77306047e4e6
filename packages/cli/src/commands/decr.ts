/** `causeway decr`: take from a counter; it may go below zero. */
import type { Command } from 'commander';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { parseAmount } from './arguments.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function decrCommand(output: Output): Command {
  return nodeCommand('decr', 'take from a counter; it may go below zero; prints the value at this node')
    .argument('<key>')
    .argument('[by]', 'whole number, default 1', parseAmount)
    .action((key: string, by: number | undefined, options: NodeOptions) =>
      withDatabase(options.node, async (db) => {
        const value = await db.counter(key).decrement(by);
        printResult(output, options, String(value), { key, value });
      }),
    );
}
