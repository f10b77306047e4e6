/** The index of all records by the hash of their key. */
import type { Digest } from '@causeway/crdt';

/** What the index was at one moment. */
export interface FrozenIndex {
  /** There are 2^bits leaves. */
  readonly bits: number;
  /** Records that are part of it. */
  readonly count: number;
  /** Of the records below node `index` of `level`: level 0 is the root, level `bits` are the leaves. */
  node(level: number, index: number): Digest;
}
