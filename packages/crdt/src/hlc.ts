/**
 * Hybrid logical clocks: stamps that order register writes, near wall time, never behind what was seen.
 *
 * Invariants
 * - Each stamp of `tick` is strictly above every stamp that this clock gave by `tick` or adopted before.
 * - The clock never adopts a stamp that is more than `skewMs` ahead of the wall clock, so that one wrong
 *   clock cannot drag the others along; the wall clock may jump back without harm.
 * - Stamps order writes and nothing else: safety never depends on them.
 *
 * Text of a stamp: 12 hex digits of physical, 8 of logical, '-', replica; its order as text is
 * `compareStamps`.
 *
 * Follows Kulkarni, Demirbas, Madappa, Avva, Leone: Logical Physical Clocks, OPODIS 2014.
 */
import { compareReplicas, isReplicaId, type ReplicaId } from './dot.js';

/** What a clock reads: physical in milliseconds, integer, 0 to 2^48-1; logical 0 to 2^32-1. */
export interface ClockReading {
  readonly physical: number;
  readonly logical: number;
}

export interface Stamp extends ClockReading {
  readonly replica: ReplicaId;
}

export const PHYSICAL_MAX = 2 ** 48 - 1;
export const LOGICAL_MAX = 2 ** 32 - 1;

/** Bound on how far ahead of the wall clock an adopted stamp may be, unless told otherwise. Milliseconds. */
export const SKEW_DEFAULT_MS = 500;

/** Order of two readings, without the replica: negative, 0 or positive. */
export function compareReadings(a: ClockReading, b: ClockReading): number {
  return a.physical - b.physical || a.logical - b.logical;
}

/** A total order: physical, then logical, then replica. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return compareReadings(a, b) || compareReplicas(a.replica, b.replica);
}

export function stampToText(stamp: Stamp): string {
  const physical = stamp.physical.toString(16).padStart(12, '0');
  const logical = stamp.logical.toString(16).padStart(8, '0');
  return `${physical}${logical}-${stamp.replica}`;
}

const STAMP = /^[0-9a-f]{20}-/;

/** Throws RangeError when the text is not what `stampToText` writes. */
export function stampFromText(text: string): Stamp {
  const replica = text.slice(21);
  if (!STAMP.test(text) || !isReplicaId(replica)) {
    throw new RangeError(`not a stamp: ${JSON.stringify(text.slice(0, 80))}`);
  }
  return {
    physical: Number.parseInt(text.slice(0, 12), 16),
    logical: Number.parseInt(text.slice(12, 20), 16),
    replica,
  };
}

export class HybridClock {
  readonly #replica: ReplicaId;
  readonly #skewMs: number;
  // Two numbers instead of a reading: a clock ticks for every register that is written.
  #physical: number;
  #logical: number;

  /** `last` is what the clock read before a restart (or the clock that a bootstrap handed on). */
  constructor(
    replica: ReplicaId,
    last: ClockReading = { physical: 0, logical: 0 },
    options: { readonly skewMs?: number } = {},
  ) {
    this.#replica = replica;
    this.#physical = last.physical;
    this.#logical = last.logical;
    this.#skewMs = options.skewMs ?? SKEW_DEFAULT_MS;
  }

  /** The highest reading given or adopted. Persist it with the writes that carry its stamps. */
  get last(): ClockReading {
    return { physical: this.#physical, logical: this.#logical };
  }

  /** A stamp for a local write. `wallMs` in milliseconds; throws RangeError past PHYSICAL_MAX. */
  tick(wallMs: number): Stamp {
    const physical = Math.floor(wallMs);
    if (physical > this.#physical) this.#set(physical, 0);
    else if (this.#logical < LOGICAL_MAX) this.#logical++;
    else this.#set(this.#physical + 1, 0);
    return { physical: this.#physical, logical: this.#logical, replica: this.#replica };
  }

  /**
   * A stamp for a local write that replaces `floor`: above it, whatever the clocks say. The clock itself
   * follows only within the skew bound, so that two such stamps of one replica, for two records, may be
   * equal; the order of registers falls back to their values then.
   * Throws RangeError when nothing is above the floor.
   */
  tickAbove(wallMs: number, floor: ClockReading | undefined): Stamp {
    const stamp = this.tick(wallMs);
    if (floor === undefined || compareReadings(stamp, floor) > 0) return stamp;
    const carries = floor.logical >= LOGICAL_MAX;
    const physical = carries ? floor.physical + 1 : floor.physical;
    const logical = carries ? 0 : floor.logical + 1;
    if (physical <= wallMs + this.#skewMs) this.#set(physical, logical);
    else checkPhysical(physical);
    return { physical, logical, replica: this.#replica };
  }

  /** Follows a stamp that was made elsewhere, unless it is too far ahead of the wall clock. */
  observe(stamp: ClockReading, wallMs: number): void {
    if (stamp.physical > wallMs + this.#skewMs) return;
    if (stamp.physical < this.#physical) return;
    if (stamp.physical === this.#physical && stamp.logical <= this.#logical) return;
    this.#set(stamp.physical, stamp.logical);
  }

  #set(physical: number, logical: number): void {
    checkPhysical(physical);
    this.#physical = physical;
    this.#logical = logical;
  }
}

function checkPhysical(physical: number): void {
  if (physical > PHYSICAL_MAX) throw new RangeError('the hybrid clock is past the end of time');
}
