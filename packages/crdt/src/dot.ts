/**
 * Dots: the names of writes.
 *
 * Invariants
 * - A dot names one write for ever; a replica numbers its transactions 1, 2, 3 … without gaps.
 * - Replica ids are ASCII, so that their order by code units is their order by UTF-8 bytes.
 *
 * The word is that of Almeida, Shoker, Baquero: Delta State Replicated Data Types, 2018, arXiv:1603.01529,
 * and of Preguiça et al.: Dotted Version Vectors, 2010, arXiv:1011.5808.
 */

declare const replicaIdTag: unique symbol;

/** `<region>.<8 hex of randomness>`: one data directory's identity, at most 41 characters. */
export type ReplicaId = string & { readonly [replicaIdTag]: true };

/** The seq-th transaction of one replica. `seq` is an integer from 1 to 2^53-1. */
export interface Dot {
  readonly replica: ReplicaId;
  readonly seq: number;
}

const REPLICA_ID = /^[a-z0-9-]{1,32}\.[0-9a-f]{8}$/;

export function isReplicaId(value: unknown): value is ReplicaId {
  return typeof value === 'string' && REPLICA_ID.test(value);
}

/** Throws RangeError when the text is not a replica id. */
export function replicaId(text: string): ReplicaId {
  if (!isReplicaId(text)) throw new RangeError(`not a replica id: ${JSON.stringify(text.slice(0, 64))}`);
  return text;
}

/** The region's name: what stands before the dot. */
export function regionOf(id: ReplicaId): string {
  return id.slice(0, id.indexOf('.'));
}

/** Order of replica ids, by code units: negative, 0 or positive. */
export function compareReplicas(a: ReplicaId, b: ReplicaId): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** A total order: by replica, then by seq. It says nothing of causality. */
export function compareDots(a: Dot, b: Dot): number {
  return compareReplicas(a.replica, b.replica) || a.seq - b.seq;
}

export function sameDot(a: Dot, b: Dot): boolean {
  return a.seq === b.seq && a.replica === b.replica;
}
