/** `causeway backup` and `causeway restore`. */
import { resolve } from 'node:path';
import { CausewayError } from '@causeway/protocol';
import { Command } from 'commander';
import type { Output } from '../terminal/output.js';
import { count } from '../terminal/text.js';
import { Ticker } from '../terminal/ticker.js';
import { type AdminOptions, adminCommand, streamAdmin } from './admin-command.js';

const MEBIBYTE = 1 << 20;

interface BackupLine {
  readonly records?: number;
  readonly bytes?: number;
  readonly replica?: string;
  readonly at?: string;
  readonly done?: true;
  readonly error?: { readonly code: string; readonly message: string };
}

export function backupCommand(output: Output): Command {
  return adminCommand('backup', 'make a backup of a running node, on its own disk, while it goes on', true)
    .argument('<directory>', 'empty or not there, on the disk of the node')
    .addHelpText('after', '\nIt is of one moment. causeway restore puts it back.')
    .action(async (directory: string, options: AdminOptions) => {
      const ticker = new Ticker(output);
      const path = `/v1/admin/backup?directory=${encodeURIComponent(resolve(directory))}`;
      let last: BackupLine = {};
      for await (const line of streamAdmin(options, 'POST', path)) {
        last = line as BackupLine;
        if (last.error !== undefined) throw CausewayError.fromWire(last.error.code, last.error.message);
        ticker.tick(() => size(last));
      }
      ticker.end();
      if (last.done === undefined)
        throw new CausewayError('CAUSEWAY_CONNECTION_LOST', 'the node did not finish it');
      const { done: _done, ...summary } = last;
      const text = `backup of ${summary.replica} in ${directory}: ${size(summary)}, ${ticker.elapsed}`;
      output.print(options.json === true ? JSON.stringify(summary) : text);
    });
}

export function restoreCommand(output: Output): Command {
  return new Command('restore')
    .description('put a backup in the place of a data directory; the node begins anew from its peers')
    .argument('<backup>')
    .argument('<data>', 'the data directory, empty or not there; no node may use it')
    .option('--alone', 'no other region has anything left: the node goes on as it was in the backup')
    .option('--json', 'print JSON, for programs')
    .addHelpText(
      'after',
      '\nPeers know more of the node than a backup does, so it takes a new identity, copies everything from them, and' +
        '\nissues again what none of them has. Start it with --peers. Until a peer answers it serves reads only.' +
        '\nWith --alone nothing is given up: only where all other regions are lost, or are started empty after it.',
    )
    .action(async (backup: string, data: string, options: { alone?: boolean; json?: boolean }) => {
      const { restoreBackup } = await import('@causeway/node');
      const ticker = new Ticker(output);
      const progress = (bytes: number) => ticker.tick(() => size({ bytes }));
      const manifest = await restoreBackup(backup, data, { alone: options.alone === true, progress });
      ticker.end();
      const text = `${data} holds the backup of ${manifest.replica} made at ${manifest.at}`;
      output.print(options.json === true ? JSON.stringify(manifest) : text);
    });
}

function size({ records, bytes = 0 }: BackupLine): string {
  const megabytes = `${count(Math.ceil(bytes / MEBIBYTE))} MiB`;
  return records === undefined ? megabytes : `${count(records)} records, ${megabytes}`;
}
