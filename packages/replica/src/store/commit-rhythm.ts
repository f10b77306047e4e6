/**
 * Commit rhythm: when commits begin, and how much they take.
 *
 * Each costs the same whatever is in it, a write to the disk and two wake-ups; so what came from peers waits a little for
 * more of its kind, or for whoever waits for a commit.
 *
 * A client with much under way sends its next requests when it has the answers to the last. Once they all are in one commit
 * they stay together: the disk waits for the client and the executor, and these for the disk. Halved once, they go on side by
 * side. That pays as long as a commit takes no longer than the wait for the next one; on a slow disk the commits would only be
 * smaller.
 */
import type { Millis } from '../environment.js';
import type { Limits } from '../limits.js';

export class CommitRhythm {
  /** Monotonic ms from which on a commit of what came from peers alone may begin. */
  peersDueAt = Number.NEGATIVE_INFINITY;
  /** From the last commit's hand-out to its end. */
  commitMs = 0;
  /** From the end of the one before it to its hand-out. */
  private idleMs = Number.POSITIVE_INFINITY;
  private landedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly limits: Pick<Limits, 'peerCommitsApartMs' | 'unusedCommits'>) {}

  begun(now: Millis): void {
    this.peersDueAt = now + this.limits.peerCommitsApartMs;
  }

  /** A commit that was handed out at `handedOutAt` is durable. */
  landed(handedOutAt: Millis, now: Millis): void {
    this.idleMs = handedOutAt - this.landedAt;
    this.commitMs = now - handedOutAt;
    this.landedAt = now;
  }

  get takesTurns(): boolean {
    return this.commitMs <= this.idleMs && this.idleMs <= this.limits.unusedCommits * this.commitMs;
  }
}
