/**
 * What the clients of one region do: writes and as many reads, at a rate that does not depend on how fast they are
 * answered, over keys of which some are far more popular than others.
 *
 * Bounded: IN_FLIGHT_MAX operations wait for their answers; while it is reached what is due is held back, and
 * counted.
 */
import type { Database } from '@causeway/client';

/** Enough for a second at 2,500 operations a second. */
const IN_FLIGHT_MAX = 2_500;
const VALUE = 'x'.repeat(100);
const ELEMENTS = 50;

export interface LaneOptions {
  readonly db: Database;
  /** Writes of this lane each second; there are as many reads. */
  readonly writesPerSecond: number;
  readonly nextKey: () => number;
  readonly random: () => number;
}

/** Since the last look. */
export interface Tally {
  writes: number;
  reads: number;
  failed: number;
  heldBack: number;
  /** Of writes that were acknowledged, from when they were due. Milliseconds. */
  writeMs: number[];
  /** The last thing that went wrong. */
  error: unknown;
}

export class Lane {
  private tally = emptyTally();
  private inFlight = 0;
  private started = 0;
  private readonly startedAt = performance.now();

  constructor(private readonly options: LaneOptions) {}

  /** Sends what is due at `now`. */
  tick(now: number): void {
    const { writesPerSecond } = this.options;
    const due = Math.floor(((now - this.startedAt) * writesPerSecond) / 1_000);
    for (; this.started < due; this.started++) {
      if (this.inFlight + 2 > IN_FLIGHT_MAX) {
        this.tally.heldBack += due - this.started;
        this.started = due;
        return;
      }
      const dueAt = this.startedAt + (this.started * 1_000) / writesPerSecond;
      this.follow(this.write(), (tally) => {
        tally.writes++;
        tally.writeMs.push(performance.now() - dueAt);
      });
      this.follow(this.read(), (tally) => {
        tally.reads++;
      });
    }
  }

  /** What has happened since the last call. */
  take(): Tally {
    const { tally } = this;
    this.tally = emptyTally();
    return tally;
  }

  private write(): Promise<unknown> {
    const { db, nextKey, random } = this.options;
    const [key, kind] = [nextKey(), random()];
    if (kind < 0.4) return db.register(`load:${key}`).set(`${this.started} ${VALUE}`);
    if (kind < 0.6) return db.counter(`load:${key}`).increment();
    const element = Math.floor(random() * ELEMENTS);
    const set = db.set<number>(`load:${key}`);
    return kind < 0.85 ? set.add(element) : set.remove(element);
  }

  private read(): Promise<unknown> {
    const { db, nextKey, random } = this.options;
    const [key, kind] = [nextKey(), random()];
    if (kind < 0.4) return db.register(`load:${key}`).get();
    if (kind < 0.6) return db.counter(`load:${key}`).value();
    return db.set<number>(`load:${key}`).has(Math.floor(random() * ELEMENTS));
  }

  private follow(operation: Promise<unknown>, done: (tally: Tally) => void): void {
    this.inFlight++;
    operation.then(
      () => {
        this.inFlight--;
        done(this.tally);
      },
      (error: unknown) => {
        this.inFlight--;
        this.tally.failed++;
        this.tally.error = error;
      },
    );
  }
}

function emptyTally(): Tally {
  return { writes: 0, reads: 0, failed: 0, heldBack: 0, writeMs: [], error: undefined };
}
