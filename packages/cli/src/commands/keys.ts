/** `causeway keys`: the keys of a node, by type, then by their bytes. */
import { type Command, Option } from 'commander';
import { readJson } from '../node-api.js';
import type { Output } from '../terminal/output.js';
import { padEnd } from '../terminal/text.js';
import { parseWhole } from './arguments.js';
import { type NodeOptions, nodeCommand } from './node-command.js';

interface KeyPage {
  readonly keys: readonly { readonly type: string; readonly key: string }[];
  readonly after?: string;
}

interface KeysOptions extends NodeOptions {
  readonly type?: string;
  readonly prefix?: string;
  readonly limit: number;
}

const LIMIT_DEFAULT = 1_000;
const PAGE_MAX = 1_000;

export function keysCommand(output: Output): Command {
  return nodeCommand('keys', 'list keys; counters at 0 and empty sets are not listed')
    .addOption(new Option('--type <type>', 'only these').choices(['register', 'set', 'counter']))
    .option('--prefix <text>', 'only keys that begin so')
    .option('--limit <count>', 'at most so many', parseWhole, LIMIT_DEFAULT)
    .action(async (options: KeysOptions) => {
      let left = options.limit;
      for await (const { type, key } of listKeys(options.node, options)) {
        output.print(
          options.json === true
            ? JSON.stringify({ type, key })
            : `${output.colors.dim(padEnd(type, 'register'.length))}  ${key}`,
        );
        left -= 1;
        if (left === 0) break;
      }
    });
}

/** Every key of a node. */
export async function* listKeys(
  node: string,
  { type, prefix }: { readonly type?: string; readonly prefix?: string },
): AsyncGenerator<{ readonly type: string; readonly key: string }> {
  let after: string | undefined;
  do {
    const page = (await readJson(node, '/v1/keys', {
      type,
      prefix,
      after,
      limit: String(PAGE_MAX),
    })) as KeyPage;
    yield* page.keys;
    after = page.after;
  } while (after !== undefined);
}
