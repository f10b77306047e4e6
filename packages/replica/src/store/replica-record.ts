/**
 * The records that make a directory a replica: its identity, written once, and the replica record, written in
 * every commit together with what it speaks of.
 */
import { Digest, isReplicaId, type ReplicaId, type VersionVector } from '@causeway/crdt';
import { ByteReader, ByteWriter, CausewayError, sealValue, unsealValue } from '@causeway/protocol';
import { IDENTITY_KEY, REPLICA_KEY } from './keyspace.js';

const IDENTITY_FORMAT = 1;
/** 1: without ceiling and log bytes. Read, not written. */
const FORMAT = 2;

/** Newest chunk of an origin that is in the log. */
export interface OriginPosition {
  readonly seq: number;
  /** Random number of the process start that made it. */
  readonly start: number;
}

export interface ReplicaRecord {
  readonly positions: ReadonlyMap<ReplicaId, OriginPosition>;
  readonly clock: { readonly physical: number; readonly logical: number };
  /** Root digest of the live records. */
  readonly root: Digest;
  /** Version vector up to which this replica has compacted. */
  readonly horizon: VersionVector;
  /** Where what repairs have brought stands above the positions; empty when none is unfinished. */
  readonly ceiling: VersionVector;
  /** Bytes of the chunks in the log. */
  readonly logBytes: number;
  /** It was ready once, so it is ready again without any peer. */
  readonly wasReady: boolean;
  /** Bytes of the stored results of operations with idempotency keys. */
  readonly resultBytes: number;
}

export function encodeIdentity(replica: ReplicaId, createdAt: number): Uint8Array {
  const writer = new ByteWriter(64);
  writer.u8(IDENTITY_FORMAT);
  writer.text(replica);
  writer.varint(createdAt);
  return sealValue(IDENTITY_KEY, writer.view());
}

/** @throws CausewayError CAUSEWAY_DATA_UNREADABLE when the record is damaged or of a later format. */
export function decodeIdentity(value: Uint8Array): ReplicaId {
  const reader = new ByteReader(unsealValue(IDENTITY_KEY, value));
  checkFormat(reader.u8(), IDENTITY_FORMAT);
  const replica = reader.text();
  if (!isReplicaId(replica)) {
    throw new CausewayError('CAUSEWAY_DATA_UNREADABLE', `the identity record names no replica: ${replica}`);
  }
  return replica;
}

export function encodeReplicaRecord(writer: ByteWriter, record: ReplicaRecord): Uint8Array {
  writer.reset();
  writer.u8(FORMAT);
  writer.u8(record.wasReady ? 1 : 0);
  writer.varint(record.clock.physical);
  writer.varint(record.clock.logical);
  writer.text(record.root.toHex());
  writer.varint(record.resultBytes);
  writer.varint(record.positions.size);
  for (const [origin, { seq, start }] of record.positions) {
    writer.text(origin);
    writer.varint(seq);
    writer.varint(start);
  }
  writeVector(writer, record.horizon);
  writeVector(writer, record.ceiling);
  writer.varint(record.logBytes);
  return sealValue(REPLICA_KEY, writer.view());
}

/** @throws CausewayError CAUSEWAY_CORRUPT or CAUSEWAY_DATA_UNREADABLE */
export function decodeReplicaRecord(value: Uint8Array): ReplicaRecord {
  const reader = new ByteReader(unsealValue(REPLICA_KEY, value));
  const format = reader.u8();
  checkFormat(format, FORMAT);
  const wasReady = reader.u8() === 1;
  const clock = { physical: reader.varint(), logical: reader.varint() };
  const root = Digest.fromHex(reader.text());
  const resultBytes = reader.varint();
  const positions = new Map<ReplicaId, OriginPosition>();
  for (let left = reader.varint(); left > 0; left--) {
    const origin = reader.text() as ReplicaId;
    positions.set(origin, { seq: reader.varint(), start: reader.varint() });
  }
  const horizon = readVector(reader);
  const ceiling = format === 1 ? new Map<ReplicaId, number>() : readVector(reader);
  const logBytes = format === 1 ? 0 : reader.varint();
  reader.done();
  return { positions, clock, root, horizon, ceiling, logBytes, wasReady, resultBytes };
}

function writeVector(writer: ByteWriter, vector: VersionVector): void {
  writer.varint(vector.size);
  for (const [origin, seq] of vector) {
    writer.text(origin);
    writer.varint(seq);
  }
}

function readVector(reader: ByteReader): Map<ReplicaId, number> {
  const vector = new Map<ReplicaId, number>();
  for (let left = reader.varint(); left > 0; left--) vector.set(reader.text() as ReplicaId, reader.varint());
  return vector;
}

function checkFormat(format: number, newest: number): void {
  if (format >= 1 && format <= newest) return;
  throw new CausewayError(
    'CAUSEWAY_DATA_UNREADABLE',
    `the directory has format ${format}, this version reads up to ${newest}: start the version that wrote it`,
  );
}
