/** What commands that talk to one node have in common. */
import { Command, Option } from 'commander';
import { NODE_DEFAULT } from '../node-api.js';
import type { Output } from '../terminal/output.js';

export interface NodeOptions {
  readonly node: string;
  readonly json?: boolean;
}

/** A command with `--node` and `--json`. */
export function nodeCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(
      new Option('-n, --node <url>', 'client URL of the node').env('CAUSEWAY_NODE').default(NODE_DEFAULT),
    )
    .option('--json', 'print JSON, for programs');
}

/** Prints `json` if asked for, else `text`. */
export function printResult(output: Output, { json }: NodeOptions, text: string, value: unknown): void {
  output.print(json === true ? JSON.stringify(value) : text);
}
