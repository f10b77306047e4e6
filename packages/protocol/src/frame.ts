/**
 * Frames of both WebSocket protocols: one MessagePack value of null, booleans, numbers, bigints (64-bit integers, so
 * that a number stays a number), texts, bytes, arrays, and objects with text keys. No extensions.
 *
 * msgpackr writes them. They are read here instead, because what is read comes from outside: depth, counts and the
 * memory that the result takes are bounded before anything is allocated, and nothing depends on the host (msgpackr
 * drops the byte order mark of a long text where its native part is not installed).
 */
import { Packr } from 'msgpackr';
import { ByteReader } from './byte-reader.js';
import { setOwn } from './decode-canonical.js';
import { CausewayError } from './errors.js';
import { FRAME_COST_MAX, FRAME_NESTING_MAX } from './limits.js';

const packr = new Packr({
  // Records are msgpackr's own extension; objects are plain maps, with the shortest header.
  useRecords: false,
  variableMapSize: true,
  moreTypes: false,
  encodeUndefinedAsNil: true,
});

/**
 * A frame of `message`; undefined in it becomes null. Texts must be well-formed. The bytes may be a view of a larger
 * array that nobody writes to any more.
 */
export function encodeFrame(message: unknown): Uint8Array {
  return packr.pack(message);
}

/**
 * The message in a frame from outside. Bytes in it are views of `bytes`, not copies. Throws CAUSEWAY_BAD_FRAME for
 * more than `bytesMax` bytes and for anything that is not exactly one value as listed above.
 *
 * Time is linear in the bytes. Frames of up to `costMax` bytes are never refused for the number of their parts.
 */
export function decodeFrame(bytes: Uint8Array, bytesMax: number, costMax = FRAME_COST_MAX): unknown {
  if (bytes.length > bytesMax) throw bad(`more than ${bytesMax} bytes`);
  try {
    return new FrameReader(bytes, costMax).read();
  } catch (cause) {
    if (cause instanceof CausewayError && cause.code === 'CAUSEWAY_CORRUPT') throw bad(cause.message, cause);
    throw cause;
  }
}

class FrameReader {
  readonly #reader: ByteReader;
  #costLeft: number;

  constructor(bytes: Uint8Array, costMax: number) {
    this.#costLeft = costMax;
    // Views of a Buffer would be Buffers, of which slice() is no copy.
    this.#reader = new ByteReader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  read(): unknown {
    const message = this.#value(FRAME_NESTING_MAX);
    this.#reader.done();
    return message;
  }

  #value(depth: number): unknown {
    const reader = this.#reader;
    const tag = reader.u8();
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag < 0x90) return this.#map(tag & 0x0f, depth);
    if (tag < 0xa0) return this.#array(tag & 0x0f, depth);
    if (tag < 0xc0) return reader.utf8(tag & 0x1f);
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(reader.u8());
      case 0xc5:
        return this.#binary(reader.u16be());
      case 0xc6:
        return this.#binary(reader.u32be());
      case 0xca:
        return reader.f32be();
      case 0xcb:
        return reader.f64be();
      case 0xcc:
        return reader.u8();
      case 0xcd:
        return reader.u16be();
      case 0xce:
        return reader.u32be();
      case 0xcf:
        return reader.big64be();
      case 0xd0:
        return (reader.u8() << 24) >> 24;
      case 0xd1:
        return (reader.u16be() << 16) >> 16;
      case 0xd2:
        return reader.u32be() | 0;
      case 0xd3:
        return BigInt.asIntN(64, reader.big64be());
      case 0xd9:
        return reader.utf8(reader.u8());
      case 0xda:
        return reader.utf8(reader.u16be());
      case 0xdb:
        return reader.utf8(reader.u32be());
      case 0xdc:
        return this.#array(reader.u16be(), depth);
      case 0xdd:
        return this.#array(reader.u32be(), depth);
      case 0xde:
        return this.#map(reader.u16be(), depth);
      case 0xdf:
        return this.#map(reader.u32be(), depth);
      default:
        throw bad('an extension');
    }
  }

  /** A view costs an object of some hundred bytes, however short it is. */
  #binary(length: number): Uint8Array {
    this.#spend(Math.min(length + 1, 3));
    return this.#reader.raw(length);
  }

  #array(count: number, depth: number): unknown[] {
    this.#enter(count, depth);
    const values = new Array<unknown>(count);
    for (let i = 0; i < count; i++) values[i] = this.#value(depth - 1);
    return values;
  }

  #map(count: number, depth: number): Record<string, unknown> {
    this.#enter(count * 2, depth);
    const values: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const key = this.#value(0);
      if (typeof key !== 'string') throw bad('a key that is no text');
      setOwn(values, key, this.#value(depth - 1));
    }
    return values;
  }

  /** `count`: values to come, of at least one byte each. They are paid for before room is made for them. */
  #enter(count: number, depth: number): void {
    if (depth === 0) throw bad('nesting too deep');
    if (count > this.#reader.remaining) throw bad('the end comes too early');
    this.#spend(count);
  }

  #spend(cost: number): void {
    this.#costLeft -= cost;
    if (this.#costLeft < 0) throw bad('too many parts');
  }
}

function bad(reason: string, cause?: unknown): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_FRAME', `not a frame: ${reason}`, { cause });
}
