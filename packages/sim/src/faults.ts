/**
 * What goes wrong, when, and for how long: one Poisson process a kind, with its own stream of chance.
 *
 * Everything ends by itself or with `heal`; after that the machines run, the links are whole, the disks write
 * and the clocks agree.
 */
import type { Cluster, ClusterNode } from './cluster.js';
import type { Prng } from './prng.js';
import type { Scheduler } from './scheduler.js';
import type { Trace } from './trace.js';

export const FAULT_KINDS = [
  'kill',
  'power cut',
  'stop',
  'pause',
  'silent cut',
  'one-way cut',
  'reset cut',
  'isolation',
  'slow link',
  'clock step',
  'slow disk',
  'failing disk',
  'failing reads',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** How long, and how finely, a crash waits for a write to be under way. Milliseconds. */
const WAIT_FOR_WRITE_MS = 500;
const LOOK_EVERY_MS = 0.5;

export interface FaultRate {
  /** Mean time from one to the next. Milliseconds; Infinity: never. */
  readonly everyMs: number;
  readonly lastsMs: number;
}

export interface FaultProfile {
  readonly rates: Readonly<Record<FaultKind, FaultRate>>;
  /** How far a clock step goes at most, either way. Milliseconds. */
  readonly clockStepMs: number;
}

export class Faults {
  readonly counts = new Map<FaultKind, number>();
  private running = false;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly prng: Prng,
    private readonly trace: Trace,
    private readonly cluster: Cluster,
    private readonly profile: FaultProfile,
  ) {}

  start(): void {
    this.running = true;
    for (const kind of FAULT_KINDS) this.next(kind, this.prng.split(kind));
  }

  /** No more faults, and none left. */
  heal(): void {
    const { cluster } = this;
    this.running = false;
    this.trace.note(-1, 'heal');
    // Right means as far as any clock has ever been: what has expired somewhere has then expired everywhere.
    const offset = Math.max(...cluster.nodes.map(({ clock }) => clock.offsetMost));
    for (const node of cluster.nodes) {
      node.disk.failing = 0;
      node.disk.failingReads = 0;
      node.disk.slowness = 1;
      node.clock.set(offset + this.prng.between(0, 20));
      this.restore(node);
    }
    this.eachPair((a, b) => this.mend(a.index, b.index));
  }

  private next(kind: FaultKind, prng: Prng): void {
    const { everyMs } = this.profile.rates[kind];
    if (!Number.isFinite(everyMs)) return;
    this.scheduler.after(prng.exponential(everyMs), () => {
      if (!this.running) return;
      const undo = this.strike(kind, prng);
      if (undo !== undefined) {
        this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
        this.scheduler.after(prng.exponential(this.profile.rates[kind].lastsMs), () => {
          if (this.running) undo();
        });
      }
      this.next(kind, prng);
    });
  }

  /** Returns what ends it; undefined when there was nothing to strike. */
  private strike(kind: FaultKind, prng: Prng): (() => void) | undefined {
    const { cluster, trace } = this;
    const node = prng.pick(cluster.nodes);
    const other = prng.pick(cluster.nodes.filter((one) => one !== node));
    const [a, b] = [node.index, other.index];
    trace.note(a, kind, b);
    switch (kind) {
      case 'kill':
      case 'power cut':
        if (node.host === undefined) return undefined;
        this.atWorstMoment(node, prng, () => {
          cluster.crash(a, kind === 'power cut');
          this.scheduler.after(prng.exponential(this.profile.rates[kind].lastsMs), () => {
            if (this.running) cluster.start(a);
          });
        });
        return () => undefined;
      case 'stop':
        if (node.driver === undefined || node.paused) return undefined;
        cluster.stop(a, prng.between(100, 5000));
        return () => this.startWhenDown(node);
      case 'pause':
        if (node.host === undefined || node.paused) return undefined;
        cluster.pause(a);
        return () => cluster.resume(a);
      case 'silent cut':
        cluster.network.hold(a, b, true);
        cluster.network.hold(b, a, true);
        return () => this.mend(a, b);
      case 'one-way cut':
        cluster.network.hold(a, b, true);
        return () => this.mend(a, b);
      case 'reset cut':
        cluster.network.refuse(a, b, true);
        return () => this.mend(a, b);
      case 'isolation':
        return this.isolate(node, prng);
      case 'slow link':
        return this.slowLink(a, b, prng);
      case 'clock step':
        node.clock.set(node.clock.offset + prng.between(-1, 1) * this.profile.clockStepMs);
        return () => undefined;
      case 'slow disk':
        node.disk.slowness = prng.logUniform(2, 20);
        return () => {
          node.disk.slowness = 1;
        };
      case 'failing disk':
        node.disk.failing = prng.pick([0.3, 1, 1]);
        return () => {
          node.disk.failing = 0;
        };
      case 'failing reads':
        node.disk.failingReads = prng.pick([0.02, 0.3, 1]);
        return () => {
          node.disk.failingReads = 0;
        };
    }
  }

  /** More often than not in the middle of a write, which is where a crash tells. */
  private atWorstMoment(node: ClusterNode, prng: Prng, crash: () => void): void {
    const { host } = node;
    let patience = prng.chance(0.7) ? WAIT_FOR_WRITE_MS : 0;
    const look = (): void => {
      if (!this.running || node.host !== host) return;
      patience -= LOOK_EVERY_MS;
      if (patience > 0 && node.disk.isIdle) this.scheduler.after(LOOK_EVERY_MS, look);
      else crash();
    };
    look();
  }

  private isolate(node: ClusterNode, prng: Prng): () => void {
    const { network, nodes } = this.cluster;
    const others = nodes.filter((one) => one !== node);
    const silent = prng.chance(0.5);
    for (const { index } of others) {
      if (silent) {
        network.hold(node.index, index, true);
        network.hold(index, node.index, true);
      } else network.refuse(node.index, index, true);
    }
    return () => {
      for (const { index } of others) this.mend(node.index, index);
    };
  }

  private slowLink(a: number, b: number, prng: Prng): () => void {
    const { network } = this.cluster;
    const usual = network.usualProfile(a, b);
    const factor = prng.logUniform(2, 30);
    const delay = { ...usual.delay, least: usual.delay.least * factor, most: usual.delay.most * factor };
    network.setProfile(a, b, { delay, bandwidth: usual.bandwidth / factor });
    return () => network.resetProfile(a, b);
  }

  private mend(a: number, b: number): void {
    const { network } = this.cluster;
    network.refuse(a, b, false);
    network.hold(a, b, false);
    network.hold(b, a, false);
    network.resetProfile(a, b);
    network.resetProfile(b, a);
  }

  private restore(node: ClusterNode): void {
    this.cluster.resume(node.index);
    this.startWhenDown(node);
  }

  /** A process that is about to end is waited for. */
  private startWhenDown(node: ClusterNode): void {
    this.cluster.start(node.index);
    if (node.stopping) this.scheduler.after(100, () => this.startWhenDown(node));
  }

  private eachPair(visit: (a: ClusterNode, b: ClusterNode) => void): void {
    const { nodes } = this.cluster;
    for (const a of nodes) for (const b of nodes) if (a.index < b.index) visit(a, b);
  }
}
