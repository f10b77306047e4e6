/**
 * How a command that fails says so: the code, what happened, and what to do next.
 *
 * Exit codes: 0 done, 1 ran and failed, 2 wrong use or configuration.
 */
import { CausewayError } from '@causeway/protocol';
import { CommanderError } from 'commander';
import { reasonOf } from './cluster/node-status.js';
import type { Output } from './terminal/output.js';

export const EXIT_FAILED = 1;
export const EXIT_WRONG_USE = 2;

/** What a person can do about it. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  CAUSEWAY_UNREACHABLE:
    'is a node running there? Name it with --node URL or CAUSEWAY_NODE (admin port: --admin or CAUSEWAY_ADMIN); ' +
    'start one with: causeway start --region eu',
  CAUSEWAY_NOT_READY: 'the node is still joining its cluster; causeway status says what it waits for',
  CAUSEWAY_READ_ONLY: 'look at the disk of the node: full, or failing; its log says more',
  CAUSEWAY_DRAINING: 'the node is stopping; use another one with --node',
  CAUSEWAY_OVERLOADED: 'try again in a moment',
  CAUSEWAY_OUTCOME_UNKNOWN: 'read it back before you try again: it may have taken effect',
  CAUSEWAY_BAD_AMOUNT: 'amounts are whole numbers within ±9007199254740991',
  CAUSEWAY_BAD_KEY: 'keys are text of 1 to 1,024 bytes in UTF-8',
  CAUSEWAY_BAD_VERSION: 'command and node are of different versions: causeway --version, causeway status',
  CAUSEWAY_FORBIDDEN:
    'the admin port changes things only for who has its token: start the node with --admin-token-file FILE, and give ' +
    'the same file here',
  CAUSEWAY_NOT_HANDED_OVER:
    'causeway status says which peers lack what; if the node is to go all the same, stop it and remove it at another ' +
    'one: causeway members remove REPLICA',
  CAUSEWAY_REMOVED:
    'this replica is gone for good: to join again, start the node with a new --data directory',
  CAUSEWAY_DATA_IN_USE: 'another process uses this directory: stop it, or take another --data',
  CAUSEWAY_WATCH_OVERFLOW: 'changes come faster than they are printed: watch fewer keys with --prefix',
};

/** Wrong use of the command: exit code 2. */
export class UsageError extends Error {}

/** Says what went wrong, and returns the exit code. */
export function reportFailure(error: unknown, output: Output): number {
  // Commander has said it itself; help and version are no failures.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_WRONG_USE;
  const { noteColors: colors } = output;
  if (error instanceof UsageError) {
    output.note(`${colors.red('error')}: ${error.message}`);
    return EXIT_WRONG_USE;
  }
  if (error instanceof CausewayError) {
    output.note(`${colors.red(error.code)}: ${error.message}`);
    const next = NEXT_STEPS[error.code];
    if (next !== undefined) output.note(colors.dim(`  ${next}`));
    return error.code === 'CAUSEWAY_BAD_CONFIG' ? EXIT_WRONG_USE : EXIT_FAILED;
  }
  output.note(`${colors.red('CAUSEWAY_INTERNAL')}: ${reasonOf(error)}`);
  if (output.env['CAUSEWAY_DEBUG'] && error instanceof Error) output.note(error.stack ?? '');
  else output.note(colors.dim('  CAUSEWAY_DEBUG=1 shows where'));
  return EXIT_FAILED;
}
