/**
 * Messages between nodes (subprotocol causeway.replication.v1). A frame is one MessagePack array: a type, then the
 * fields in the order of the grammar.
 *
 *   [1, version, replica, region, start, address, vv, vv (horizon), members]   hello, first in each direction
 *   [2, seq, start, vv]                heard: what the sender knows of the receiver
 *   [4, code, message]                 refuse
 *   [5, origin, after]                 subscribe
 *   [6, origin]                        unsubscribe
 *   [7, origin, durableAt, chunk*]     chunks
 *   [8, origin, after, first]          gap
 *   [9, origin, bytes]                 credit
 *   [10, vv]                           ack
 *   [11, vv, [replica, vv, quietMs, knowledge]*, members, wall]   gossip; each report is an array of its own
 *   [12, id, wall]                     ping
 *   [13, id, wall, receivedAt]         pong
 *   [14]                               bye
 *   [15 …] to [25 …]                   repair: repair-messages.ts
 *
 * vv is a flat array replica, seq, replica, seq …, strictly ascending by replica, without zeros; members a flat array
 * replica, region, address, state, version, finalSeq …, strictly ascending by replica; knowledge a binary of one byte
 * for each of the members: 0 the reporter does not know it, 1 it does, 2 it knows that it is retired. Encoder and
 * decoder are in peer-frame.ts; the chunks themselves are opaque to them (chunk.ts).
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import type { RepairMessage } from './repair-messages.js';

/** In the order of their numbers on the wire and on disk, from 1; from `left` on a member is retired for good. */
export const MEMBERSHIPS = ['joining', 'active', 'draining', 'left', 'removed', 'evicted'] as const;
export type Membership = (typeof MEMBERSHIPS)[number];

/** The register of one member. Which of two stands is decided by `joinMembers` in @causeway/replica. */
export interface Member {
  readonly replica: ReplicaId;
  readonly region: string;
  /** URL at which other nodes dial it. */
  readonly address: string;
  readonly state: Membership;
  /** Counts what the member has said of itself. */
  readonly version: number;
  /** Of a retired member: the highest seq that it was known to have. 0 while it is none. */
  readonly finalSeq: number;
}

export function isRetired({ state }: Member): boolean {
  return state === 'left' || state === 'removed' || state === 'evicted';
}

/** A member's version vector, and the members that it knew when it had that. */
export interface Report {
  readonly replica: ReplicaId;
  readonly versionVector: VersionVector;
  /** Those of the gossip's members that it knew, retired ones included, and which of them it knew to be retired. */
  readonly members: readonly ReplicaId[];
  readonly retired: readonly ReplicaId[];
  /** For how long nobody known to the sender of the gossip has heard of it, ms. */
  readonly quietMs: number;
}

export interface PeerHello {
  readonly type: 'hello';
  readonly version: number;
  readonly replica: ReplicaId;
  readonly region: string;
  /** Random number of this process start. */
  readonly start: number;
  readonly address: string;
  readonly versionVector: VersionVector;
  /** Up to where the sender has compacted. */
  readonly horizon: VersionVector;
  readonly members: readonly Member[];
}

export type PeerMessage =
  | PeerHello
  /**
   * What the sender has or has heard of the receiver: its highest seq, the `start` of that seq's chunk (0: not known),
   * and the highest version vector that it was known to report.
   */
  | {
      readonly type: 'heard';
      readonly seq: number;
      readonly start: number;
      readonly versionVector: VersionVector;
    }
  | { readonly type: 'refuse'; readonly code: string; readonly message: string }
  /** Send the chunks of `origin` that hold seqs above `after`. */
  | { readonly type: 'subscribe'; readonly origin: ReplicaId; readonly after: number }
  | { readonly type: 'unsubscribe'; readonly origin: ReplicaId }
  /** Consecutive chunks. `durableAt`: wall ms at the origin when the last became durable there, 0 if not known. */
  | {
      readonly type: 'chunks';
      readonly origin: ReplicaId;
      readonly durableAt: number;
      readonly chunks: readonly Uint8Array[];
    }
  /** The log no longer holds what follows `after`; its first seq is `first`. */
  | { readonly type: 'gap'; readonly origin: ReplicaId; readonly after: number; readonly first: number }
  /** The subscription to `origin` may have so many bytes more under way. */
  | { readonly type: 'credit'; readonly origin: ReplicaId; readonly bytes: number }
  /** Durable at the sender; entries that have not changed may be missing. */
  | { readonly type: 'ack'; readonly versionVector: VersionVector }
  | {
      readonly type: 'gossip';
      readonly versionVector: VersionVector;
      readonly reports: readonly Report[];
      readonly members: readonly Member[];
      /** Wall ms of the sender. */
      readonly wall: number;
    }
  | { readonly type: 'ping'; readonly id: number; readonly wall: number }
  /** `wall` is the ping's, `receivedAt` the answerer's wall ms. */
  | { readonly type: 'pong'; readonly id: number; readonly wall: number; readonly receivedAt: number }
  | { readonly type: 'bye' }
  | RepairMessage;
