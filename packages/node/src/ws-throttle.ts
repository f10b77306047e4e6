/**
 * Backpressure on one client: while it has too much under way, or does not read its answers, it is not read from.
 * It is cut only when the system could hand it nothing for UNREAD_TIMEOUT_MS of what waits for it.
 */
import { UNREAD_TIMEOUT_MS } from './client-limits.js';
import type { Connection } from './websocket.js';

export class Throttle {
  private paused = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly connection: Connection) {}

  /** Stops reading from the client. */
  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.connection.pause();
    this.timer = this.watchProgress();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    clearTimeout(this.timer);
    this.connection.resume();
  }

  private watchProgress(): NodeJS.Timeout {
    const { connection } = this;
    const before = connection.bytesSent - connection.bufferedBytes;
    return setTimeout(() => {
      const waiting = connection.bufferedBytes;
      if (waiting > 0 && connection.bytesSent - waiting === before) {
        connection.cut(`it reads nothing: ${waiting} bytes wait for it`);
      } else {
        this.timer = this.watchProgress();
      }
    }, UNREAD_TIMEOUT_MS);
  }
}
