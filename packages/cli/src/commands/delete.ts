/** `causeway delete`: removes a register, or all of a set with --set. */
import type { Command } from 'commander';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function deleteCommand(output: Output): Command {
  return nodeCommand('delete', 'remove a register, or every element of a set')
    .argument('<key>')
    .option('--set', 'clear the set of this name instead of the register')
    .action((key: string, options: NodeOptions & { set?: boolean }) =>
      withDatabase(options.node, async (db) => {
        if (options.set === true) await db.set(key).clear();
        else await db.register(key).delete();
        printResult(output, options, `${options.set === true ? 'set' : 'register'} ${key} removed`, {});
      }),
    );
}
