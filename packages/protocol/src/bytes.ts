/**
 * Writing and reading of bytes: the primitives of all formats of this package that are not MessagePack.
 *
 * - varint: unsigned LEB128, seven bits a byte, lowest first, always the shortest form. Numbers to 2^53-1 (at most
 *   8 bytes), bigints to 2^64-1 (at most 10).
 * - text: byte length as varint, then UTF-8. bytes: length as varint, then the bytes.
 *
 * One value has one encoding: the reader refuses every other. Reader and writer allocate nothing per call but what
 * they hand out.
 */
import { CausewayError } from './errors.js';
import { utf8Length } from './keys.js';

const textEncoder = new TextEncoder();
/** A byte order mark is text like any other: dropping it would change a key. */
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** From here on the host's codec beats a loop of ours. UTF-16 units, bytes. */
export const TEXT_LOOP_MAX = 48;

const CAPACITY_MIN = 64;

/** Through which eight-byte numbers become two words. */
const floatView = new DataView(new ArrayBuffer(8));

/** Bytes that grow. Fit to be kept and used again with `reset`. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(Math.max(capacity, CAPACITY_MIN));
  }

  /** Bytes written since the start or the last reset. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that fit without growing: what an owner that keeps a writer looks at. */
  get capacity(): number {
    return this.#bytes.length;
  }

  reset(): void {
    this.#length = 0;
  }

  /** Forgets what was written from `length` on. */
  truncate(length: number): void {
    if (length < this.#length) this.#length = length;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** What was written, without a copy: valid until the next write or reset. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  u32le(value: number): void {
    this.#reserve(4);
    this.#length += 4;
    this.setU32le(this.#length - 4, value);
  }

  /** Writes over four bytes that were written before: a length or checksum that is known only later. */
  setU32le(at: number, value: number): void {
    const bytes = this.#bytes;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
  }

  u16be(value: number): void {
    this.#reserve(2);
    this.#bytes[this.#length++] = value >>> 8;
    this.#bytes[this.#length++] = value;
  }

  u32be(value: number): void {
    this.#reserve(4);
    const bytes = this.#bytes;
    const at = this.#length;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.#length = at + 4;
  }

  /** 0 to 2^53-1 in eight bytes, ordered as bytes. */
  u64be(value: number): void {
    const high = Math.floor(value / 0x1_0000_0000);
    this.u32be(high);
    this.u32be(value - high * 0x1_0000_0000);
  }

  f64be(value: number): void {
    floatView.setFloat64(0, value);
    this.u32be(floatView.getUint32(0));
    this.u32be(floatView.getUint32(4));
  }

  /** -2^63 to 2^64-1 in eight bytes of two's complement. */
  big64be(value: bigint): void {
    floatView.setBigUint64(0, value);
    this.u32be(floatView.getUint32(0));
    this.u32be(floatView.getUint32(4));
  }

  /** 0 to 2^53-1. */
  varint(value: number): void {
    if (value < 0x80) {
      this.u8(value);
      return;
    }
    this.#reserve(8);
    const bytes = this.#bytes;
    let at = this.#length;
    let rest = value;
    while (rest > 0x7fff_ffff) {
      bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest > 0x7f) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.#length = at;
  }

  /** 0 to 2^64-1. */
  bigVarint(value: bigint): void {
    let rest = value;
    while (rest > 0x1f_ffff_ffff_ffffn) {
      this.u8(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.varint(Number(rest));
  }

  /** Length and UTF-8 of `value`. Throws CAUSEWAY_BAD_VALUE if it is not well-formed UTF-16. */
  text(value: string): void {
    const start = this.#length;
    const length = value.length;
    if (length <= TEXT_LOOP_MAX) {
      this.u8(length);
      if (this.ascii(value)) return;
      this.#length = start;
    }
    const bytes = utf8Length(value);
    if (bytes === -1) throw new CausewayError('CAUSEWAY_BAD_VALUE', 'text with a lone surrogate');
    this.varint(bytes);
    this.#encode(value, bytes);
  }

  /**
   * UTF-8 of `value` without its length. `bytes` is what utf8Length said of it.
   */
  utf8(value: string, bytes: number): void {
    if (bytes === value.length && bytes <= TEXT_LOOP_MAX && this.ascii(value)) return;
    this.#encode(value, bytes);
  }

  /** Length and bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  /** The bytes alone. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** Writes `value` if all of it is ASCII, else nothing. Without its length. */
  ascii(value: string): boolean {
    const length = value.length;
    this.#reserve(length);
    const bytes = this.#bytes;
    const at = this.#length;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) return false;
      bytes[at + i] = unit;
    }
    this.#length = at + length;
    return true;
  }

  #encode(value: string, bytes: number): void {
    this.#reserve(bytes);
    textEncoder.encodeInto(value, this.#bytes.subarray(this.#length, this.#length + bytes));
    this.#length += bytes;
  }

  #reserve(count: number): void {
    if (this.#length + count > this.#bytes.length) this.#grow(count);
  }

  #grow(count: number): void {
    const bytes = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
  }
}

/**
 * Reads what ByteWriter wrote. Every method throws CAUSEWAY_CORRUPT for bytes that no writer makes: an overrun,
 * ill-formed UTF-8, a varint that is not the shortest or beyond 2^53-1.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  /** Offset of the next byte, counted from the start of the array. */
  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    if (this.#at >= this.#end) throw overrun();
    return this.#bytes[this.#at++]!;
  }

  u32le(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }

  u16be(): number {
    const at = this.#take(2);
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
  }

  u32be(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }

  u64be(): number {
    const high = this.u32be();
    const low = this.u32be();
    if (high > 0x1f_ffff) throw corrupt('a number beyond 2^53-1');
    return high * 0x1_0000_0000 + low;
  }

  varint(): number {
    const first = this.u8();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let scale = 0x80;
    for (;;) {
      const byte = this.u8();
      // The eighth byte holds bits 49 to 52.
      if (scale === 0x2_0000_0000_0000 && byte > 0x0f) throw corrupt('a varint beyond 2^53-1');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0) throw corrupt('a varint that is not the shortest');
        return value;
      }
      scale *= 0x80;
    }
  }

  bigVarint(): bigint {
    let low = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.u8();
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw corrupt('a varint that is not the shortest');
        return BigInt(low);
      }
      scale *= 0x80;
    }
    let high = 0;
    for (let i = 0; i < 3; i++) {
      const byte = this.u8();
      // The tenth byte holds bit 63 alone.
      if (i === 2 && byte > 1) throw corrupt('a varint beyond 2^64-1');
      high += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) {
        if (byte === 0) throw corrupt('a varint that is not the shortest');
        break;
      }
    }
    return (BigInt(high) << 49n) | BigInt(low);
  }

  text(): string {
    const length = this.varint();
    const at = this.#take(length);
    return readUtf8(this.#bytes, at, at + length);
  }

  /** A view of the array that is read, not a copy. */
  bytes(): Uint8Array {
    return this.raw(this.varint());
  }

  /** The next `count` bytes: a view, not a copy. */
  raw(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** Throws unless everything was read. */
  done(): void {
    if (this.#at !== this.#end) throw corrupt('bytes after the end');
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw overrun();
    this.#at = at + count;
    return at;
  }
}

/** Text of the UTF-8 in bytes[start, end). Throws CAUSEWAY_CORRUPT if it is ill-formed. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= TEXT_LOOP_MAX) {
    let text = '';
    let at = start;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte > 0x7f) break;
      text += String.fromCharCode(byte);
    }
    if (at === end) return text;
  }
  try {
    return textDecoder.decode(bytes.subarray(start, end));
  } catch (cause) {
    throw new CausewayError('CAUSEWAY_CORRUPT', 'ill-formed UTF-8', { cause });
  }
}

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

function overrun(): CausewayError {
  return corrupt('the end comes too early');
}

function corrupt(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_CORRUPT', message);
}
