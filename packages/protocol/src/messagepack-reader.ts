/**
 * MessagePack of the client protocol, read without objects in between: a frame holds thousands of messages whose shape
 * is known, so each field goes straight to where it belongs.
 *
 * Every form that MessagePack has for a number, text or bytes is read, since clients of other languages write what
 * their libraries choose. Other values than these, nil, booleans and arrays can only be skipped. What is of another
 * type than asked for is CAUSEWAY_BAD_REQUEST; what is cut short or ill-formed is CAUSEWAY_BAD_FRAME or, from the
 * primitives, CAUSEWAY_CORRUPT: who decodes a frame translates.
 */
import { ByteReader } from './byte-reader.js';
import { CausewayError } from './errors.js';

const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;

export class MessageReader extends ByteReader {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, start = 0) {
    super(bytes, start);
    this.#bytes = bytes;
  }

  /** Takes a nil if one is next. */
  nil(): boolean {
    if (this.#bytes[this.position] !== NIL) return false;
    this.u8();
    return true;
  }

  boolean(): boolean {
    const tag = this.u8();
    if (tag !== TRUE && tag !== FALSE) throw wrong('true or false');
    return tag === TRUE;
  }

  /** Number of items of the array that is next; never more than there are bytes left. */
  arrayHeader(): number {
    const tag = this.u8();
    let count: number;
    if (tag >= 0x90 && tag <= 0x9f) count = tag & 0x0f;
    else if (tag === 0xdc) count = this.u16be();
    else if (tag === 0xdd) count = this.u32be();
    else throw wrong('an array');
    if (count > this.remaining) throw cutShort();
    return count;
  }

  /** A whole number from `min` to `max`, in any form that MessagePack has for it. */
  integer(what: string, min: number, max: number): number {
    const value = this.number();
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw wrong(`${what} from ${min} to ${max}`);
    }
    return value;
  }

  /** Any number, -0 as 0; a bigint only beyond ±(2^53-1). */
  number(): number | bigint {
    const tag = this.u8();
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xca:
        return this.f32be() + 0;
      case 0xcb:
        return this.f64be() + 0;
      case 0xcc:
        return this.u8();
      case 0xcd:
        return this.u16be();
      case 0xce:
        return this.u32be();
      case 0xcf:
        return joined(this.u32be(), this.u32be());
      case 0xd0:
        return (this.u8() << 24) >> 24;
      case 0xd1:
        return (this.u16be() << 16) >> 16;
      case 0xd2:
        return this.u32be() | 0;
      case 0xd3:
        return joined(this.u32be() | 0, this.u32be());
      default:
        throw wrong('a number');
    }
  }

  /** What writeBigInteger writes. */
  bigInteger(): number | bigint {
    const tag = this.#bytes[this.position] ?? 0;
    if ((tag < 0xa0 || tag > 0xbf) && tag !== 0xd9) {
      const value = this.number();
      if (typeof value === 'number' && !Number.isSafeInteger(value)) throw wrong('an integer');
      return value;
    }
    const digits = this.string(0xff);
    if (!/^-?[1-9][0-9]{0,99}$/.test(digits)) throw wrong('an integer');
    return BigInt(digits);
  }

  /** Text of at most `bytesMax` bytes of UTF-8. */
  string(bytesMax: number): string {
    return this.utf8(this.#textLength(bytesMax));
  }

  /** What `string` would read, as a view of the frame; whether it is UTF-8 is not looked at. */
  stringBytes(bytesMax: number): Uint8Array {
    return this.raw(this.#textLength(bytesMax));
  }

  #textLength(bytesMax: number): number {
    const tag = this.u8();
    let length: number;
    if (tag >= 0xa0 && tag <= 0xbf) length = tag & 0x1f;
    else if (tag === 0xd9) length = this.u8();
    else if (tag === 0xda) length = this.u16be();
    else if (tag === 0xdb) length = this.u32be();
    else throw wrong('a text');
    if (length > bytesMax) throw wrong(`a text of at most ${bytesMax} bytes`);
    return length;
  }

  /** Bytes, as a view of the frame. */
  binary(): Uint8Array {
    const tag = this.u8();
    if (tag === 0xc4) return this.raw(this.u8());
    if (tag === 0xc5) return this.raw(this.u16be());
    if (tag === 0xc6) return this.raw(this.u32be());
    throw wrong('bytes');
  }

  /** Goes over one value, of any type. */
  skip(): void {
    // Values that are still to be gone over; each has a byte at least, so the walk is bounded by the frame.
    for (let left = 1; left > 0; left--) {
      left += this.#skipHead();
      if (left > this.remaining + 1) throw cutShort();
    }
  }

  /** Goes over one value, of an array or map its head alone, and returns how many belong to it. */
  #skipHead(): number {
    const tag = this.u8();
    if (tag < 0x80 || tag >= 0xe0) return 0;
    if (tag < 0x90) return (tag & 0x0f) * 2;
    if (tag < 0xa0) return tag & 0x0f;
    if (tag < 0xc0) return this.#over(tag & 0x1f);
    switch (tag) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return 0;
      case 0xc4:
      case 0xd9:
        return this.#over(this.u8());
      case 0xc5:
      case 0xda:
        return this.#over(this.u16be());
      case 0xc6:
      case 0xdb:
        return this.#over(this.u32be());
      case 0xc7:
        return this.#over(this.u8() + 1);
      case 0xc8:
        return this.#over(this.u16be() + 1);
      case 0xc9:
        return this.#over(this.u32be() + 1);
      case 0xcc:
      case 0xd0:
        return this.#over(1);
      case 0xcd:
      case 0xd1:
        return this.#over(2);
      case 0xca:
      case 0xce:
      case 0xd2:
        return this.#over(4);
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return this.#over(8);
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#over(1 + 2 ** (tag - 0xd4));
      case 0xdc:
        return this.u16be();
      case 0xdd:
        return this.u32be();
      case 0xde:
        return this.u16be() * 2;
      case 0xdf:
        return this.u32be() * 2;
      default:
        throw new CausewayError('CAUSEWAY_BAD_FRAME', 'a byte that no MessagePack value starts with');
    }
  }

  #over(count: number): 0 {
    this.raw(count);
    return 0;
  }
}

/** The integer of two words: a number where it is exact, without a bigint in between. */
function joined(high: number, low: number): number | bigint {
  const value = high * 0x1_0000_0000 + low;
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
}

function cutShort(): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_FRAME', 'a frame that is cut short');
}

function wrong(expected: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_REQUEST', `${expected} was expected`);
}

/** What is wrong with a frame as a whole. Faults of our own stay what they are. */
export function asBadFrame(cause: unknown): unknown {
  if (!(cause instanceof CausewayError) || cause.code === 'CAUSEWAY_BAD_FRAME') return cause;
  return new CausewayError('CAUSEWAY_BAD_FRAME', cause.message, { cause });
}
