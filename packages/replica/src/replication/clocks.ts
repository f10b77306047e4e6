/**
 * Clocks: what the wall clocks of the others say, and whether this node's own is to be trusted.
 *
 * Invariants
 * - A peer's clock is kept as its distance from this node's monotonic clock, so that a step of the own wall clock
 *   changes every offset at once, and an estimate outlives its link.
 * - Of the round trips the one that leaves the least doubt counts: half of its length, and what clocks drift while it
 *   grows old. One that contradicts what came before shows that the peer's clock was set: it stands alone then.
 * - The own clock is off when more than half of all members, this one counted but having no say, agree within the
 *   bound with each other and not with it. Safety does not depend on it (design 6).
 */
import type { ReplicaId } from '@causeway/crdt';
import type { Now } from '../environment.js';

interface Sample {
  /** Monotonic ms. */
  readonly at: number;
  readonly roundTripMs: number;
  /** The peer's wall clock minus this node's monotonic one, ms. */
  readonly ahead: number;
}

/** Crystals are good to some 50 ppm; virtual machines are worse. */
const DRIFT = 2e-4;
const SAMPLES_MAX = 16;
/** A clock that was off is back when it is this much nearer than the bound: no flapping at the edge. */
const BACK = 0.8;
const FRESH_MS = 600_000;

export class Clocks {
  private readonly samples = new Map<ReplicaId, readonly Sample[]>();
  private off = false;
  /** How many pings have come back. */
  measurements = 0;

  constructor(private readonly maxSkewMs: number) {}

  /** A ping that was sent at `sentAt` (monotonic) has come back; `receivedAt`: the peer's wall clock in between. */
  measured(replica: ReplicaId, sentAt: number, receivedAt: number, now: Now): void {
    const roundTripMs = now.monotonic - sentAt;
    if (roundTripMs < 0) return;
    this.measurements++;
    const sample = { at: now.monotonic, roundTripMs, ahead: receivedAt - (sentAt + now.monotonic) / 2 };
    const before = this.samples.get(replica) ?? [];
    const doubt = doubtOf(sample, now);
    const agreeing = before.filter(
      (old) => Math.abs(old.ahead - sample.ahead) <= doubtOf(old, now) + doubt + ROUNDING_MS,
    );
    // Older ones with more doubt say nothing any more.
    const useful = agreeing.filter((old) => doubtOf(old, now) < doubt).slice(1 - SAMPLES_MAX);
    this.samples.set(replica, [...useful, sample]);
  }

  /** The member is retired. */
  forget(replica: ReplicaId): void {
    this.samples.delete(replica);
  }

  /** The peer's wall clock minus this node's, ms; undefined until measured. */
  offsetMs(replica: ReplicaId, now: Now): number | undefined {
    const best = this.best(replica, now);
    return best === undefined ? undefined : best.ahead - (now.wall - now.monotonic);
  }

  /** Infinite until measured. */
  roundTripMs(replica: ReplicaId, now: Now): number {
    return this.best(replica, now)?.roundTripMs ?? Number.POSITIVE_INFINITY;
  }

  /**
   * How far this node's clock is behind those of the majority, ms, when that is too far; undefined when it is right, or
   * when there is no majority that knows better. `others`: all living members but this one. Estimates that are older
   * than FRESH_MS have no say: the machine may have slept, and a node that is cut off for good is not to wait for ever.
   */
  judge(others: readonly ReplicaId[], now: Now): number | undefined {
    const offsets = others
      .map((replica) => (this.isFresh(replica, now) ? this.offsetMs(replica, now) : undefined))
      .filter((offset) => offset !== undefined)
      .sort((a, b) => a - b);
    const group = largestWithin(offsets, this.maxSkewMs);
    const bound = this.off ? BACK * this.maxSkewMs : this.maxSkewMs;
    const middle = group[group.length >> 1];
    const isOff = middle !== undefined && 2 * group.length > others.length + 1 && Math.abs(middle) > bound;
    this.off = isOff;
    return isOff ? middle : undefined;
  }

  private isFresh(replica: ReplicaId, now: Now): boolean {
    return now.monotonic - (this.samples.get(replica)?.at(-1)?.at ?? Number.NEGATIVE_INFINITY) < FRESH_MS;
  }

  private best(replica: ReplicaId, now: Now): Sample | undefined {
    let best: Sample | undefined;
    for (const sample of this.samples.get(replica) ?? []) {
      if (best === undefined || doubtOf(sample, now) < doubtOf(best, now)) best = sample;
    }
    return best;
  }
}

/** Wall clocks are read in whole milliseconds. */
const ROUNDING_MS = 2;

function doubtOf({ at, roundTripMs }: Sample, now: Now): number {
  return roundTripMs / 2 + (now.monotonic - at) * DRIFT;
}

/** Of ascending numbers the most that lie within `width` of each other. */
function largestWithin(ascending: readonly number[], width: number): readonly number[] {
  let largest: readonly number[] = [];
  ascending.forEach((least, from) => {
    const end = ascending.findLastIndex((one) => one - least <= width) + 1;
    if (end - from > largest.length) largest = ascending.slice(from, end);
  });
  return largest;
}
