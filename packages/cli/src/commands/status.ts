/** `causeway status`: one node or several, and the links between them, as their admin ports tell. */
import { Command, Option } from 'commander';
import { type NodeStatus, type PeerOfNode, readStatus } from '../cluster/node-status.js';
import { EXIT_FAILED, reportFailure, UsageError } from '../failure.js';
import { httpUrl } from '../node-api.js';
import type { Colors, Output } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';
import { count, milliseconds } from '../terminal/text.js';
import { collect } from './arguments.js';

const ADMIN_DEFAULT = 'http://127.0.0.1:7600';

export function statusCommand(output: Output): Command {
  return new Command('status')
    .description('state of one node or several; exit code 1 if one does not answer or is not ready')
    .addOption(
      new Option('-a, --admin <url...>', `admin URLs, also separated by commas (default: ${ADMIN_DEFAULT})`)
        .env('CAUSEWAY_ADMIN')
        .argParser(collect),
    )
    .option('--json', 'print JSON, for programs: a line for each node')
    .action(async ({ admin = [ADMIN_DEFAULT], json }: { admin?: string[]; json?: boolean }) => {
      const urls = admin.map(httpUrl);
      if (urls.length === 0) throw new UsageError('--admin names no URL');
      const answers = await Promise.allSettled(urls.map(readStatus));
      const statuses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
      if (json === true) for (const status of statuses) output.print(JSON.stringify(status));
      else if (statuses.length > 0) output.print(describeNodes(statuses, output.colors));
      for (const answer of answers) if (answer.status === 'rejected') reportFailure(answer.reason, output);
      if (statuses.length < urls.length || !statuses.every(({ ready }) => ready))
        process.exitCode = EXIT_FAILED;
    });
}

function describeNodes(statuses: readonly NodeStatus[], colors: Colors): string {
  const nodes = formatTable(
    [
      { title: 'node' },
      { title: 'state' },
      { title: 'transactions', align: 'right' },
      { title: 'conflicts', align: 'right' },
      { title: 'digest' },
    ],
    statuses.map((status) => [
      colors.bold(status.replica),
      stateOf(status, colors),
      count(sum(status.versionVector)),
      count(sum(status.conflicts)),
      status.digest.root,
    ]),
    colors,
  );
  const peers = statuses.flatMap((status) => status.peers.map((peer) => peerRow(status, peer, colors)));
  return peers.length === 0 ? nodes : `${nodes}\n\n${formatTable(PEER_COLUMNS, peers, colors)}`;
}

const PEER_COLUMNS = [
  { title: 'node' },
  { title: 'peer' },
  { title: 'link' },
  { title: 'lag', align: 'right' as const },
  { title: 'backlog', align: 'right' as const },
  { title: 'oldest unacknowledged', align: 'right' as const },
];

function peerRow({ region }: NodeStatus, peer: PeerOfNode, colors: Colors): string[] {
  return [
    region,
    peer.replica,
    peer.state === 'connected' ? colors.green(peer.state) : colors.yellow(peer.state),
    peer.lagMs === null ? '–' : milliseconds(Math.max(0, peer.lagMs)),
    count(peer.backlogTransactions),
    milliseconds(peer.unacknowledgedSeconds * 1_000),
  ];
}

function stateOf({ ready, reasons, writable, settled }: NodeStatus, colors: Colors): string {
  if (!ready) return colors.red(`not ready: ${reasons.join(', ')}`);
  if (!writable) return colors.red('read-only');
  return settled ? colors.green('ready') : colors.green('ready, settling');
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, value) => total + value, 0);
}
