/**
 * Random histories of two to five replicas, on which every type is checked against its definition.
 *
 * The model
 * - Causal delivery: a replica applies an origin's writes in order, each after what its origin had seen
 *   (`seen`). Every write gets a dot; version vectors are contiguous.
 * - A replica may also join another's whole state, at once or from a frozen view that arrives late; it
 *   does not compact while such a session is open.
 * - Stability is told truthfully: a dot is stable at a replica when every replica has given a report that
 *   covers it, and the replica's own version vector covers that whole report. The oldest report that is
 *   not covered yet is kept.
 * - Wall clocks differ by fixed skews, and never run back.
 * - Each history leaves out some kinds of step altogether: with all of them in each, delivery is so even
 *   that late states and late reports hardly occur (Groce et al.: Swarm Testing, ISSTA 2012).
 *
 * What is checked after every step, at the replica that moved: its value is what the type's definition
 * says of the writes it has applied; value and digest are those of a shadow that joins the same deltas and
 * never compacts. At the end all writes are delivered: replicas agree, and nothing dead is left over.
 */
import fc from 'fast-check';
import { unreachable } from '../assert.js';
import { type Dot, type ReplicaId, replicaId } from '../dot.js';
import { HybridClock } from '../hlc.js';
import {
  covers,
  dominates,
  equalVersionVectors,
  joinVersionVectors,
  meetVersionVectors,
  seqOf,
  type VersionVector,
} from '../version-vector.js';
import { checkDigestsTellApart, checkJoinLaws, type Lattice, same } from './laws.js';

/** What a replica knows when it acts. */
export interface Here {
  readonly wallMs: number;
  readonly clock: HybridClock;
}

export interface Write<Op, State> {
  readonly dot: Dot;
  /** The origin's version vector just before. */
  readonly seen: VersionVector;
  readonly op: Op;
  readonly delta: State;
}

/** A type under test. A delta is a state: the smallest that carries the write. */
export interface Subject<Op, State> extends Lattice<State> {
  readonly op: fc.Arbitrary<Op>;
  readonly empty: State;
  /** The write's delta; undefined when it has no effect and takes no dot. */
  readonly mutate: (state: State, op: Op, dot: Dot, seen: VersionVector, here: Here) => State | undefined;
  /** Lets the local clock see the stamps of what arrives. */
  readonly observe?: (arriving: State, here: Here) => void;
  readonly compact: (state: State, isStable: (dot: Dot) => boolean, here: Here) => State;
  /** What a reader sees, as canonical text. */
  readonly value: (state: State, wallMs: number) => string;
  /** The live records, as canonical text. */
  readonly live: (state: State, wallMs: number) => string;
  readonly digest: (state: State, wallMs: number) => string;
  /** What a reader should see after these writes, by the definition of the type. */
  readonly defined: (writes: readonly Write<Op, State>[], wallMs: number) => string;
  /** How much is left that only removed things need. 0 once everything is stable everywhere. */
  readonly residue: (state: State, wallMs: number) => number;
}

export type Step<Op> =
  | { readonly type: 'write'; readonly at: number; readonly op: Op }
  | { readonly type: 'deliver'; readonly at: number; readonly origin: number; readonly count: number }
  | { readonly type: 'redeliver'; readonly at: number; readonly origin: number; readonly seq: number }
  | { readonly type: 'merge'; readonly at: number; readonly from: number }
  | { readonly type: 'open-session'; readonly at: number; readonly from: number }
  | { readonly type: 'close-session'; readonly at: number }
  | { readonly type: 'report'; readonly at: number; readonly from: number }
  | { readonly type: 'gossip' }
  | { readonly type: 'sync' }
  | { readonly type: 'compact'; readonly at: number; readonly asks: boolean }
  | { readonly type: 'wait'; readonly ms: number };

export interface History<Op> {
  readonly skewsMs: readonly number[];
  /** Without compaction a duplicate needs no version vector to be harmless, and states stay equal. */
  readonly compacting: boolean;
  /** Kinds of step that are left out, so that histories differ widely (swarm testing). */
  readonly without: readonly string[];
  /** In which order all deltas are joined once more at the end, with repetitions. */
  readonly order: readonly number[];
  readonly steps: readonly Step<Op>[];
}

export function historyOf<Op>(op: fc.Arbitrary<Op>, stepCountMax: number): fc.Arbitrary<History<Op>> {
  const at = fc.nat(4);
  const step: fc.Arbitrary<Step<Op>> = fc.oneof(
    { weight: 10, arbitrary: fc.record({ type: fc.constant('write' as const), at, op }) },
    {
      weight: 12,
      arbitrary: fc.record({
        type: fc.constant('deliver' as const),
        at,
        origin: at,
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant('redeliver' as const), at, origin: at, seq: fc.nat(9) }),
    },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('merge' as const), at, from: at }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('open-session' as const), at, from: at }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('close-session' as const), at }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('report' as const), at, from: at }) },
    { weight: 2, arbitrary: fc.constant({ type: 'gossip' as const }) },
    { weight: 2, arbitrary: fc.constant({ type: 'sync' as const }) },
    {
      weight: 9,
      arbitrary: fc.record({ type: fc.constant('compact' as const), at, asks: fc.boolean() }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('wait' as const),
        ms: fc.constantFrom(1, 10, 1_000, 60_000),
      }),
    },
  );
  return fc.record({
    skewsMs: fc
      .tuple(
        fc.constantFrom(2, 2, 3, 3, 4, 5),
        fc.array(fc.constantFrom(0, 0, 3, -400, 20_000), { minLength: 5, maxLength: 5 }),
      )
      .map(([count, skewsMs]) => skewsMs.slice(0, count)),
    compacting: fc.constantFrom(true, true, true, false),
    without: fc.subarray(['deliver', 'merge', 'open-session', 'report', 'gossip', 'sync', 'wait']),
    order: fc.array(fc.nat(99), { minLength: 1, maxLength: 8 }),
    steps: fc.oneof(
      { weight: 1, arbitrary: fc.array(step, { maxLength: stepCountMax, size: 'max' }) },
      { weight: 3, arbitrary: fc.array(step, { minLength: 30, maxLength: stepCountMax, size: 'max' }) },
    ),
  });
}

interface Member<State> {
  readonly id: ReplicaId;
  readonly skewMs: number;
  readonly clock: HybridClock;
  vector: Map<ReplicaId, number>;
  state: State;
  /** Joins the same deltas, never compacts. */
  shadow: State;
  /** By member: the last of its reports that the own vector covers, and the oldest that it does not. */
  readonly covered: Map<ReplicaId, VersionVector>;
  readonly waiting: Map<ReplicaId, VersionVector>;
  session: { readonly state: State; readonly vector: VersionVector } | undefined;
}

/**
 * Plays one history and throws when a property of the type does not hold on it: besides what is checked
 * at each step, the join laws on states that occurred, that digests tell these states apart, and that the
 * deltas, joined in any order with repetitions, give one state.
 */
export function checkHistory<Op, State>(subject: Subject<Op, State>, history: History<Op>): void {
  const cluster = new Cluster(subject, history);
  for (const step of history.steps) {
    if (!history.without.includes(step.type)) cluster.play(step);
  }
  cluster.settle();
  const deltas = cluster.deltas();
  const inOrder = deltas.reduce(subject.join, subject.empty);
  const outOfOrder = shuffled(deltas, history.order).reduce(subject.join, subject.empty);
  same(subject.show(outOfOrder), subject.show(inOrder), 'the order of deltas does not matter');

  const states = cluster.seen;
  const count = states.length;
  for (let i = 0; i < Math.min(count, 12); i++) {
    const pick = (n: number) => states[(i * n + n) % count]!;
    checkJoinLaws(subject, pick(1), pick(7), pick(13));
  }
  checkDigestsTellApart(
    states,
    (state) => subject.live(state, START_MS),
    (state) => subject.digest(state, START_MS),
  );
}

const START_MS = 1_700_000_000_000;

class Cluster<Op, State> {
  readonly seen: State[] = [];
  readonly #subject: Subject<Op, State>;
  readonly #compacting: boolean;
  readonly #members: Member<State>[];
  readonly #log = new Map<ReplicaId, Write<Op, State>[]>();
  #wallMs = START_MS;

  constructor(subject: Subject<Op, State>, history: History<Op>) {
    this.#subject = subject;
    this.#compacting = history.compacting;
    this.#members = history.skewsMs.map((skewMs, i) => {
      const id = replicaId(`${'bdace'[i]!}.0000000${i}`);
      this.#log.set(id, []);
      return {
        id,
        skewMs,
        clock: new HybridClock(id),
        vector: new Map(),
        state: subject.empty,
        shadow: subject.empty,
        covered: new Map(),
        waiting: new Map(),
        session: undefined,
      };
    });
    this.seen.push(subject.empty);
  }

  play(step: Step<Op>): void {
    switch (step.type) {
      case 'write':
        this.#write(this.#member(step.at), step.op);
        break;
      case 'deliver':
        for (let i = 0; i < step.count; i++) this.#deliver(this.#member(step.at), this.#member(step.origin));
        break;
      case 'redeliver':
        this.#redeliver(this.#member(step.at), this.#member(step.origin), step.seq);
        break;
      case 'merge':
        this.#merge(this.#member(step.at), this.#member(step.from));
        break;
      case 'open-session':
        this.#openSession(this.#member(step.at), this.#member(step.from));
        break;
      case 'close-session':
        this.#closeSession(this.#member(step.at));
        break;
      case 'report':
        this.#report(this.#member(step.at), this.#member(step.from));
        break;
      case 'gossip':
        this.#gossip();
        break;
      case 'sync':
        for (const member of this.#members) this.#deliverAll(member);
        this.#gossip();
        break;
      case 'compact':
        // Reports straight from everyone, but no writes: late writes meet early reports.
        if (step.asks) for (const from of this.#members) this.#report(this.#member(step.at), from);
        this.#compact(this.#member(step.at));
        break;
      case 'wait':
        this.#wallMs += step.ms;
        break;
      default:
        unreachable(step);
    }
  }

  deltas(): State[] {
    return [...this.#log.values()].flat().map((write) => write.delta);
  }

  /** Delivers everything, tells everyone, compacts: replicas agree and hold nothing dead. */
  settle(): void {
    for (const member of this.#members) member.session = undefined;
    for (const member of this.#members) this.#deliverAll(member);
    // Beyond every skew and every expiry: until then replicas may differ by what some clocks let expire,
    // and tombstones wait for clocks.
    this.#wallMs += 10_000_000;
    const [first, ...others] = this.#members;
    const wallMs = this.#wallMs;
    for (const other of others) {
      same(String(equalVersionVectors(other.vector, first!.vector)), 'true', 'all writes are delivered');
      same(this.#subject.live(other.state, wallMs), this.#subject.live(first!.state, wallMs), 'convergence');
      same(
        this.#subject.digest(other.state, wallMs),
        this.#subject.digest(first!.state, wallMs),
        'one digest',
      );
    }
    this.#gossip();
    for (const member of this.#members) {
      member.clock.tick(this.#wallMs);
      this.#check(member);
      if (!this.#compacting) continue;
      this.#compact(member);
      same(String(this.#subject.residue(member.state, this.#wallMs)), '0', 'nothing dead is left');
    }
  }

  #deliverAll(member: Member<State>): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const origin of this.#members) while (this.#deliver(member, origin)) moved = true;
    }
  }

  #write(member: Member<State>, op: Op): void {
    const dot = { replica: member.id, seq: seqOf(member.vector, member.id) + 1 };
    const seen = new Map(member.vector);
    const delta = this.#subject.mutate(member.state, op, dot, seen, this.#here(member));
    if (delta === undefined) return;
    this.#log.get(member.id)!.push({ dot, seen, op, delta });
    this.#apply(member, dot, delta);
  }

  #deliver(member: Member<State>, origin: Member<State>): boolean {
    const next = this.#log.get(origin.id)![seqOf(member.vector, origin.id)];
    if (next === undefined || !dominates(member.vector, next.seen)) return false;
    this.#apply(member, next.dot, next.delta);
    return true;
  }

  #apply(member: Member<State>, dot: Dot, delta: State): void {
    this.#subject.observe?.(delta, this.#here(member));
    member.state = this.#subject.join(member.state, delta);
    member.shadow = this.#subject.join(member.shadow, delta);
    member.vector.set(dot.replica, dot.seq);
    this.#moved(member);
    this.seen.push(delta);
  }

  /** A duplicate. The version vector drops it, and must once something has been compacted. */
  #redeliver(member: Member<State>, origin: Member<State>, seq: number): void {
    const write = this.#log.get(origin.id)![seq];
    if (this.#compacting || write === undefined || !covers(member.vector, write.dot)) return;
    member.state = this.#subject.join(member.state, write.delta);
    this.#check(member);
  }

  #merge(member: Member<State>, from: { readonly state: State; readonly vector: VersionVector }): void {
    this.#subject.observe?.(from.state, this.#here(member));
    member.state = this.#subject.join(member.state, from.state);
    member.vector = joinVersionVectors(member.vector, from.vector);
    member.shadow = this.#subject.empty;
    for (const write of this.#applied(member)) {
      member.shadow = this.#subject.join(member.shadow, write.delta);
    }
    this.#moved(member);
  }

  /** A frozen view of `from`, in one step. */
  #openSession(member: Member<State>, from: Member<State>): void {
    member.session = { state: from.state, vector: new Map(from.vector) };
  }

  #closeSession(member: Member<State>): void {
    const view = member.session;
    member.session = undefined;
    if (view !== undefined) this.#merge(member, view);
  }

  #gossip(): void {
    for (const member of this.#members) for (const from of this.#members) this.#report(member, from);
  }

  #report(member: Member<State>, from: Member<State>): void {
    const report = new Map(from.vector);
    if (dominates(member.vector, report)) {
      member.covered.set(from.id, joinVersionVectors(member.covered.get(from.id) ?? new Map(), report));
    } else if (!member.waiting.has(from.id)) {
      member.waiting.set(from.id, report);
    }
  }

  #moved(member: Member<State>): void {
    for (const [from, report] of member.waiting) {
      if (!dominates(member.vector, report)) continue;
      member.waiting.delete(from);
      member.covered.set(from, joinVersionVectors(member.covered.get(from) ?? new Map(), report));
    }
    this.seen.push(member.state);
    this.#check(member);
  }

  #compact(member: Member<State>): void {
    if (!this.#compacting || member.session !== undefined) return;
    const reports = this.#members.map(({ id }) => member.covered.get(id) ?? new Map());
    const stable = meetVersionVectors(reports);
    const isStable = (dot: Dot) => covers(stable, dot);
    member.state = this.#subject.compact(member.state, isStable, this.#here(member));
    this.seen.push(member.state);
    this.#check(member);
  }

  #check(member: Member<State>): void {
    const { value, digest, show, defined } = this.#subject;
    const { wallMs } = this.#here(member);
    same(value(member.state, wallMs), defined(this.#applied(member), wallMs), 'the value is as defined');
    same(digest(member.state, wallMs), digest(member.shadow, wallMs), 'compaction leaves the digest');
    if (!this.#compacting) same(show(member.state), show(member.shadow), 'states and deltas give the same');
  }

  /** The writes that the member has applied, origin by origin. */
  #applied(member: Member<State>): Write<Op, State>[] {
    return this.#members.flatMap(({ id }) => this.#log.get(id)!.slice(0, seqOf(member.vector, id)));
  }

  #member(index: number): Member<State> {
    return this.#members[index % this.#members.length]!;
  }

  #here(member: Member<State>): Here {
    return { wallMs: this.#wallMs + member.skewMs, clock: member.clock };
  }
}

/** Whether `later` was written after its replica had applied `earlier`. */
export function happenedBefore(
  earlier: { readonly dot: Dot },
  later: { readonly seen: VersionVector },
): boolean {
  return covers(later.seen, earlier.dot);
}

/** The items in an order that the numbers choose, some of them twice. */
function shuffled<T>(items: readonly T[], order: readonly number[]): T[] {
  const rest = [...items];
  const out: T[] = [];
  for (let i = 0; rest.length > 0; i++) {
    const at = order[i % order.length]! % rest.length;
    out.push(rest[at]!);
    if (i % 3 === 0) out.push(out[Math.floor(out.length / 2)]!);
    rest.splice(at, 1);
  }
  return out;
}
