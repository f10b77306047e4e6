/**
 * Times of this replica's own commits, until every member has acknowledged them: from them come the metrics of
 * acknowledgement and convergence, on this node's clock alone.
 *
 * Bounded: beyond TIMED_COMMITS_MAX every second time is forgotten, so that a member that is away for long makes
 * the times coarser, never the memory larger.
 */
import type { ReplicaId } from '@causeway/crdt';
import type { Telemetry } from '../environment.js';
import { TIMED_COMMITS_MAX } from '../limits.js';

interface TimedCommit {
  readonly lastSeq: number;
  /** Monotonic ms when it became durable here. */
  readonly at: number;
}

export class OwnCommits {
  private commits: TimedCommit[] = [];
  private readonly acked = new Map<ReplicaId, number>();
  private converged = 0;
  private newest: number;

  constructor(
    private readonly telemetry: Telemetry,
    private readonly startedAt: number,
    /** Own seq that was durable then. */
    private readonly startedWith: number,
  ) {
    this.newest = startedWith;
  }

  /** Own commits up to `lastSeq` are durable; of those that are known already nothing changes. */
  committed(lastSeq: number, at: number): void {
    if (lastSeq <= this.newest) return;
    this.newest = lastSeq;
    this.commits.push({ lastSeq, at });
    if (this.commits.length > TIMED_COMMITS_MAX) {
      this.commits = this.commits.filter((_, index) => index % 2 === 0 || index === this.commits.length - 1);
    }
  }

  /** `peer` has everything up to `seq`; `all`: every active member has everything up to that. */
  acknowledged(peer: ReplicaId, seq: number, all: number, now: number): void {
    const before = this.acked.get(peer);
    if (before !== undefined && seq > before) {
      for (let i = this.firstAfter(before); i < this.commits.length; i++) {
        const { lastSeq, at } = this.commits[i]!;
        if (lastSeq > seq) break;
        this.telemetry.ack(peer, (now - at) / 1000);
      }
    }
    if (before === undefined || seq > before) this.acked.set(peer, seq);
    if (all <= this.converged) return;
    this.converged = all;
    const end = this.firstAfter(all);
    for (let i = 0; i < end; i++) this.telemetry.convergence((now - this.commits[i]!.at) / 1000);
    this.commits.splice(0, end);
  }

  /** Age of the oldest own commit beyond `seq`, seconds; `newest` is this replica's own seq. */
  ageBeyond(seq: number, newest: number, now: number): number {
    if (newest <= seq) return 0;
    // What was committed before this start is at least as old as the start.
    const at = seq < this.startedWith ? this.startedAt : this.commits[this.firstAfter(seq)]?.at;
    return (now - (at ?? this.startedAt)) / 1000;
  }

  private firstAfter(seq: number): number {
    let low = 0;
    let high = this.commits.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.commits[middle]!.lastSeq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
