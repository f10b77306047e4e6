/**
 * Writer of the primitives that bytes.ts lists, and of the fixed-width ones of MessagePack. Values out of a method's
 * range are the caller's fault and not looked for.
 */
import { CausewayError } from './errors.js';
import { utf8Length } from './keys.js';

const textEncoder = new TextEncoder();

/** Up to here a loop of ours beats the host's encoder. UTF-16 units. */
export const ASCII_LOOP_MAX = 128;

const CAPACITY_MIN = 64;

/** Through which eight-byte numbers become two words. */
const words = new DataView(new ArrayBuffer(8));

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
    words.setFloat64(0, value);
    this.u32be(words.getUint32(0));
    this.u32be(words.getUint32(4));
  }

  /** -2^63 to 2^64-1 in eight bytes of two's complement. */
  big64be(value: bigint): void {
    words.setBigUint64(0, value);
    this.u32be(words.getUint32(0));
    this.u32be(words.getUint32(4));
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
    if (length <= ASCII_LOOP_MAX) {
      this.varint(length);
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
    if (bytes === value.length && bytes <= ASCII_LOOP_MAX && this.ascii(value)) return;
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
