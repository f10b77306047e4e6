/** Figures of a node as it tells them on its admin port: samples, and quantiles of what two scrapes lie apart. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type Labels = Readonly<Record<string, string>>;

const TIMEOUT_MS = 5_000;

export class Scrape {
  private constructor(private readonly samples: readonly Sample[]) {}

  /** Of the node behind an admin URL, `http://host:port`. */
  static async of(adminUrl: string): Promise<Scrape> {
    const response = await fetch(new URL('/metrics', adminUrl), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`${adminUrl}/metrics answered ${response.status}`);
    return new Scrape((await response.text()).split('\n').flatMap(sampleOf));
  }

  /** Sum of the samples of this name that bear these labels; 0 when there is none. */
  sum(name: string, labels: Labels = {}): number {
    return this.named(name, labels).reduce((sum, { value }) => sum + value, 0);
  }

  /** What was counted since `earlier`. */
  since(earlier: Scrape, name: string, labels: Labels = {}): number {
    return this.sum(name, labels) - earlier.sum(name, labels);
  }

  /**
   * Quantile of what a histogram took in since `earlier`, interpolated within its bucket as Prometheus does it; NaN
   * when it took in nothing.
   */
  quantile(q: number, earlier: Scrape, name: string, labels: Labels = {}): number {
    const edges = [...new Set(this.named(`${name}_bucket`, labels).map(({ labels: { le } }) => le ?? ''))];
    const buckets = edges
      .map((le) => ({
        edge: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le),
        count: this.since(earlier, `${name}_bucket`, { ...labels, le }),
      }))
      .sort((a, b) => a.edge - b.edge);
    const total = buckets.at(-1)?.count ?? 0;
    if (total === 0) return Number.NaN;
    const rank = q * total;
    const index = buckets.findIndex(({ count }) => count >= rank);
    const { edge, count } = buckets[index]!;
    const below = buckets[index - 1] ?? { edge: 0, count: 0 };
    if (edge === Number.POSITIVE_INFINITY) return below.edge;
    return below.edge + ((edge - below.edge) * (rank - below.count)) / (count - below.count);
  }

  private named(name: string, labels: Labels): Sample[] {
    const wanted = Object.entries(labels);
    return this.samples.filter(
      (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
    );
  }
}

function sampleOf(line: string): Sample[] {
  const [, name, inBraces = '', value] = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
  if (name === undefined) return [];
  const labels = Object.fromEntries([...inBraces.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, k, v]) => [k, v]));
  return [{ name, labels, value: Number(value) }];
}
