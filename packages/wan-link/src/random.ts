/**
 * Seeded chance for jitter: each direction of each connection draws from a stream of its own, so that
 * what one connection does moves no other one's delays.
 */

/** Uniform in [0, 1). */
export type Random = () => number;

/** One stream per tuple of integers, such as (seed, connection, direction). Mulberry32. */
export function seededRandom(...seeds: readonly number[]): Random {
  let state = 0;
  for (const seed of seeds) state = scramble((state ^ seed) + 0x9e3779b9);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    return scramble(state) / 2 ** 32;
  };
}

function scramble(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 15), word | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return (mixed ^ (mixed >>> 14)) >>> 0;
}
