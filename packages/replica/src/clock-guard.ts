/**
 * Clock guard: whether this node's wall clock is good enough for stamps of register writes, and who is told when it is
 * not. A clock that is off loses nothing, but its writes win, or lose, against those of others where they should not.
 */
import type { ReplicaId } from '@causeway/crdt';
import { CausewayError, type Operation } from '@causeway/protocol';
import type { Log, Now } from './environment.js';
import type { Clocks } from './replication/clocks.js';

/** A step of the own wall clock is noticed when it is as large as this: smaller ones are told by the next ping. */
const STEP_MS = 50;
const LOOK_MS = 1_000;

export class ClockGuard {
  /** How far the clocks of the majority are ahead of this node's, ms, while that is too far. */
  offByMs: number | undefined;
  private lookedAt = Number.NEGATIVE_INFINITY;
  /** Wall minus monotonic clock at that time, and what had been measured. */
  private shift = 0;
  private measurements = -1;
  /** Peers whose clocks differ too much, and were told of. */
  private readonly differing = new Set<ReplicaId>();

  constructor(
    private readonly clocks: Clocks,
    private readonly others: () => readonly ReplicaId[],
    private readonly maxSkewMs: number,
    private readonly log: Log,
  ) {}

  /** Looks again when anything may have changed; costs next to nothing otherwise. Whether the verdict has changed. */
  look(now: Now): boolean {
    const shift = now.wall - now.monotonic;
    const { clocks } = this;
    if (
      Math.abs(shift - this.shift) < STEP_MS &&
      clocks.measurements === this.measurements &&
      now.monotonic - this.lookedAt < LOOK_MS
    ) {
      return false;
    }
    this.lookedAt = now.monotonic;
    this.shift = shift;
    this.measurements = clocks.measurements;
    const others = this.others();
    const before = this.offByMs;
    this.offByMs = clocks.judge(others, now);
    this.tell(before, this.offByMs);
    if (this.offByMs === undefined) this.warn(others, now);
    return (before === undefined) !== (this.offByMs === undefined);
  }

  /** Why the operations are not to be executed now. */
  refusal(operations: readonly Operation[]): CausewayError | undefined {
    if (this.offByMs === undefined || !operations.some(stamps)) return undefined;
    return new CausewayError(
      'CAUSEWAY_CLOCK_SKEW',
      `the clock of this node is ${describe(this.offByMs)}: it takes no register writes until it is set`,
    );
  }

  private tell(before: number | undefined, after: number | undefined): void {
    if (before === undefined && after !== undefined) {
      const fields = { code: 'CAUSEWAY_CLOCK_SKEW', offsetMs: Math.round(-after), maxSkewMs: this.maxSkewMs };
      this.log.error(
        fields,
        `the clock of this node is off: ${describe(after)}; it takes no register writes`,
      );
    } else if (before !== undefined && after === undefined) {
      this.log.info({}, 'the clock of this node is right again');
    }
  }

  /** Of two nobody knows which one is wrong; of more the wrong one knows itself, but somebody should hear of it. */
  private warn(others: readonly ReplicaId[], now: Now): void {
    for (const replica of others) {
      const offsetMs = this.clocks.offsetMs(replica, now);
      const differs = offsetMs !== undefined && Math.abs(offsetMs) > this.maxSkewMs;
      if (!differs) this.differing.delete(replica);
      else if (!this.differing.has(replica)) {
        this.differing.add(replica);
        this.log.warn(
          { peer: replica, offsetMs: Math.round(offsetMs), maxSkewMs: this.maxSkewMs },
          'the clocks of this node and of a peer differ: one of them is off',
        );
      }
    }
    for (const replica of this.differing) if (!others.includes(replica)) this.differing.delete(replica);
  }
}

function stamps({ op }: Operation): boolean {
  return op === 'register.set' || op === 'register.delete';
}

function describe(othersAheadMs: number): string {
  const seconds = (Math.abs(othersAheadMs) / 1000).toFixed(1);
  return `${seconds} s ${othersAheadMs < 0 ? 'ahead of' : 'behind'} what a majority of the members agrees on`;
}
