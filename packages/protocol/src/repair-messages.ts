/**
 * Messages of a repair between two nodes, one session of a receiver at a source. They are messages of the peer
 * protocol (peer-messages.ts) and travel between the others.
 *
 *   [15, session, mode, vv, vv (horizon), root]                             open
 *   [16, session, vv, starts, vv (ceiling), vv (horizon), physical, logical, bits, count, root,
 *        level, digests]                                                  view
 *   [17, session, (key, state)*]                                            states
 *   [18, session, what]                                                     mark
 *   [19, session, level, nodes, depth]                                      compare
 *   [20, session, digests]                                                  digests
 *   [21, session, level, vv (ceiling), nodes (by id), nodes (whole)]        walk
 *   [22, session, batch, ids, through]                                      ids
 *   [23, session, batch, indices]                                           want
 *   [24, session, bytes]                                                    credit
 *   [25, session, outcome]                                                  end
 *
 * Numbers of nodes and indices are ascending lists in one binary each: varints of the steps from one to the next. A
 * digest is 8 bytes, the first two lanes; an id is 16: 8 of the hash of the record's key, 8 of its digest. Lanes are
 * little-endian. A root is 16 bytes. Encoder and decoder are in repair-frame.ts.
 */
import type { VersionVector } from '@causeway/crdt';

/**
 * - compare: both have the same version vector or soon will; neither's moves.
 * - restore: as compare, after the receiver has lost records: removal evidence that digests do not show comes first.
 * - catch-up: the receiver takes over the source's version vector.
 * - bootstrap: as catch-up, for a receiver that has nothing: everything is sent, nothing compared.
 */
export type RepairMode = 'compare' | 'catch-up' | 'bootstrap' | 'restore';

/** How a session ended, in the order of the numbers on the wire. */
export const REPAIR_OUTCOMES = [
  'done',
  'equal',
  'busy',
  'unknown',
  'unsettled',
  'behind',
  'stale',
  'no-index',
  'deadline',
  'failed',
  'broken',
] as const;

/**
 * - done, equal: as it should be; equal without anything to exchange.
 * - busy, unsettled, no-index: not now. behind: the one did not catch up with the other's view in time.
 * - stale: what one of them has compacted the other has never seen, so nothing of it can be joined.
 * - unknown: there is no such session (any more). deadline: it took too long. failed: the disk did.
 * - broken: the other said what cannot be.
 */
export type RepairOutcome = (typeof REPAIR_OUTCOMES)[number];

/** The key of a record in the store, and its stored form without the checksum (record.ts). */
export interface RecordState {
  readonly key: Uint8Array;
  readonly state: Uint8Array;
}

export interface RepairView {
  readonly type: 'repair-view';
  readonly session: number;
  readonly versionVector: VersionVector;
  /** Random number of the start that made the newest chunk, for each of the version vector; empty in `compare`. */
  readonly starts: readonly number[];
  /** Where it is above the version vector. */
  readonly ceiling: VersionVector;
  readonly horizon: VersionVector;
  readonly clock: { readonly physical: number; readonly logical: number };
  /** Levels of the source's tree, and records in it. */
  readonly bits: number;
  readonly count: number;
  readonly root: Uint8Array;
  /** Of `digests`: all nodes of that level; none when the roots are equal. */
  readonly level: number;
  readonly digests: Uint8Array;
}

export type RepairMessage =
  /** The receiver wants a session; what it holds. */
  | {
      readonly type: 'repair-open';
      readonly session: number;
      readonly mode: RepairMode;
      readonly versionVector: VersionVector;
      readonly horizon: VersionVector;
      readonly root: Uint8Array;
    }
  | RepairView
  /** Records to be joined, in either direction. */
  | { readonly type: 'repair-states'; readonly session: number; readonly records: readonly RecordState[] }
  /** The source has sent all of its removal evidence; it has sent all that was asked for. */
  | { readonly type: 'repair-mark'; readonly session: number; readonly what: 'evidence' | 'walked' }
  /** The digests `depth` levels below these nodes of `level`, please. */
  | {
      readonly type: 'repair-compare';
      readonly session: number;
      readonly level: number;
      readonly nodes: readonly number[];
      readonly depth: number;
    }
  /** In the order in which they were asked for. */
  | { readonly type: 'repair-digests'; readonly session: number; readonly digests: Uint8Array }
  /**
   * Walk the records below these nodes of `level`: of `byId` tell the ids, of `whole` send the states. `ceiling` bounds
   * the dots of what the receiver may send in turn.
   */
  | {
      readonly type: 'repair-walk';
      readonly session: number;
      readonly level: number;
      readonly ceiling: VersionVector;
      readonly byId: readonly number[];
      readonly whole: readonly number[];
    }
  /** All records by id after those of the batch before, up to and with the key `through`; to the end without it. */
  | {
      readonly type: 'repair-ids';
      readonly session: number;
      readonly batch: number;
      readonly ids: Uint8Array;
      readonly through: Uint8Array | undefined;
    }
  /** Which of them are wanted, by their place; the batch is done with. */
  | {
      readonly type: 'repair-want';
      readonly session: number;
      readonly batch: number;
      readonly indices: readonly number[];
    }
  /** So many bytes more may be under way. */
  | { readonly type: 'repair-credit'; readonly session: number; readonly bytes: number }
  | { readonly type: 'repair-end'; readonly session: number; readonly outcome: RepairOutcome };
