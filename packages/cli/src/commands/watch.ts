/** `causeway watch`: changes as they become durable at a node, until Ctrl-C. */
import { type Change, connect } from '@causeway/client';
import { toJsonValue } from '@causeway/protocol';
import { type Command, Option } from 'commander';
import { webSocketUrl } from '../node-api.js';
import type { Colors, Output } from '../terminal/output.js';
import { padEnd } from '../terminal/text.js';
import { showValue } from '../values.js';
import { parseWhole } from './arguments.js';
import { type NodeOptions, nodeCommand } from './node-command.js';

interface WatchOptions extends NodeOptions {
  readonly prefix?: string;
  readonly key?: string;
  readonly type?: 'register' | 'set' | 'counter';
  readonly limit?: number;
}

export function watchCommand(output: Output): Command {
  return nodeCommand('watch', 'print changes as they come, until Ctrl-C')
    .option('--prefix <text>', 'only keys that begin so')
    .option('--key <key>', 'only this key')
    .addOption(new Option('--type <type>', 'only these').choices(['register', 'set', 'counter']))
    .option('--limit <count>', 'end after so many', parseWhole)
    .action((options: WatchOptions) => watch(options, output));
}

async function watch({ node, json, prefix, key, type, limit }: WatchOptions, output: Output): Promise<void> {
  const db = await connect({ endpoints: [webSocketUrl(node)], name: 'causeway watch' });
  const changes = db.watch({
    ...(prefix === undefined ? {} : { prefix }),
    ...(key === undefined ? {} : { key }),
    ...(type === undefined ? {} : { type }),
  });
  const stop = () => void changes.return();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    await changes.opened;
    if (json !== true) output.note(output.noteColors.dim(`watching ${node}; Ctrl-C ends it`));
    let left = limit ?? Number.POSITIVE_INFINITY;
    for await (const change of changes) {
      output.print(json === true ? JSON.stringify(jsonOf(change)) : describe(change, output.colors));
      left -= 1;
      if (left === 0) break;
    }
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await db.close();
  }
}

function jsonOf(change: Change): object {
  const { value, added, removed, ...rest } = change;
  return {
    ...rest,
    ...(value === undefined ? {} : { value: toJsonValue(value) }),
    ...(added === undefined ? {} : { added: added.map(toJsonValue) }),
    ...(removed === undefined ? {} : { removed: removed.map(toJsonValue) }),
  };
}

function describe(change: Change, colors: Colors): string {
  const { type, key, origin, conflict } = change;
  const mark = conflict ? colors.yellow(' conflict') : '';
  return `${colors.dim(padEnd(type, 'register'.length))}  ${colors.bold(key)}  ${what(change)}  ${colors.dim(origin)}${mark}`;
}

function what({ type, value, added = [], removed = [], cleared }: Change): string {
  if (type !== 'set') return value === undefined ? '(removed)' : showValue(value);
  const parts = [
    ...(cleared === true ? ['(cleared)'] : []),
    ...added.map((element) => `+${showValue(element)}`),
    ...removed.map((element) => `-${showValue(element)}`),
  ];
  return parts.join(' ');
}
