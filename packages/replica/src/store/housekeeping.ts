/**
 * Housekeeping: what the store does for itself. All of it in small steps between the writes of others, each step
 * one job of the executor.
 *
 * Invariant: a step touches a bounded number of records, and the next one starts when it is durable.
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import type { Log, Now } from '../environment.js';
import { Checkpoint } from './checkpoint.js';
import { Compaction } from './compaction.js';
import { Expiry } from './expiry.js';
import type { Schedule } from './job.js';
import { LogCut } from './log-cut.js';
import { Mending } from './mend.js';
import { Purge } from './purge.js';
import { Results } from './results.js';
import { Scrub } from './scrub.js';
import type { Survivor } from './set-count.js';
import type { Store } from './store.js';

export class Housekeeping {
  private readonly purge: Purge;
  private readonly expiry: Expiry;
  private readonly compaction: Compaction;
  private readonly results: Results;
  private readonly logCut: LogCut;
  private readonly checkpoint: Checkpoint;
  private readonly mending: Mending;
  readonly scrub: Scrub;

  constructor(
    private readonly store: Store,
    schedule: Schedule,
    onSurvivor: Survivor,
    log: Log,
  ) {
    this.purge = new Purge(store, schedule, onSurvivor);
    this.compaction = new Compaction(store, schedule);
    this.expiry = new Expiry(store, schedule, (origin) => this.compaction.reconsider(origin));
    this.results = new Results(store, schedule);
    this.logCut = new LogCut(store, schedule);
    this.checkpoint = new Checkpoint(store, schedule);
    this.mending = new Mending(store, schedule);
    this.scrub = new Scrub(
      store,
      log,
      () => this.checkpoint.replaced(),
      (sets) => this.mending.count(sets),
    );
    store.expiryWanted = (at) => this.expiry.wanted(at);
    store.purgeWanted = (key) => this.purge.start(key);
  }

  /** No evidence goes until `owner` resumes it; what was under way stops before its next step. */
  pauseCompaction(owner: object): void {
    this.compaction.pause(owner);
  }

  resumeCompaction(owner: object): void {
    this.compaction.resume(owner);
  }

  /** Evidence under dots of `origin` has come that may be stable already. */
  reconsider(origin: ReplicaId): void {
    this.compaction.reconsider(origin);
  }

  /** These damaged records lack nothing any more. */
  mend(keys: readonly Uint8Array[]): void {
    this.mending.start(keys);
  }

  /** At the start and after a discard, with the keys of the sets that are being purged. */
  restart(purges: readonly string[]): void {
    this.expiry.restart();
    this.compaction.restart();
    this.results.restart();
    this.logCut.restart();
    this.checkpoint.restart();
    this.scrub.restart();
    this.purge.restart(purges);
  }

  /** No purge is under way and no expiry is due. */
  isSettled(now: Now): boolean {
    return this.purge.idle && this.expiry.isSettled(now);
  }

  /** When the next register expires, wall ms. */
  get deadline(): number | undefined {
    return this.expiry.deadline;
  }

  /** At every turn. */
  turn(now: Now): void {
    this.expiry.start(now);
    this.scrub.turn(now);
  }

  /** Every HOUSEKEEPING_INTERVAL_MS. */
  tick(now: Now, stable: VersionVector): void {
    this.compaction.start(stable);
    this.results.forget(now);
    this.purge.retry();
    this.checkpoint.tick();
  }

  /** Before a stop: the next start has little to read. */
  wrapUp(): void {
    if (this.store.indexPages.journalBytes > 0) this.checkpoint.start();
  }

  /** What `wrapUp` has begun is durable. */
  get isWrappedUp(): boolean {
    return !this.checkpoint.isRunning;
  }

  /** `held`: what all members have. */
  cutLog(held: VersionVector): void {
    this.logCut.start(held);
  }

  /** `ownHeld`: the highest own seq that any other member has. */
  capLog(ownHeld: number, now: Now): void {
    this.logCut.cap(ownHeld, now);
  }
}
