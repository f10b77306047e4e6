/** A peer: another system that Causeway is measured beside, and what of it can be compared. */
import type { TargetKind } from '../harness/target.js';

/** Places with which a part is measured, or why it is not. */
export type Part = { readonly placeCount: number } | { readonly not: string };

/** How long a place waits at most before it dials again, where one can choose: as long as Causeway does. Milliseconds. */
export const REDIAL_MS = 125;

export interface Peer extends TargetKind {
  /** Acknowledged writes and reads of one place, over the wire. */
  readonly throughput: Part;
  /** From a write at one place to its being seen at another. */
  readonly lag: Part;
  /** After a partition in which both sides, or the one that can, have written. */
  readonly heal: Part;
  /** What a reader of the figures has to know, in a sentence or two. */
  readonly remark: string;
}
