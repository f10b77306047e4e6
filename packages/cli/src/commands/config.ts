/** `causeway config`: the settings that `causeway start` would run with, secrets left out. */
import { describeFlags, runConfig } from '@causeway/node';
import { Command } from 'commander';
import type { Output } from '../terminal/output.js';
import { complain } from './start.js';

/** Returns the exit code. */
export function config(args: readonly string[], output: Output): number {
  return runConfig(args, { env: output.env, complain: (text) => complain(text, output) }, (text) =>
    output.print(text),
  );
}

/** For its help: flags are those of `start`. */
export function configCommand(): Command {
  return new Command('config')
    .description('print the configuration in force, as JSON that --config takes')
    .usage('[flags of start]')
    .addHelpText(
      'after',
      () => `\nFlags, over environment, over --config FILE (with defaults):\n${describeFlags()}`,
    );
}
