/**
 * Keys: what is a key, and how long a text is in UTF-8.
 *
 * A key is well-formed Unicode of 1 to KEY_BYTES_MAX UTF-8 bytes; any character is allowed, NUL too. Text that is
 * not well-formed (a lone surrogate) has no UTF-8 of its own: two such keys would become one on the wire.
 */
import { CausewayError } from './errors.js';
import { KEY_BYTES_MAX } from './limits.js';

/** Bytes of `text` in UTF-8, or -1 if it is not well-formed UTF-16. No allocation, O(length). */
export function utf8Length(text: string): number {
  const length = text.length;
  let bytes = length;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      bytes += 1;
    } else if (unit < 0xd800 || unit > 0xdfff) {
      bytes += 2;
    } else {
      // A pair is two units and four bytes.
      if (unit > 0xdbff || i + 1 >= length) return -1;
      const low = text.charCodeAt(++i);
      if (low < 0xdc00 || low > 0xdfff) return -1;
      bytes += 2;
    }
  }
  return bytes;
}

/** Order of two well-formed texts by their UTF-8 bytes; it differs from that of `<` where surrogates are. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? planeOrder(x) - planeOrder(y) : x - y;
  }
  return a.length - b.length;
}

/** Surrogates stand for what lies above U+FFFF, though their units are below U+E000. */
function planeOrder(unit: number): number {
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Bytes of `key` in UTF-8. Throws CAUSEWAY_BAD_KEY if it is no key; takes anything, so that decoders can ask. */
export function checkKey(key: unknown): number {
  if (typeof key !== 'string') throw new CausewayError('CAUSEWAY_BAD_KEY', 'a key must be a string');
  // A text has at least as many bytes as units, so that a huge one is refused without being walked.
  const bytes = key.length > KEY_BYTES_MAX ? key.length : utf8Length(key);
  if (bytes === -1) {
    throw new CausewayError(
      'CAUSEWAY_BAD_KEY',
      'a key must be well-formed Unicode (it holds a lone surrogate)',
    );
  }
  if (bytes === 0) throw new CausewayError('CAUSEWAY_BAD_KEY', 'a key must not be empty');
  if (bytes > KEY_BYTES_MAX) {
    throw new CausewayError('CAUSEWAY_BAD_KEY', `a key may have at most ${KEY_BYTES_MAX} bytes of UTF-8`);
  }
  return bytes;
}
