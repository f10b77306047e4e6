/**
 * Answers of the HTTP API: JSON bodies, and errors in their one form `{"error": {"code", "message"}}`.
 */
import { STATUS_CODES } from 'node:http';
import { CausewayError } from '@causeway/protocol';
import type { Log } from '@causeway/replica';
import { RETRY_AFTER_SECONDS } from './client-limits.js';

type Headers = Readonly<Record<string, string>>;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** An error whose answer says more than its code: another status of HTTP, headers that go with it. */
export class HttpRefusal extends Error {
  constructor(
    readonly error: CausewayError,
    readonly status: number = error.status,
    readonly headers: Headers = {},
  ) {
    super(error.message, { cause: error });
  }
}

export function success(body: object): Answer {
  return answer(200, {}, JSON.stringify(body));
}

/** Anything but a CausewayError or an HttpRefusal is a fault of ours: logged, and told without details. */
export function failure(thrown: unknown, log: Log): Answer {
  if (thrown instanceof HttpRefusal) return errorAnswer(thrown.error, thrown.status, thrown.headers);
  if (thrown instanceof CausewayError) return errorAnswer(thrown, thrown.status, {});
  log.error({ err: thrown }, 'a request met a fault of the node');
  return errorAnswer(
    new CausewayError('CAUSEWAY_INTERNAL', 'a fault of the node; its log says more'),
    500,
    {},
  );
}

/** The bytes of an answer, for sockets that no response belongs to. The connection ends with it. */
export function rawAnswer({ status, headers, body }: Answer): string {
  const lines = Object.entries({ ...headers, connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

function errorAnswer({ code, message }: CausewayError, status: number, headers: Headers): Answer {
  const retry = status === 429 || status === 503 ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {};
  return answer(status, { ...retry, ...headers }, JSON.stringify({ error: { code, message } }));
}

function answer(status: number, headers: Headers, body: string): Answer {
  return {
    status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      ...headers,
    },
    body,
  };
}
