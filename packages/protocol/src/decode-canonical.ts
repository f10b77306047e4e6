/**
 * Decoding of canonical bytes (canonical.ts) into fresh values: plain objects, arrays, strings, numbers, bigints,
 * Date, Uint8Array (a copy each). A key `__proto__` becomes a property like any other.
 */

import { checkCanonical } from './check-canonical.js';
import { BIGINT_EXTENSION } from './encode-canonical.js';
import { readUtf8 } from './utf8.js';

/** The value that `bytes` encode. Throws CAUSEWAY_BAD_VALUE unless they pass checkCanonical. */
export function decodeCanonical(bytes: Uint8Array): unknown {
  checkCanonical(bytes);
  return new Decoder(bytes).value();
}

/** Relies on the check: reads no byte that is not there and no form that is not used. */
class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(): unknown {
    const tag = this.#bytes[this.#at++]!;
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag < 0x90) return this.#map(tag & 0x0f);
    if (tag < 0xa0) return this.#array(tag & 0x0f);
    if (tag < 0xc0) return this.#text(tag & 0x1f);
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#u8());
      case 0xc5:
        return this.#binary(this.#u16());
      case 0xc6:
        return this.#binary(this.#u32());
      case 0xc7:
        return this.#extension(this.#u8());
      case 0xc8:
        return this.#extension(this.#u16());
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcc:
        return this.#u8();
      case 0xcd:
        return this.#u16();
      case 0xce:
        return this.#u32();
      case 0xcf:
        return this.#view.getBigUint64(this.#take(8));
      case 0xd0:
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return this.#view.getBigInt64(this.#take(8));
      case 0xd6:
        return this.#extension(4);
      case 0xd7:
        return this.#extension(8);
      case 0xd8:
        return this.#extension(16);
      case 0xd9:
        return this.#text(this.#u8());
      case 0xda:
        return this.#text(this.#u16());
      case 0xdb:
        return this.#text(this.#u32());
      case 0xdc:
        return this.#array(this.#u16());
      case 0xdd:
        return this.#array(this.#u32());
      case 0xde:
        return this.#map(this.#u16());
      default:
        return this.#map(this.#u32());
    }
  }

  #text(length: number): string {
    const at = this.#take(length);
    return readUtf8(this.#bytes, at, at + length);
  }

  #binary(length: number): Uint8Array {
    const at = this.#take(length);
    // Of a Buffer slice would be a view.
    return new Uint8Array(this.#bytes.subarray(at, at + length));
  }

  #array(count: number): unknown[] {
    const values = new Array<unknown>(count);
    for (let i = 0; i < count; i++) values[i] = this.value();
    return values;
  }

  #map(count: number): Record<string, unknown> {
    const values: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const key = this.value() as string;
      setOwn(values, key, this.value());
    }
    return values;
  }

  #extension(length: number): bigint | Date {
    const type = this.#u8();
    const at = this.#take(length);
    return type === BIGINT_EXTENSION ? this.#bigint(at, length) : this.#date(at, length);
  }

  #bigint(at: number, length: number): bigint {
    let hex = '0x';
    for (let i = at; i < at + length; i++) hex += this.#bytes[i]!.toString(16).padStart(2, '0');
    return BigInt.asIntN(length * 8, BigInt(hex));
  }

  #date(at: number, length: number): Date {
    const view = this.#view;
    const first = view.getUint32(at);
    if (length === 4) return new Date(first * 1000);
    if (length === 8) {
      const seconds = (first & 3) * 0x1_0000_0000 + view.getUint32(at + 4);
      return new Date(seconds * 1000 + (first >>> 2) / 1_000_000);
    }
    const seconds = view.getInt32(at + 4) * 0x1_0000_0000 + view.getUint32(at + 8);
    return new Date(seconds * 1000 + first / 1_000_000);
  }

  #u8(): number {
    return this.#bytes[this.#at++]!;
  }

  #u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  #u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  #take(count: number): number {
    const at = this.#at;
    this.#at = at + count;
    return at;
  }
}

/** An assignment to `__proto__` would set the prototype instead. */
export function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[key] = value;
  }
}
