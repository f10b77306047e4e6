/**
 * What goes wrong: the faults of a plan, struck at their times.
 *
 * Everything ends by itself or with `heal`; after that the machines run, the links are whole, the disks write
 * and the clocks agree. Each fault draws from a stream of its own, so that leaving one out moves no other.
 */
import type { Cluster, ClusterNode } from './cluster.js';
import { damageRecord } from './damage.js';
import { Departures } from './departures.js';
import { Directories } from './directories.js';
import { type FaultKind, type FaultProfile, type PlannedFault, planFaults } from './fault-plan.js';
import type { History } from './history.js';
import { Partitions } from './partitions.js';
import type { Prng } from './prng.js';
import type { Scheduler } from './scheduler.js';
import type { Trace } from './trace.js';

/** How long, and how finely, a crash waits for a write to be under way. Milliseconds. */
const WAIT_FOR_WRITE_MS = 500;
const LOOK_EVERY_MS = 0.5;
const CLOCK_JUMP_MS = 600_000;

/** What ends a fault; undefined when there was nothing to strike. */
type Undo = (() => void) | undefined;
const nothing = (): void => undefined;

export interface FaultsParts {
  readonly scheduler: Scheduler;
  readonly prng: Prng;
  readonly trace: Trace;
  readonly cluster: Cluster;
  readonly history: History;
  readonly onBreak: (node: ClusterNode) => void;
  readonly profile: FaultProfile;
  readonly durationMs: number;
  /** Ids of the only faults that strike; all when absent. */
  readonly only: ReadonlySet<number> | undefined;
}

export class Faults {
  readonly plan: readonly PlannedFault[];
  /** Those that found something to strike, in order. */
  readonly struck: PlannedFault[] = [];
  readonly counts = new Map<FaultKind, number>();
  private readonly partitions: Partitions;
  private readonly departures: Departures;
  private readonly directories: Directories;
  private running = false;

  constructor(private readonly parts: FaultsParts) {
    const { prng, profile, cluster, durationMs, scheduler } = parts;
    this.plan = planFaults(prng, profile, cluster.nodes.length, durationMs);
    this.partitions = new Partitions(cluster, scheduler);
    this.departures = new Departures(cluster, scheduler, parts.history);
    this.directories = new Directories(cluster, parts.history, this.departures, parts.onBreak);
  }

  start(): void {
    const { scheduler, prng, only } = this.parts;
    this.running = true;
    for (const fault of this.plan) {
      if (only?.has(fault.id) === false) continue;
      scheduler.after(fault.at, () => this.begin(fault, prng.split(`fault ${fault.id}`)));
    }
  }

  /** No more faults, and none left. */
  heal(): void {
    const { cluster, trace, prng } = this.parts;
    this.running = false;
    trace.note(-1, 'heal');
    // Right means as far as any clock has ever been: what has expired somewhere has then expired everywhere.
    const offset = Math.max(...cluster.nodes.map(({ clock }) => clock.offsetMost));
    const skews = prng.split('heal');
    for (const node of cluster.nodes) {
      node.disk.heal();
      node.clock.set(offset + skews.between(0, 20));
      cluster.resume(node.index);
      this.startWhenDown(node);
    }
    this.partitions.heal();
    this.departures.settle();
  }

  private begin(fault: PlannedFault, prng: Prng): void {
    if (!this.running) return;
    const { trace, scheduler } = this.parts;
    trace.note(fault.node, fault.kind, fault.other);
    const undo = this.strike(fault, prng);
    if (undo === undefined) return;
    this.struck.push(fault);
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    scheduler.after(fault.lastsMs, () => {
      if (!this.running) return;
      trace.note(fault.node, 'end of', fault.kind);
      undo();
    });
  }

  private strike({ kind, node: a, other: b, lastsMs }: PlannedFault, prng: Prng): Undo {
    const { cluster, profile } = this.parts;
    const { partitions } = this;
    const node = cluster.node(a);
    switch (kind) {
      case 'kill':
      case 'power cut':
        return this.crash(node, kind === 'power cut', lastsMs, prng);
      case 'stop':
        if (node.driver === undefined || node.paused) return undefined;
        cluster.stop(a, prng.between(100, 5000));
        return () => this.startWhenDown(node);
      case 'pause':
      case 'long pause':
        if (node.host === undefined || node.paused) return undefined;
        cluster.pause(a);
        return () => cluster.resume(a);
      case 'silent cut':
        return partitions.cut([[a, b]], 'silent');
      case 'one-way cut':
        return partitions.cut([[a, b]], 'one-way');
      case 'reset cut':
        return partitions.cut([[a, b]], 'reset');
      case 'isolation':
        return partitions.isolate(a, prng.pick(['silent', 'reset']));
      case 'partition':
        return partitions.split(prng);
      case 'bridge':
        return partitions.bridge(a, b, prng);
      case 'flapping':
        return partitions.flap(a, b, prng);
      case 'lost connection':
        cluster.network.reset(a, b);
        return nothing;
      case 'slow link':
        return partitions.slow(a, b, prng);
      case 'clock step':
        node.clock.set(node.clock.offset + prng.between(-1, 1) * profile.clockStepMs);
        return nothing;
      case 'clock jump':
        return jump(node, prng);
      case 'backup put back':
        return this.directories.backUp(node);
      case 'directory copied':
        return this.directories.copy(node, cluster.node(b));
      case 'directory deleted':
        return this.directories.remove(node);
      case 'bit flipped':
      case 'record lost':
        return damageRecord(
          node,
          cluster.present().filter((other) => other !== node),
          kind === 'record lost',
          this.parts.history,
          prng,
        )
          ? nothing
          : undefined;
      case 'leave':
        return this.departures.leave(node);
      case 'removal':
        return this.departures.remove(node, prng.chance(0.6));
      default:
        return harmDisk(node, kind, prng);
    }
  }

  /** More often than not in the middle of a write, which is where a crash tells. */
  private crash(node: ClusterNode, power: boolean, downMs: number, prng: Prng): Undo {
    const { scheduler, cluster } = this.parts;
    const { host } = node;
    if (host === undefined) return undefined;
    let patience = prng.chance(0.7) ? WAIT_FOR_WRITE_MS : 0;
    const look = (): void => {
      if (!this.running || node.host !== host) return;
      patience -= LOOK_EVERY_MS;
      if (patience > 0 && node.disk.isIdle) {
        scheduler.after(LOOK_EVERY_MS, look);
        return;
      }
      cluster.crash(node.index, power);
      scheduler.after(downMs, () => {
        if (this.running) cluster.start(node.index);
      });
    };
    look();
    return nothing;
  }

  /** A process that is about to end is waited for. */
  private startWhenDown(node: ClusterNode): void {
    const { scheduler, cluster } = this.parts;
    if (node.starts === 0 && this.running) return;
    cluster.start(node.index);
    if (node.stopping) scheduler.after(100, () => this.startWhenDown(node));
  }
}

/** Ten minutes, most often, and back again. */
function jump({ clock }: ClusterNode, prng: Prng): Undo {
  const by = prng.chance(0.7) ? CLOCK_JUMP_MS : prng.logUniform(1000, 10 * CLOCK_JUMP_MS);
  const before = clock.offset;
  clock.set(before + (prng.chance(0.6) ? by : -by));
  return () => clock.set(before + prng.between(-50, 50));
}

function harmDisk({ disk }: ClusterNode, kind: FaultKind, prng: Prng): Undo {
  switch (kind) {
    case 'slow disk':
      disk.slowness = prng.logUniform(2, 20);
      return () => {
        disk.slowness = 1;
      };
    case 'failing disk':
      disk.failing = prng.pick([0.3, 1, 1]);
      return () => {
        disk.failing = 0;
      };
    case 'full disk':
      disk.fill(prng.logUniform(1, 20_000));
      return () => disk.fill(Number.POSITIVE_INFINITY);
    case 'failing reads':
      disk.failingReads = prng.pick([0.02, 0.3, 1]);
      return () => {
        disk.failingReads = 0;
      };
    default:
      return undefined;
  }
}
