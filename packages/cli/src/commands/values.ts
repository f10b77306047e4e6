/** `causeway values`: the elements of a set, one a line, in the order that all regions share. */
import { toJsonValue } from '@causeway/protocol';
import type { Command } from 'commander';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { showValue } from '../values.js';
import { parseWhole } from './arguments.js';
import { type NodeOptions, nodeCommand } from './node-command.js';

export function valuesCommand(output: Output): Command {
  return nodeCommand('values', 'print the elements of a set, one a line')
    .argument('<key>')
    .option('--limit <count>', 'at most so many', parseWhole)
    .action((key: string, options: NodeOptions & { limit?: number }) =>
      withDatabase(options.node, async (db) => {
        let left = options.limit ?? Number.POSITIVE_INFINITY;
        for await (const element of db.set(key).values()) {
          output.print(options.json === true ? JSON.stringify(toJsonValue(element)) : showValue(element));
          left -= 1;
          if (left === 0) break;
        }
      }),
    );
}
