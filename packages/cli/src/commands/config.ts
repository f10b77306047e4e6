/** `causeway config`: the settings that `causeway start` would run with, secrets left out. */
import { Command } from 'commander';
import type { Output } from '../terminal/output.js';
import { complain } from './start.js';

/** Resolves with the exit code. */
export async function config(args: readonly string[], output: Output): Promise<number> {
  const { runConfig } = await import('@causeway/node');
  const surroundings = { env: output.env, complain: (text: string) => complain(text, output) };
  return runConfig(args, surroundings, (text) => output.print(text));
}

/** For its help: flags are those of `start`. */
export function configCommand(): Command {
  return new Command('config')
    .description('print the configuration in force, as JSON that --config takes')
    .usage('[flags of start]');
}
