/** `causeway start`: runs a node in this process. What its flags are, the node package knows. */
import { describeFlags, runStart } from '@causeway/node';
import { Command } from 'commander';
import type { Output } from '../terminal/output.js';

/** Resolves with the exit code. */
export function start(args: readonly string[], output: Output): Promise<number> {
  return runStart(args, { env: output.env, complain: (text) => complain(text, output) });
}

/** For its help: `start` reads its flags itself. */
export function startCommand(): Command {
  return new Command('start')
    .description('run a node: one region')
    .usage('--region NAME [flags]')
    .addHelpText(
      'after',
      () => `\nFlags, over environment, over --config FILE (with defaults):\n${describeFlags()}`,
    );
}

/** Configuration that is wrong, or a node that could not start. */
export function complain(text: string, { note, noteColors: colors }: Output): void {
  note(`${colors.red('causeway start')}: ${text}`);
  note(colors.dim('  causeway start --help lists all flags; causeway config prints what is in force'));
}
