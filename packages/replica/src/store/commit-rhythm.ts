/**
 * Commit rhythm: whether clients, executor and disk take turns.
 *
 * A client with much under way sends its next requests when it has the answers to the last. Once they all are in one commit
 * they stay together: the disk waits for the client and the executor, and these for the disk. Halved once, they go on side by
 * side. That pays as long as a commit takes no longer than the wait for the next one; on a slow disk the commits would only be
 * smaller.
 */
import type { Millis } from '../environment.js';

export class CommitRhythm {
  /** From the last commit's hand-out to its end. */
  commitMs = 0;
  /** From the end of the one before it to its hand-out. */
  private idleMs = Number.POSITIVE_INFINITY;
  private landedAt = Number.NEGATIVE_INFINITY;

  /** `unusedCommits`: a disk that was idle for longer than so many commits take had nothing to do. */
  constructor(private readonly unusedCommits: number) {}

  /** A commit that was handed out at `handedOutAt` is durable. */
  landed(handedOutAt: Millis, now: Millis): void {
    this.idleMs = handedOutAt - this.landedAt;
    this.commitMs = now - handedOutAt;
    this.landedAt = now;
  }

  get takesTurns(): boolean {
    return this.commitMs <= this.idleMs && this.idleMs <= this.unusedCommits * this.commitMs;
  }
}
