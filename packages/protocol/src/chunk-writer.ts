/**
 * Writer of chunks (chunk.ts), transaction by transaction. What it asserts are the invariants of the replica that
 * writes: a chunk that breaks them would be refused everywhere.
 */
import { assert, compareDots, type Dot, type ReplicaId, type VersionVector } from '@causeway/crdt';
import { ByteWriter } from './byte-writer.js';
import { checksum } from './checksum.js';
import {
  ADD,
  CHUNK_ITEMS_MAX,
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
} from './chunk.js';
import { CHUNK_BYTES_MAX } from './limits.js';
import { writeTotal } from './record.js';
import { sortedEntries, writeReplica, writeVersionVector } from './replica-ids.js';
import { CHUNK_VERSION } from './version.js';

/** A quarter of what a chunk may have: where `full` begins. */
const FULL_BYTES = CHUNK_BYTES_MAX / 4;
const FULL_ITEMS = CHUNK_ITEMS_MAX / 4;

/** Room at first, and what is kept after a large chunk. */
const KEPT_BYTES = 64 * 1024;
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

/** Builds one chunk after another: begin, transaction …, finish. */
export class ChunkWriter {
  #writer = new ByteWriter(KEPT_BYTES);
  readonly #indexes = new Map<ReplicaId, number>();
  #deps: VersionVector = new Map();
  #origin: ReplicaId | undefined;
  #firstSeq = 0;
  #transactions = 0;
  #items = 0;
  #countAt = 0;
  #physical = 0;
  #logical = 0;

  /** Bytes of the chunk so far. */
  get length(): number {
    return this.#writer.length;
  }

  /**
   * Whether the chunk is to be finished before the next transaction. Below this every transaction has room, for one
   * that comes in a body of BODY_BYTES_MAX.
   */
  get full(): boolean {
    return this.#writer.length >= FULL_BYTES || this.#items >= FULL_ITEMS;
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
    if (this.#writer.capacity > KEPT_BYTES_MAX) this.#writer = new ByteWriter(KEPT_BYTES);
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
