/** `causeway has`: whether something is in a set. */
import type { Command } from 'commander';
import { EXIT_FAILED } from '../failure.js';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { parseValue } from '../values.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function hasCommand(output: Output): Command {
  return nodeCommand('has', 'whether an element is in a set: prints yes or no; exit code 1 for no')
    .argument('<key>')
    .argument('<element>')
    .action((key: string, element: string, options: NodeOptions) =>
      withDatabase(options.node, async (db) => {
        const has = await db.set(key).has(parseValue(element));
        printResult(output, options, has ? 'yes' : 'no', { key, has });
        if (!has) process.exitCode = EXIT_FAILED;
      }),
    );
}
