/** The command line: which commands there are, and who carries them out. */
import { SOFTWARE_VERSION } from '@causeway/protocol';
import { Command } from 'commander';
import { addCommand } from './commands/add.js';
import { backupCommand, restoreCommand } from './commands/backup.js';
import { configCommand } from './commands/config.js';
import { conflictsCommand } from './commands/conflicts.js';
import { countCommand } from './commands/count.js';
import { decrCommand } from './commands/decr.js';
import { deleteCommand } from './commands/delete.js';
import { demoCommand } from './commands/demo.js';
import { exportCommand } from './commands/export.js';
import { getCommand } from './commands/get.js';
import { hasCommand } from './commands/has.js';
import { importCommand } from './commands/import.js';
import { incrCommand } from './commands/incr.js';
import { keysCommand } from './commands/keys.js';
import { linkCommand } from './commands/link.js';
import { loadCommand } from './commands/load.js';
import { membersCommand } from './commands/members.js';
import { removeCommand } from './commands/remove.js';
import { replayCommand } from './commands/replay.js';
import { resetCommand } from './commands/reset.js';
import { scrubCommand } from './commands/scrub.js';
import { setCommand } from './commands/set.js';
import { simulateCommand } from './commands/simulate.js';
import { startCommand } from './commands/start.js';
import { statusCommand } from './commands/status.js';
import { valuesCommand } from './commands/values.js';
import { verifyCommand } from './commands/verify.js';
import { watchCommand } from './commands/watch.js';
import type { Output } from './terminal/output.js';

const GROUPS: readonly { readonly heading: string; readonly commands: (output: Output) => Command[] }[] = [
  {
    heading: 'Nodes:',
    commands: (output) => [
      startCommand(),
      configCommand(),
      statusCommand(output),
      membersCommand(output),
      scrubCommand(output),
    ],
  },
  {
    heading: 'Registers:',
    commands: (output) => [getCommand(output), setCommand(output), deleteCommand(output)],
  },
  {
    heading: 'Sets:',
    commands: (output) => [
      addCommand(output),
      removeCommand(output),
      hasCommand(output),
      valuesCommand(output),
    ],
  },
  {
    heading: 'Counters:',
    commands: (output) => [
      countCommand(output),
      incrCommand(output),
      decrCommand(output),
      resetCommand(output),
    ],
  },
  {
    heading: 'Data as a whole:',
    commands: (output) => [
      backupCommand(output),
      restoreCommand(output),
      verifyCommand(output),
      exportCommand(output),
      importCommand(output),
    ],
  },
  {
    heading: 'Several regions:',
    commands: (output) => [
      demoCommand(output),
      linkCommand(output),
      loadCommand(output),
      replayCommand(output),
    ],
  },
  { heading: 'Proof:', commands: (output) => [simulateCommand(output)] },
  {
    heading: 'Everything at a node:',
    commands: (output) => [keysCommand(output), watchCommand(output), conflictsCommand(output)],
  },
];

/** Commands that take the flags of a node. */
const NODE_COMMANDS = ['start', 'config'];

/** `flagsHelp` says which flags a node takes. Throws CommanderError instead of ending the process, also after help and version. */
export function createProgram(output: Output, flagsHelp: string): Command {
  const program = new Command('causeway')
    .description('Active-active key-value store: every region takes reads and writes, all regions converge.')
    .version(SOFTWARE_VERSION)
    .showHelpAfterError('(causeway --help lists the commands)')
    .addHelpText('after', '\nNew here? causeway demo shows three regions at work.');
  for (const { heading, commands } of GROUPS) {
    for (const command of commands(output)) program.addCommand(command.helpGroup(heading));
  }
  for (const command of program.commands) {
    if (NODE_COMMANDS.includes(command.name())) command.addHelpText('after', flagsHelp);
  }
  failInWords(program, 'causeway');
  return program;
}

/** Also the commands of a command. */
function failInWords(command: Command, name: string): void {
  command.exitOverride().showHelpAfterError(`(${name} --help says more)`);
  for (const inner of command.commands) failInWords(inner, `${name} ${inner.name()}`);
}
