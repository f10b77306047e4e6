/**
 * Fewer faults that still do the same: delta debugging (Zeller, Hildebrandt 2002) over the ids of a plan.
 *
 * Leaving out a fault moves no other one, but all that follows from it, so that a smaller schedule may pass by
 * chance: what comes out is small, not the smallest.
 */

/** `fails` is asked at most `attemptsMax` times. Returns `ids` themselves when nothing could be left out. */
export function minimize(
  ids: readonly number[],
  fails: (only: ReadonlySet<number>) => boolean,
  attemptsMax: number,
): readonly number[] {
  let left = ids;
  let attempts = 0;
  const stillFails = (some: readonly number[]): boolean => attempts++ < attemptsMax && fails(new Set(some));
  if (left.length > 0 && stillFails([])) return [];
  for (let parts = 2; left.length > 1 && attempts < attemptsMax; ) {
    const size = Math.ceil(left.length / parts);
    const without = Array.from({ length: Math.ceil(left.length / size) }, (_, part) =>
      left.filter((_id, index) => Math.floor(index / size) !== part),
    );
    const smaller = without.find(stillFails);
    if (smaller !== undefined) {
      left = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(left.length, parts * 2);
  }
  return left;
}
