/**
 * Chunks: one group commit of one origin, the unit of commit, of the log and of the wire. Encoded once, stored
 * once, sent as it is.
 *
 *   chunk       = version origin start firstSeq count(u32) at deps transaction* checksum(u32)
 *   transaction = recordCount record*
 *   record      = tag key …                                        the low three bits of the tag name its type
 *     1 register   8 has a value, 16 expiresAt, 32 next stamp:
 *                  [physical(signed, from the stamp before) logical] [expiresAt] [value: bytes]
 *     2 element    8 add, 16 removes: element: bytes [count dot*]
 *     3 clear
 *     4 increment  back p n                                        entry (origin, own seq - back)
 *     5 reset      count (dot bp bn)*
 *   dot         = replica(index) back                              0 origin, i the i-th of deps
 *
 * Numbers are varints, u32 little-endian; deps is a version vector without the origin. A dot counts back from what
 * the transaction has seen of its replica: own seq - 1 or deps. So no chunk can name a dot that it has not seen.
 * Stamps are of the origin. The stamp before the first one is (at, -1); the next stamp after (p, l) is (p, l+1):
 * in a group commit most cost nothing.
 *
 * Everything is checked once, here, and trusted after. One chunk has one encoding.
 */
import {
  assert,
  compareDots,
  type Dot,
  LOGICAL_MAX,
  PHYSICAL_MAX,
  type ReplicaId,
  type Stamp,
  type VersionVector,
} from '@causeway/crdt';
import { ByteReader, ByteWriter } from './bytes.js';
import { checkCanonical } from './check-canonical.js';
import { checksum } from './checksum.js';
import { CausewayError } from './errors.js';
import { CHUNK_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX } from './limits.js';
import { readTotal, writeTotal } from './record.js';
import {
  readReplica,
  readVersionVector,
  sortedEntries,
  writeReplica,
  writeVersionVector,
} from './replica-ids.js';
import { CHUNK_VERSION } from './version.js';

/** What a transaction did to one record, all its operations folded. */
export type RecordDelta =
  | {
      readonly type: 'register';
      readonly key: string;
      /** Of the origin. */
      readonly stamp: Stamp;
      /** Absent: deleted. */
      readonly value?: Uint8Array;
      readonly expiresAt?: number;
    }
  /** `removed` are gone by this transaction: ascending, one per replica, never its own dot. */
  | {
      readonly type: 'element';
      readonly key: string;
      readonly element: Uint8Array;
      readonly add: boolean;
      readonly removed: readonly Dot[];
    }
  /** Removes through the chunk's deps joined with (origin, own seq - 1). */
  | { readonly type: 'clear'; readonly key: string }
  /** Totals of the entry (origin, first). */
  | {
      readonly type: 'increment';
      readonly key: string;
      readonly first: number;
      readonly p: bigint;
      readonly n: bigint;
    }
  /** Baselines set by this transaction: ascending by dot, at least one. */
  | { readonly type: 'reset'; readonly key: string; readonly entries: readonly ResetEntry[] };

export interface ResetEntry {
  readonly dot: Dot;
  readonly bp: bigint;
  readonly bn: bigint;
}

export interface ChunkHead {
  readonly origin: ReplicaId;
  /** Random number of the process start that made it. */
  readonly start: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Wall time at the origin when it was begun, ms. */
  readonly at: number;
}

export interface Chunk extends ChunkHead {
  /** What its transactions had seen of the others; without the origin. */
  readonly deps: VersionVector;
  /** The i-th has the seq firstSeq + i; each has at least one record. */
  readonly transactions: readonly (readonly RecordDelta[])[];
}

/**
 * Records and dots of one chunk. Bounds what its decoded form takes in memory, some hundred bytes each; the largest
 * transaction has a tenth of it.
 */
export const CHUNK_ITEMS_MAX = 1 << 20;

const REGISTER = 1;
const ELEMENT = 2;
const CLEAR = 3;
const INCREMENT = 4;
const RESET = 5;
const TYPE_MASK = 7;
const HAS_VALUE = 8;
const HAS_EXPIRY = 16;
const NEXT_STAMP = 32;
const ADD = 8;
const REMOVES = 16;

const CHECKSUM_BYTES = 4;

/** Builds one chunk after another: begin, transaction …, finish. */
export class ChunkWriter {
  readonly #writer = new ByteWriter(64 * 1024);
  readonly #indexes = new Map<ReplicaId, number>();
  #deps: VersionVector = new Map();
  #origin: ReplicaId | undefined;
  #firstSeq = 0;
  #transactions = 0;
  #items = 0;
  #countAt = 0;
  #physical = 0;
  #logical = 0;

  /** Bytes so far: a chunk that grows large is to be finished, and another begun. */
  get length(): number {
    return this.#writer.length;
  }

  /** Records and dots so far: see CHUNK_ITEMS_MAX. */
  get items(): number {
    return this.#items;
  }

  begin(head: {
    readonly origin: ReplicaId;
    readonly start: number;
    readonly firstSeq: number;
    /** Wall ms; a fraction is dropped. */
    readonly at: number;
    /** Without the origin. Not changed while the chunk is open. */
    readonly deps: VersionVector;
  }): void {
    const { origin, start, firstSeq, deps } = head;
    assert(!deps.has(origin), 'deps are of others');
    assert(firstSeq >= 1 && Number.isSafeInteger(start) && start >= 0, 'a chunk has a place in its log');
    const at = Math.max(0, Math.floor(head.at));
    const writer = this.#writer;
    writer.reset();
    writer.u8(CHUNK_VERSION);
    writeReplica(writer, origin);
    writer.varint(start);
    writer.varint(firstSeq);
    this.#countAt = writer.length;
    writer.u32le(0);
    writer.varint(at);
    writeVersionVector(writer, deps);
    this.#indexes.clear();
    this.#indexes.set(origin, 0);
    for (const [replica] of sortedEntries(deps)) this.#indexes.set(replica, this.#indexes.size);
    this.#deps = deps;
    this.#origin = origin;
    this.#firstSeq = firstSeq;
    this.#transactions = 0;
    this.#items = 0;
    this.#physical = at;
    this.#logical = -1;
  }

  /** The next transaction; at least one record, at most one for each record of the store. */
  transaction(records: readonly RecordDelta[]): void {
    assert(this.#origin !== undefined && records.length > 0, 'a transaction changes something');
    this.#writer.varint(records.length);
    this.#items += records.length;
    for (const record of records) this.#record(record);
    this.#transactions++;
  }

  /** The chunk, as bytes of its own. */
  finish(): Uint8Array {
    assert(this.#origin !== undefined && this.#transactions > 0, 'a chunk holds a transaction');
    this.#origin = undefined;
    const writer = this.#writer;
    writer.setU32le(this.#countAt, this.#transactions);
    writer.u32le(checksum(writer.view(), 0));
    assert(writer.length <= CHUNK_BYTES_MAX && this.#items <= CHUNK_ITEMS_MAX, 'a chunk is finished in time');
    return writer.finish();
  }

  #record(record: RecordDelta): void {
    const writer = this.#writer;
    switch (record.type) {
      case 'register':
        this.#register(record);
        return;
      case 'element': {
        const { key, element, add, removed } = record;
        assert(add || removed.length > 0, 'an element changes');
        writer.u8(ELEMENT | (add ? ADD : 0) | (removed.length === 0 ? 0 : REMOVES));
        writer.text(key);
        writer.bytes(element);
        if (removed.length === 0) return;
        writer.varint(removed.length);
        this.#items += removed.length;
        let before: Dot | undefined;
        for (const dot of removed) {
          assert(before === undefined || before.replica < dot.replica, 'removed dots: one of each replica');
          this.#dot(dot);
          before = dot;
        }
        return;
      }
      case 'clear':
        writer.u8(CLEAR);
        writer.text(record.key);
        return;
      case 'increment': {
        const back = this.#seq - record.first;
        assert(back >= 0 && record.first >= 1, 'an entry begins with an increment that is known');
        writer.u8(INCREMENT);
        writer.text(record.key);
        writer.varint(back);
        writeTotal(writer, record.p);
        writeTotal(writer, record.n);
        return;
      }
      case 'reset': {
        const { key, entries } = record;
        assert(entries.length > 0, 'a reset changes something');
        writer.u8(RESET);
        writer.text(key);
        writer.varint(entries.length);
        this.#items += entries.length;
        let before: Dot | undefined;
        for (const { dot, bp, bn } of entries) {
          assert(before === undefined || compareDots(before, dot) < 0, 'entries are ascending');
          this.#dot(dot);
          writeTotal(writer, bp);
          writeTotal(writer, bn);
          before = dot;
        }
        return;
      }
    }
  }

  #register(record: Extract<RecordDelta, { readonly type: 'register' }>): void {
    const { key, stamp, value, expiresAt } = record;
    assert(stamp.replica === this.#origin, 'a chunk holds stamps of its origin');
    const next = stamp.physical === this.#physical && stamp.logical === this.#logical + 1;
    const writer = this.#writer;
    writer.u8(
      REGISTER |
        (value === undefined ? 0 : HAS_VALUE) |
        (expiresAt === undefined ? 0 : HAS_EXPIRY) |
        (next ? NEXT_STAMP : 0),
    );
    writer.text(key);
    if (!next) {
      const step = stamp.physical - this.#physical;
      writer.varint(step >= 0 ? step * 2 : step * -2 - 1);
      writer.varint(stamp.logical);
    }
    if (expiresAt !== undefined) {
      assert(Number.isSafeInteger(expiresAt) && expiresAt >= 0, 'an expiry is a whole number of ms');
      writer.varint(expiresAt);
    }
    if (value !== undefined) writer.bytes(value);
    this.#physical = stamp.physical;
    this.#logical = stamp.logical;
  }

  #dot(dot: Dot): void {
    const index = this.#indexes.get(dot.replica);
    assert(index !== undefined, 'a dot is of a replica that was seen');
    const back = (index === 0 ? this.#seq - 1 : (this.#deps.get(dot.replica) ?? 0)) - dot.seq;
    assert(back >= 0 && dot.seq >= 1, 'a dot was seen');
    this.#writer.varint(index);
    this.#writer.varint(back);
  }

  /** Of the transaction that is being written. */
  get #seq(): number {
    return this.#firstSeq + this.#transactions;
  }
}

/** Origin and place of a chunk, for who hands it on. Neither checksum nor records are looked at. */
export function chunkHead(bytes: Uint8Array): ChunkHead {
  return refusing(() => readHead(new ByteReader(bytes), bytes));
}

/**
 * The chunk; values and elements are views of `bytes`. Throws CAUSEWAY_BAD_CHUNK for everything that no ChunkWriter
 * makes. O(bytes) in time and memory.
 */
export function decodeChunk(bytes: Uint8Array): Chunk {
  return refusing(() => new ChunkDecoder(bytes).chunk());
}

/** A stranger's chunk has one error, whichever field is wrong. */
function refusing<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (!(cause instanceof CausewayError) || cause.code === 'CAUSEWAY_BAD_CHUNK') throw cause;
    throw new CausewayError('CAUSEWAY_BAD_CHUNK', `a chunk is malformed: ${cause.message}`, { cause });
  }
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

class ChunkDecoder {
  readonly #bytes: Uint8Array;
  readonly #reader: ByteReader;
  /** The replicas that dots name by index, and up to where they were seen. The first is the origin. */
  #replicas: ReplicaId[] = [];
  #seen: number[] = [];
  #items = 0;
  #physical = 0;
  #logical = -1;
  #seq = 0;

  constructor(bytes: Uint8Array) {
    // Views of a Buffer would be Buffers, of which slice() is no copy.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#reader = new ByteReader(this.#bytes, 0, Math.max(0, bytes.length - CHECKSUM_BYTES));
  }

  chunk(): Chunk {
    const bytes = this.#bytes;
    const reader = this.#reader;
    const head = readHead(reader, bytes);
    const sum = new ByteReader(bytes, bytes.length - CHECKSUM_BYTES).u32le();
    if (checksum(bytes, 0, 0, bytes.length - CHECKSUM_BYTES) !== sum)
      throw bad('a chunk does not match its checksum');
    const deps = readVersionVector(reader);
    if (deps.has(head.origin)) throw bad('deps that name the origin');
    this.#replicas = [head.origin, ...deps.keys()];
    this.#seen = [0, ...deps.values()];
    this.#physical = head.at;
    const transactions: (readonly RecordDelta[])[] = [];
    for (this.#seq = head.firstSeq; this.#seq <= head.lastSeq; this.#seq++) {
      this.#seen[0] = this.#seq - 1;
      transactions.push(this.#transaction());
    }
    reader.done();
    return { ...head, deps, transactions };
  }

  #transaction(): readonly RecordDelta[] {
    const count = this.#count();
    const records: RecordDelta[] = [];
    for (let i = 0; i < count; i++) records.push(this.#record());
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

function bad(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_CHUNK', message);
}
