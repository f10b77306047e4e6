/**
 * Replica ids and version vectors in the binary formats of this package.
 *
 * - A replica id is one byte of length and its ASCII characters; version vectors are a varint count and (id, seq)
 *   pairs, strictly ascending by id, without zeros: one vector has one encoding.
 * - The same few ids come by all the time, so each is decoded to a string once and found again by its bytes.
 */
import { compareReplicas, isReplicaId, type ReplicaId, type VersionVector } from '@causeway/crdt';
import type { ByteReader, ByteWriter } from './bytes.js';
import { CausewayError } from './errors.js';
import { REPLICAS_MAX } from './limits.js';

const ID_LENGTH_MIN = 10;
const ID_LENGTH_MAX = 41;

/** Ids seen lately, by a hash of their random part. Bounded, and a stranger can do no more than evict. */
const KNOWN_COUNT = 256;
const known: (ReplicaId | undefined)[] = new Array(KNOWN_COUNT).fill(undefined);

/** The replica id whose ASCII is bytes[start, end), undefined if it is none. */
export function internReplicaId(bytes: Uint8Array, start: number, end: number): ReplicaId | undefined {
  const length = end - start;
  if (length < ID_LENGTH_MIN || length > ID_LENGTH_MAX || end > bytes.length) return undefined;
  const slot =
    (bytes[end - 1]! + bytes[end - 2]! * 5 + bytes[end - 3]! * 17 + bytes[end - 4]! * 67) % KNOWN_COUNT;
  const candidate = known[slot];
  if (candidate !== undefined && candidate.length === length) {
    let i = 0;
    while (i < length && candidate.charCodeAt(i) === bytes[start + i]) i++;
    if (i === length) return candidate;
  }
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  if (!isReplicaId(text)) return undefined;
  known[slot] = text;
  return text;
}

/** Length and ASCII. */
export function writeReplica(writer: ByteWriter, replica: ReplicaId): void {
  writer.text(replica);
}

/** Throws CAUSEWAY_CORRUPT if what follows is no replica id. */
export function readReplica(reader: ByteReader): ReplicaId {
  const length = reader.u8();
  const start = reader.position;
  reader.pass(length);
  return replicaAt(reader.source, start, start + length);
}

export function checkReplica(ascii: Uint8Array): ReplicaId {
  return replicaAt(ascii, 0, ascii.length);
}

function replicaAt(bytes: Uint8Array, start: number, end: number): ReplicaId {
  const replica = internReplicaId(bytes, start, end);
  if (replica === undefined) throw new CausewayError('CAUSEWAY_CORRUPT', 'not a replica id');
  return replica;
}

/** A seq of 1 or more. */
export function readSeq(reader: ByteReader): number {
  const seq = reader.varint();
  if (seq === 0) throw new CausewayError('CAUSEWAY_CORRUPT', 'a seq of 0');
  return seq;
}

/** Entries of a version vector in the order of their encoding, zeros left out. */
export function sortedEntries(vector: VersionVector): (readonly [ReplicaId, number])[] {
  const entries: (readonly [ReplicaId, number])[] = [];
  for (const entry of vector) if (entry[1] > 0) entries.push(entry);
  return entries.sort((a, b) => compareReplicas(a[0], b[0]));
}

export function writeVersionVector(writer: ByteWriter, vector: VersionVector): void {
  const entries = sortedEntries(vector);
  writer.varint(entries.length);
  for (const [replica, seq] of entries) {
    writeReplica(writer, replica);
    writer.varint(seq);
  }
}

/** Throws CAUSEWAY_CORRUPT for more than REPLICAS_MAX entries, disorder, and what the fields themselves forbid. */
export function readVersionVector(reader: ByteReader): VersionVector {
  const count = reader.varint();
  if (count > REPLICAS_MAX)
    throw new CausewayError('CAUSEWAY_CORRUPT', 'a version vector of too many replicas');
  const vector = new Map<ReplicaId, number>();
  let last: ReplicaId | undefined;
  for (let i = 0; i < count; i++) {
    const replica = readReplica(reader);
    if (last !== undefined && compareReplicas(last, replica) >= 0) {
      throw new CausewayError('CAUSEWAY_CORRUPT', 'a version vector out of order');
    }
    last = replica;
    vector.set(replica, readSeq(reader));
  }
  return vector;
}
