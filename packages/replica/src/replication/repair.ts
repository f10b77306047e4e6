/**
 * Repair: when this replica repairs itself, from whom, and whom it helps. One session at a time as the receiver, few as
 * a source.
 *
 * A session is opened
 * - by a replica that has nothing, if its neighbours hold more than their logs are worth, or have compacted what it has
 *   never seen (bootstrap);
 * - when no neighbour's log reaches back to what is missing here, or a neighbour has compacted writes of an origin of
 *   which there is nothing here (catch-up);
 * - now and then, and when asked, with one neighbour after the other, to see that both hold the same (compare).
 */
import { dominates, type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import type { RepairMessage, RepairMode, RepairOutcome } from '@causeway/protocol';
import type { Environment, Now } from '../environment.js';
import { REPAIR_RETRY_MAX_MS, REPAIR_RETRY_MS, REPAIR_SOURCES_MAX, STALE_TRIES_MAX } from '../limits.js';
import type { Housekeeping } from '../store/housekeeping.js';
import type { Store } from '../store/store.js';
import type { Watches } from '../store/watches.js';
import type { Intake } from './intake.js';
import type { Link } from './link.js';
import type { Members } from './members.js';
import { Adopter } from './repair-adopter.js';
import { RepairPace } from './repair-pace.js';
import { RepairReceiver } from './repair-receiver.js';
import { hasPart, isApart, knows, type RepairParts, type RepairSession } from './repair-session.js';
import { RepairSource } from './repair-source.js';

/** Outcomes after which the same peer may be asked again at once. */
const GOOD: ReadonlySet<RepairOutcome> = new Set(['done', 'equal']);

interface Attempts {
  failures: number;
  /** Not before, monotonic ms. */
  notBefore: number;
}

export class Repair {
  private receiver: RepairReceiver | undefined;
  /** What its source held when it was opened was no part of a history. */
  private sourceIsWhole = false;
  private readonly sources = new Map<ReplicaId, RepairSource>();
  private readonly links = new Map<ReplicaId, Link>();
  private readonly attempts = new Map<ReplicaId, Attempts>();
  private readonly adopter: Adopter;
  private readonly pace: RepairPace;
  private readonly parts: RepairParts;
  private nextSession: number;
  private nextCompareAt: number;
  private compareWanted = false;
  /** Records that lack something, and what was here when that was found. */
  private damage: { readonly keys: readonly Uint8Array[]; readonly held: VersionVector } | undefined;
  private lastCompared: ReplicaId | undefined;
  /** This replica waits for a bootstrap. */
  private bootstraps = false;
  private paused = false;

  constructor(
    private readonly store: Store,
    private readonly members: Members,
    private readonly intake: Intake,
    private readonly housekeeping: Housekeeping,
    watches: Watches,
    private readonly env: Environment,
    /** The version vector has been moved; it is durable. */
    private readonly onMoved: (now: Now) => void,
    /** What is missing here the neighbour has compacted in part: no repair can bring it. */
    private readonly onStale: (link: Link) => void,
  ) {
    this.pace = new RepairPace(store.limits, () => this.isBusy);
    this.adopter = new Adopter(store, watches, this.pace, (origin) => housekeeping.reconsider(origin));
    this.nextSession = Math.floor(env.random() * 2 ** 30);
    this.nextCompareAt = store.now.monotonic + this.interval();
    this.parts = {
      store,
      housekeeping,
      adopter: this.adopter,
      pace: this.pace,
      log: env.log,
      movedTo: () => intake.moved(store.now),
      ended: (session, outcome) => this.ended(session, outcome),
      adopted: (records) => {
        if (records > 0) env.telemetry.repairRecords(records);
      },
      lacksEvidenceFor: (versionVector) => this.lacksEvidenceFor(versionVector),
    };
  }

  /** What is here is not all of what the newest record depends on, or is about to be. */
  get isMoving(): boolean {
    return this.bootstraps || this.receiver?.isMoving === true || !this.store.isDurablyWhole;
  }

  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY;
    if (this.receiver !== undefined) deadline = this.receiver.deadline;
    else if (this.links.size > 0 && !this.paused) deadline = this.nextCompareAt;
    for (const source of this.sources.values()) deadline = Math.min(deadline, source.deadline);
    // Whoever waits for the pace is called again when it opens.
    const { opensAt } = this.pace;
    return this.isBusy && opensAt > this.store.now.monotonic ? Math.min(deadline, opensAt) : deadline;
  }

  private get isBusy(): boolean {
    return this.receiver !== undefined || this.sources.size > 0;
  }

  /** A commit with writes of clients has taken so long, ms: repairs keep out of their way. */
  committed(ms: number): void {
    this.pace.committed(ms, this.store.now.monotonic);
  }

  /** Compares with a neighbour as soon as there is one: something is known to be wrong here, or somebody wants to know. */
  compareSoon(): void {
    this.compareWanted = true;
  }

  /** Records or evidence were lost: a neighbour that has all that was here then has what they lack. */
  restore(keys: readonly Uint8Array[]): void {
    this.damage = { keys, held: new Map(this.store.executed) };
    this.compareWanted = true;
  }

  /** Before anything is taken from the link. */
  linkUp(link: Link, now: Now): void {
    this.links.set(link.replica, link);
    this.attempts.delete(link.replica);
    if (this.needsBootstrap(link)) {
      this.bootstraps = true;
      this.intake.hold();
    }
    this.tick(now);
  }

  linkDown(link: Link): void {
    if (this.links.get(link.replica) !== link) return;
    this.links.delete(link.replica);
    this.sources.get(link.replica)?.end('failed', false);
    if (this.receiver?.link === link && !this.receiver.isComplete) this.receiver.end('failed', false);
  }

  message(link: Link, message: RepairMessage, now: Now): void {
    if (message.type === 'repair-open') return this.serve(link, message);
    const { receiver } = this;
    const source = this.sources.get(link.replica);
    if (receiver?.link === link && receiver.id === message.session) receiver.message(message);
    else if (source?.link === link && source.id === message.session) source.message(message);
    else if (message.type !== 'repair-end')
      link.send({ type: 'repair-end', session: message.session, outcome: 'unknown' });
    this.tick(now);
  }

  apply(now: Now, sparing: boolean): void {
    this.adopter.apply(now, sparing);
  }

  tick(now: Now): void {
    this.receiver?.tick(now.monotonic);
    for (const source of [...this.sources.values()]) source.tick(now.monotonic);
    // What is missing here is more than what may differ.
    const isUrgent = this.bootstraps || this.apart(now).length > 0 || this.intake.unreachable.length > 0;
    if (isUrgent && this.receiver?.isMoving === false) this.receiver.end('unsettled', true);
    if (this.receiver === undefined && !this.paused) this.begin(now);
  }

  /** The store is gone for a while; all links with it. */
  pause(): void {
    this.paused = true;
    this.receiver?.end('failed', false);
    for (const source of [...this.sources.values()]) source.end('failed', false);
  }

  resume(): void {
    this.paused = false;
  }

  // As a source

  private serve(link: Link, open: RepairMessage & { type: 'repair-open' }): void {
    // Sessions that this side opens have names of the other parity.
    if (open.session % 2 !== parityOf(link.replica, this.store.self)) {
      return link.send({ type: 'repair-end', session: open.session, outcome: 'broken' });
    }
    this.sources.get(link.replica)?.end('unknown', true);
    if (this.sources.size >= REPAIR_SOURCES_MAX || this.bootstraps) {
      return link.send({ type: 'repair-end', session: open.session, outcome: 'busy' });
    }
    const source = new RepairSource(link, open, this.parts);
    this.sources.set(link.replica, source);
    source.start();
  }

  // As the receiver

  private begin(now: Now): void {
    if (this.bootstraps) return this.bootstrap(now);
    const { unreachable } = this.intake;
    const apart = new Set(this.apart(now));
    if (unreachable.length + apart.size > 0) {
      const brings = (origin: ReplicaId, held: VersionVector) =>
        seqOf(held, origin) > seqOf(this.store.executed, origin);
      const link = this.best(
        now,
        (held, from) => apart.has(from) || unreachable.some((origin) => brings(origin, held)),
      );
      if (link !== undefined) {
        if (apart.has(link))
          this.env.log.warn({ peer: link.replica }, 'a cluster that formed apart is joined');
        return this.open(link, 'catch-up');
      }
    }
    if (!this.compareWanted && now.monotonic < this.nextCompareAt) return;
    this.compare(now);
  }

  private bootstrap(now: Now): void {
    const link = this.best(now, (held) => held.size > 0);
    if (link === undefined) return;
    // What an earlier attempt has brought need not come again; and meanwhile it may have become ready, and written.
    const hasSome = !this.store.isWhole || this.store.executed.size > 0;
    this.open(link, hasSome ? 'catch-up' : 'bootstrap');
  }

  private compare(now: Now): void {
    this.nextCompareAt = now.monotonic + this.interval();
    if (!this.store.isWhole || !this.housekeeping.isSettled(now)) return;
    const candidates = [...this.links.values()]
      .filter((link) => this.mayAsk(link.replica, now) && !this.lacksEvidenceFor(link.report()))
      .map(({ replica }) => replica)
      .sort();
    const next = candidates.find((replica) => replica > (this.lastCompared ?? '')) ?? candidates[0];
    const link = next === undefined ? undefined : this.links.get(next);
    if (link === undefined) return;
    this.lastCompared = next;
    this.compareWanted = false;
    this.open(link, this.damage === undefined ? 'compare' : 'restore');
  }

  private open(link: Link, mode: RepairMode): void {
    this.nextSession = (this.nextSession + 1) % 2 ** 31;
    const id = this.nextSession * 2 + parityOf(this.store.self, link.replica);
    const takenUpTo = (origin: ReplicaId): number | undefined =>
      this.members.get(origin) === undefined ? undefined : this.members.takenUpTo(origin, link.replica);
    // As of now: it may have part of a history, and become ready meanwhile.
    this.sourceIsWhole = this.members.get(link.replica)?.member.state !== 'joining';
    this.receiver = new RepairReceiver(id, link, mode, this.parts, takenUpTo);
    if (this.receiver.isMoving) this.env.log.info({ peer: link.replica, mode }, 'repairing');
    this.receiver.start();
  }

  /** Neighbours of a cluster that formed apart from this replica's and has dropped evidence since, that may be asked. */
  private apart(now: Now): Link[] {
    const { executed, wasWhole } = this.store;
    return [...this.links.values()].filter(
      ({ horizon, replica }) =>
        isApart(executed, horizon) &&
        // Who joins and has part of that history already gets the rest of it by streams, or begins anew.
        (wasWhole || !hasPart(executed, horizon)) &&
        this.mayAsk(replica, now),
    );
  }

  /** The neighbour that holds most of what is useful. */
  private best(now: Now, isUseful: (held: VersionVector, from: Link) => boolean): Link | undefined {
    let best: Link | undefined;
    let most = -1;
    for (const replica of [...this.links.keys()].sort()) {
      const link = this.links.get(replica)!;
      const held = link.report();
      if (!this.mayAsk(replica, now) || !isUseful(held, link)) continue;
      const sum = total(held);
      if (sum <= most) continue;
      best = link;
      most = sum;
    }
    return best;
  }

  private mayAsk(replica: ReplicaId, now: Now): boolean {
    return (this.attempts.get(replica)?.notBefore ?? 0) <= now.monotonic;
  }

  /** It has nothing, and streams would bring more than a copy, or what others no longer know to be removed. */
  private needsBootstrap(link: Link): boolean {
    const { store } = this;
    if (store.wasReady || store.executed.size > 0) return false;
    const held = link.report();
    if (held.size === 0) return false;
    return (
      link.horizon.size > 0 ||
      !dominates(store.executed, store.ceiling) ||
      total(held) > store.limits.logFloorTransactions
    );
  }

  private ended(session: RepairSession, outcome: RepairOutcome): void {
    const { replica } = session.link;
    const { now } = this.store;
    if (session !== this.receiver) {
      if (this.sources.get(replica) === session) this.sources.delete(replica);
      return;
    }
    const { mode, changed, isMoving, view, rounds, startedAt } = this.receiver;
    this.receiver = undefined;
    this.env.telemetry.repairSession(replica, outcome);
    if (GOOD.has(outcome)) this.attempts.delete(replica);
    else if (outcome !== 'unsettled') this.failed(replica, now);
    const ms = Math.round(now.monotonic - startedAt);
    const fields = { peer: replica, mode, outcome, records: changed, rounds, ms };
    if (isMoving || changed > 0) this.env.log.info(fields, 'a repair has ended');
    else this.env.log.debug(fields, 'compared');
    if (GOOD.has(outcome)) this.mend(view);
    else if (mode === 'restore') this.compareWanted = true;
    const link = this.links.get(replica);
    if (isMoving && outcome === 'stale' && link !== undefined && this.isLate(link)) return this.onStale(link);
    if (!isMoving || outcome !== 'done') return;
    if (this.sourceIsWhole) this.store.tookOver = true;
    this.bootstraps = false;
    this.onMoved(now);
    this.intake.release(now);
  }

  /** What was lost is here again, as far as the source had it. */
  private mend(view: VersionVector | undefined): void {
    const { damage } = this;
    if (damage === undefined || view === undefined) return;
    if (this.lacksEvidenceFor(view)) {
      this.compareWanted = true;
      return;
    }
    this.damage = undefined;
    this.housekeeping.mend(damage.keys);
  }

  private lacksEvidenceFor(versionVector: VersionVector): boolean {
    return this.damage !== undefined && !dominates(versionVector, this.damage.held);
  }

  /** It holds something of a history of which the neighbour has dropped evidence that it has not seen. */
  private isLate({ horizon, replica }: Link): boolean {
    const { executed, wasWhole } = this.store;
    if (wasWhole) return !knows(executed, horizon);
    if (hasPart(executed, horizon)) return true;
    // It catches up because no log reaches what it lacks; the horizon is that of the hello, and may have moved on.
    return executed.size > 0 && (this.attempts.get(replica)?.failures ?? 0) >= STALE_TRIES_MAX;
  }

  private failed(replica: ReplicaId, now: Now): void {
    const failures = (this.attempts.get(replica)?.failures ?? 0) + 1;
    const wait = Math.min(REPAIR_RETRY_MAX_MS, REPAIR_RETRY_MS * 2 ** Math.min(failures - 1, 10));
    this.attempts.set(replica, { failures, notBefore: now.monotonic + wait });
  }

  /** Spread, so that replicas do not all compare at once. */
  private interval(): number {
    return this.store.limits.compareIntervalMs * (0.75 + this.env.random() / 2);
  }
}

/** Of the names of sessions that `opener` opens at `source`. */
function parityOf(opener: ReplicaId, source: ReplicaId): number {
  return opener < source ? 0 : 1;
}

function total(vector: VersionVector): number {
  let sum = 0;
  for (const seq of vector.values()) sum += seq;
  return sum;
}
