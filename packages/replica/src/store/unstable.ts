/** How old the oldest write is that is not known to be everywhere: sampled, not kept per write. */
import { dominates, type VersionVector } from '@causeway/crdt';

const SAMPLES_MAX = 1_000;

export class Unstable {
  private samples: { at: number; held: VersionVector }[] = [];

  /** Monotonic ms. */
  sample(durable: VersionVector, stable: VersionVector, at: number): void {
    const first = this.samples.findIndex(({ held }) => !dominates(stable, held));
    this.samples = first < 0 ? [] : this.samples.slice(first);
    if (dominates(stable, durable)) return;
    this.samples.push({ at, held: new Map(durable) });
    if (this.samples.length > SAMPLES_MAX) this.samples = this.samples.filter((_, index) => index % 2 === 0);
  }

  age(now: number): number {
    const oldest = this.samples[0];
    return oldest === undefined ? 0 : (now - oldest.at) / 1000;
  }
}
