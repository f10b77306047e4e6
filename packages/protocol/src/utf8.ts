/**
 * Reading and validation of UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
import { CausewayError } from './errors.js';

/** A byte order mark is text like any other: dropping it, as decoders do unless told, would change a key. */
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Units of a short text, one array for each length: a text made of them in one call is flat. A text that is put
 * together unit by unit is not, and costs several times as much when it is hashed or compared. From here on the
 * host's decoder is faster.
 */
const SHORT_LENGTH_MAX = 40;
const shortUnits: readonly number[][] = Array.from({ length: SHORT_LENGTH_MAX + 1 }, (_, length) =>
  new Array<number>(length).fill(0),
);

/** Text of the UTF-8 in bytes[start, end). Throws CAUSEWAY_CORRUPT if it is ill-formed. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length <= SHORT_LENGTH_MAX) {
    const units = shortUnits[length]!;
    let i = 0;
    for (; i < length; i++) {
      const byte = bytes[start + i]!;
      if (byte > 0x7f) break;
      units[i] = byte;
    }
    if (i === length) return String.fromCharCode.apply(null, units);
  }
  try {
    return textDecoder.decode(bytes.subarray(start, end));
  } catch (cause) {
    throw new CausewayError('CAUSEWAY_CORRUPT', 'ill-formed UTF-8', { cause });
  }
}

/** Whether bytes[start, end) are well-formed UTF-8. O(end - start). */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte < 0x80) {
      at++;
      continue;
    }
    const length = sequenceLength(byte);
    if (length === 0 || at + length > end || !isContinued(bytes, at, length)) return false;
    at += length;
  }
  return true;
}

/** Bytes of the sequence that starts with `byte` (0x80 or more); 0: none starts so. */
function sequenceLength(byte: number): number {
  if (byte < 0xc2) return 0;
  if (byte < 0xe0) return 2;
  if (byte < 0xf0) return 3;
  return byte < 0xf5 ? 4 : 0;
}

function isContinued(bytes: Uint8Array, at: number, length: number): boolean {
  const first = bytes[at]!;
  const second = bytes[at + 1]!;
  // The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF.
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return false;
  for (let i = 2; i < length; i++) {
    if ((bytes[at + i]! & 0xc0) !== 0x80) return false;
  }
  return true;
}
