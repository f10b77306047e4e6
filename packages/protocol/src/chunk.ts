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
 * One chunk has one encoding. The writer is in chunk-writer.ts, the decoder in chunk-decoder.ts.
 */
import type { Dot, ReplicaId, Stamp, VersionVector } from '@causeway/crdt';

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

/** The low three bits of a record's tag. */
export const TYPE_MASK = 7;
export const REGISTER = 1;
export const ELEMENT = 2;
export const CLEAR = 3;
export const INCREMENT = 4;
export const RESET = 5;

/** Flags of a register's tag. */
export const HAS_VALUE = 8;
export const HAS_EXPIRY = 16;
export const NEXT_STAMP = 32;

/** Flags of an element's tag. */
export const ADD = 8;
export const REMOVES = 16;
