/** `causeway scrub`: let a node look through all its stored records, and tell what it found. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { EXIT_FAILED } from '../failure.js';
import type { Output } from '../terminal/output.js';
import { count } from '../terminal/text.js';
import { type AdminOptions, adminCommand, askAdmin } from './admin-command.js';

/** Of the status; sums since the node's start, but for `records`. */
interface Scrub {
  readonly state: string;
  readonly passes: number;
  readonly records: number;
  readonly damaged: number;
  readonly healed: number;
  readonly corrected: number;
}

const LOOK_MS = 250;

export function scrubCommand(output: Output): Command {
  return adminCommand('scrub', 'let a node look through all its stored records', true)
    .option('--no-wait', 'only start it')
    .addHelpText('after', '\nExit code 1 if records were damaged and not in memory: they are lost there.')
    .action(async (options: AdminOptions & { wait: boolean }) => {
      const before = await scrubOf(options);
      await askAdmin(options, 'POST', '/v1/admin/scrub');
      if (!options.wait) return;
      const after = await ended(options, before);
      const found = {
        records: after.records,
        damaged: after.damaged - before.damaged,
        healed: after.healed - before.healed,
        corrected: after.corrected - before.corrected,
      };
      output.print(options.json === true ? JSON.stringify(found) : describe(found));
      if (found.damaged > 0) process.exitCode = EXIT_FAILED;
    });
}

async function scrubOf(options: AdminOptions): Promise<Scrub> {
  return ((await askAdmin(options, 'GET', '/v1/status')) as { scrub: Scrub }).scrub;
}

/** One that was under way has begun before it was asked for: the next one counts. */
async function ended(options: AdminOptions, before: Scrub): Promise<Scrub> {
  const passes = before.passes + (before.state === 'idle' ? 1 : 2);
  for (;;) {
    const now = await scrubOf(options);
    // Fewer: the node was started anew, and has forgotten that it was asked.
    if (now.passes >= passes || now.passes < before.passes) return now;
    await delay(LOOK_MS);
  }
}

function describe({ records, damaged, healed, corrected }: Omit<Scrub, 'state' | 'passes'>): string {
  const found = `${count(records)} records: ${count(damaged)} damaged, ${count(healed)} written anew from memory`;
  return corrected === 0 ? found : `${found}; ${count(corrected)} leaves of the index corrected`;
}
