/**
 * Which key comes next: Zipf's law, as keys are used in practice. The key of rank r is chosen with a probability
 * proportional to 1 / r^SKEW, so a few keys take most of the operations and regions meet on them.
 */

/** That of the YCSB benchmark. */
const SKEW = 0.99;

/** Ranks from 0 to `count` - 1, by `random` numbers of [0, 1). O(log count) each, 8 bytes for each rank. */
export function zipf(count: number, random: () => number): () => number {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) {
    sum += 1 / (rank + 1) ** SKEW;
    sums[rank] = sum;
  }
  return () => {
    const wanted = random() * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
