/**
 * Counts of durations in buckets: an observation costs a binary search and three additions, since the lag of
 * every chunk and the time of every operation passes here.
 */

const range = (from: number, to: number, step: number): number[] =>
  Array.from({ length: Math.round((to - from) / step) + 1 }, (_, i) => Number((from + i * step).toFixed(6)));

/** Seconds. At most 5 ms apart up to 100 ms, then growing to 60 s: replication lag, acknowledgement, convergence. */
export const DELAY_EDGES: readonly number[] = [
  ...[0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004],
  ...range(0.005, 0.1, 0.0025),
  ...[0.11, 0.125, 0.15, 0.175, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75],
  ...[1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 45, 60],
];

/** Seconds, for operations of clients on this node. */
export const OPERATION_EDGES: readonly number[] = [
  ...[0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01],
  ...[0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
];

export class Histogram {
  /** Observations up to the edge at the same index and above the one before it; the last holds the rest. */
  private readonly counts: Float64Array;
  private sum = 0;
  private count = 0;

  constructor(private readonly edges: readonly number[]) {
    this.counts = new Float64Array(edges.length + 1);
  }

  observe(seconds: number): void {
    let low = 0;
    let high = this.edges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (seconds <= (this.edges[middle] as number)) high = middle;
      else low = middle + 1;
    }
    this.counts[low] = (this.counts[low] as number) + 1;
    this.sum += seconds;
    this.count += 1;
  }

  /** In the form of Prometheus: cumulative, one for each edge and one for all. */
  samples(): { readonly buckets: readonly { le: string; count: number }[]; sum: number; count: number } {
    let below = 0;
    const buckets = this.edges.map((edge, i) => {
      below += this.counts[i] as number;
      return { le: String(edge), count: below };
    });
    return { buckets: [...buckets, { le: '+Inf', count: this.count }], sum: this.sum, count: this.count };
  }
}
