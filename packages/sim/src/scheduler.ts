/**
 * Virtual time: what is to happen, in order of time and, at one time, in the order in which it was asked for.
 *
 * Time moves only from one task to the next, so an idle hour costs nothing. Nothing here is asynchronous: a
 * task runs to its end before the next one starts.
 */

/** A task that can still be called off. */
export interface Timer {
  readonly at: number;
  readonly order: number;
  task: (() => void) | undefined;
}

export class Scheduler {
  /** Milliseconds since the simulation began. */
  now = 0;
  /** Tasks run so far. */
  executed = 0;
  private order = 0;
  /** Binary heap, earliest first. */
  private readonly heap: Timer[] = [];

  /** Runs `task` at `time`, or as the next of this moment when that is past. */
  at(time: number, task: () => void): Timer {
    const timer: Timer = { at: Math.max(time, this.now), order: this.order++, task };
    this.push(timer);
    return timer;
  }

  after(delay: number, task: () => void): Timer {
    return this.at(this.now + delay, task);
  }

  cancel(timer: Timer | undefined): void {
    if (timer !== undefined) timer.task = undefined;
  }

  /** Runs the next task; false when there is none. What it throws is thrown on. */
  step(): boolean {
    for (let timer = this.pop(); timer !== undefined; timer = this.pop()) {
      const { task } = timer;
      if (task === undefined) continue;
      this.now = timer.at;
      this.executed++;
      task();
      return true;
    }
    return false;
  }

  /** Runs everything that is due up to and at `time`. */
  runUntil(time: number): void {
    for (let next = this.peek(); next !== undefined && next.at <= time; next = this.peek()) this.step();
    this.now = Math.max(this.now, time);
  }

  /** Runs until `condition` holds, at most for `limit` ms of virtual time; whether it holds. */
  until(condition: () => boolean, limit: number): boolean {
    const end = this.now + limit;
    while (!condition()) {
      const next = this.peek();
      if (next === undefined || next.at > end) {
        this.now = end;
        return condition();
      }
      this.step();
    }
    return true;
  }

  private peek(): Timer | undefined {
    while (this.heap[0] !== undefined && this.heap[0].task === undefined) this.pop();
    return this.heap[0];
  }

  private push(timer: Timer): void {
    const { heap } = this;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Timer;
      if (isEarlier(above, timer)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  }

  private pop(): Timer | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isEarlier(heap[child + 1] as Timer, heap[child] as Timer)) child++;
      if (isEarlier(last, heap[child] as Timer)) break;
      heap[index] = heap[child] as Timer;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isEarlier(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
