/**
 * Reader of the primitives that bytes.ts lists, and of the fixed-width ones of MessagePack.
 */
import { CausewayError } from './errors.js';
import { readUtf8 } from './utf8.js';

/** Through which two words become an eight-byte number. */
const words = new DataView(new ArrayBuffer(8));

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

  /** The array that is read. */
  get source(): Uint8Array {
    return this.#bytes;
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

  f32be(): number {
    words.setUint32(0, this.u32be());
    return words.getFloat32(0);
  }

  f64be(): number {
    words.setUint32(0, this.u32be());
    words.setUint32(4, this.u32be());
    return words.getFloat64(0);
  }

  /** 0 to 2^64-1 in eight bytes. */
  big64be(): bigint {
    words.setUint32(0, this.u32be());
    words.setUint32(4, this.u32be());
    return words.getBigUint64(0);
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
    return this.utf8(this.varint());
  }

  /** Text of the next `count` bytes. */
  utf8(count: number): string {
    const at = this.#take(count);
    return readUtf8(this.#bytes, at, at + count);
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

  /** Goes over the next `count` bytes. */
  pass(count: number): void {
    this.#take(count);
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

function overrun(): CausewayError {
  return corrupt('the end comes too early');
}

function corrupt(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_CORRUPT', message);
}
