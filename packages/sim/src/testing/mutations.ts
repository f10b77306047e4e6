/**
 * Deliberate bugs in the real engine, one at a time: each shows that the simulator would find it. They replace
 * methods from here, so that production code has no switch for any of them.
 *
 * A mutation that no longer finds its method fails its test: it has to follow the engine.
 */
import {
  type CounterEntry,
  compareDots,
  compareReadings,
  type Dot,
  joinCounter,
  joinVersionVectors,
  meetVersionVectors,
  type VersionVector,
} from '@causeway/crdt';
import type { Chunk, RecordDelta } from '@causeway/protocol';
import { type Batch, Driver, type Event, type Host } from '@causeway/replica';
import {
  ChunkApplier,
  Intake,
  KIND,
  kindRange,
  type MemberState,
  Members,
  Rejoin,
  RepairReceiver,
  RepairSource,
  Store,
  Transaction,
  View,
} from '@causeway/replica/parts';
import type { VirtualHost } from '../host.js';
import type { Profile } from '../profile.js';
import type { SeedOptions } from '../report.js';
import { patch, patches } from './patch.js';

export interface Mutation {
  readonly name: string;
  /** Returns what mends it. */
  readonly plant: () => () => void;
  /** A seed that finds it, and the property that is violated there. */
  readonly seed: number;
  readonly property: string;
  readonly options?: SeedOptions;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'acknowledge before the write is durable',
    plant: () =>
      patch(
        Store,
        'sendWhenDurable',
        () =>
          function (send) {
            this.outbox.push(send);
          },
      ),
    seed: 2,
    property: 'acknowledged-writes',
  },
  {
    name: 'reuse a dot after a crash',
    // The replica record is a commit behind what the commit holds.
    plant: () =>
      patch(
        Store,
        'replicaRecord',
        (original) =>
          function () {
            const own = this.executed.get(this.self);
            const durable = this.durable.get(this.self);
            if (durable !== undefined) this.executed.set(this.self, durable);
            const record = original.call(this);
            if (own !== undefined) this.executed.set(this.self, own);
            return record;
          },
      ),
    seed: 3,
    property: 'durability',
  },
  {
    name: 'skip the causal wait',
    plant: skipCausalWait,
    seed: 1,
    property: 'causal-delivery',
  },
  {
    name: 'skip the causal wait, judged by what clients see',
    plant: skipCausalWait,
    options: { checkers: ['causalVisibility'] },
    seed: 113,
    property: 'causal-visibility',
  },
  {
    name: 'compact a tombstone early',
    plant: () =>
      patch(
        Members,
        'stable',
        () =>
          function (): VersionVector {
            return new Map(this.store.durable);
          },
      ),
    seed: 1,
    property: 'stability',
  },
  {
    name: 'compact a tombstone early, judged by what clients see',
    plant: () =>
      patch(
        Members,
        'stable',
        () =>
          function (): VersionVector {
            return new Map(this.store.durable);
          },
      ),
    options: { checkers: ['acknowledged', 'convergence'] },
    seed: 1,
    property: 'acknowledged-writes',
  },
  {
    name: 'count a report that is not covered',
    plant: () =>
      patch(
        Members,
        'stable',
        () =>
          function (): VersionVector {
            return this.held();
          },
      ),
    seed: 1,
    property: 'stability',
  },
  {
    name: 'let a joiner not count for stability',
    plant: () =>
      patches(
        patch(Members, 'stable', () => withoutJoiners(({ covered }) => covered.versionVector)),
        patch(Members, 'held', () => withoutJoiners(({ latest }) => latest.versionVector)),
      ),
    seed: 1,
    property: 'stability',
  },
  {
    name: 'increment an entry that has a baseline',
    plant: () =>
      patch(
        Transaction,
        'counter',
        (original) =>
          function (slot) {
            const draft = original.call(this, slot);
            draft.increment = incrementAny;
            return draft;
          },
      ),
    seed: 6,
    property: 'acknowledged-writes',
  },
  {
    name: 'keep using a store after a failed write',
    plant: () => patch(Driver, 'write', () => writeWithoutReopen),
    seed: 1,
    property: 'stability',
  },
  {
    name: 'drop a chunk at a reconnect',
    plant: () =>
      patch(
        Intake,
        'subscribe',
        (original) =>
          function (inflow, source) {
            if (inflow.source === undefined && inflow.received > 0) inflow.received++;
            return original.call(this, inflow, source);
          },
      ),
    seed: 1,
    property: 'acknowledged-writes',
  },
  {
    name: 'wrong tie-break',
    // Of two writes with equal clocks the one that arrives later wins.
    plant: () =>
      patch(
        ChunkApplier,
        'register',
        (original) =>
          function (chunk, dot, record, slot, now) {
            const before = slot.register;
            if (before !== undefined && compareReadings(before.stamp, record.stamp) === 0) {
              this.store.touch(slot);
              slot.register = undefined;
            }
            return original.call(this, chunk, dot, record, slot, now);
          },
      ),
    options: { adjust: tied },
    seed: 55,
    property: 'acknowledged-writes',
  },
  {
    name: 'reset that eats concurrent increments',
    plant: () =>
      patch(
        ChunkApplier,
        'transaction',
        (original) =>
          function (chunk: Chunk, dot: Dot, records: readonly RecordDelta[], slots, now) {
            let at = 0;
            const eating = records.map((record) => {
              const slot = slots[at];
              at += record.type === 'element' ? 2 : 1;
              if (record.type !== 'reset') return record;
              const all = slot.counter.entries.map((entry: CounterEntry) => ({
                dot: entry.dot,
                bp: entry.p,
                bn: entry.n,
              }));
              return { ...record, entries: all };
            });
            return original.call(this, chunk, dot, eating, slots, now);
          },
      ),
    seed: 5,
    property: 'acknowledged-writes',
  },
  {
    name: 'a remove wins over a concurrent add',
    plant: () =>
      patch(
        ChunkApplier,
        'element',
        (original) =>
          function (chunk, dot, record, slot, set, now) {
            if (record.removed.length === 0) return original.call(this, chunk, dot, record, slot, set, now);
            const removed = new Map<string, Dot>();
            for (const one of [...record.removed, ...slot.state.adds] as Dot[]) {
              if (one.seq > (removed.get(one.replica)?.seq ?? 0)) removed.set(one.replica, one);
            }
            const all = [...removed.values()].sort(compareDots);
            return original.call(this, chunk, dot, { ...record, removed: all }, slot, set, now);
          },
      ),
    seed: 4,
    property: 'acknowledged-writes',
  },
  {
    name: 'a chunk is applied without its last transaction',
    plant: () =>
      patch(
        ChunkApplier,
        'apply',
        (original) =>
          function (chunk: Chunk, slots, after, now) {
            const { transactions } = chunk;
            const some = transactions.length > 1 ? transactions.slice(0, -1) : transactions;
            return original.call(this, { ...chunk, transactions: some }, slots, after, now);
          },
      ),
    seed: 2,
    property: 'acknowledged-writes',
  },
  {
    name: 'advance the version vector before the repair ends',
    plant: () =>
      patch(
        RepairReceiver,
        'takeView',
        (original) =>
          function (view) {
            original.call(this, view);
            if (!this.isMoving || this.hasEnded) return;
            const starts = [...view.versionVector].map(([origin, seq], index) => {
              return [origin, { seq, start: view.starts[index] }] as const;
            });
            this.parts.store.raiseCeiling(this.theirBound);
            this.parts.store.moveTo(new Map(starts));
            this.parts.movedTo();
          },
      ),
    seed: 23,
    property: 'acknowledged-writes',
  },
  {
    name: 'leave pending removal evidence out of a repair',
    plant: () =>
      patch(
        RepairSource,
        'readEvidence',
        () =>
          function () {
            this.evidenceFrom = undefined;
            this.send({ type: 'repair-mark', session: this.id, what: 'evidence' });
            if (this.open.mode === 'bootstrap') this.walkAll();
            this.pump();
          },
      ),
    seed: 36,
    property: 'acknowledged-writes',
  },
  {
    name: 'serve a repair from moving state',
    // The pages of a view are those of the moment at which they are read, and what the receiver then says to have is
    // what the source had at the end.
    plant: () =>
      patches(
        patch(
          View,
          'scan',
          () =>
            function (range, entriesMax, bytesMax, then) {
              const answer = (entries: unknown): void => {
                if (this.isOpen) then(entries);
              };
              if (this.isOpen) this.reads.scan(range, entriesMax, bytesMax, answer);
            },
        ),
        patch(
          View,
          'load',
          () =>
            function (keys, then) {
              const answer = (values: unknown): void => {
                if (this.isOpen) then(values);
              };
              if (this.isOpen) this.reads.values(keys, answer);
            },
        ),
        patch(
          RepairReceiver,
          'finish',
          (original) =>
            function () {
              if (this.isMoving) {
                const { theirs } = this;
                const started = new Map(
                  [...theirs.versionVector.keys()].map((origin, at) => [origin, theirs.starts[at]]),
                );
                const versionVector = joinVersionVectors(theirs.versionVector, this.link.report());
                const starts = [...versionVector.keys()].map((origin) => started.get(origin) ?? 0);
                this.theirs = { ...theirs, versionVector, starts };
                this.theirBound = joinVersionVectors(this.theirBound, versionVector);
              }
              return original.call(this);
            },
        ),
      ),
    options: { checkers: ['acknowledged', 'causalVisibility', 'convergence'] },
    seed: 196,
    property: 'causal-visibility',
  },
  {
    name: 'merge two-way after amnesia',
    // Who begins anew keeps what it had.
    plant: () =>
      patch(
        Rejoin,
        'ready',
        (original) =>
          function (...args) {
            const ready = original.apply(this, args);
            if (ready === undefined) return undefined;
            const kinds = [KIND.register, KIND.set, KIND.element, KIND.counter, KIND.garbage, KIND.expiry];
            const kept = kinds.map((kind) => ({ ...kindRange(kind), kind }));
            return { ...ready, copies: [...ready.copies, ...kept] };
          },
      ),
    options: { adjust: rollingBack, checkers: ['acknowledged', 'convergence'] },
    seed: 5,
    property: 'acknowledged-writes',
  },
];

/** Backups are put back all the time. */
function rollingBack(profile: Profile): Profile {
  const often = { everyMs: profile.durationMs / 4, lastsMs: profile.durationMs / 5 };
  const rates = { ...profile.faults.rates, 'backup put back': often };
  return { ...profile, faults: { ...profile.faults, rates } };
}

/** One clock ahead, which the others follow: so their stamps are often equal. And nobody looks whether all are equal. */
function tied(profile: Profile): Profile {
  const nodes = profile.cluster.nodes.map((node, index) => ({
    ...node,
    clockOffsetMs: index === 0 ? 400 : index,
    limits: { ...node.limits, compareIntervalMs: 1e9 },
  }));
  return { ...profile, cluster: { ...profile.cluster, nodes } };
}

function skipCausalWait(): () => void {
  return patch(Intake, 'covers', () => () => true);
}

/** Who has not reported a write of its own yet does not count. */
function withoutJoiners(of: (state: Pick<MemberState, 'covered' | 'latest'>) => VersionVector) {
  // biome-ignore lint/suspicious/noExplicitAny: `this` is a Members
  return function (this: any): VersionVector {
    if (this.states.size === 0) return new Map();
    const reports = [...this.states.values()].map(of).filter((report) => report.size > 1);
    return meetVersionVectors([this.store.durable, ...reports]);
  };
}

/** What stands in for a counter draft's increment: the newest own entry takes it, with or without a baseline. */
function incrementAny(
  this: { view: { entries: readonly CounterEntry[] }; increments: CounterEntry[] },
  dot: Dot,
  by: number,
): void {
  const newest = this.view.entries.findLast((entry) => entry.dot.replica === dot.replica);
  const before = newest ?? { dot, p: 0n, n: 0n, bp: 0n, bn: 0n };
  const entry = by < 0 ? { ...before, n: before.n - BigInt(by) } : { ...before, p: before.p + BigInt(by) };
  this.view = joinCounter(this.view, [entry]);
  this.increments = [...this.increments.filter((other) => other.dot.seq !== entry.dot.seq), entry];
}

/** What stands in for the driver's write: the failed handle stays in use. */
function writeWithoutReopen(
  this: {
    writing: boolean;
    stopped: boolean;
    host: Host & Pick<VirtualHost, 'stored'>;
    replica: { advance(now: unknown, handedOutAt: number): void };
    pump(): void;
    step(event: Event): void;
  },
  batch: Batch,
): void {
  const { host } = this;
  this.writing = true;
  const handedOutAt = host.now().monotonic;
  host.write(batch).then(
    () => {
      if (this.stopped) return;
      this.writing = false;
      this.replica.advance(host.now(), handedOutAt);
      this.pump();
    },
    (error: unknown) => {
      this.step({ type: 'write-failed', error });
      this.writing = false;
      this.step({ type: 'store-reopened', records: host.stored() });
    },
  );
}
