/**
 * JSON forms of values: what JSON lacks stands in an object of a single key.
 *
 * | value | JSON |
 * |---|---|
 * | Uint8Array | `{"$bytes": base64}` |
 * | Date | `{"$date": ISO 8601}` |
 * | bigint | `{"$bigint": decimal digits}` |
 * | an object of a single key that starts with `$` | the same with one more `$` |
 *
 * Reading takes one `$` from a single key that starts with `$$`; any other single key with `$` is refused. Objects of
 * more keys are themselves, whatever their keys. fromJsonValue(toJsonValue(v)) is v for every value that canonical
 * encoding knows, but for integral numbers beyond ±(2^53-1): JSON readers round them, so they are refused.
 */
import { fromBase64, toBase64 } from './base64.js';
import { setOwn } from './decode-canonical.js';
import { badValue } from './encode-canonical.js';
import type { CausewayError } from './errors.js';
import { fromIsoDate } from './iso-date.js';
import { BIGINT_BYTES_MAX, NESTING_MAX } from './limits.js';

/** Digits of the largest big integer and its sign. More are not read, which would take more than linear time. */
const BIGINT_LENGTH_MAX = Math.ceil((BIGINT_BYTES_MAX * 8 - 1) * Math.log10(2)) + 1;

/** What JSON.stringify takes for `value`, which is one that decodeCanonical returned. A fresh value. */
export function toJsonValue(value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: value.toString() };
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(toJsonValue);
  if (value instanceof Uint8Array) return { $bytes: toBase64(value) };
  if (value instanceof Date) return { $date: value.toISOString() };
  const json: Record<string, unknown> = {};
  const keys = Object.keys(value);
  for (const key of keys) {
    const escape = keys.length === 1 && key.startsWith('$') ? '$' : '';
    setOwn(json, escape + key, toJsonValue((value as Record<string, unknown>)[key]));
  }
  return json;
}

/**
 * The value that `json` stands for, where `json` is what JSON.parse returned: ready for encodeCanonical, which looks
 * at texts and sizes. Throws CAUSEWAY_BAD_VALUE with the path of what stands for nothing.
 */
export function fromJsonValue(json: unknown): unknown {
  return readValue(json, [], 0);
}

/** `path` holds a step for each array and object around `json`, `depth` of them. */
function readValue(json: unknown, path: (string | number)[], depth: number): unknown {
  if (typeof json === 'number') return readNumber(json, path, depth);
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) {
    enter(path, depth);
    return json.map((member, index) => {
      path[depth] = index;
      return readValue(member, path, depth + 1);
    });
  }
  return readObject(json as Record<string, unknown>, path, depth);
}

function readNumber(json: number, path: readonly (string | number)[], depth: number): number {
  if (!Number.isFinite(json)) throw badValue('a number out of range is not a value', path, depth);
  if (Number.isInteger(json) && !Number.isSafeInteger(json)) {
    throw badValue('an integer beyond ±(2^53-1) needs {"$bigint": "…"}', path, depth);
  }
  return json;
}

function readObject(json: Record<string, unknown>, path: (string | number)[], depth: number): unknown {
  const keys = Object.keys(json);
  const first = keys[0];
  const single = keys.length === 1 && first !== undefined && first.startsWith('$');
  if (single && !first.startsWith('$$')) return readSpecial(first, json[first], path, depth);
  enter(path, depth);
  const value: Record<string, unknown> = {};
  for (const key of keys) {
    path[depth] = key;
    setOwn(value, single ? key.slice(1) : key, readValue(json[key], path, depth + 1));
  }
  return value;
}

function readSpecial(
  key: string,
  content: unknown,
  path: readonly (string | number)[],
  depth: number,
): Uint8Array | Date | bigint {
  const value = typeof content === 'string' ? readText(key, content) : undefined;
  if (value === undefined) throw refusal(key, path, depth);
  return value;
}

function readText(key: string, text: string): Uint8Array | Date | bigint | undefined {
  switch (key) {
    case '$bytes':
      return fromBase64(text);
    case '$date':
      return fromIsoDate(text);
    case '$bigint':
      return text.length <= BIGINT_LENGTH_MAX && /^-?\d+$/.test(text) ? BigInt(text) : undefined;
    default:
      return undefined;
  }
}

function refusal(key: string, path: readonly (string | number)[], depth: number): CausewayError {
  switch (key) {
    case '$bytes':
      return badValue('$bytes needs base64 with padding', path, depth);
    case '$date':
      return badValue(
        '$date needs an ISO 8601 date, with a zone if it has a time, to the millisecond',
        path,
        depth,
      );
    case '$bigint':
      return badValue(`$bigint needs at most ${BIGINT_LENGTH_MAX} decimal digits as text`, path, depth);
    default:
      return badValue('a single key that starts with $ needs one more $', path, depth);
  }
}

function enter(path: readonly (string | number)[], depth: number): void {
  if (depth >= NESTING_MAX) throw badValue(`a value may be nested ${NESTING_MAX} deep`, path, depth);
}
