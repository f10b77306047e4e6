/**
 * What the time is on one machine: a monotonic clock that starts anywhere at each process start and runs a
 * little fast or slow, and a wall clock that is off and that somebody sets.
 */
import type { Now } from '@causeway/replica';
import type { Scheduler } from './scheduler.js';

/** Wall time at which every simulation begins: 2023-11-14T22:13:20Z. */
export const WALL_EPOCH_MS = 1_700_000_000_000;

export class NodeClock {
  private monotonicBase = 0;
  private startedAt = 0;
  /** Wall clock settings in order, never empty: at `from` (virtual time) the wall was put `offset` ms ahead. */
  private readonly settings: { readonly from: number; readonly offset: number }[];

  /** `rate`: ms of this clock in one ms of true time, about 1. */
  constructor(
    private readonly scheduler: Scheduler,
    offsetMs: number,
    readonly rate: number,
  ) {
    this.settings = [{ from: 0, offset: offsetMs }];
  }

  /** A process starts: its monotonic clock counts from `base`. */
  restart(base: number): void {
    this.monotonicBase = base;
    this.startedAt = this.scheduler.now;
  }

  now(): Now {
    const { now } = this.scheduler;
    return {
      monotonic: this.monotonicBase + (now - this.startedAt) * this.rate,
      wall: this.wallAt(now, this.offset),
    };
  }

  /** Virtual time at which the monotonic clock has passed `monotonic`. */
  timeOf(monotonic: number): number {
    return this.startedAt + (monotonic - this.monotonicBase) / this.rate;
  }

  get offset(): number {
    return (this.settings.at(-1) as { offset: number }).offset;
  }

  /** The furthest that the wall clock has ever been ahead. */
  get offsetMost(): number {
    return Math.max(...this.settings.map(({ offset }) => offset));
  }

  /** Sets the wall clock to be `offsetMs` ahead of true time. */
  set(offsetMs: number): void {
    this.settings.push({ from: this.scheduler.now, offset: offsetMs });
  }

  /** What the wall clock may have said between two virtual times. */
  wallRange(from: number, to: number): { least: number; most: number } {
    let least = Number.POSITIVE_INFINITY;
    let most = Number.NEGATIVE_INFINITY;
    for (const [index, setting] of this.settings.entries()) {
      const end = this.settings[index + 1]?.from ?? Number.POSITIVE_INFINITY;
      if (end < from || setting.from > to) continue;
      least = Math.min(least, this.wallAt(Math.max(from, setting.from), setting.offset));
      most = Math.max(most, this.wallAt(Math.min(to, end), setting.offset));
    }
    return { least, most };
  }

  private wallAt(time: number, offset: number): number {
    return Math.floor(WALL_EPOCH_MS + time + offset);
  }
}
