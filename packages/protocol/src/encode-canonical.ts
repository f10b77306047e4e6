/**
 * Encoder of the canonical form that canonical.ts defines. One encoder with its buffer is kept between calls, so
 * that a call allocates the bytes that it returns and little else.
 */
import { ASCII_LOOP_MAX, ByteWriter } from './byte-writer.js';
import { CausewayError } from './errors.js';
import { compareUtf8, utf8Length } from './keys.js';
import { BIGINT_BYTES_MAX, NESTING_MAX, VALUE_BYTES_MAX } from './limits.js';

export const TIMESTAMP_EXTENSION = 0xff;
export const BIGINT_EXTENSION = 0x42;

/** A writer that grew beyond this is not kept for the next call. Bytes. */
const KEPT_CAPACITY_MAX = 256 * 1024;

/** The encoder of the last call. Absent while one runs: a getter of a value may encode another value. */
let idle: Encoder | undefined;

/**
 * Canonical bytes of `value`.
 *
 * Throws CAUSEWAY_BAD_VALUE with the path of what cannot be encoded, CAUSEWAY_TOO_LARGE beyond `bytesMax` bytes;
 * the bound also ends values that refer to one object many times over. Bodies that are compared rather than stored
 * pass higher bounds. O(bytes), and the sorting of keys.
 */
export function encodeCanonical(
  value: unknown,
  bytesMax = VALUE_BYTES_MAX,
  nestingMax = NESTING_MAX,
): Uint8Array {
  const encoder = idle ?? new Encoder();
  idle = undefined;
  try {
    return encoder.encode(value, bytesMax, nestingMax);
  } finally {
    if (encoder.capacity <= KEPT_CAPACITY_MAX) idle = encoder;
  }
}

class Encoder {
  readonly #writer = new ByteWriter(4096);
  /** Where the walk is: a key or an index for each array and object around the value in hand. */
  readonly #path: (string | number)[] = [];
  #bytesMax = 0;
  #nestingMax = 0;

  get capacity(): number {
    return this.#writer.capacity;
  }

  encode(value: unknown, bytesMax: number, nestingMax: number): Uint8Array {
    this.#writer.reset();
    this.#bytesMax = bytesMax;
    this.#nestingMax = nestingMax;
    this.#value(value, 0);
    this.#checkSize(0);
    return this.#writer.finish();
  }

  /** `depth`: how many arrays and objects are around `value`. */
  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        this.#string(value, depth);
        break;
      case 'number':
        this.#number(value, depth);
        break;
      case 'boolean':
        this.#writer.u8(value ? 0xc3 : 0xc2);
        break;
      case 'bigint':
        this.#bigint(value, depth);
        break;
      case 'object':
        this.#object(value, depth);
        break;
      default:
        throw this.#refusal(`${typeof value} is not a value`, depth);
    }
  }

  #number(value: number, depth: number): void {
    const writer = this.#writer;
    if (value >>> 0 === value) {
      // -0 comes here too, and is 0.
      if (value < 0x80) writer.u8(value);
      else if (value < 0x100) tagged8(writer, 0xcc, value);
      else if (value < 0x10000) tagged16(writer, 0xcd, value);
      else tagged32(writer, 0xce, value);
    } else if ((value | 0) === value) {
      if (value >= -0x20) writer.u8(value & 0xff);
      else if (value >= -0x80) tagged8(writer, 0xd0, value & 0xff);
      else if (value >= -0x8000) tagged16(writer, 0xd1, value & 0xffff);
      else tagged32(writer, 0xd2, value);
    } else if (Number.isFinite(value)) {
      writer.u8(0xcb);
      writer.f64be(value);
    } else {
      throw this.#refusal(`${value} is not a value`, depth);
    }
  }

  #bigint(value: bigint, depth: number): void {
    const writer = this.#writer;
    if (BigInt.asUintN(64, value) === value) {
      writer.u8(0xcf);
      writer.big64be(value);
    } else if (BigInt.asIntN(64, value) === value) {
      writer.u8(0xd3);
      writer.big64be(value);
    } else {
      const hex = twosComplementHex(value);
      const length = hex.length / 2;
      if (length > BIGINT_BYTES_MAX) {
        throw this.#refusal(`a big integer may have at most ${BIGINT_BYTES_MAX} bytes`, depth);
      }
      extensionHeader(writer, BIGINT_EXTENSION, length);
      for (let i = 0; i < hex.length; i += 2) writer.u8(Number.parseInt(hex.slice(i, i + 2), 16));
    }
  }

  #string(value: string, depth: number): void {
    const writer = this.#writer;
    const length = value.length;
    if (length <= ASCII_LOOP_MAX) {
      const start = writer.length;
      textHeader(writer, length);
      if (writer.ascii(value)) return;
      writer.truncate(start);
    }
    this.#checkSize(length);
    const bytes = utf8Length(value);
    if (bytes === -1) throw this.#refusal('text with a lone surrogate is not a value', depth);
    textHeader(writer, bytes);
    writer.utf8(value, bytes);
  }

  #object(value: object | null, depth: number): void {
    if (value === null) this.#writer.u8(0xc0);
    else if (Array.isArray(value)) this.#array(value, depth);
    else if (isPlainObject(value)) this.#map(value, depth);
    else if (value instanceof Uint8Array) this.#binary(value);
    else if (value instanceof Date) this.#date(value, depth);
    else throw this.#refusal(`an instance of ${className(value)} is not a value`, depth);
  }

  #binary(value: Uint8Array): void {
    const writer = this.#writer;
    const length = value.length;
    this.#checkSize(length);
    if (length < 0x100) tagged8(writer, 0xc4, length);
    else if (length < 0x10000) tagged16(writer, 0xc5, length);
    else tagged32(writer, 0xc6, length);
    writer.raw(value);
  }

  #date(value: Date, depth: number): void {
    const writer = this.#writer;
    const time = value.getTime();
    if (Number.isNaN(time)) throw this.#refusal('an invalid date is not a value', depth);
    const seconds = Math.floor(time / 1000);
    const nanoseconds = (time - seconds * 1000) * 1_000_000;
    if (seconds < 0 || seconds >= 0x4_0000_0000) {
      extensionHeader(writer, TIMESTAMP_EXTENSION, 12);
      writer.u32be(nanoseconds);
      writer.u32be(Math.floor(seconds / 0x1_0000_0000));
      writer.u32be(seconds);
    } else if (nanoseconds > 0 || seconds >= 0x1_0000_0000) {
      extensionHeader(writer, TIMESTAMP_EXTENSION, 8);
      writer.u32be(nanoseconds * 4 + Math.floor(seconds / 0x1_0000_0000));
      writer.u32be(seconds);
    } else {
      extensionHeader(writer, TIMESTAMP_EXTENSION, 4);
      writer.u32be(seconds);
    }
  }

  #array(value: readonly unknown[], depth: number): void {
    const writer = this.#writer;
    const length = value.length;
    this.#enter(depth, length);
    if (length < 0x10) writer.u8(0x90 | length);
    else if (length < 0x10000) tagged16(writer, 0xdc, length);
    else tagged32(writer, 0xdd, length);
    for (let i = 0; i < length; i++) {
      this.#path[depth] = i;
      this.#value(value[i], depth + 1);
    }
    this.#checkSize(0);
  }

  #map(value: Readonly<Record<string, unknown>>, depth: number): void {
    const writer = this.#writer;
    const keys = sortedKeys(value);
    const length = keys.length;
    this.#enter(depth, length);
    if (length < 0x10) writer.u8(0x80 | length);
    else if (length < 0x10000) tagged16(writer, 0xde, length);
    else tagged32(writer, 0xdf, length);
    for (let i = 0; i < length; i++) {
      const key = keys[i]!;
      this.#path[depth] = key;
      this.#string(key, depth + 1);
      this.#value(value[key], depth + 1);
    }
    this.#checkSize(0);
  }

  /** `count`: members of the array or object, each of which has at least one byte. */
  #enter(depth: number, count: number): void {
    if (depth >= this.#nestingMax) {
      throw this.#refusal(`a value may be nested ${this.#nestingMax} deep`, depth);
    }
    this.#checkSize(count);
  }

  #checkSize(more: number): void {
    if (this.#writer.length + more > this.#bytesMax) {
      throw new CausewayError('CAUSEWAY_TOO_LARGE', `a value may have at most ${this.#bytesMax} bytes`);
    }
  }

  #refusal(reason: string, depth: number): CausewayError {
    return badValue(reason, this.#path, depth);
  }
}

/** CAUSEWAY_BAD_VALUE for what stands at the first `depth` steps of `path`. */
export function badValue(reason: string, path: readonly (string | number)[], depth: number): CausewayError {
  let where = '';
  for (const step of path.slice(0, depth)) {
    // As JSON, so that what stands in the message is well-formed whatever the key is.
    where += typeof step === 'number' ? `[${step}]` : `[${JSON.stringify(step.slice(0, 64))}]`;
  }
  return new CausewayError('CAUSEWAY_BAD_VALUE', where === '' ? reason : `${reason} (at value${where})`);
}

function tagged8(writer: ByteWriter, tag: number, value: number): void {
  writer.u8(tag);
  writer.u8(value);
}

function tagged16(writer: ByteWriter, tag: number, value: number): void {
  writer.u8(tag);
  writer.u16be(value);
}

function tagged32(writer: ByteWriter, tag: number, value: number): void {
  writer.u8(tag);
  writer.u32be(value);
}

function textHeader(writer: ByteWriter, bytes: number): void {
  if (bytes < 0x20) writer.u8(0xa0 | bytes);
  else if (bytes < 0x100) tagged8(writer, 0xd9, bytes);
  else if (bytes < 0x10000) tagged16(writer, 0xda, bytes);
  else tagged32(writer, 0xdb, bytes);
}

/** Of the lengths that we use only 4, 8 and 16 have a short form. */
function extensionHeader(writer: ByteWriter, type: number, length: number): void {
  if (length === 4) writer.u8(0xd6);
  else if (length === 8) writer.u8(0xd7);
  else if (length === 16) writer.u8(0xd8);
  else if (length < 0x100) tagged8(writer, 0xc7, length);
  else tagged16(writer, 0xc8, length);
  writer.u8(type);
}

/** Two's complement with as few bytes as keep the sign. */
function twosComplementHex(value: bigint): string {
  // ~value has the bits of a negative one, without its sign.
  const bits = (value < 0n ? ~value : value).toString(16).length * 4;
  const bytes = Math.ceil((bits + 1) / 8);
  const hex = BigInt.asUintN(bytes * 8, value)
    .toString(16)
    .padStart(bytes * 2, '0');
  // The first digit may need no more than three bits, and then the first byte may be sign alone.
  const sign = value < 0n ? 'ff' : '00';
  const next = Number.parseInt(hex[2]!, 16) >= 8;
  return hex.startsWith(sign) && next === value < 0n ? hex.slice(2) : hex;
}

/** Own keys by their UTF-8 bytes. Most objects have them so already, in few of them a sort is needed. */
function sortedKeys(value: object): string[] {
  const keys = Object.keys(value);
  for (let i = 1; i < keys.length; i++) {
    if (compareUtf8(keys[i - 1]!, keys[i]!) > 0) return keys.sort(compareUtf8);
  }
  return keys;
}

/** An object literal's, also of another realm, or one without a prototype. */
export function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}

function className(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'a class';
}
