/**
 * Records: the stored form of every CRDT state, which repair also sends. The first byte is RECORD_VERSION.
 *
 *   register = version flags replica [stampReplica] seq physical logical [expiresAt] value*
 *              flags: 1 has a value (all that follows), 2 expiresAt, 4 stampReplica (else it is the dot's),
 *              8 expired (this replica has taken it out of its digest)
 *   element  = version count (replica seq)* count (replica seq by)*          adds, then removals
 *              by: 0 seq for the replica of the line itself, else replica seq
 *   set      = version flags [size] [through: vv by: vv] [cursor: bytes counted seen: vv]
 *              flags: 1 clear (through, by), 2 purge (cursor, counted, seen), 4 size
 *   counter  = version count entry*
 *              entry = flags replica seq p n [bp bn replica seq]              flags: 1 has a baseline
 *              replica: 0 for that of the entry before
 *
 * Numbers are varints; a replica is one byte of length and ASCII; vv as in replica-ids.ts. One state has one
 * encoding. Decoders check every field but the values' canonical encoding, and throw CAUSEWAY_CORRUPT.
 */
import {
  type Counter,
  type CounterEntry,
  compareDots,
  compareReplicas,
  type Dot,
  EMPTY_COUNTER,
  EMPTY_ELEMENT,
  LOGICAL_MAX,
  PHYSICAL_MAX,
  type Register,
  type Removal,
  type ReplicaId,
  type SetClear,
  type SetElement,
  type VersionVector,
} from '@causeway/crdt';
import { ByteReader, type ByteWriter } from './bytes.js';
import { CausewayError } from './errors.js';
import { REPLICAS_MAX } from './limits.js';
import {
  internReplicaId,
  readReplica,
  readSeq,
  readVersionVector,
  writeReplica,
  writeVersionVector,
} from './replica-ids.js';
import { RECORD_VERSION } from './version.js';

/** What a set keeps beside its elements. */
export interface SetMeta {
  /** Visible elements; absent while a purge has to count them, because a clear met adds that it had not seen. */
  readonly size?: number;
  readonly clear?: SetClear;
  /** A purge under way. */
  readonly purge?: SetPurge;
}

export interface SetPurge {
  /** The last element that it has looked at, empty at first. */
  readonly cursor: Uint8Array;
  /** Visible elements up to the cursor. */
  readonly counted: number;
  /** What this replica had applied when the clear came. */
  readonly seen: VersionVector;
}

const HAS_VALUE = 1;
const HAS_EXPIRY = 2;
const HAS_STAMP_REPLICA = 4;
const EXPIRED = 8;
const HAS_CLEAR = 1;
const HAS_PURGE = 2;
const HAS_SIZE = 4;
const HAS_BASELINE = 1;

/** Totals of a counter's entry fit 63 bits. */
const TOTAL_MAX = 2n ** 63n - 1n;

export function encodeRegister(writer: ByteWriter, register: Register, expired: boolean): void {
  const { stamp, dot, value, expiresAt } = register;
  const foreign = stamp.replica !== dot.replica;
  writer.u8(RECORD_VERSION);
  writer.u8(
    (value === undefined ? 0 : HAS_VALUE) |
      (expiresAt === undefined ? 0 : HAS_EXPIRY) |
      (foreign ? HAS_STAMP_REPLICA : 0) |
      (expired ? EXPIRED : 0),
  );
  writeReplica(writer, dot.replica);
  if (foreign) writeReplica(writer, stamp.replica);
  writer.varint(dot.seq);
  writer.varint(stamp.physical);
  writer.varint(stamp.logical);
  if (expiresAt !== undefined) writer.varint(expiresAt);
  if (value !== undefined) writer.raw(value);
}

/** The value is a view of `bytes`. */
export function decodeRegister(bytes: Uint8Array): {
  readonly register: Register;
  readonly expired: boolean;
} {
  const flags = bytes[1] ?? 0xff;
  if (bytes[0] !== RECORD_VERSION || flags > 0x0f) throw corrupt('a register of an unknown version');
  // The replica stands at a fixed place, so that the commonest field of all costs no view.
  const at = 3 + (bytes[2] ?? 0);
  const replica = internReplicaId(bytes, 3, at);
  if (replica === undefined) throw corrupt('not a replica id');
  const reader = new ByteReader(bytes, at);
  let stampReplica = replica;
  if ((flags & HAS_STAMP_REPLICA) !== 0) {
    stampReplica = readReplica(reader);
    if (stampReplica === replica) throw corrupt("a stamp's replica that need not stand there");
  }
  const dot: Dot = { replica, seq: readSeq(reader) };
  const physical = reader.varint();
  const logical = reader.varint();
  if (physical > PHYSICAL_MAX || logical > LOGICAL_MAX) throw corrupt('a stamp out of range');
  const stamp = { physical, logical, replica: stampReplica };
  const expiresAt = (flags & HAS_EXPIRY) === 0 ? undefined : reader.varint();
  const expired = (flags & EXPIRED) !== 0;
  if (expired && expiresAt === undefined) throw corrupt('an expired register without an expiry');
  const value = (flags & HAS_VALUE) === 0 ? undefined : reader.raw(reader.remaining);
  reader.done();
  return { register: registerOf(stamp, dot, value, expiresAt), expired };
}

function registerOf(
  stamp: Register['stamp'],
  dot: Dot,
  value: Uint8Array | undefined,
  expiresAt: number | undefined,
): Register {
  if (value === undefined) return expiresAt === undefined ? { stamp, dot } : { stamp, dot, expiresAt };
  return expiresAt === undefined ? { stamp, dot, value } : { stamp, dot, value, expiresAt };
}

export function encodeElement(writer: ByteWriter, state: SetElement): void {
  writer.u8(RECORD_VERSION);
  writer.varint(state.adds.length);
  for (const add of state.adds) {
    writeReplica(writer, add.replica);
    writer.varint(add.seq);
  }
  writer.varint(state.removals.length);
  for (const { replica, seq, by } of state.removals) {
    writeReplica(writer, replica);
    writer.varint(seq);
    writeReplicaAfter(writer, by.replica, replica);
    writer.varint(by.seq);
  }
}

export function decodeElement(bytes: Uint8Array): SetElement {
  const reader = open(bytes);
  const adds: Dot[] = [];
  for (let left = readCount(reader); left > 0; left--) {
    adds.push(ascending(adds.at(-1), { replica: readReplica(reader), seq: readSeq(reader) }));
  }
  const removals: Removal[] = [];
  for (let left = readCount(reader); left > 0; left--) {
    const replica = readReplica(reader);
    const seq = readSeq(reader);
    const by = { replica: readReplicaAfter(reader, replica), seq: readSeq(reader) };
    removals.push(ascending(removals.at(-1), { replica, seq, by }));
  }
  reader.done();
  if (removals.length > 0) checkElement(adds, removals);
  return adds.length + removals.length === 0 ? EMPTY_ELEMENT : { adds, removals };
}

/** An add stands above its replica's removal, and a removal after what it removes. */
function checkElement(adds: readonly Dot[], removals: readonly Removal[]): void {
  for (const { replica, seq, by } of removals) {
    if (by.replica === replica && by.seq <= seq) throw corrupt('a removal of its own dot');
    for (const add of adds) {
      if (add.replica === replica && add.seq <= seq) throw corrupt('an add that is removed');
    }
  }
}

export function encodeSetMeta(writer: ByteWriter, meta: SetMeta): void {
  const { size, clear, purge } = meta;
  writer.u8(RECORD_VERSION);
  writer.u8(
    (clear === undefined ? 0 : HAS_CLEAR) |
      (purge === undefined ? 0 : HAS_PURGE) |
      (size === undefined ? 0 : HAS_SIZE),
  );
  if (size !== undefined) writer.varint(size);
  if (clear !== undefined) {
    writeVersionVector(writer, clear.through);
    writeVersionVector(writer, clear.by);
  }
  if (purge !== undefined) {
    writer.bytes(purge.cursor);
    writer.varint(purge.counted);
    writeVersionVector(writer, purge.seen);
  }
}

/** The purge's cursor is a view of `bytes`. */
export function decodeSetMeta(bytes: Uint8Array): SetMeta {
  const reader = open(bytes);
  const flags = reader.u8();
  if (flags > (HAS_CLEAR | HAS_PURGE | HAS_SIZE)) throw corrupt('a set of an unknown kind');
  const size = (flags & HAS_SIZE) === 0 ? undefined : reader.varint();
  const clear =
    (flags & HAS_CLEAR) === 0
      ? undefined
      : { through: readVersionVector(reader), by: readVersionVector(reader) };
  const purge =
    (flags & HAS_PURGE) === 0
      ? undefined
      : { cursor: reader.bytes(), counted: reader.varint(), seen: readVersionVector(reader) };
  reader.done();
  return {
    ...(size === undefined ? {} : { size }),
    ...(clear === undefined ? {} : { clear }),
    ...(purge === undefined ? {} : { purge }),
  };
}

export function encodeCounter(writer: ByteWriter, state: Counter): void {
  writer.u8(RECORD_VERSION);
  writer.varint(state.entries.length);
  let before: ReplicaId | undefined;
  for (const { dot, p, n, bp, bn, by } of state.entries) {
    writer.u8(by === undefined ? 0 : HAS_BASELINE);
    writeReplicaAfter(writer, dot.replica, before);
    before = dot.replica;
    writer.varint(dot.seq);
    writeTotal(writer, p);
    writeTotal(writer, n);
    if (by === undefined) continue;
    writeTotal(writer, bp);
    writeTotal(writer, bn);
    writeReplicaAfter(writer, by.replica, dot.replica);
    writer.varint(by.seq);
  }
}

export function decodeCounter(bytes: Uint8Array): Counter {
  const reader = open(bytes);
  const entries: CounterEntry[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const before = entries.at(-1);
    const entry = readEntry(reader, before?.dot.replica);
    if (before !== undefined && compareDots(before.dot, entry.dot) >= 0)
      throw corrupt('entries out of order');
    entries.push(entry);
  }
  reader.done();
  return entries.length === 0 ? EMPTY_COUNTER : { entries };
}

function readEntry(reader: ByteReader, before: ReplicaId | undefined): CounterEntry {
  const flags = reader.u8();
  if (flags > HAS_BASELINE) throw corrupt('a counter of an unknown kind');
  const dot = { replica: readReplicaAfter(reader, before), seq: readSeq(reader) };
  const p = readTotal(reader);
  const n = readTotal(reader);
  if (flags === 0) return { dot, p, n, bp: 0n, bn: 0n };
  const bp = readTotal(reader);
  const bn = readTotal(reader);
  if (bp > p || bn > n || bp + bn === 0n) throw corrupt('a baseline that is none');
  const by = { replica: readReplicaAfter(reader, dot.replica), seq: readSeq(reader) };
  return { dot, p, n, bp, bn, by };
}

/** A total of a counter, 0 to 2^63-1. Nearly all are small, and arithmetic on bigints is slow. */
export function writeTotal(writer: ByteWriter, total: bigint): void {
  const number = Number(total);
  if (number <= Number.MAX_SAFE_INTEGER) writer.varint(number);
  else writer.bigVarint(total);
}

export function readTotal(reader: ByteReader): bigint {
  const total = reader.bigVarint();
  if (total > TOTAL_MAX) throw corrupt('a total beyond 2^63-1');
  return total;
}

/** Next of a list with one line per replica, in their order. */
function ascending<T extends { readonly replica: ReplicaId }>(before: T | undefined, next: T): T {
  if (before !== undefined && compareReplicas(before.replica, next.replica) >= 0) {
    throw corrupt('replicas out of order');
  }
  return next;
}

/** A replica, or 0 when it is the one that stood before. */
function writeReplicaAfter(writer: ByteWriter, replica: ReplicaId, before: ReplicaId | undefined): void {
  if (replica === before) writer.u8(0);
  else writeReplica(writer, replica);
}

function readReplicaAfter(reader: ByteReader, before: ReplicaId | undefined): ReplicaId {
  const length = reader.u8();
  if (length === 0) {
    if (before === undefined) throw corrupt('no replica stood before');
    return before;
  }
  const ascii = reader.raw(length);
  const replica = internReplicaId(ascii, 0, length);
  if (replica === undefined || replica === before)
    throw corrupt('not a replica id, or one that stood before');
  return replica;
}

function readCount(reader: ByteReader): number {
  const count = reader.varint();
  if (count > REPLICAS_MAX) throw corrupt('too many replicas');
  return count;
}

function open(bytes: Uint8Array): ByteReader {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== RECORD_VERSION) throw corrupt('a record of an unknown version');
  return reader;
}

function corrupt(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_CORRUPT', message);
}
