/**
 * Pace of repairs: how fast this node reads, sends and adopts records for them, so that its own clients wait little
 * longer than without. Additive increase, multiplicative decrease, as in TCP (Chiu, Jain 1989); what is listened to is
 * the time that a commit with writes of clients takes.
 *
 * Invariants
 * - While no client writes here nothing is held up: a replica that has nothing yet gets what disk and link give.
 * - A repair always goes on, at `repairBytesPerSecondLeast` at least.
 */
import type { Millis } from '../environment.js';
import type { Limits } from '../limits.js';

/** What commits take is looked at so often, ms: some commits of a busy node. */
const WINDOW_MS = 250;
/** Beyond so many times the usual, and so much, ms, the repair is in the way. */
const SLOWER = 1.4;
const SLOWER_MS = 0.5;
const GROWTH = 1.25;
/** Weight of one window in what is usual; while nothing but patience is left, by how much the usual grows. */
const WEIGHT = 0.1;
const CREEP = 1.02;
/** A pause of the process is not made up for. */
const LATE_MS = 50;

export class RepairPace {
  /** Bytes per second; Infinity: nothing is held up. */
  private rate = Number.POSITIVE_INFINITY;
  private openAt: Millis = 0;
  /** What a commit takes while no repair is under way. */
  private usualMs: number | undefined;
  private windowEndsAt: Millis = 0;
  private commits = 0;
  private commitsMs = 0;

  constructor(
    private readonly limits: Limits,
    /** A session is under way. */
    private readonly isBusy: () => boolean,
  ) {}

  /** A commit with writes of clients has taken so long. */
  committed(ms: number, now: Millis): void {
    this.look(now);
    this.commits++;
    this.commitsMs += ms;
  }

  isOpen(now: Millis): boolean {
    this.look(now);
    return now >= this.openAt;
  }

  /** When it opens next. */
  get opensAt(): Millis {
    return this.openAt;
  }

  /** So many bytes have been worked on. */
  spend(bytes: number, now: Millis): void {
    this.openAt = Math.max(this.openAt, now - LATE_MS) + (1000 * bytes) / this.rate;
  }

  private look(now: Millis): void {
    if (now < this.windowEndsAt) return;
    const ms = this.commits === 0 ? undefined : this.commitsMs / this.commits;
    this.windowEndsAt = now + WINDOW_MS;
    this.commits = 0;
    this.commitsMs = 0;
    if (ms === undefined) this.rate = Number.POSITIVE_INFINITY;
    else if (this.isBusy()) this.adapt(ms);
    else this.usualMs = this.usualMs === undefined ? ms : this.usualMs + WEIGHT * (ms - this.usualMs);
  }

  private adapt(ms: number): void {
    const { repairBytesPerSecondLeast: least, repairBytesPerSecondFirst: first } = this.limits;
    const usual = this.usualMs === undefined ? ms : Math.min(ms, this.usualMs);
    this.usualMs ??= usual;
    if (this.rate === Number.POSITIVE_INFINITY) this.rate = Math.max(least, first);
    if (ms <= SLOWER * this.usualMs + SLOWER_MS) {
      this.rate *= GROWTH;
      return;
    }
    // Where the least is too much, it is not the repair that is in the way.
    if (this.rate <= least) this.usualMs *= CREEP;
    this.rate = Math.max(least, this.rate / 2);
  }
}
