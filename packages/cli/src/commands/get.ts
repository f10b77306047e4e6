/** `causeway get`: the value of a register. */
import { CausewayError, toJsonValue } from '@causeway/protocol';
import type { Command } from 'commander';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { showValue } from '../values.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function getCommand(output: Output): Command {
  return nodeCommand('get', 'print the value of a register; exit code 1 when there is none')
    .argument('<key>')
    .action((key: string, options: NodeOptions) =>
      withDatabase(options.node, async (db) => {
        const value = await db.register(key).get();
        if (value === undefined) throw new CausewayError('CAUSEWAY_NOT_FOUND', `no register ${key}`);
        printResult(output, options, showValue(value), { key, value: toJsonValue(value) });
      }),
    );
}
