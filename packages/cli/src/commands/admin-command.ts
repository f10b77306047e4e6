/** What commands that talk to the admin port of one node have in common. */
import { readFileSync } from 'node:fs';
import { CausewayError } from '@causeway/protocol';
import { Command, Option } from 'commander';
import { reasonOf } from '../cluster/node-status.js';
import { UsageError } from '../failure.js';
import { httpUrl, readAnswer } from '../node-api.js';

export const ADMIN_DEFAULT = 'http://127.0.0.1:7600';
/** A leave hands over first. */
const TIMEOUT_MS = 60_000;

export interface AdminOptions {
  readonly admin: string;
  readonly adminTokenFile?: string;
  readonly json?: boolean;
}

/** A command with `--admin` and `--json`; with `--admin-token-file` if it changes something. */
export function adminCommand(name: string, description: string, changes: boolean): Command {
  const command = new Command(name)
    .description(description)
    .addOption(
      new Option('-a, --admin <url>', 'admin URL of the node').env('CAUSEWAY_ADMIN').default(ADMIN_DEFAULT),
    )
    .option('--json', 'print JSON, for programs');
  if (!changes) return command;
  return command.addOption(
    new Option('--admin-token-file <file>', 'token that the node was started with').env(
      'CAUSEWAY_ADMIN_TOKEN_FILE',
    ),
  );
}

/** JSON of an answer of the admin port. Throws what it tells of, CAUSEWAY_UNREACHABLE without an answer. */
export async function askAdmin(
  { admin, adminTokenFile }: AdminOptions,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
): Promise<unknown> {
  const url = new URL(path, httpUrl(admin));
  const headers: Record<string, string> =
    adminTokenFile === undefined ? {} : { authorization: `Bearer ${readToken(adminTokenFile)}` };
  const response = await fetch(url, { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(
    (error: unknown) => {
      throw new CausewayError('CAUSEWAY_UNREACHABLE', `${url.origin}: ${reasonOf(error)}`, { cause: error });
    },
  );
  return readAnswer(response.status, await response.text());
}

/** The same for an answer of many lines, each as it comes. */
export async function* streamAdmin(
  { admin, adminTokenFile }: AdminOptions,
  method: 'POST',
  path: string,
): AsyncGenerator<unknown> {
  const url = new URL(path, httpUrl(admin));
  const headers: Record<string, string> =
    adminTokenFile === undefined ? {} : { authorization: `Bearer ${readToken(adminTokenFile)}` };
  const lost = (error: unknown): never => {
    throw new CausewayError('CAUSEWAY_UNREACHABLE', `${url.origin}: ${reasonOf(error)}`, { cause: error });
  };
  const response = await fetch(url, { method, headers }).catch(lost);
  if (!response.ok || response.body === null) {
    readAnswer(response.status, await response.text());
    return;
  }
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of response.body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line);
  }
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UsageError(`--admin-token-file ${file}: ${reasonOf(error)}`);
  }
}
