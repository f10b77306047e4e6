/** The few statistics that the benchmarks print. */

export function quantile(samples: readonly number[], q: number): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const half = sorted.length / 2;
  if (sorted.length === 0) return Number.NaN;
  return (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2;
}

export function spread(samples: readonly number[], digits = 2): string {
  const low = Math.min(...samples).toFixed(digits);
  const high = Math.max(...samples).toFixed(digits);
  return `${median(samples).toFixed(digits)} (${low} to ${high})`;
}

/** Quantile of a Prometheus histogram, interpolated within its bucket: seconds in, seconds out. */
export function histogramQuantile(text: string, name: string, labels: string, q: number): number {
  const buckets: { le: number; count: number }[] = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${name}_bucket{`) || !line.includes(labels)) continue;
    const le = /le="([^"]+)"/.exec(line)?.[1];
    const count = Number(line.slice(line.lastIndexOf(' ') + 1));
    if (le !== undefined) buckets.push({ le: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), count });
  }
  buckets.sort((a, b) => a.le - b.le);
  const total = buckets.at(-1)?.count ?? 0;
  let below = { le: 0, count: 0 };
  for (const bucket of buckets) {
    if (bucket.count >= q * total) {
      const share = (q * total - below.count) / Math.max(1, bucket.count - below.count);
      return below.le + share * (bucket.le - below.le);
    }
    below = bucket;
  }
  return Number.NaN;
}
