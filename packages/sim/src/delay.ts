/**
 * How long things take: mostly around a typical value, now and then much longer. A narrow distribution hides
 * bugs: an early acknowledgement went unnoticed with disk writes of 1 to 5 ms and not with up to 60 ms.
 */
import type { Prng } from './prng.js';

/** Milliseconds. */
export interface Delay {
  /** Never shorter than this. */
  readonly least: number;
  /** Mean of what comes on top. */
  readonly jitter: number;
  /** Share of the draws that are uniform up to `most` instead. */
  readonly tail: number;
  readonly most: number;
}

export function drawDelay(prng: Prng, delay: Delay): number {
  if (delay.tail > 0 && prng.chance(delay.tail)) return prng.between(delay.least, delay.most);
  return Math.min(delay.most, delay.least + prng.exponential(delay.jitter));
}

/** A delay whose typical value is log-uniform between `from` and `to`, the tail up to `most`. */
export function drawDelayProfile(prng: Prng, from: number, to: number, most: number): Delay {
  const least = prng.logUniform(from, to);
  return {
    least,
    jitter: least * prng.logUniform(0.02, 1),
    tail: prng.chance(0.5) ? prng.logUniform(0.001, 0.2) : 0,
    most: Math.max(most, least * 2),
  };
}
