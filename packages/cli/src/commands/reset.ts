/** `causeway reset`: takes a counter back to zero. */
import type { Command } from 'commander';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function resetCommand(output: Output): Command {
  return nodeCommand('reset', 'take a counter back to zero; increments under way elsewhere stay')
    .argument('<key>')
    .action((key: string, options: NodeOptions) =>
      withDatabase(options.node, async (db) => {
        await db.counter(key).reset();
        printResult(output, options, `${key} reset`, { key });
      }),
    );
}
