/**
 * Base64 of RFC 4648 section 4, with padding. Decoding takes exactly what encoding makes: no other alphabet, no
 * white space, padding required, unused bits zero.
 */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PADDING = 0x3d;

/** Six bits for each ASCII code, 0x40 where there are none. */
const SEXTETS = new Uint8Array(128).fill(0x40);
for (let i = 0; i < ALPHABET.length; i++) SEXTETS[ALPHABET.charCodeAt(i)] = i;
const CODES = Array.from(ALPHABET, (character) => character.charCodeAt(0));

/** Characters that are made in one call: few enough to be arguments. A multiple of 4. */
const PIECE_LENGTH = 4096;

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  let codes: number[] = [];
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const bits = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    codes.push(
      CODES[bits >> 18]!,
      CODES[(bits >> 12) & 0x3f]!,
      left > 1 ? CODES[(bits >> 6) & 0x3f]! : PADDING,
      left > 2 ? CODES[bits & 0x3f]! : PADDING,
    );
    if (codes.length === PIECE_LENGTH) {
      text += String.fromCharCode.apply(null, codes);
      codes = [];
    }
  }
  return text + String.fromCharCode.apply(null, codes);
}

/** The bytes, or undefined if `text` is not base64. */
export function fromBase64(text: string): Uint8Array | undefined {
  const length = text.length;
  if (length % 4 !== 0) return undefined;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((length / 4) * 3 - padding);
  let at = 0;
  let bits = 0;
  for (let i = 0; i < length - padding; i++) {
    const code = text.charCodeAt(i);
    const sextet = code < 128 ? SEXTETS[code]! : 0x40;
    if (sextet === 0x40) return undefined;
    bits = (bits << 6) | sextet;
    if (i % 4 === 3) {
      bytes[at++] = bits >> 16;
      bytes[at++] = bits >> 8;
      bytes[at++] = bits;
      bits = 0;
    }
  }
  if (padding === 1) {
    if ((bits & 0x03) !== 0) return undefined;
    bytes[at++] = bits >> 10;
    bytes[at] = bits >> 2;
  } else if (padding === 2) {
    if ((bits & 0x0f) !== 0) return undefined;
    bytes[at] = bits >> 4;
  }
  return bytes;
}
