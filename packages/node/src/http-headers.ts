/**
 * Headers of requests: who may ask, what is asked for that is not there yet, and idempotency.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  CausewayError,
  CLIENT_SUBPROTOCOL,
  encodeCanonical,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  NESTING_MAX,
} from '@causeway/protocol';
import { JSON_ENVELOPE_DEPTH } from './client-limits.js';
import { HttpRefusal } from './http-answer.js';
import { badRequest } from './http-fields.js';
import { parseQuery, splitTarget } from './http-path.js';
import { originAllowed } from './websocket.js';

export const WEBSOCKET_PATH = '/v1/ws';

/**
 * Throws CAUSEWAY_NOT_IMPLEMENTED for a header that asks for something that this version does not have: a client
 * that asks for durability in a majority must not take a local write for one. Every other name that begins as
 * ours counts as such a header too.
 */
export function checkAsked({ headers }: IncomingMessage): void {
  for (const name in headers) {
    if (name === 'authorization' || name.startsWith('causeway-')) {
      throw new CausewayError('CAUSEWAY_NOT_IMPLEMENTED', `this version does not have the header ${name}`);
    }
  }
}

/** Throws CAUSEWAY_ORIGIN_REFUSED for a browser's page from elsewhere. */
export function checkOrigin({ headers }: IncomingMessage, allowOrigin: readonly string[]): void {
  if (originAllowed(headers.origin, allowOrigin)) return;
  throw new CausewayError(
    'CAUSEWAY_ORIGIN_REFUSED',
    'this Origin is not among the allowed ones (--allow-origin)',
  );
}

/** Throws CAUSEWAY_BAD_REQUEST for what would make the body mean something else. */
export function checkForm({ headers, httpVersionMinor }: IncomingMessage): void {
  if (headers.host === undefined && httpVersionMinor > 0) throw badRequest('HTTP/1.1 requires a Host header');
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw badRequest('a body must not have a Content-Encoding');
  }
}

/** Throws CausewayError unless this asks for the client protocol over WebSocket. */
export function checkUpgrade({ method, url, headers }: IncomingMessage): void {
  const { path, query } = splitTarget(url ?? '');
  if (path !== WEBSOCKET_PATH) {
    throw new CausewayError('CAUSEWAY_NOT_FOUND', `there is nothing to upgrade to but ${WEBSOCKET_PATH}`);
  }
  parseQuery(query, []);
  const key = headers['sec-websocket-key'] ?? '';
  if (
    method !== 'GET' ||
    headers.upgrade?.toLowerCase() !== 'websocket' ||
    !/^[+/0-9A-Za-z]{22}==$/.test(key)
  ) {
    throw badRequest('this is no handshake of WebSocket');
  }
  if (headers['sec-websocket-version'] !== '13') {
    const error = badRequest('the version of WebSocket must be 13');
    throw new HttpRefusal(error, 426, { 'sec-websocket-version': '13' });
  }
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (!offered.includes(CLIENT_SUBPROTOCOL)) {
    throw new CausewayError('CAUSEWAY_BAD_VERSION', `this port speaks the subprotocol ${CLIENT_SUBPROTOCOL}`);
  }
}

/** Line and headers of the request as they came, but for what asks for another protocol. */
export function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    let value = rawHeaders[i + 1]!;
    if (/^(upgrade|http2-settings)$/i.test(name)) continue;
    if (/^connection$/i.test(name)) value = value.replace(/\b(upgrade|http2-settings)\b *,? */gi, '');
    head += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, 'latin1');
}

/** Headers that let a page of an allowed Origin read the answer. */
export function corsHeaders({ headers }: IncomingMessage): Record<string, string> {
  if (headers.origin === undefined) return {};
  return {
    'access-control-allow-origin': headers.origin,
    'access-control-expose-headers': 'retry-after',
    vary: 'Origin',
  };
}

/** What a browser asks before a request that a form could not make. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return (
    method === 'OPTIONS' &&
    headers.origin !== undefined &&
    headers['access-control-request-method'] !== undefined
  );
}

/** Throws CAUSEWAY_BAD_REQUEST for a key that is none, or more than one. */
export function idempotencyKey(request: IncomingMessage): string | undefined {
  if (request.headers['idempotency-key'] === undefined) return undefined;
  const keys = request.headersDistinct['idempotency-key'] ?? [];
  const key = keys[0] ?? '';
  if (keys.length !== 1 || key.length > IDEMPOTENCY_KEY_LENGTH_MAX || !/^[ -~]+$/.test(key)) {
    throw badRequest(`Idempotency-Key must be 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} printable ASCII characters`);
  }
  return key;
}

/**
 * What must be equal for the first answer to be repeated: method, path and canonical body. The path enters
 * decoded, so that two spellings of a key are one. Throws CAUSEWAY_BAD_VALUE for a body with ill-formed text.
 */
export function fingerprint(method: string, path: string, key: string, body: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify([method, path, key]));
  if (body !== undefined) {
    hash.update(encodeCanonical(body, Number.MAX_SAFE_INTEGER, NESTING_MAX + JSON_ENVELOPE_DEPTH));
  }
  return hash.digest('base64url');
}
