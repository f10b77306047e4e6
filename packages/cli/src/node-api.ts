/**
 * The node that a command talks to: by the client library, or by HTTP for what only HTTP has.
 */
import { connect, type Database } from '@causeway/client';
import { CausewayError } from '@causeway/protocol';
import { reasonOf } from './cluster/node-status.js';
import { UsageError } from './failure.js';

export const NODE_DEFAULT = 'ws://127.0.0.1:7400';
const CONNECT_TIMEOUT_MS = 3_000;
const HTTP_TIMEOUT_MS = 30_000;

/** Runs `use` with a database at `url`, which is closed after it. */
export async function withDatabase<T>(url: string, use: (db: Database) => Promise<T>): Promise<T> {
  const db = await openDatabase(url);
  try {
    return await use(db);
  } finally {
    await db.close();
  }
}

/** Throws CAUSEWAY_UNREACHABLE. */
export function openDatabase(url: string): Promise<Database> {
  return connect({ endpoints: [webSocketUrl(url)], name: 'causeway', connectTimeoutMs: CONNECT_TIMEOUT_MS });
}

/** JSON of a GET on the client port. Throws what the node answers, CAUSEWAY_UNREACHABLE without an answer. */
export async function readJson(
  nodeUrl: string,
  path: string,
  query: Readonly<Record<string, string | undefined>>,
): Promise<unknown> {
  const url = new URL(path, httpUrl(nodeUrl));
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const response = await fetch(url, { signal: AbortSignal.timeout(HTTP_TIMEOUT_MS) }).catch(
    (error: unknown) => {
      throw new CausewayError('CAUSEWAY_UNREACHABLE', `${url.origin}: ${reasonOf(error)}`, { cause: error });
    },
  );
  return readAnswer(response.status, await response.text());
}

/** JSON of a POST on the client port. Throws as `readJson`: without an answer it may have taken effect. */
export async function postJson(
  nodeUrl: string,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const url = new URL(path, httpUrl(nodeUrl));
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(HTTP_TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new CausewayError('CAUSEWAY_UNREACHABLE', `${url.origin}: ${reasonOf(error)}`, { cause: error });
  });
  return readAnswer(response.status, await response.text());
}

/** The body of an answer. Throws what it tells of when it is an error. */
export function readAnswer(status: number, text: string): unknown {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new CausewayError('CAUSEWAY_UNREACHABLE', `HTTP ${status} without JSON: not a node`, {
      cause: error,
    });
  }
  if (status < 400) return body;
  const { code, message } = (body as { error?: { code?: string; message?: string } }).error ?? {};
  throw CausewayError.fromWire(code ?? '', message ?? `HTTP ${status}`);
}

/** `ws://host:port` of a node that is named by any of its client URLs. */
export function webSocketUrl(text: string): string {
  return nodeUrl(text, 'ws');
}

/** `http://host:port` of the same. */
export function httpUrl(text: string): string {
  return nodeUrl(text, 'http');
}

function nodeUrl(text: string, scheme: 'ws' | 'http'): string {
  const [, secure, address = ''] = /^(?:(?:ws|http)(s?):\/\/)?([^/?#@\s]+)\/?$/.exec(text) ?? [];
  const url = `${scheme}${secure ?? ''}://${address}`;
  if (address === '' || !URL.canParse(url)) {
    throw new UsageError(`not the URL of a node: ${text} (ws://host:port)`);
  }
  return url;
}
