/**
 * Fields of JSON bodies: an object with known names, and what may stand under them.
 */
import {
  CausewayError,
  encodeCanonical,
  fromJsonValue,
  REQUEST_ELEMENTS_MAX,
  TTL_MS_MAX,
} from '@causeway/protocol';

export type Fields = Readonly<Record<string, unknown>>;

/** `where` names the object in messages. Throws CAUSEWAY_BAD_REQUEST for what is no object or has other names. */
export function readFields(json: unknown, where: string, allowed: readonly string[]): Fields {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) {
    throw badRequest(`${where} must be an object`);
  }
  for (const name of Object.keys(json)) {
    if (!allowed.includes(name)) {
      throw badRequest(`${where} has an unknown field ${quote(name)}: there are ${allowed.join(', ')}`);
    }
  }
  return json as Fields;
}

/** What stands under `name`; null is something. Throws CAUSEWAY_BAD_REQUEST when nothing does. */
export function required(fields: Fields, where: string, name: string): unknown {
  if (!Object.hasOwn(fields, name)) throw badRequest(`${where} lacks the field ${name}`);
  return fields[name];
}

/** Canonical bytes of a value in its JSON form. Throws CAUSEWAY_BAD_VALUE, CAUSEWAY_TOO_LARGE. */
export function readValue(json: unknown): Uint8Array {
  return encodeCanonical(fromJsonValue(json));
}

/** Throws CAUSEWAY_BAD_REQUEST for what is no array, CAUSEWAY_TOO_LARGE, and as readValue. */
export function readValues(json: unknown, name: string): Uint8Array[] {
  if (!Array.isArray(json)) throw badRequest(`${name} must be an array`);
  checkElementCount(json.length);
  return json.map(readValue);
}

/** Elements of a whole request. Throws CAUSEWAY_TOO_LARGE. */
export function checkElementCount(count: number): void {
  if (count <= REQUEST_ELEMENTS_MAX) return;
  throw new CausewayError(
    'CAUSEWAY_TOO_LARGE',
    `a request may name ${REQUEST_ELEMENTS_MAX} elements, this one names ${count}`,
  );
}

/** Throws CAUSEWAY_BAD_REQUEST. */
export function readTtl(json: unknown): number {
  if (typeof json === 'number' && Number.isSafeInteger(json) && json >= 1 && json <= TTL_MS_MAX) return json;
  throw badRequest(`ttlMs must be a whole number of milliseconds, 1 to ${TTL_MS_MAX}`);
}

/** Throws CAUSEWAY_BAD_AMOUNT. */
export function readAmount(json: unknown): number {
  // -0 is 0: the store knows no other zero.
  if (typeof json === 'number' && Number.isSafeInteger(json)) return json + 0;
  throw new CausewayError('CAUSEWAY_BAD_AMOUNT', 'by must be an integer within ±(2^53-1)');
}

export function badRequest(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_REQUEST', message);
}

export function quote(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
