/**
 * Request targets: raw path and query, decoded here and only here.
 *
 * Percent-encoding is read strictly, once: malformed escapes and ill-formed UTF-8 are errors, never
 * replacement characters, because two spellings of one key must not become two keys, nor two keys one.
 */
import { CausewayError, checkKey, KEY_BYTES_MAX } from '@causeway/protocol';

export interface Target {
  /** Still percent-encoded; starts with a slash. */
  readonly path: string;
  /** Without the question mark; '' if there is none. */
  readonly query: string;
}

/** Throws CAUSEWAY_BAD_REQUEST. */
export function splitTarget(url: string): Target {
  // RFC 9112, 3.2.2: a server takes the absolute form too.
  const target = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?#]*/i, '');
  if (target.includes('#')) throw badTarget('a # in it must be percent-encoded');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  if (!path.startsWith('/')) throw badTarget('it must start with a slash');
  return { path, query: mark < 0 ? '' : target.slice(mark + 1) };
}

/** The key that a path segment spells. Throws CAUSEWAY_BAD_KEY. */
export function decodeKey(segment: string): string {
  if (segment.length > 3 * KEY_BYTES_MAX) {
    throw new CausewayError('CAUSEWAY_BAD_KEY', `a key may have at most ${KEY_BYTES_MAX} bytes of UTF-8`);
  }
  const key = decodePercent(segment, 'CAUSEWAY_BAD_KEY', 'key');
  checkKey(key);
  // Clients and proxies resolve them as directories, also in their escaped forms: the request that arrives
  // would be for something else.
  if (key === '.' || key === '..') {
    throw new CausewayError('CAUSEWAY_BAD_KEY', 'the keys . and .. cannot stand in a path');
  }
  return key;
}

/**
 * Parameters by name, of which each must be in `allowed` and stand once. One without a value counts as not
 * given. Throws CAUSEWAY_BAD_REQUEST.
 */
export function parseQuery(query: string, allowed: readonly string[]): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  const seen = new Set<string>();
  for (const part of query.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decodeParameter(equals < 0 ? part : part.slice(0, equals));
    if (!allowed.includes(name)) throw unknownParameter(name, allowed);
    if (seen.has(name)) throw badQuery(`${name} is given twice`);
    seen.add(name);
    const value = equals < 0 ? '' : decodeParameter(part.slice(equals + 1));
    if (value !== '') parameters.set(name, value);
  }
  return parameters;
}

/** An integer of a query, in plain digits. Throws CAUSEWAY_BAD_REQUEST. */
export function parseLimit(text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined;
  const limit = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > max) throw badQuery(`limit must be an integer from 1 to ${max}`);
  return limit;
}

/** What forms and URLSearchParams write: a plus is a space. */
function decodeParameter(text: string): string {
  return decodePercent(text.replaceAll('+', ' '), 'CAUSEWAY_BAD_REQUEST', 'query');
}

function decodePercent(
  text: string,
  code: 'CAUSEWAY_BAD_KEY' | 'CAUSEWAY_BAD_REQUEST',
  what: string,
): string {
  // Node hands raw bytes on as Latin-1.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is not ASCII is what is looked for
  if (!/^[\x00-\x7f]*$/.test(text)) {
    throw new CausewayError(code, `what is not ASCII in the ${what} must be percent-encoded UTF-8`);
  }
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new CausewayError(code, `the ${what} holds a malformed escape, or one that is not UTF-8`, {
      cause,
    });
  }
}

function unknownParameter(name: string, allowed: readonly string[]): CausewayError {
  const known = allowed.length === 0 ? 'there is none here' : `there are ${allowed.join(', ')}`;
  return badQuery(`no such parameter: ${name.slice(0, 64)} (${known})`);
}

function badQuery(reason: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_REQUEST', `the query is malformed: ${reason}`);
}

function badTarget(reason: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_REQUEST', `the request's target is malformed: ${reason}`);
}
