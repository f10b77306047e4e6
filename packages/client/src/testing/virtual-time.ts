/**
 * The sockets of Node under a clock that a test moves: what would take seconds is a call.
 */
import { platform } from '../platform.js';
import type { Surroundings } from '../surroundings.js';
import { dialNodeSocket } from '../websocket-node.js';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

export class VirtualTime implements Surroundings {
  readonly dial: Surroundings['dial'];
  /** URLs that were dialled, and when. */
  readonly dials: { readonly url: string; readonly at: number }[] = [];
  /** Sockets that the client has been told the end of. */
  closed = 0;
  /** Frames that the client has been given. */
  received = 0;
  private time = 1000;
  private timers = new Set<Timer>();

  constructor(dial: Surroundings['dial'] = dialNodeSocket) {
    this.dial = (url, subprotocol, events) => {
      this.dials.push({ url, at: this.time });
      return dial(url, subprotocol, {
        opened: () => events.opened(),
        received: (bytes) => {
          events.received(bytes);
          this.received += 1;
        },
        closed: (reason) => {
          this.closed += 1;
          events.closed(reason);
        },
      });
    };
  }

  now(): number {
    return this.time;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.time + ms, callback };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  soon(callback: () => void): void {
    queueMicrotask(callback);
  }

  random(): number {
    return 0.5;
  }

  /** Number of timers that run. */
  get pending(): number {
    return this.timers.size;
  }

  /** The whole process stands still: no timer runs in time. */
  stall(ms: number): void {
    this.time += ms;
    this.advance(0);
  }

  /** Moves the clock; timers run in order, each at its time. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers.delete(due);
      this.time = Math.max(this.time, due.at);
      due.callback();
    }
    this.time = end;
  }
}

/** Node's sockets and time that goes `times` faster: for many reconnections with their pauses. */
export function hurried(times: number): Surroundings {
  return {
    ...platform,
    dial: dialNodeSocket,
    soon: (callback) => queueMicrotask(callback),
    now: () => platform.now() * times,
    after: (ms, callback) => platform.after(ms / times, callback),
  };
}
