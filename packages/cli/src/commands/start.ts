/**
 * `causeway start`: runs a node in this process. What its flags are, the node package knows; it is loaded only when it
 * is needed, since that takes longer than most other commands run.
 */
import { Command } from 'commander';
import type { Output } from '../terminal/output.js';

/** Resolves with the exit code. */
export async function start(args: readonly string[], output: Output): Promise<number> {
  const { runStart } = await import('@causeway/node');
  return runStart(args, { env: output.env, complain: (text) => complain(text, output) });
}

/** For its help: `start` reads its flags itself. */
export function startCommand(): Command {
  return new Command('start').description('run a node: one region').usage('--region NAME [flags]');
}

/** The flags of a node, for the help of the commands that take them. */
export async function flagsHelp(): Promise<string> {
  const { describeFlags } = await import('@causeway/node');
  return `\nFlags, over environment, over --config FILE (with defaults):\n${describeFlags()}`;
}

/** Configuration that is wrong, or a node that could not start. */
export function complain(text: string, { note, noteColors: colors }: Output): void {
  note(`${colors.red('causeway start')}: ${text}`);
  note(colors.dim('  causeway start --help lists all flags; causeway config prints what is in force'));
}
