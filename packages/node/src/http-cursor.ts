/**
 * Cursors of pages: positions of ours in base64url, so that they can stand in a URL as they are.
 */
import { badRequest } from './http-fields.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function cursorOf(position: Uint8Array | string): string {
  const bytes =
    typeof position === 'string'
      ? Buffer.from(position, 'utf8')
      : Buffer.from(position.buffer, position.byteOffset, position.byteLength);
  return bytes.toString('base64url');
}

/** Throws CAUSEWAY_BAD_REQUEST for what cursorOf does not return. */
export function cursorBytes(cursor: string | undefined): Uint8Array | undefined {
  if (cursor === undefined) return undefined;
  const bytes = Buffer.from(cursor, 'base64url');
  // Node skips what is not base64url instead of refusing it.
  if (bytes.toString('base64url') !== cursor) throw noCursor();
  return bytes;
}

/** As cursorBytes, for positions that are text. */
export function cursorText(cursor: string | undefined): string | undefined {
  const bytes = cursorBytes(cursor);
  if (bytes === undefined) return undefined;
  try {
    return utf8.decode(bytes);
  } catch {
    throw noCursor();
  }
}

function noCursor(): Error {
  return badRequest('after is no cursor: take it from the page before, as it is');
}
