/**
 * Writing and reading of bytes: the primitives of all formats of this package.
 *
 * - varint: unsigned LEB128, seven bits a byte, lowest first, always the shortest form. Numbers to 2^53-1 (at most
 *   8 bytes), bigints to 2^64-1 (at most 10).
 * - text: byte length as varint, then UTF-8. bytes: length as varint, then the bytes.
 *
 * One value has one encoding: the reader refuses every other. Reader and writer allocate nothing per call but what
 * they hand out.
 */
import { ByteWriter } from './byte-writer.js';
import { CausewayError } from './errors.js';
import { utf8Length } from './keys.js';

export { ByteReader } from './byte-reader.js';
export { ByteWriter } from './byte-writer.js';
export { readUtf8 } from './utf8.js';

/** Order by unsigned bytes, a prefix first. Negative, 0 or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** UTF-8 of `text`. Throws CAUSEWAY_BAD_VALUE if it is not well-formed UTF-16. */
export function utf8Bytes(text: string): Uint8Array {
  const writer = new ByteWriter(text.length);
  const bytes = utf8Length(text);
  if (bytes === -1) throw new CausewayError('CAUSEWAY_BAD_VALUE', 'text with a lone surrogate');
  writer.utf8(text, bytes);
  return writer.finish();
}
