/**
 * What the driver needs of this machine: its clocks, the end of the current turn, one timer, the store, and
 * where sends go.
 */
import type { Host, Now, Rejoin, Send } from '@causeway/replica';
import type { LevelStorage } from './level-storage.js';
import type { PeerLinks } from './peer-links.js';
import type { SessionHub } from './session-hub.js';

/** The longest that a timer sleeps; it is set anew when it wakes too early. Milliseconds. */
const SLEEP_MAX_MS = 60_000;

export interface NodeHost extends Host {
  /** Forgets what it was to be woken for. */
  stop(): void;
}

/** Wall time is Date.now(), which steps when the system's clock is set; monotonic time never does. */
export function currentTime(): Now {
  return { monotonic: performance.now(), wall: Date.now() };
}

export function createHost(
  storage: LevelStorage,
  links: PeerLinks,
  hub: SessionHub,
  rejoin: (rejoin: Rejoin) => void,
): NodeHost {
  const alarm = new Alarm();
  return {
    now: currentTime,
    defer: (task) => {
      setImmediate(task);
    },
    wake: (at, task) => alarm.set(at, task),
    write: (batch) => storage.write(batch),
    reopen: () => storage.reopen(),
    load: (keys, snapshot) => storage.load(keys, snapshot),
    scan: (scan) => storage.scan(scan),
    openSnapshot: (id) => storage.openSnapshot(id),
    closeSnapshot: (id) => storage.closeSnapshot(id),
    send: (sends) => {
      for (const send of sends) toLink(links, send);
      hub.dispatch(sends);
    },
    rejoin,
    stop: () => alarm.stop(),
  };
}

function toLink(links: PeerLinks, send: Send): void {
  switch (send.type) {
    case 'message':
      return links.send(send.link, send.message);
    case 'dial':
      return links.dial(send.link, send.address);
    case 'close':
      return links.close(send.link, send.reason);
    default:
      // For a session.
      return;
  }
}

/**
 * One timer that is set after every turn of the driver, thousands of times a second: it is only touched when it
 * must ring earlier; when it rings too early it sleeps on.
 */
class Alarm {
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Number.POSITIVE_INFINITY;
  private at = Number.POSITIVE_INFINITY;
  private task: () => void = () => undefined;

  set(at: number, task: () => void): void {
    this.at = at;
    this.task = task;
    if (at < this.timerAt) this.arm();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.at = Number.POSITIVE_INFINITY;
    this.timerAt = Number.NEGATIVE_INFINITY;
  }

  private arm(): void {
    clearTimeout(this.timer);
    // A timer drops fractions, and would ring too early.
    const sleepMs = Math.min(Math.ceil(Math.max(0, this.at - performance.now())), SLEEP_MAX_MS);
    this.timerAt = this.at;
    this.timer = setTimeout(() => this.ring(), sleepMs);
  }

  private ring(): void {
    this.timerAt = Number.POSITIVE_INFINITY;
    if (performance.now() < this.at) return this.arm();
    this.at = Number.POSITIVE_INFINITY;
    this.task();
  }
}
