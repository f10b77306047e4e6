/** How far something has come, on standard error: every second a line, on a terminal drawn over. */
import type { Output } from './output.js';
import { seconds } from './text.js';

const EVERY_MS = 1_000;

export class Ticker {
  private readonly startedAt = performance.now();
  private shownAt = this.startedAt;
  private readonly isLive = process.stderr.isTTY === true;
  private drawn = false;

  constructor(private readonly output: Output) {}

  /** `describe` is called only when its text is shown. */
  tick(describe: () => string): void {
    const now = performance.now();
    if (now - this.shownAt < EVERY_MS) return;
    this.shownAt = now;
    const text = `${describe()}  ${this.elapsed}`;
    if (!this.isLive) return this.output.note(text);
    this.drawn = true;
    process.stderr.write(`\r\u001b[K${text}`);
  }

  get elapsed(): string {
    return seconds((performance.now() - this.startedAt) / 1_000);
  }

  /** Clears the line. */
  end(): void {
    if (this.drawn) process.stderr.write('\r\u001b[K');
    this.drawn = false;
  }
}
