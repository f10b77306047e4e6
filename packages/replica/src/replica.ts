/**
 * Replica: the state machine of a node. It routes events to those who decide, and hands out what they want.
 *
 * One turn of `poll`: remote chunks first, then housekeeping, then local requests, all into the forming commit;
 * then, if no batch is in flight, the commit is sealed and handed out; what came from peers alone waits a little for more
 * (commit-rhythm.ts). While a batch is being written the next one is executed.
 */
import { dominates, joinVersionVectors, type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import { CausewayError, isRead, isRetired } from '@causeway/protocol';
import { assert, unreachable } from './assert.js';
import { ClockGuard } from './clock-guard.js';
import { Duty } from './duty.js';
import type { Environment, Millis, Now, ReplicaConfig } from './environment.js';
import type { Event, StoredReplica } from './events.js';
import { DEFAULT_LIMITS, HOUSEKEEPING_INTERVAL_MS } from './limits.js';
import { Readiness } from './readiness.js';
import type { Batch, Ready } from './ready.js';
import { ChunkApplier } from './replication/apply-chunk.js';
import { Clocks } from './replication/clocks.js';
import { type ConflictRecord, Conflicts } from './replication/conflicts.js';
import { Eviction } from './replication/eviction.js';
import { describeRetirement } from './replication/handshake.js';
import { Intake } from './replication/intake.js';
import { Members } from './replication/members.js';
import { Neighbours, type UntrustedCode } from './replication/neighbours.js';
import { OwnCommits } from './replication/own-commits.js';
import { Reissue } from './replication/reissue.js';
import { leftBehind, Rejoin } from './replication/rejoin.js';
import { Repair } from './replication/repair.js';
import { Requests } from './session/requests.js';
import type { Status } from './status.js';
import { StatusReport } from './status-report.js';
import type { LoggedChunk } from './store/commit.js';
import { CommitRhythm } from './store/commit-rhythm.js';
import { type Departure, departuresOf } from './store/departure.js';
import { Housekeeping } from './store/housekeeping.js';
import { initialRecords } from './store/initial.js';
import type { Job } from './store/job.js';
import { KIND, textOfKey } from './store/keyspace.js';
import { Store } from './store/store.js';
import { Unstable } from './store/unstable.js';
import { Watches } from './store/watches.js';

export class Replica {
  readonly id: ReplicaId;
  /** Random number of this process start, in every chunk that it makes. */
  readonly start: number;
  private readonly store: Store;
  private readonly members: Members;
  private readonly conflictFeed: Conflicts;
  private readonly watches: Watches;
  private readonly requests: Requests;
  private readonly intake: Intake;
  private readonly neighbours: Neighbours;
  private readonly housekeeping: Housekeeping;
  private readonly repair: Repair;
  private readonly ownCommits: OwnCommits;
  private readonly rejoin: Rejoin;
  private readonly reissue: Reissue;
  private readonly readiness: Readiness;
  private readonly unstable: Unstable;
  private readonly eviction: Eviction;
  private readonly clocks: Clocks;
  private readonly clockGuard: ClockGuard;
  private readonly duty: Duty;
  private readonly report: StatusReport;
  private jobs: Job[] = [];
  private nextHousekeepingAt = 0;
  /** It leaves the members as soon as its peers have everything. */
  private leaving = false;
  /** What the store says of a part of it that cannot be read. */
  private unreadable: string | undefined;
  /** Another replica takes its place: it asks for nothing more. */
  private left = false;
  private readonly rhythm: CommitRhythm;
  private dirty = true;
  /** It has been logged that the node is ready; not before the host has heard of the replica. */
  private announced = true;

  private constructor(
    stored: StoredReplica,
    private readonly config: ReplicaConfig,
    private readonly env: Environment,
    now: Now,
  ) {
    this.start = 1 + Math.floor(env.random() * (2 ** 48 - 1));
    this.store = new Store(stored, this.start, { ...DEFAULT_LIMITS, ...config.limits }, env);
    this.store.now = now;
    this.rhythm = new CommitRhythm(this.store.limits);
    this.id = this.store.self;
    this.members = new Members(this.store, config.region, config.advertise);
    this.members.restore(stored.entries);
    this.conflictFeed = new Conflicts(env.telemetry);
    this.watches = new Watches(this.store);
    this.requests = new Requests(this.store, this.watches, env);
    this.ownCommits = new OwnCommits(env.telemetry, now.monotonic, seqOf(this.store.durable, this.id));
    const departures = departuresOf(stored.entries);
    this.rejoin = new Rejoin(this.store, this.members, departures);
    this.readiness = new Readiness(
      config.seeds,
      now.monotonic,
      this.store.wasReady,
      this.store.durable.size + this.members.size === 0,
      beforeRejoin(departures),
      (origin) => this.members.isSettled(origin),
    );
    this.unstable = new Unstable();
    const applier = new ChunkApplier(this.store, this.conflictFeed, this.watches);
    const schedule = (job: Job): void => {
      this.jobs.push(job);
      this.dirty = true;
    };
    this.reissue = new Reissue(this.store, applier, schedule, this.members, env);
    this.reissue.restore(stored.entries);
    this.store.withholds = () => this.reissue.hasWork;
    const { maxClockSkewMs, maxOfflineMs } = this.store.limits;
    this.eviction = new Eviction(this.members, maxOfflineMs, env.log);
    this.clocks = new Clocks(maxClockSkewMs);
    const others = () => [...this.members.living()].map(({ member }) => member.replica);
    this.clockGuard = new ClockGuard(this.clocks, others, maxClockSkewMs, env.log);
    this.duty = new Duty(this.readiness, this.clockGuard, env.log);
    this.intake = new Intake(
      this.store,
      applier,
      env,
      (origin) => -(this.clocks.offsetMs(origin, this.store.now) ?? 0),
      (origin, seconds) => {
        this.report.lagMs.set(origin, seconds * 1000);
        env.telemetry.lag(origin, seconds);
      },
      this.members,
      (from, error) => {
        const link = this.neighbours.linkTo(from.replica);
        if (link === from) this.neighbours.nonsense(link, error);
      },
    );
    this.neighbours = new Neighbours(
      this.store,
      this.members,
      this.intake,
      this.clocks,
      config,
      this.start,
      env,
      {
        isSelf: (address) => this.readiness.forgetSeed(address),
        answered: (address, hello) => this.readiness.answered(address, hello, this.store.now.monotonic),
        holds: (replica, versionVector) => this.readiness.holds(replica, versionVector),
        untrusted: (code, message, by) => this.distrust(code, message, by),
        rejoin: (code, message, fork) => this.rejoin.decide(code, message, fork),
        linked: (by, isBelieved) => this.duty.trust(by, isBelieved),
        waits: (reason) => this.waitToRejoin(reason),
        stays: () => this.stay(),
        reported: (replica) => this.reported(replica),
        linkUp: (link, at) => this.repair.linkUp(link, at),
        linkDown: (link) => this.repair.linkDown(link),
        repair: (link, message, at) => this.repair.message(link, message, at),
      },
      now,
    );
    this.report = new StatusReport(this.store, this.members, this.neighbours, this.clocks, this.ownCommits);
    this.housekeeping = new Housekeeping(
      this.store,
      schedule,
      (set, element, add, at) => {
        const conflict: ConflictRecord = {
          type: 'set',
          key: set.userKey,
          winner: { value: element, replica: add.replica },
          loser: { replica: [...(set.meta.clear?.by.keys() ?? [])][0] ?? add.replica },
          at: at.wall,
        };
        this.store.whenDurable(() => this.conflictFeed.add(conflict), 'patient');
      },
      env.log,
    );
    this.repair = new Repair(
      this.store,
      this.members,
      this.intake,
      this.housekeeping,
      this.watches,
      env,
      (at) => {
        this.neighbours.moved(at);
        this.check(at);
      },
      (link) => this.neighbours.tooLate(link),
    );
    // What a scrub found to be lost a peer has.
    this.housekeeping.scrub.found = (keys) => this.repair.restore(keys);
    this.store.onDurableChunks = (chunks, at) => this.durableChunks(chunks, at);
    this.housekeeping.restart(purgesOf(stored));
    // Who has never had a peer has told nobody of anything: there is nobody to begin anew from, and no need to.
    if (this.members.size + config.seeds.length > 0) this.duty.rejoinReason = stored.leave;
    this.neighbours.rejoinSoon(this.duty.rejoinReason);
    // A node without seeds waits for nobody.
    this.check(now);
    this.declare();
  }

  /**
   * The replica of a directory, from what START_RANGES of its store hold.
   *
   * @throws CausewayError CAUSEWAY_DATA_UNREADABLE, CAUSEWAY_CORRUPT
   */
  static open(stored: StoredReplica, config: ReplicaConfig, env: Environment, now: Now): Replica {
    return new Replica(stored, config, env, now);
  }

  /** First batch of a new directory: its identity and an empty replica record. */
  static initialBatch(config: ReplicaConfig, env: Environment, now: Now): Batch {
    return initialRecords(config.region, env, now);
  }

  /** The same for a store that takes the place of one that could not be read. */
  static initialBatchAfterLoss(config: ReplicaConfig, env: Environment, now: Now): Batch {
    const departure: Departure = {
      origin: undefined,
      reason: 'CAUSEWAY_DATA_UNREADABLE',
      at: now.wall,
      seen: new Map(),
      fork: 0,
      base: undefined,
      done: 0,
      runs: [],
    };
    return initialRecords(config.region, env, now, [departure]);
  }

  /** The only way in. Nothing from outside makes it throw. */
  step(event: Event, now: Now): void {
    this.store.now = now;
    this.dirty = true;
    this.lookAtClocks(now);
    switch (event.type) {
      case 'request': {
        // An answer that is to be kept has to be written.
        const onlyReads = event.idempotency === undefined && event.operations.every(isRead);
        const refusal = this.duty.refusal(onlyReads) ?? this.clockGuard.refusal(event.operations);
        if (refusal === undefined) this.requests.add(event);
        else this.requests.fail(event.session, event.request, refusal);
        return;
      }
      case 'list-keys': {
        const refusal = this.duty.refusal(true);
        if (refusal !== undefined) return this.requests.fail(event.session, event.request, refusal);
        return this.list(event, now);
      }
      case 'watch':
        return this.watches.add(event.session, event.request, event.filter);
      case 'unwatch':
        return this.watches.remove(event.session, event.request);
      case 'session-closed':
        return this.watches.closeSession(event.session);
      case 'link-opened':
        return this.neighbours.opened(event.link, event.address, now);
      case 'link-message':
        return this.neighbours.message(event.link, event.message, now);
      case 'link-closed':
        return this.neighbours.closed(event.link, event.reason, now);
      case 'loaded':
        return this.store.reads.loaded(event.id, event.values);
      case 'scanned':
        return this.store.reads.scanned(event.id, event.entries);
      case 'read-failed':
        this.lookAtFailure(event.error);
        return this.store.reads.failed(event.id, event.error);
      case 'write-failed':
        return this.writeFailed(event.error);
      case 'store-reopened':
        return this.reopened(event.records, now);
      case 'scrub':
        return this.housekeeping.scrub.request();
      case 'tick':
        return;
      case 'drain':
        this.duty.draining = true;
        if (event.byOperator === true) return this.members.declare({ state: 'draining' });
        this.neighbours.bye();
        if (!this.duty.readOnly) this.housekeeping.wrapUp();
        return;
      case 'resume':
        this.duty.draining = this.leaving = false;
        return this.declare();
      case 'leave':
        this.duty.draining = this.leaving = true;
        return this.members.declare({ state: 'draining' });
      case 'remove-member':
        return this.retire(event.replica, 'removed');
      default:
        unreachable(event);
    }
  }

  /** The only way out: what is to be done now, or undefined when there is nothing. */
  poll(writeInFlight: boolean): Ready | undefined {
    const { store } = this;
    const { now } = store;
    if (this.left) return undefined;
    this.lookAtClocks(now);
    for (let turns = 0; this.dirty && turns < TURNS_MAX; turns++) {
      this.dirty = false;
      if (this.rejoin.isDue) break;
      this.housekeep(now);
      this.execute(now);
      this.neighbours.tick(now);
      this.leave();
      this.repair.tick(now);
    }
    const between = !writeInFlight && !this.duty.readOnly;
    if (this.rejoin.isDue) return between ? this.beginAnew(now) : undefined;
    if (between && store.views.isWanted) store.views.take(now.monotonic);
    const batch = between && !this.waitsForMore(now) ? store.seal() : undefined;
    if (batch !== undefined) this.rhythm.begun(now.monotonic);
    store.reads.trim();
    const outbox = store.takeOutbox();
    const loads = store.reads.takeLoads();
    const scans = store.reads.takeScans();
    const openSnapshots = store.views.takeOpenings();
    const closeSnapshots = store.views.takeClosings();
    const wanted =
      outbox.length + loads.length + scans.length + openSnapshots.length + closeSnapshots.length > 0;
    if (batch === undefined && !wanted) return undefined;
    // What was sealed has made room for what had to wait.
    if (batch !== undefined) this.dirty = true;
    return { outbox, openSnapshots, loads, scans, closeSnapshots, ...(batch === undefined ? {} : { batch }) };
  }

  /** Its identity is to be left behind, and no peer has answered yet. */
  get isToRejoin(): boolean {
    return this.duty.rejoinReason !== undefined;
  }

  private waitToRejoin(reason: string): void {
    this.env.log.warn({}, `${reason}: it waits for a peer that holds what it is to give up`);
    this.duty.rejoinReason = reason;
    this.neighbours.rejoinSoon(reason);
    this.requests.failAll(new CausewayError('CAUSEWAY_REJOINING', `${reason}: nothing was done`));
    this.declare();
  }

  /** All members are in the same case: what they have together is all there is, and one by one they go on from it. */
  private stay(): void {
    this.env.log.warn(
      {},
      `${this.duty.rejoinReason}: but so it is with every member, and the identity stays`,
    );
    this.duty.rejoinReason = undefined;
    this.neighbours.rejoinSoon(undefined);
    this.declare();
  }

  /** The last thing that it asks for. Who still waits for something is told that nothing was done. */
  private beginAnew(now: Now): Ready | undefined {
    const rejoin = this.rejoin.ready(this.config, this.env, now);
    if (rejoin === undefined) return undefined;
    this.left = true;
    const error = new CausewayError('CAUSEWAY_NOT_READY', `the node begins anew: ${rejoin.message}`);
    this.failLost(error);
    this.requests.failAll(error);
    this.requests.failListings(error);
    this.watches.interrupt('the node begins anew');
    const outbox = this.store.takeOutbox();
    return { outbox, openSnapshots: [], loads: [], scans: [], closeSnapshots: [], rejoin };
  }

  /** The batch in flight, handed out at `handedOutAt` (monotonic ms), is durable. */
  advance(now: Now, handedOutAt: Millis): void {
    this.store.now = now;
    this.dirty = true;
    this.rhythm.landed(handedOutAt, now.monotonic);
    this.store.advance(now);
    this.members.settle();
    this.check(now);
  }

  /** Monotonic ms at which a tick is wanted. */
  deadline(): Millis | undefined {
    const { monotonic, wall } = this.store.now;
    const expiry = this.duty.readOnly ? undefined : this.housekeeping.deadline;
    return Math.min(
      this.neighbours.deadline,
      this.store.mayWait ? this.rhythm.peersDueAt : Number.POSITIVE_INFINITY,
      this.repair.deadline,
      this.duty.readOnly ? Number.POSITIVE_INFINITY : this.readiness.deadline,
      this.nextHousekeepingAt,
      this.duty.readOnly ? Number.POSITIVE_INFINITY : this.housekeeping.scrub.deadline,
      expiry === undefined ? Number.POSITIVE_INFINITY : monotonic + Math.max(1, expiry - wall),
    );
  }

  /** Every linked peer has acknowledged everything, and nothing waits to be executed or stored. */
  drained(): boolean {
    if (!this.duty.readOnly && !this.housekeeping.isWrappedUp) return false;
    if (this.requests.waiting > 0 || !dominates(this.store.durable, this.store.executed)) return false;
    const own = seqOf(this.store.durable, this.id);
    for (const link of this.neighbours.upLinks()) {
      if (seqOf(link.report(), this.id) < own) return false;
    }
    return true;
  }

  /** @throws CausewayError CAUSEWAY_BAD_REQUEST when `after` is no position of the feed. */
  conflicts(after: string | undefined, limit: number): { conflicts: ConflictRecord[]; after: string } {
    return this.conflictFeed.page(after, limit);
  }

  /** All that is durable here, as `status` has it. */
  get versionVector(): VersionVector {
    return new Map(this.store.durable);
  }

  /** As `status` has it: all that an answer may have shown of. */
  get ceiling(): VersionVector {
    return new Map(this.store.durableCeiling);
  }

  get isRepairing(): boolean {
    return this.repair.isMoving;
  }

  status(now: Now): Status {
    const reasons = this.duty.reasons();
    if (this.repair.isMoving) reasons.push('repairing');
    else if (this.intake.unreachable.length > 0) reasons.push('needs-repair');
    return {
      replica: this.id,
      region: this.config.region,
      ready: reasons.length === 0,
      reasons,
      writable: this.duty.isWritable,
      versionVector: new Map(this.store.durable),
      ceiling: new Map(this.store.durableCeiling),
      digest: this.store.durableRoot.toHex(),
      settled: this.housekeeping.isSettled(now) && !this.reissue.hasWork,
      scrub: this.housekeeping.scrub.status(),
      conflicts: { ...this.conflictFeed.counts },
      peers: this.report.peerStatuses(now),
      members: this.report.memberStatuses(now),
      oldestUnstableSeconds: this.unstable.age(now.monotonic),
      logBytes: this.store.logBytes,
    };
  }

  // Routing

  private execute(now: Now): void {
    // Only reads are waiting while the disk refuses writes.
    if (this.duty.readOnly) return this.requests.execute(now);
    this.intake.apply(now, this.requests.waiting > 0);
    this.repair.apply(now, this.requests.waiting > 0);
    const { jobs } = this;
    if (jobs.length > 0) {
      this.jobs = [];
      for (const job of jobs) {
        if (job.slots.every(({ loaded }) => loaded)) job.run(now);
        else this.jobs.push(job);
      }
    }
    // What was written before the identity was left comes before what is written now.
    if (!this.reissue.isRunning) this.executeRequests(now);
    this.check(now);
  }

  private executeRequests(now: Now): void {
    const { store, requests } = this;
    const isFree = () => store.isIdle || store.mayWait;
    if (isFree() && requests.waiting >= store.limits.halvedFrom && this.rhythm.takesTurns) {
      requests.execute(now, requests.waiting >> 1);
      // The rest is executed when the commit has been handed out: see `poll`.
      if (!isFree()) return;
    }
    requests.execute(now);
  }

  private waitsForMore(now: Now): boolean {
    return this.store.mayWait && now.monotonic < this.rhythm.peersDueAt;
  }

  private housekeep(now: Now): void {
    if (!this.announced) this.env.log.info({}, 'ready');
    this.announced = true;
    if (!this.duty.readOnly) this.housekeeping.turn(now);
    if (now.monotonic < this.nextHousekeepingAt) return;
    this.nextHousekeepingAt = now.monotonic + HOUSEKEEPING_INTERVAL_MS;
    this.store.reads.retry();
    this.mendStore();
    this.store.views.expire(now.monotonic, this.store.limits.viewAgeMaxMs);
    if (this.duty.readOnly) return;
    for (const replica of this.eviction.due(this.neighbours.upLinks(), now)) {
      this.env.log.warn({ peer: replica }, 'a member was away for longer than --max-offline and is evicted');
      this.retire(replica, 'evicted');
    }
    for (const origin of this.members.settleRetired()) {
      this.env.log.info(
        { peer: origin },
        'all members know that it is retired: nothing waits for it any more',
      );
    }
    this.lookAtCeiling();
    this.reissue.retry();
    // What has to meet the evidence of later removals is still to come.
    const stable = this.reissue.hasWork ? new Map() : this.members.stable();
    this.unstable.sample(this.store.durable, stable, now.monotonic);
    this.housekeeping.tick(now, stable);
    // A seed that has never been met may still want the log from its beginning.
    if (this.readiness.isReady && this.readiness.haveAllBeenMet(this.members.list())) {
      this.housekeeping.cutLog(this.members.held());
    }
    this.housekeeping.capLog(this.members.mostHeld(this.id), now);
    this.members.saveReports(now.monotonic);
  }

  private check(now: Now): void {
    if (!this.duty.readOnly) this.reissue.tick(this.store.wasReady);
    this.readiness.forgetRetired(this.members.list());
    if (!this.readiness.check(this.store.durable, now.monotonic, this.reissue.hasWork)) return;
    this.announced = false;
    this.store.wasReady = true;
    this.store.commitReplicaRecord();
    this.declare();
  }

  private retire(replica: ReplicaId, to: 'removed' | 'evicted'): void {
    const retirement = this.members.retirement(replica, to);
    if (retirement !== undefined) this.neighbours.learn([retirement]);
  }

  private lookAtClocks(now: Now): void {
    if (this.clockGuard.look(now)) this.store.trustsClock = this.clockGuard.offByMs === undefined;
  }

  /** Says of itself what there is to say: others are told when it is durable. */
  private declare(): void {
    const { region, advertise: address } = this.config;
    const { self } = this.members;
    // It was told before the start, and had no time to begin anew.
    if (self.state === 'evicted')
      return this.rejoin.decide('CAUSEWAY_EVICTED', describeRetirement(self.replica, self.state));
    if (isRetired(self))
      return this.distrust('CAUSEWAY_REMOVED', describeRetirement(self.replica, self.state));
    const state =
      !this.readiness.isReady || this.duty.rejoinReason !== undefined
        ? 'joining'
        : this.duty.draining && self.state === 'draining'
          ? 'draining'
          : 'active';
    this.members.declare({ region, address, state });
  }

  /** Goes when all that it has is known to be elsewhere. */
  private leave(): void {
    if (!this.leaving || this.duty.readOnly || isRetired(this.members.self)) return;
    if ([...this.neighbours.upLinks()].length === 0 || !this.drained()) return;
    this.members.declare({ state: 'left' });
    this.distrust('CAUSEWAY_REMOVED', describeRetirement(this.id, 'left'), this.id);
  }

  /** That it has left was among what a failed write has lost: it has yet to leave. */
  private leaveAgain(): void {
    if (this.leaving && !isRetired(this.members.self)) this.duty.retract(this.id);
  }

  private durableChunks(chunks: readonly LoggedChunk[], now: Now): void {
    for (const { origin, lastSeq } of chunks) {
      if (origin !== this.id) continue;
      this.ownCommits.committed(lastSeq, now.monotonic);
      this.repair.committed(this.rhythm.commitMs);
    }
    this.neighbours.durableChunks(chunks, now);
  }

  private reported(replica: ReplicaId): void {
    const state = this.members.get(replica);
    if (state === undefined) return;
    let all = seqOf(this.store.durable, this.id);
    for (const { latest } of this.members.living()) all = Math.min(all, seqOf(latest.versionVector, this.id));
    const seq = seqOf(state.latest.versionVector, this.id);
    this.ownCommits.acknowledged(replica, seq, all, this.store.now.monotonic);
  }

  private list(event: Event & { type: 'list-keys' }, now: Now): void {
    try {
      this.requests.list(event, now);
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.requests.fail(event.session, event.request, error);
    }
  }

  // Trouble

  /** A part of the store that can never be read again cannot be mended in it; but only with a peer can it be made anew. */
  private lookAtFailure(error: unknown): void {
    if (!(error instanceof CausewayError) || error.code !== 'CAUSEWAY_CORRUPT') return;
    if (this.unreadable === undefined) this.env.log.error({ code: error.code }, error.message);
    this.unreadable = error.message;
    this.mendStore();
  }

  /** Part of what a source had that is retired is here, and the rest can never come. */
  private lookAtCeiling(): void {
    const { store, members } = this;
    if (store.isDurablyWhole || !this.neighbours.hasTruth) return;
    for (const [origin, seq] of store.durableCeiling) {
      if (seq <= seqOf(store.durable, origin) || !members.isSettled(origin)) continue;
      const message = `a repair from ${origin}, which is retired, has come to no end`;
      return this.rejoin.decide('CAUSEWAY_STALE', message);
    }
  }

  private mendStore(): void {
    if (this.unreadable === undefined || this.duty.readOnly) return;
    if (this.neighbours.hasTruth) this.rejoin.decide('CAUSEWAY_CORRUPT', this.unreadable);
  }

  private distrust(code: UntrustedCode, message: string, by?: ReplicaId): void {
    this.duty.distrust(code, message, by, this.members.self.state === 'left');
  }

  private writeFailed(error: unknown): void {
    if (!this.duty.readOnly)
      this.env.log.error({ error }, 'a write failed: read-only until the disk writes again');
    this.duty.readOnly = true;
    const unknown = new CausewayError(
      'CAUSEWAY_OUTCOME_UNKNOWN',
      'the disk failed while the write was under way: it may or may not have been applied',
    );
    this.failLost(unknown);
    this.jobs = [];
    this.requests.failAll(
      new CausewayError('CAUSEWAY_READ_ONLY', 'the disk of the node refuses writes: nothing was done'),
    );
    this.requests.listAgain();
    this.watches.interrupt();
    // Whom a link serves must be stored as a member, and that may be among what was lost.
    this.repair.pause();
    this.neighbours.pause(this.store.now);
  }

  /** Everybody who waited for a commit that is not to be gets an answer, `error` for writes; a refusal stands. */
  private failLost(error: CausewayError): void {
    for (const send of this.store.discard()) {
      if (send.type === 'reply')
        this.requests.fail(send.session, send.request, send.results.every(isRead) ? lostRead() : error);
      else if (send.type === 'failure') this.requests.fail(send.session, send.request, send.error);
    }
  }

  private reopened(records: StoredReplica, now: Now): void {
    assert(this.duty.readOnly, 'a store is reopened after a failed write');
    this.duty.readOnly = false;
    // What was read meanwhile may be older than what the store has brought back.
    this.failLost(lostRead());
    this.store.restore(records);
    this.ownCommits.committed(seqOf(this.store.durable, this.id), now.monotonic);
    this.requests.readAgain();
    this.members.restore(records.entries);
    this.leaveAgain();
    this.declare();
    this.housekeeping.restart(purgesOf(records));
    this.reissue.restore(records.entries);
    // Links that were opened meanwhile were told of less than the store has brought back.
    this.neighbours.resume(now);
    this.repair.resume();
    this.intake.restart(now);
    this.env.log.info({}, 'the disk writes again');
  }
}

/** Jobs that make jobs are run within one poll, so many deep; the rest with the next event. */
const TURNS_MAX = 8;

/** What it had read was not durable. */
function lostRead(): CausewayError {
  return new CausewayError('CAUSEWAY_READ_FAILED', 'the store was reopened: read again');
}

function purgesOf({ entries }: StoredReplica): string[] {
  return entries.filter(({ key }) => key[0] === KIND.purge).map(({ key }) => textOfKey(key));
}

/** What the identities that were left behind had seen of others, together. */
function beforeRejoin(departures: readonly Departure[]): VersionVector | undefined {
  if (departures.length === 0) return undefined;
  const seen = new Map(departures.map((departure) => departure.seen).reduce(joinVersionVectors));
  for (const origin of leftBehind(departures)) seen.delete(origin);
  return seen;
}
