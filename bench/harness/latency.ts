/** Latencies in an HDR histogram: recorded in milliseconds, kept in microseconds with three digits. */
import { build, type Histogram } from 'hdr-histogram-js';
import type { Series } from './result.js';

/** Where a percentile plot has its points. */
const PERCENTILES = [0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99];

export class Latencies {
  private readonly histogram: Histogram = build({
    bitBucketSize: 32,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });

  /** Milliseconds; what is below 0 counts as 0. */
  record(ms: number): void {
    this.histogram.recordValue(Math.max(0, Math.round(ms * 1000)));
  }

  add(other: Latencies): void {
    this.histogram.add(other.histogram);
  }

  get count(): number {
    return this.histogram.totalCount;
  }

  /** Milliseconds at a percentile, 0 to 100; NaN when nothing was recorded. */
  at(percentile: number): number {
    return this.count === 0 ? Number.NaN : this.histogram.getValueAtPercentile(percentile) / 1000;
  }

  /** For a percentile plot, as far out as there are samples. */
  series(name: string): Series {
    const points = PERCENTILES.filter((percentile) => (1 - percentile / 100) * this.count >= 1).map(
      (percentile) => [percentile, this.at(percentile)] as const,
    );
    return { name, points };
  }
}
