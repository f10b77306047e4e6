/**
 * Decoder of chunks (chunk.ts): every field is checked once, here, and trusted after.
 */
import {
  compareDots,
  type Dot,
  LOGICAL_MAX,
  PHYSICAL_MAX,
  type ReplicaId,
  type Stamp,
  type VersionVector,
} from '@causeway/crdt';
import { ByteReader } from './byte-reader.js';
import { checkCanonical } from './check-canonical.js';
import { checksum } from './checksum.js';
import {
  ADD,
  CHUNK_ITEMS_MAX,
  type Chunk,
  type ChunkHead,
  CLEAR,
  ELEMENT,
  HAS_EXPIRY,
  HAS_VALUE,
  INCREMENT,
  NEXT_STAMP,
  REGISTER,
  REMOVES,
  RESET,
  type RecordDelta,
  type ResetEntry,
  TYPE_MASK,
} from './chunk.js';
import { CausewayError } from './errors.js';
import { CHUNK_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX } from './limits.js';
import { readTotal } from './record.js';
import { readReplica, readVersionVector } from './replica-ids.js';
import { CHUNK_VERSION } from './version.js';

const CHECKSUM_BYTES = 4;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Origin and place of a chunk, for who hands it on. Neither checksum nor records are looked at. */
export function chunkHead(bytes: Uint8Array): ChunkHead {
  try {
    return readHead(new ByteReader(bytes), bytes);
  } catch (cause) {
    throw malformed(cause);
  }
}

/**
 * The chunk; values and elements are views of `bytes`. Throws CAUSEWAY_BAD_CHUNK for everything that no ChunkWriter
 * makes. O(bytes) in time and memory.
 */
export function decodeChunk(bytes: Uint8Array): Chunk {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw malformed(cause);
  }
}

/** Whether the bytes are what a ChunkWriter once made, by their checksum, without decoding them. */
export function isChunkWhole(bytes: Uint8Array): boolean {
  if (bytes.length < CHECKSUM_BYTES) return false;
  const end = bytes.length - CHECKSUM_BYTES;
  return checksum(bytes, 0, 0, end) === checksumOf(bytes, end);
}

/** A stranger's chunk has one error, whichever field is wrong. */
function malformed(cause: unknown): unknown {
  if (!(cause instanceof CausewayError) || cause.code === 'CAUSEWAY_BAD_CHUNK') return cause;
  return new CausewayError('CAUSEWAY_BAD_CHUNK', `a chunk is malformed: ${cause.message}`, { cause });
}

function readHead(reader: ByteReader, bytes: Uint8Array): ChunkHead {
  if (bytes.length > CHUNK_BYTES_MAX) throw bad('a chunk that is too large');
  if (reader.u8() !== CHUNK_VERSION) throw bad('a chunk of an unknown version');
  const origin = readReplica(reader);
  const start = reader.varint();
  const firstSeq = reader.varint();
  const lastSeq = firstSeq + reader.u32le() - 1;
  const at = reader.varint();
  if (firstSeq < 1 || lastSeq < firstSeq || lastSeq > Number.MAX_SAFE_INTEGER) throw bad('seqs out of range');
  return { origin, start, firstSeq, lastSeq, at };
}

/** What the chunks before this one had seen: those of one origin follow each other, and most have seen the same. */
interface Deps {
  readonly vector: VersionVector;
  /** The replicas that dots name by index. The first is the origin, which is set for each chunk. */
  readonly replicas: ReplicaId[];
  /** Up to where they were seen. */
  readonly seen: number[];
  /** What all of that was read from. */
  readonly bytes: Uint8Array;
}

class ChunkDecoder {
  #bytes: Uint8Array = NO_BYTES;
  #reader = new ByteReader(NO_BYTES);
  #deps: Deps = { vector: new Map(), replicas: [], seen: [], bytes: NO_BYTES };
  #replicas: ReplicaId[] = [];
  #seen: number[] = [];
  #items = 0;
  #physical = 0;
  #logical = -1;
  #seq = 0;

  decode(source: Uint8Array): Chunk {
    // Views of a Buffer would be Buffers, of which slice() is no copy.
    const bytes =
      source.constructor === Uint8Array
        ? source
        : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    const end = Math.max(0, bytes.length - CHECKSUM_BYTES);
    const reader = new ByteReader(bytes, 0, end);
    this.#bytes = bytes;
    this.#reader = reader;
    const { origin, start, firstSeq, lastSeq, at } = readHead(reader, bytes);
    if (checksum(bytes, 0, 0, end) !== checksumOf(bytes, end))
      throw bad('a chunk does not match its checksum');
    const deps = this.#readDeps(origin);
    this.#items = 0;
    this.#physical = at;
    this.#logical = -1;
    const first = this.#transaction(firstSeq);
    const transactions = [first];
    for (let seq = firstSeq + 1; seq <= lastSeq; seq++) transactions.push(this.#transaction(seq));
    reader.done();
    return { origin, start, firstSeq, lastSeq, at, deps, transactions };
  }

  #readDeps(origin: ReplicaId): VersionVector {
    const reader = this.#reader;
    const from = reader.position;
    let deps = this.#deps;
    // One vector has one encoding, which tells its own end: what begins with the same bytes is the same.
    if (deps.bytes.length > 0 && startsWith(this.#bytes, from, deps.bytes)) {
      reader.pass(deps.bytes.length);
    } else {
      const vector = readVersionVector(reader);
      deps = {
        vector,
        replicas: [origin, ...vector.keys()],
        seen: [0, ...vector.values()],
        bytes: this.#bytes.slice(from, reader.position),
      };
      this.#deps = deps;
    }
    if (deps.vector.has(origin)) throw bad('deps that name the origin');
    this.#replicas = deps.replicas;
    this.#seen = deps.seen;
    this.#replicas[0] = origin;
    return deps.vector;
  }

  #transaction(seq: number): readonly RecordDelta[] {
    this.#seq = seq;
    this.#seen[0] = seq - 1;
    const count = this.#count();
    const records = [this.#record()];
    for (let i = 1; i < count; i++) records.push(this.#record());
    return records;
  }

  #record(): RecordDelta {
    const reader = this.#reader;
    const tag = reader.u8();
    const flags = tag & ~TYPE_MASK;
    const key = this.#key();
    switch (tag & TYPE_MASK) {
      case REGISTER:
        return this.#register(key, flags);
      case ELEMENT: {
        if (flags === 0 || flags > (ADD | REMOVES)) throw bad('an element with unknown flags');
        const element = this.#value();
        const removed = (flags & REMOVES) === 0 ? [] : this.#removed();
        return { type: 'element', key, element, add: (flags & ADD) !== 0, removed };
      }
      case CLEAR:
        if (flags !== 0) throw bad('a clear with unknown flags');
        return { type: 'clear', key };
      case INCREMENT: {
        const first = this.#seq - reader.varint();
        if (flags !== 0 || first < 1) throw bad('an increment of no entry');
        return { type: 'increment', key, first, p: this.#total(), n: this.#total() };
      }
      case RESET:
        if (flags !== 0) throw bad('a reset with unknown flags');
        return { type: 'reset', key, entries: this.#entries() };
      default:
        throw bad('a record of an unknown type');
    }
  }

  #register(key: string, flags: number): RecordDelta {
    if (flags > (HAS_VALUE | HAS_EXPIRY | NEXT_STAMP)) throw bad('a register with unknown flags');
    const reader = this.#reader;
    let physical = this.#physical;
    let logical = this.#logical + 1;
    if ((flags & NEXT_STAMP) === 0) {
      const step = reader.varint();
      const explicit = physical + (step % 2 === 0 ? step / 2 : -(step + 1) / 2);
      const ownLogical = reader.varint();
      if (explicit === physical && ownLogical === logical) throw bad('a stamp that need not stand there');
      physical = explicit;
      logical = ownLogical;
    }
    if (physical < 0 || physical > PHYSICAL_MAX || logical > LOGICAL_MAX) throw bad('a stamp out of range');
    this.#physical = physical;
    this.#logical = logical;
    const stamp: Stamp = { physical, logical, replica: this.#replicas[0]! };
    if ((flags & HAS_EXPIRY) === 0) {
      if ((flags & HAS_VALUE) === 0) return { type: 'register', key, stamp };
      return { type: 'register', key, stamp, value: this.#value() };
    }
    const expiresAt = reader.varint();
    if ((flags & HAS_VALUE) === 0) return { type: 'register', key, stamp, expiresAt };
    return { type: 'register', key, stamp, value: this.#value(), expiresAt };
  }

  #removed(): readonly Dot[] {
    const count = this.#count();
    const removed: Dot[] = [];
    for (let i = 0; i < count; i++) {
      const dot = this.#dot(this.#reader.varint());
      if (i > 0 && removed[i - 1]!.replica >= dot.replica) throw bad('removed dots out of order');
      removed.push(dot);
    }
    return removed;
  }

  #entries(): readonly ResetEntry[] {
    const count = this.#count();
    const entries: ResetEntry[] = [];
    for (let i = 0; i < count; i++) {
      const dot = this.#dot(this.#reader.varint());
      if (i > 0 && compareDots(entries[i - 1]!.dot, dot) >= 0) throw bad('entries out of order');
      const bp = this.#total();
      const bn = this.#total();
      if (bp === 0n && bn === 0n) throw bad('a baseline that is none');
      entries.push({ dot, bp, bn });
    }
    return entries;
  }

  #dot(index: number): Dot {
    const replica = this.#replicas[index];
    if (replica === undefined) throw bad('a dot of a replica that was not seen');
    const seq = this.#seen[index]! - this.#reader.varint();
    if (seq < 1) throw bad('a dot before the first');
    return { replica, seq };
  }

  /** Number of records, dots or entries that follow: at least one. */
  #count(): number {
    const count = this.#reader.varint();
    this.#items += count;
    if (count === 0 || count > this.#reader.remaining || this.#items > CHUNK_ITEMS_MAX) {
      throw bad('a count out of range');
    }
    return count;
  }

  #total(): bigint {
    return readTotal(this.#reader);
  }

  #key(): string {
    const before = this.#reader.position;
    const key = this.#reader.text();
    // Well-formed UTF-8 has been read: only the length is left to check.
    const bytes = this.#reader.position - before;
    if (key === '' || bytes > KEY_BYTES_MAX + 2) throw bad('a key out of range');
    return key;
  }

  #value(): Uint8Array {
    const value = this.#reader.bytes();
    if (value.length > VALUE_BYTES_MAX) throw bad('a value that is too large');
    checkCanonical(value);
    return value;
  }
}

/** One for all chunks, since most are small, and decoded one after the other. */
const decoder = new ChunkDecoder();

/** The checksum that stands at `at`; of bytes that are too few to hold one it matches none. */
function checksumOf(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function startsWith(bytes: Uint8Array, from: number, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[from + i] !== prefix[i]) return false;
  return true;
}

function bad(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_CHUNK', message);
}
