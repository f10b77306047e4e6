/** `causeway set`: writes a register. */
import { toJsonValue } from '@causeway/protocol';
import type { Command } from 'commander';
import { withDatabase } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { parseValue, showValue } from '../values.js';
import { parseWhole } from './arguments.js';
import { type NodeOptions, nodeCommand, printResult } from './node-command.js';

export function setCommand(output: Output): Command {
  return nodeCommand('set', 'write a register; the value is JSON, or else text')
    .argument('<key>')
    .argument('<value>')
    .option('--ttl <ms>', 'milliseconds until it expires', parseWhole)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  causeway set greeting hello\n' +
        `  causeway set user:42 '{"name": "Ada", "born": {"$date": "1815-12-10"}}'\n` +
        '  causeway set zip \'"01234"\'          # text that would be JSON otherwise',
    )
    .action((key: string, text: string, options: NodeOptions & { ttl?: number }) =>
      withDatabase(options.node, async (db) => {
        const value = parseValue(text);
        await db.register(key).set(value, options.ttl === undefined ? {} : { ttlMs: options.ttl });
        printResult(output, options, `${key} = ${showValue(value)}`, { key, value: toJsonValue(value) });
      }),
    );
}
