/**
 * A whole cluster under virtual time, and the random run of one seed over it: form, work under faults, heal,
 * settle, read everything.
 *
 * One seed gives one history: nothing here looks at real time, real chance or the order of microtasks.
 */
import { DEFAULT_LIMITS, type Status } from '@causeway/replica';
import { AcknowledgedChecker } from './checkers/acknowledged.js';
import { CausalVisibilityChecker } from './checkers/causal-visibility.js';
import type { Checker } from './checkers/checker.js';
import { ChunksChecker } from './checkers/chunks.js';
import { ConvergenceChecker, haveConverged } from './checkers/convergence.js';
import { DurabilityChecker } from './checkers/durability.js';
import { evidenceIn } from './checkers/evidence.js';
import { RepairSpans } from './checkers/repair-spans.js';
import { StabilityChecker } from './checkers/stability.js';
import { StoredRecordsChecker } from './checkers/stored-records.js';
import { WatchesChecker } from './checkers/watches.js';
import { WholeTransactionsChecker } from './checkers/whole-transactions.js';
import { Client, type ClientParts } from './client.js';
import { Cluster, type ClusterNode } from './cluster.js';
import { nameOfRecord } from './damage.js';
import { type Engine, REAL_ENGINE } from './engine.js';
import type { Walls } from './expectation.js';
import { Faults } from './faults.js';
import { History } from './history.js';
import { Prng } from './prng.js';
import { drawProfile, type Profile, type ProfileOptions } from './profile.js';
import { readContents } from './rest.js';
import { Scheduler } from './scheduler.js';
import { ProtocolStates } from './states.js';
import { Trace } from './trace.js';
import { show, Violation } from './violation.js';
import { Watcher } from './watcher.js';
import { accountsOf, Workload } from './workload.js';

/** By name of what they check. */
export interface Checkers {
  readonly acknowledged: AcknowledgedChecker;
  readonly causalVisibility: CausalVisibilityChecker;
  readonly wholeTransactions: WholeTransactionsChecker;
  readonly chunks: ChunksChecker;
  readonly durability: DurabilityChecker;
  readonly convergence: ConvergenceChecker;
  readonly storedRecords: StoredRecordsChecker;
  readonly stability: StabilityChecker;
  readonly watches: WatchesChecker;
}

export type CheckerName = keyof Checkers;

export interface SimulationOptions extends ProfileOptions {
  readonly seed: number;
  readonly engine?: Engine;
  /** Changes what the seed has drawn. */
  readonly adjust?: (profile: Profile) => Profile;
  /** Plants a bug, or anything else that is to be different from the start. */
  readonly prepare?: (simulation: Simulation) => void;
  /** Only these judge; all when absent. */
  readonly checkers?: readonly CheckerName[];
  /** Ids of the only faults that strike; all that the seed has drawn when absent. */
  readonly faults?: ReadonlySet<number>;
  /** Events of the trace that are kept as text. */
  readonly traceLines?: number;
}

/** Virtual time that a healthy cluster has for forming, and for becoming equal after a heal. Milliseconds. */
const FORM_MS = 60_000;
const SETTLE_MS = 180_000;
/** In which two passes of the slowest scrub end. Virtual ms. */
const LOOK_THROUGH_MS = 900_000;
/** Virtual time in which evidence of removal goes once all have seen everything. Milliseconds. */
const EVIDENCE_MS = 60_000;
/** Virtual time that clients have for what they were kept from. Milliseconds. */
const MORE_CALLS_MS = 600_000;
const LOOK_EVERY_MS = 100;

export class Simulation {
  readonly scheduler = new Scheduler();
  readonly history = new History();
  readonly profile: Profile;
  readonly trace: Trace;
  readonly cluster: Cluster;
  readonly faults: Faults;
  readonly workload: Workload;
  readonly checkers: Checkers;
  readonly states = new ProtocolStates(() => this.cluster);
  private readonly all: readonly Checker[];
  private readonly repairs = new RepairSpans();
  private readonly engine: Engine;
  private readonly clientParts: ClientParts;

  constructor(options: SimulationOptions) {
    const prng = new Prng(`causeway ${options.seed}`);
    this.engine = options.engine ?? REAL_ENGINE;
    const drawn = drawProfile(prng.split('profile'), options);
    this.profile = options.adjust?.(drawn) ?? drawn;
    const { scheduler, history, profile } = this;
    this.trace = new Trace(scheduler, options.traceLines ?? 0);
    this.cluster = new Cluster({
      scheduler,
      prng: prng.split('cluster'),
      trace: this.trace,
      engine: this.engine,
      profile: profile.cluster,
      observer: {
        progressed: (node) => {
          const durable = this.cluster.durable(node.index);
          if (durable === undefined) return;
          this.repairs.progressed(node, durable, scheduler.now);
          for (const checker of this.all) checker.progressed?.(node, durable);
        },
        sent: (node, message, to) => {
          this.states.sent(node, message, to);
          for (const checker of this.all) checker.sent?.(node, message, to);
        },
        begunAnew: (node) => this.broken(node),
        landing: (node, landing) => {
          for (const checker of this.all) checker.landing?.(node, landing);
        },
      },
    });
    this.checkers = {
      acknowledged: new AcknowledgedChecker(history, this.walls()),
      causalVisibility: new CausalVisibilityChecker(),
      wholeTransactions: new WholeTransactionsChecker(accountsOf(profile.workload)),
      chunks: new ChunksChecker(),
      durability: new DurabilityChecker(),
      convergence: new ConvergenceChecker(this.walls()),
      storedRecords: new StoredRecordsChecker(),
      stability: new StabilityChecker(
        (node) => {
          const { logBytesMax = 0, logAgeMaxMs = 0 } = profile.cluster.nodes[node]?.limits ?? {};
          return logBytesMax < DEFAULT_LIMITS.logBytesMax || logAgeMaxMs < DEFAULT_LIMITS.logAgeMaxMs;
        },
        () => {
          history.clustersHaveMet = true;
          this.states.note('clusters that formed apart meet');
        },
      ),
      watches: new WatchesChecker(history),
    };
    const chosen = options.checkers ?? (Object.keys(this.checkers) as CheckerName[]);
    const known = (name: CheckerName): boolean =>
      !['chunks', 'storedRecords', 'stability', 'watches'].includes(name);
    this.all = chosen
      .filter((name) => !this.engine.hasOwnFormats || known(name))
      .map((name) => this.checkers[name]);
    this.clientParts = {
      cluster: this.cluster,
      scheduler,
      history,
      prng: prng.split('clients'),
      observer: {
        invoked: (call) => {
          for (const checker of this.all) checker.invoked?.(call);
        },
        answered: (call) => {
          const isBad = history.touchesTaint(call);
          const isRepairing = this.repairs.overlap(call.node, call.invokedAt, call.answeredAt);
          if (isRepairing) this.states.note('calls during a repair');
          for (const checker of this.all) {
            if (!(isRepairing || isBad) || !this.judgesWhatIsShown(checker)) checker.answered?.(call);
          }
        },
      },
    };
    const { clientsPerNode, retryShare } = profile.workload;
    const clients = this.cluster.nodes.flatMap(({ index }) =>
      Array.from({ length: clientsPerNode }, () => new Client(this.clientParts, index, retryShare)),
    );
    this.workload = new Workload(scheduler, prng.split('workload'), profile.workload, history, clients);
    this.faults = new Faults({
      scheduler,
      prng: prng.split('faults'),
      trace: this.trace,
      cluster: this.cluster,
      history,
      onBreak: (node) => this.broken(node),
      profile: profile.faults,
      durationMs: profile.durationMs,
      only: options.faults,
    });
    options.prepare?.(this);
  }

  private broken(node: ClusterNode): void {
    const replica = node.driver?.replica.id;
    if (replica === undefined) return;
    this.states.note('fault history of a directory broken');
    for (const checker of this.all) checker.broken?.(node, replica);
  }

  private judgesWhatIsShown(checker: Checker): boolean {
    const { causalVisibility, wholeTransactions } = this.checkers;
    return checker === causalVisibility || checker === wholeTransactions;
  }

  /** A client of a node, for what a test does by hand. It keeps trying what was lost. */
  client(node: number): Client {
    return new Client(this.clientParts, node, 1);
  }

  /** Starts the machines and what watches them. */
  start(): void {
    const { scheduler, cluster, profile, checkers } = this;
    for (const [index, node] of profile.cluster.nodes.entries())
      if (node.joinsAtMs === undefined) scheduler.at(node.startAtMs, () => cluster.start(index));
    if (!this.all.includes(checkers.watches)) return;
    for (const { index } of cluster.nodes) new Watcher(cluster, scheduler, checkers.watches, index).start();
  }

  /** Starts the machines; returns when all are ready. */
  form(): void {
    const { cluster } = this;
    this.start();
    const { nodes } = this.profile.cluster;
    const founders = cluster.nodes.filter(({ index }) => nodes[index]?.joinsAtMs === undefined);
    const ready = (): boolean => founders.every(({ index }) => isServing(cluster.status(index)));
    if (!this.soon(ready, FORM_MS)) {
      const reasons = founders.map(({ index }) => cluster.status(index)?.reasons);
      throw new Violation('becomes-ready', `after ${FORM_MS} ms not all are ready: ${show(reasons)}`);
    }
  }

  /** Clients and faults at work, for as long as the profile says. */
  work(): void {
    const { profile, workload, faults, history, scheduler, cluster } = this;
    workload.start();
    faults.start();
    for (const [index, { joinsAtMs }] of profile.cluster.nodes.entries())
      if (joinsAtMs !== undefined) scheduler.after(joinsAtMs, () => cluster.start(index));
    this.run(profile.durationMs);
    const isEnough = (): boolean => history.operations >= profile.operationsLeast;
    if (!isEnough()) this.soon(isEnough, MORE_CALLS_MS);
  }

  run(virtualMs: number): void {
    this.scheduler.runUntil(this.scheduler.now + virtualMs);
  }

  /** Ends all faults and all clients' work, waits until all replicas are equal, and judges them. */
  healAndSettle(): void {
    const { faults, workload, history } = this;
    faults.heal();
    workload.stop();
    this.lookThrough();
    const isDone = (): boolean => workload.unanswered === 0 && haveConverged(this.statuses());
    if (!this.soon(isDone, SETTLE_MS)) this.failToSettle();
    history.atRest = true;
    this.judgeAtRest();
    if (!this.all.includes(this.checkers.storedRecords)) return;
    if (!this.soon(() => this.evidence().length === 0, EVIDENCE_MS)) {
      throw new Violation(
        'evidence-goes',
        `${EVIDENCE_MS} ms after all is equal there is left ${show(this.evidence())}`,
      );
    }
    // Compaction changes nothing that anybody can see.
    if (!this.soon(() => haveConverged(this.statuses()), SETTLE_MS)) this.failToSettle();
    this.judgeAtRest();
  }

  /** What has gone bad in a store is found by looking through it, which an operator asks for. */
  private lookThrough(): void {
    if (!this.history.hasTaints) return;
    const passesOf = (index: number): number => this.cluster.status(index)?.scrub.passes ?? 0;
    const isUp = (): boolean => this.cluster.present().every(({ driver }) => driver !== undefined);
    this.soon(isUp, SETTLE_MS);
    const before = this.cluster.present().map(({ index }) => passesOf(index));
    for (const { host } of this.cluster.present()) host?.step({ type: 'scrub' });
    // One that is under way may be past what is bad.
    const areThrough = (): boolean =>
      this.cluster.present().every(({ index }, at) => passesOf(index) >= (before[at] as number) + 2);
    if (!this.soon(areThrough, LOOK_THROUGH_MS))
      throw new Violation(
        'convergence',
        `the stored records are not looked through: ${show(this.statuses())}`,
      );
  }

  private judgeAtRest(): void {
    const { cluster, scheduler, history } = this;
    const contents = cluster.present().map(({ index }) => {
      const client = this.client(index);
      client.connect();
      return readContents(cluster, scheduler, client, history.names());
    });
    for (const checker of this.all) checker.atRest?.(contents, history);
  }

  /** Removal evidence that is still stored, and chunks that the log keeps beyond its floor. */
  private evidence(): string[] {
    return this.cluster.present().flatMap(({ index, disk }) => {
      const floor = this.profile.cluster.nodes[index]?.limits.logFloorTransactions;
      // Of a record that went bad its own evidence may have gone first.
      const entries = disk.entries().filter(({ key }) => !this.history.isTainted(nameOfRecord(key) ?? ''));
      return evidenceIn(entries, floor ?? DEFAULT_LIMITS.logFloorTransactions).map(
        (what) => `n${index} ${what}`,
      );
    });
  }

  statuses() {
    return this.cluster.present().map(({ index }) => this.cluster.status(index));
  }

  /** Looks now and then rather than after every event: looking costs. */
  private soon(condition: () => boolean, limitMs: number): boolean {
    const end = this.scheduler.now + limitMs;
    while (this.scheduler.now < end) {
      this.run(LOOK_EVERY_MS);
      if (condition()) return true;
    }
    return false;
  }

  private failToSettle(): never {
    const { workload, history } = this;
    if (workload.unanswered > 0) {
      const open = history.calls.find(({ outcome }) => outcome === 'pending');
      const detail =
        open === undefined
          ? 'a repeated request'
          : `call ${open.id} at n${open.node}: ${show(open.operations)}`;
      throw new Violation('one-answer', `no answer after the heal, ${workload.unanswered} in all: ${detail}`);
    }
    throw new Violation('convergence', `not equal ${SETTLE_MS} ms after the heal: ${show(this.statuses())}`);
  }

  private walls(): Walls {
    const clock = (node: number) => this.cluster.node(node).clock;
    return {
      during: ({ node, invokedAt, answeredAt }) => clock(node).wallRange(invokedAt, answeredAt),
      latest: ({ node, answeredAt }) => {
        const own = clock(node).wallRange(0, answeredAt).most;
        const repairedAt = this.repairs.last(node, answeredAt);
        if (repairedAt === undefined) return own;
        return Math.max(own, ...this.cluster.nodes.map((other) => other.clock.wallRange(0, repairedAt).most));
      },
    };
  }
}

/** A cluster to be driven by hand. */
export function simulate(options: SimulationOptions): Simulation {
  return new Simulation(options);
}

/** A clock that is off keeps a node from register writes alone. */
function isServing(status: Status | undefined): boolean {
  return status?.reasons.every((reason) => reason === 'clock-skew') === true;
}
