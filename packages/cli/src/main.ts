/**
 * The command `causeway`. Exit codes: 0 done, 1 ran and failed, 2 wrong use or configuration.
 */
import { config } from './commands/config.js';
import { flagsHelp, start } from './commands/start.js';
import { reportFailure } from './failure.js';
import { createProgram } from './program.js';
import { processOutput } from './terminal/output.js';

const output = processOutput();
const [name, ...rest] = process.argv.slice(2);
const wantsHelp = name === 'help' || rest.includes('--help') || rest.includes('-h');
// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

// The node reads its own flags, for the command and for createNode alike.
if (name === 'start' && !wantsHelp) {
  process.exit(await start(rest, output));
} else if (name === 'config' && !wantsHelp) {
  process.exitCode = await config(rest, output);
} else {
  try {
    await createProgram(output, wantsHelp ? await flagsHelp() : '').parseAsync();
  } catch (error) {
    process.exitCode = reportFailure(error, output);
  }
}
