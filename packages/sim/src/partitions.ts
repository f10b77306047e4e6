/**
 * Who does not reach whom: cuts of pairs, of groups, and links that come and go.
 *
 * Cuts of one pair do not add up: when one of them ends, the pair is whole.
 */
import type { Cluster } from './cluster.js';
import type { Prng } from './prng.js';
import type { Scheduler } from './scheduler.js';

/** Silent: what is sent waits; reset: connections end and new ones are refused; one-way: silent from the first to the second. */
export type Cut = 'silent' | 'reset' | 'one-way';
type Pair = readonly [number, number];

export class Partitions {
  constructor(
    private readonly cluster: Cluster,
    private readonly scheduler: Scheduler,
  ) {}

  /** Returns what mends it. */
  cut(pairs: readonly Pair[], cut: Cut): () => void {
    const { network } = this.cluster;
    for (const [a, b] of pairs) {
      if (cut === 'reset') network.refuse(a, b, true);
      else network.hold(a, b, true);
      if (cut === 'silent') network.hold(b, a, true);
    }
    return () => {
      for (const [a, b] of pairs) this.mend(a, b);
    };
  }

  isolate(node: number, cut: Cut): () => void {
    return this.cut(
      this.others(node).map((other) => [node, other]),
      cut,
    );
  }

  /** Two groups that do not reach each other, or do in one direction only. */
  split(prng: Prng): () => void {
    const all = prng.shuffle(this.cluster.nodes.map(({ index }) => index));
    const size = 1 + prng.int(all.length - 1);
    const [left, right] = [all.slice(0, size), all.slice(size)];
    const pairs = left.flatMap((a) => right.map((b): Pair => [a, b]));
    return this.cut(pairs, prng.pick(['silent', 'silent', 'reset', 'one-way']));
  }

  /** Everybody reaches `bridge`; of the others only those on one side reach each other. `a` stands on one of the two. */
  bridge(a: number, bridge: number, prng: Prng): () => void {
    const left = new Set([a]);
    for (const other of this.others(a)) if (other !== bridge && prng.chance(0.4)) left.add(other);
    const pairs: Pair[] = [];
    for (const one of left) {
      for (const other of this.others(one))
        if (!left.has(other) && other !== bridge) pairs.push([one, other]);
    }
    return this.cut(pairs, prng.pick(['silent', 'reset', 'one-way']));
  }

  /** Cut, mended, cut again, until it ends. */
  flap(a: number, b: number, prng: Prng): () => void {
    const pairs: Pair[] = prng.chance(0.5) ? [[a, b]] : this.others(a).map((other) => [a, other]);
    const periodMs = prng.logUniform(20, 3000);
    let ended = false;
    let mend: (() => void) | undefined;
    const turn = (): void => {
      if (ended) return;
      if (mend === undefined) mend = this.cut(pairs, prng.pick(['silent', 'reset', 'one-way']));
      else {
        mend();
        mend = undefined;
      }
      this.scheduler.after(prng.exponential(periodMs), turn);
    };
    turn();
    this.flapping.add(() => {
      ended = true;
    });
    return () => {
      ended = true;
      mend?.();
    };
  }

  slow(a: number, b: number, prng: Prng): () => void {
    const { network } = this.cluster;
    const usual = network.usualProfile(a, b);
    const factor = prng.logUniform(2, 30);
    const delay = { ...usual.delay, least: usual.delay.least * factor, most: usual.delay.most * factor };
    network.setProfile(a, b, { delay, bandwidth: usual.bandwidth / factor });
    return () => network.resetProfile(a, b);
  }

  /** All pairs are whole, and stay so. */
  heal(): void {
    for (const end of this.flapping) end();
    const { nodes } = this.cluster;
    for (const a of nodes) for (const b of nodes) if (a.index < b.index) this.mend(a.index, b.index);
  }

  private readonly flapping = new Set<() => void>();

  private mend(a: number, b: number): void {
    const { network } = this.cluster;
    network.refuse(a, b, false);
    network.hold(a, b, false);
    network.hold(b, a, false);
    network.resetProfile(a, b);
    network.resetProfile(b, a);
  }

  private others(node: number): number[] {
    return this.cluster.nodes.map(({ index }) => index).filter((other) => other !== node);
  }
}
