/**
 * What both ends of a repair session share: the link that it lives and dies with, its surroundings, and the rule by
 * which two replicas may exchange states at all.
 */
import { dominates, type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import type { PeerMessage, RepairMessage, RepairOutcome } from '@causeway/protocol';
import type { Log } from '../environment.js';
import type { Housekeeping } from '../store/housekeeping.js';
import type { Store } from '../store/store.js';
import type { Adopter } from './repair-adopter.js';
import type { RepairPace } from './repair-pace.js';

/** A link that is up. */
export interface RepairLink {
  readonly replica: ReplicaId;
  send(message: PeerMessage): void;
}

export interface RepairParts {
  readonly store: Store;
  readonly housekeeping: Housekeeping;
  readonly adopter: Adopter;
  readonly pace: RepairPace;
  readonly log: Log;
  /** The session is over, and has let go of everything. */
  ended(session: RepairSession, outcome: RepairOutcome): void;
  /** The executed version vector has moved past chunks that may be on their way in. */
  movedTo(): void;
  /** Records that told something new. */
  adopted(records: number): void;
  /**
   * Who has no more than this may hold what was removed by the time at which evidence was found to be lost here: nothing
   * is to be taken from it.
   */
  lacksEvidenceFor(versionVector: VersionVector): boolean;
}

export interface RepairSession {
  readonly id: number;
  readonly link: RepairLink;
  /** Monotonic ms at which it gives something up. */
  readonly deadline: number;
  message(message: RepairMessage): void;
  /** Time has passed, or something has become durable. */
  tick(now: number): void;
  /** `tell`: the other side does not know yet. */
  end(outcome: RepairOutcome, tell: boolean): void;
}

/**
 * Whether nothing that one has compacted can come back through the other. Evidence that is gone at `horizon` says
 * nothing any more: a side that has part of what led to it would hand back what it removed, or keep it for ever. Who has
 * nothing at all of an origin has nothing that its removals could have met: clusters that formed apart and meet are
 * joined like any two states, if what they have compacted comes by a repair (`isApart`) and never in part by a stream.
 */
export function knows(versionVector: VersionVector, horizon: VersionVector): boolean {
  for (const [origin, seq] of horizon) {
    const known = seqOf(versionVector, origin);
    if (known > 0 && known < seq) return false;
  }
  return true;
}

/**
 * The same of what this replica holds itself, of which it knows more. Who was ready, or has taken over what another held,
 * has once had a whole history, and counts for what the members of its own cluster compact: what it has nothing of is
 * another's. Who still joins by streams is judged by whether it has part of the history (`hasPart`).
 */
export function isFit(versionVector: VersionVector, horizon: VersionVector, wasWhole: boolean): boolean {
  return wasWhole ? knows(versionVector, horizon) : !hasPart(versionVector, horizon);
}

/**
 * Whether there is some here of what `horizon` tells of, and not all. A joiner may have got one origin of a history by a
 * stream, and nothing yet of another that has removed what the first one wrote. Where that removal is no longer told, a
 * version vector that moves past it leaves here for good what it removed. A horizon is causally closed, so who has nothing
 * of all that it names has nothing that its removals have seen.
 */
export function hasPart(versionVector: VersionVector, horizon: VersionVector): boolean {
  if (dominates(versionVector, horizon)) return false;
  for (const origin of horizon.keys()) if (seqOf(versionVector, origin) > 0) return true;
  return false;
}

/** Whether `horizon` tells of an origin of which there is nothing here. */
export function isApart(versionVector: VersionVector, horizon: VersionVector): boolean {
  for (const [origin, seq] of horizon) if (seq > 0 && seqOf(versionVector, origin) === 0) return true;
  return false;
}

/** Levels down to which a tree of so many records is worth comparing: a few records in each leaf. */
export function depthFor(count: number, bits: number): number {
  return Math.max(0, Math.min(bits, Math.ceil(Math.log2(Math.max(1, count / 2)))));
}

/** All nodes of this level come with the view: 8 KiB at most. */
export const FIRST_LEVEL_MAX = 10;
