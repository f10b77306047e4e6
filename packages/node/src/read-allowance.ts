/**
 * How much of its time the event loop may spend on reading records by itself: a token bucket of milliseconds.
 *
 * A record that LevelDB finds in memory is there in 3 µs; a thread of the pool costs 45 µs, and two hand-overs, each of
 * which may have to wait for a core. But a record that the disk has to bring holds up everybody for as long as that takes.
 * So reading is given a share of the time, saved up for one burst, and a slow read pays many times over: on a disk of 5 ms
 * next to nothing is read here.
 */

/** Of the time that passes, while reads are fast. */
const SHARE = 0.25;
/** What can be saved up: reads in a row take little more, but for one slow one. Milliseconds. */
const BURST_MS = 2;
/** What can be owed: a process that stood still in the middle of a read goes on reading within seconds. Milliseconds. */
const DEBT_MS = 1_000;
/** A read that takes longer has waited for the disk. Milliseconds. */
const SLOW_MS = 0.2;
/** How many times over a slow read pays: so reads that wait take 1/64 of the time, at most. */
const SLOW_PAYS = 16;

export class ReadAllowance {
  private savedMs = BURST_MS;

  /** `at`, here and below: monotonic milliseconds. */
  constructor(private at: number) {}

  /** Whether there is time for a read now. */
  allows(at: number): boolean {
    this.savedMs = Math.min(BURST_MS, this.savedMs + (at - this.at) * SHARE);
    this.at = at;
    return this.savedMs > 0;
  }

  /** A read that was allowed has taken so long. */
  took(ms: number): void {
    this.savedMs = Math.max(this.savedMs - (ms > SLOW_MS ? ms * SLOW_PAYS : ms), -DEBT_MS);
  }
}
