/**
 * Calls functions at times finer than the timers of Node: one binary heap over one timer.
 *
 * A Node timer waits whole milliseconds and is then late by some tenths of one, and what it calls has
 * sockets to read and to write at either end. The scheduler therefore asks for the nearest millisecond, less
 * what all that takes, and lets run what is due within `EARLY_MS`: the error that is left lies around zero,
 * and no core is spent on polling.
 *
 * Invariants
 * - Calls happen in order of their due time, ties in the order in which they were asked for.
 * - A call is early by at most EARLY_MS; it is late by what the event loop is late.
 * - While anything is scheduled a timer is armed for it or for something before it.
 */

/** What is due within this is due now: half a timer's step and TIMER_LATE_MS, less its least lateness. Milliseconds. */
export const EARLY_MS = 0.8;

/** Called with the time it was due, so that what follows from it does not add up the errors of timers. */
export type Call = (dueMs: number) => void;

interface Entry {
  readonly due: number;
  readonly order: number;
  readonly call: Call;
}

export class Scheduler {
  readonly #heap: Entry[] = [];
  #orders = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerDue = Number.POSITIVE_INFINITY;

  /** Milliseconds of the monotonic clock: the clock of every due time. */
  now(): number {
    return performance.now();
  }

  /** What is due up to this time is to be done now. */
  horizon(): number {
    return this.now() + EARLY_MS;
  }

  at(due: number, call: Call): void {
    this.#push({ due, order: this.#orders++, call });
    this.#arm();
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || this.#timerDue <= first.due) return;
    clearTimeout(this.#timer);
    this.#timerDue = first.due;
    const delay = Math.max(1, Math.round(first.due - this.now() - TIMER_LATE_MS));
    this.#timer = setTimeout(() => this.#run(), delay);
    // The sockets that wait for it keep the process alive; without them nothing is to be done.
    this.#timer.unref();
  }

  #run(): void {
    this.#timerDue = Number.POSITIVE_INFINITY;
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (first.due > this.horizon()) break;
      this.#pop();
      first.call(first.due);
    }
    this.#arm();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex]!;
      if (!isBefore(entry, parent)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = entry;
  }

  /** Removes the first entry. */
  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= heap.length) break;
      if (childIndex + 1 < heap.length && isBefore(heap[childIndex + 1]!, heap[childIndex]!)) childIndex++;
      const child = heap[childIndex]!;
      if (!isBefore(child, last)) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
  }
}

/** How late a timer is, with the way through two more sockets, on an idle machine. Measured. Milliseconds. */
const TIMER_LATE_MS = 0.4;

function isBefore(a: Entry, b: Entry): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
