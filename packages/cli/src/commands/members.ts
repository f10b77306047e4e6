/** `causeway members`: who belongs to the cluster, and taking one out of it. */
import type { Command } from 'commander';
import type { Colors, Output } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';
import { count, milliseconds } from '../terminal/text.js';
import { type AdminOptions, adminCommand, askAdmin } from './admin-command.js';

interface ListedMember {
  readonly replica: string;
  readonly region: string;
  readonly address: string;
  readonly state: string;
  /** For how long nobody has heard of it, ms. */
  readonly quietMs: number;
  /** Evidence of removals waits for it. */
  readonly counts: boolean;
  /** Of one that is retired. */
  readonly finalSeq?: number;
}

export function membersCommand(output: Output): Command {
  return adminCommand('members', 'list the members of the cluster, retired ones included', false)
    .action(async (options: AdminOptions) => {
      const { members } = (await askAdmin(options, 'GET', '/v1/members')) as { members: ListedMember[] };
      if (options.json === true) for (const member of members) output.print(JSON.stringify(member));
      else output.print(table(members, output.colors));
    })
    .addCommand(removeCommand(output))
    .addCommand(leaveCommand(output));
}

function removeCommand(output: Output): Command {
  return adminCommand('remove', 'take a replica that will not come back out of the cluster, for good', true)
    .argument('<replica>', 'its id, as causeway members lists it')
    .addHelpText(
      'after',
      '\nThe others stop waiting for it, and refuse it should it come back. Writes that only it had are lost.' +
        '\nTo take a node out that still runs, let it leave: causeway members leave --admin URL-OF-THAT-NODE',
    )
    .action(async (replica: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<AdminOptions>();
      const path = `/v1/members/${encodeURIComponent(replica)}`;
      const member = (await askAdmin(options, 'DELETE', path)) as ListedMember;
      const text = `${member.replica} is ${member.state}; it is known to have made ${transactions(member)}`;
      output.print(options.json === true ? JSON.stringify(member) : text);
    });
}

function leaveCommand(output: Output): Command {
  return adminCommand(
    'leave',
    'let the node hand over to its peers, leave the cluster for good, and stop',
    true,
  )
    .addHelpText(
      'after',
      '\nIt takes no more requests meanwhile. When its peers do not take over in time, it stays.',
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<AdminOptions>();
      const member = (await askAdmin(options, 'POST', '/v1/admin/leave')) as ListedMember;
      const text = `${member.replica} has left; its peers have all of its ${transactions(member)}`;
      output.print(options.json === true ? JSON.stringify(member) : text);
    });
}

function transactions({ finalSeq = 0 }: ListedMember): string {
  return `${count(finalSeq)} transaction${finalSeq === 1 ? '' : 's'}`;
}

function table(members: readonly ListedMember[], colors: Colors): string {
  const columns = ['member', 'state', 'address', 'last heard of', ''].map((title) => ({ title }));
  const rows = members.map((member, index) => [
    colors.bold(member.replica),
    stateOf(member, colors),
    member.address,
    index === 0 ? 'asked' : isRetired(member) ? '–' : `${milliseconds(member.quietMs)} ago`,
    isRetired(member) ? describeRetired(member) : '',
  ]);
  return formatTable(columns, rows, colors);
}

function isRetired({ finalSeq }: ListedMember): boolean {
  return finalSeq !== undefined;
}

function describeRetired(member: ListedMember): string {
  const made = `made ${transactions(member)}`;
  return member.counts ? `${made}; counts until all others know` : made;
}

function stateOf({ state }: ListedMember, colors: Colors): string {
  if (state === 'active') return colors.green(state);
  return state === 'joining' || state === 'draining' ? colors.yellow(state) : colors.dim(state);
}
