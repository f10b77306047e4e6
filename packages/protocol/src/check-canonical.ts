/**
 * Check of bytes that claim to be a canonical encoding (canonical.ts), without decoding them: what it accepts is
 * exactly what encodeCanonical can return. Nodes run it once on what comes from outside, and trust it afterwards.
 *
 * Time is linear in the bytes, memory constant: the stack is bounded by the nesting, and a count that promises more
 * than there is fails at the first missing byte.
 */
import { BIGINT_EXTENSION, TIMESTAMP_EXTENSION } from './encode-canonical.js';
import { CausewayError } from './errors.js';
import { BIGINT_BYTES_MAX, NESTING_MAX } from './limits.js';
import { isUtf8 } from './utf8.js';

/** Milliseconds from 1970 that a Date can hold, either way. */
const DATE_MS_MAX = 8_640_000_000_000_000;

const floatView = new DataView(new ArrayBuffer(8));

/**
 * Throws CAUSEWAY_BAD_VALUE unless `bytes` are exactly one value in canonical encoding with at most `nestingMax`
 * arrays and objects within each other. Size is the caller's to bound.
 */
export function checkCanonical(bytes: Uint8Array, nestingMax = NESTING_MAX): void {
  const end = checkValue(bytes, 0, nestingMax);
  if (end !== bytes.length) throw bad('bytes after its end', end);
}

/** Checks the value that starts at `at` and returns where it ends. `depth`: nesting that is left. */
function checkValue(bytes: Uint8Array, at: number, depth: number): number {
  const tag = byteAt(bytes, at);
  if (tag < 0x80 || tag >= 0xe0) return at + 1;
  if (tag >= 0xa0 && tag < 0xc0) return checkText(bytes, at + 1, tag & 0x1f);
  if (tag < 0x90) return checkMap(bytes, at + 1, tag & 0x0f, depth);
  if (tag < 0xa0) return checkArray(bytes, at + 1, tag & 0x0f, depth);
  switch (tag) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return at + 1;
    case 0xc4:
      return skip(bytes, at + 2, byteAt(bytes, at + 1));
    case 0xc5:
      return skip(bytes, at + 3, u16From(bytes, at + 1, 0x100));
    case 0xc6:
      return skip(bytes, at + 5, u32From(bytes, at + 1, 0x10000));
    case 0xc7:
    case 0xc8:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return checkExtension(bytes, at, tag);
    case 0xcb:
      return checkFloat(bytes, at);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
      return checkInteger(bytes, at, tag);
    case 0xd9:
      return checkText(bytes, at + 2, u8From(bytes, at + 1, 0x20));
    case 0xda:
      return checkText(bytes, at + 3, u16From(bytes, at + 1, 0x100));
    case 0xdb:
      return checkText(bytes, at + 5, u32From(bytes, at + 1, 0x10000));
    case 0xdc:
      return checkArray(bytes, at + 3, u16From(bytes, at + 1, 0x10), depth);
    case 0xdd:
      return checkArray(bytes, at + 5, u32From(bytes, at + 1, 0x10000), depth);
    case 0xde:
      return checkMap(bytes, at + 3, u16From(bytes, at + 1, 0x10), depth);
    case 0xdf:
      return checkMap(bytes, at + 5, u32From(bytes, at + 1, 0x10000), depth);
    default:
      throw bad('a form that is not used', at);
  }
}

function checkText(bytes: Uint8Array, at: number, length: number): number {
  const end = skip(bytes, at, length);
  if (!isUtf8(bytes, at, end)) throw bad('ill-formed UTF-8', at);
  return end;
}

function checkArray(bytes: Uint8Array, start: number, count: number, depth: number): number {
  if (depth === 0) throw bad('nesting too deep', start);
  let at = start;
  for (let i = 0; i < count; i++) at = checkValue(bytes, at, depth - 1);
  return at;
}

function checkMap(bytes: Uint8Array, start: number, count: number, depth: number): number {
  if (depth === 0) throw bad('nesting too deep', start);
  let at = start;
  let lastKey = -1;
  let lastKeyEnd = -1;
  for (let i = 0; i < count; i++) {
    const key = textStart(bytes, at);
    const keyEnd = checkValue(bytes, at, depth);
    if (i > 0 && !isBefore(bytes, lastKey, lastKeyEnd, key, keyEnd)) throw bad('keys out of order', at);
    lastKey = key;
    lastKeyEnd = keyEnd;
    at = checkValue(bytes, keyEnd, depth - 1);
  }
  return at;
}

/** Offset of the first byte of the text whose header is at `at`. */
function textStart(bytes: Uint8Array, at: number): number {
  const tag = byteAt(bytes, at);
  if (tag >= 0xa0 && tag < 0xc0) return at + 1;
  if (tag === 0xd9) return at + 2;
  if (tag === 0xda) return at + 3;
  if (tag === 0xdb) return at + 5;
  throw bad('a key that is no text', at);
}

/** Whether bytes[a, aEnd) are less than bytes[b, bEnd). */
function isBefore(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean {
  const length = Math.min(aEnd - a, bEnd - b);
  for (let i = 0; i < length; i++) {
    const difference = bytes[a + i]! - bytes[b + i]!;
    if (difference !== 0) return difference < 0;
  }
  return aEnd - a < bEnd - b;
}

function checkInteger(bytes: Uint8Array, at: number, tag: number): number {
  const first = byteAt(bytes, at + 1);
  switch (tag) {
    case 0xcc:
      u8From(bytes, at + 1, 0x80);
      return at + 2;
    case 0xcd:
      u16From(bytes, at + 1, 0x100);
      return at + 3;
    case 0xce:
      u32From(bytes, at + 1, 0x10000);
      return at + 5;
    case 0xcf:
      return skip(bytes, at + 1, 8);
    case 0xd0:
      if (first < 0x80 || first >= 0xe0) break;
      return at + 2;
    case 0xd1: {
      const value = u16From(bytes, at + 1, 0x8000);
      if (value >= 0xff80) break;
      return at + 3;
    }
    case 0xd2: {
      const value = u32From(bytes, at + 1, 0x8000_0000);
      if (value >= 0xffff_8000) break;
      return at + 5;
    }
    default:
      // int 64: negative ones only, the others are uint 64.
      if (first < 0x80) break;
      return skip(bytes, at + 1, 8);
  }
  throw bad('an integer that is not in its shortest form', at);
}

function checkFloat(bytes: Uint8Array, at: number): number {
  const end = skip(bytes, at + 1, 8);
  floatView.setUint32(0, u32At(bytes, at + 1));
  floatView.setUint32(4, u32At(bytes, at + 5));
  const value = floatView.getFloat64(0);
  if (!Number.isFinite(value)) throw bad('a number that is not finite', at);
  // -0 is an integer here, too.
  if (value >>> 0 === value || (value | 0) === value) throw bad('an integer as a float', at);
  return end;
}

function checkExtension(bytes: Uint8Array, at: number, tag: number): number {
  let start = at + 2;
  let length = tag === 0xd6 ? 4 : tag === 0xd7 ? 8 : 16;
  if (tag === 0xc7) {
    length = byteAt(bytes, at + 1);
    start = at + 3;
  } else if (tag === 0xc8) {
    length = u16From(bytes, at + 1, 0x100);
    start = at + 4;
  }
  const end = skip(bytes, start, length);
  const type = bytes[start - 1]!;
  if (tag !== 0xd8 && length === 16) throw bad('an extension that is not in its shortest form', at);
  if (type === BIGINT_EXTENSION) checkBigint(bytes, start, length);
  else if (type === TIMESTAMP_EXTENSION && tag !== 0xc8) checkTimestamp(bytes, start, length, tag);
  else throw bad('an extension that is not used', at);
  return end;
}

function checkBigint(bytes: Uint8Array, at: number, length: number): void {
  // Whatever fits into 64 bits, with or without a sign, has a form without an extension.
  if (length < 9 || length > BIGINT_BYTES_MAX || (length === 9 && bytes[at] === 0)) {
    throw bad('a big integer that is not in its shortest form, or too big', at);
  }
  const first = bytes[at]!;
  const signBit = bytes[at + 1]! & 0x80;
  if ((first === 0 && signBit === 0) || (first === 0xff && signBit !== 0)) {
    throw bad('a big integer that is not in its shortest form', at);
  }
}

function checkTimestamp(bytes: Uint8Array, at: number, length: number, tag: number): void {
  if (tag === 0xd6) return;
  let nanoseconds = u32At(bytes, at);
  if (tag === 0xd7) {
    const seconds = (nanoseconds & 3) * 0x1_0000_0000 + u32At(bytes, at + 4);
    nanoseconds >>>= 2;
    if (nanoseconds === 0 && seconds < 0x1_0000_0000)
      throw bad('a date that is not in its shortest form', at);
  } else if (tag === 0xc7 && length === 12) {
    const seconds = (u32At(bytes, at + 4) | 0) * 0x1_0000_0000 + u32At(bytes, at + 8);
    if (seconds >= 0 && seconds < 0x4_0000_0000) throw bad('a date that is not in its shortest form', at);
    // Beyond 2^53 the product is not exact, but then it is far out of range.
    const time = seconds * 1000 + Math.floor(nanoseconds / 1_000_000);
    if (time > DATE_MS_MAX || time < -DATE_MS_MAX) throw bad('a date out of range', at);
  } else {
    throw bad('a date of an unknown form', at);
  }
  if (nanoseconds > 999_999_999 || nanoseconds % 1_000_000 !== 0) {
    throw bad('a date that is not in whole milliseconds', at);
  }
}

function byteAt(bytes: Uint8Array, at: number): number {
  if (at >= bytes.length) throw bad('the end comes too early', at);
  return bytes[at]!;
}

function skip(bytes: Uint8Array, at: number, count: number): number {
  const end = at + count;
  if (end > bytes.length) throw bad('the end comes too early', bytes.length);
  return end;
}

/** The number at `at`, refused below `min`, where a shorter form exists. */
function u8From(bytes: Uint8Array, at: number, min: number): number {
  const value = byteAt(bytes, at);
  if (value < min) throw bad('a form that is not the shortest', at);
  return value;
}

function u16From(bytes: Uint8Array, at: number, min: number): number {
  skip(bytes, at, 2);
  const value = (bytes[at]! << 8) | bytes[at + 1]!;
  if (value < min) throw bad('a form that is not the shortest', at);
  return value;
}

function u32From(bytes: Uint8Array, at: number, min: number): number {
  skip(bytes, at, 4);
  const value = u32At(bytes, at);
  if (value < min) throw bad('a form that is not the shortest', at);
  return value;
}

function u32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function bad(reason: string, at: number): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_VALUE', `not a canonical encoding: ${reason} (byte ${at})`);
}
