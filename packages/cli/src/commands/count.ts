/** `causeway count`: the value of a counter. */
import type { Command } from 'commander';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function countCommand(output: Output): Command {
  return nodeCommand('count', 'print the value of a counter; 0 if it was never written')
    .argument('<key>')
    .action((key: string, options: NodeOptions) =>
      withDatabase(options.node, async (db) => {
        const value = await db.counter(key).value();
        printResult(output, options, String(value), { key, value });
      }),
    );
}
