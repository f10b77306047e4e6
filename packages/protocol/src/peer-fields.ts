/**
 * Fields of the messages between nodes: what arrives is checked here, once, and trusted after.
 */
import { compareReplicas, isReplicaId, type ReplicaId, type VersionVector } from '@causeway/crdt';
import { CausewayError } from './errors.js';
import { REPLICAS_MAX } from './limits.js';
import { sortedEntries } from './replica-ids.js';

export function flatVector(vector: VersionVector): readonly unknown[] {
  const flat: unknown[] = [];
  for (const [replica, seq] of sortedEntries(vector)) flat.push(replica, seq);
  return flat;
}

export function vectorOf(value: unknown): VersionVector {
  const fields = asArray(value, REPLICAS_MAX * 2);
  if (fields.length % 2 !== 0) throw bad('a version vector that is not whole');
  const vector = new Map<ReplicaId, number>();
  let last: ReplicaId | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    last = after(last, replicaOf(fields[i]));
    const seq = integerAt(fields, i + 1);
    if (seq === 0) throw bad('a seq of 0');
    vector.set(last, seq);
  }
  return vector;
}

/** Next of a list that ascends. */
export function after(last: ReplicaId | undefined, next: ReplicaId): ReplicaId {
  if (last !== undefined && compareReplicas(last, next) >= 0) throw bad('replicas out of order');
  return next;
}

export function count(fields: readonly unknown[], want: number): void {
  if (fields.length !== want) throw bad('a message with the wrong number of fields');
}

export function asArray(value: unknown, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > lengthMax) throw bad('no array, or one that is too long');
  return value;
}

export function integerAt(fields: readonly unknown[], index: number): number {
  const value = fields[index];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw bad('no whole number');
  return value;
}

export function replicaOf(value: unknown): ReplicaId {
  if (!isReplicaId(value)) throw bad('no replica id');
  return value;
}

export function textOf(value: unknown, lengthMax: number): string {
  if (typeof value !== 'string' || value.length > lengthMax) throw bad('no text, or one that is too long');
  return value;
}

export function binaryAt(
  fields: readonly unknown[],
  index: number,
  bytesMin: number,
  bytesMax: number,
): Uint8Array {
  const value = fields[index];
  if (!(value instanceof Uint8Array) || value.length < bytesMin || value.length > bytesMax)
    throw bad('no bytes, or too many, or too few');
  return value;
}

export function bad(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_FRAME', message);
}
