/** What the person who waits sees, on standard error: one line that is written over on a terminal, else a line now and then. */
const REDRAW_MS = 250;
const PLAIN_EVERY_MS = 500;

export class Progress {
  private readonly startedAt = performance.now();
  private readonly timer: NodeJS.Timeout | undefined;
  private what = '';
  private doing = '';
  private told = Number.NEGATIVE_INFINITY;

  constructor(private readonly stream: NodeJS.WriteStream) {
    if (stream.isTTY) this.timer = setInterval(() => this.draw(), REDRAW_MS);
  }

  /** The suite that runs from now on. */
  begin(what: string): void {
    this.what = what;
    this.told = Number.NEGATIVE_INFINITY;
  }

  tell(doing: string): void {
    this.doing = doing;
    if (this.timer !== undefined) return this.draw();
    const now = performance.now();
    if (now - this.told < PLAIN_EVERY_MS) return;
    this.told = now;
    this.stream.write(`${this.line()}\n`);
  }

  /** A line that stays. */
  say(text: string): void {
    this.clear();
    this.stream.write(`${text}\n`);
  }

  end(): void {
    clearInterval(this.timer);
    this.clear();
  }

  private line(): string {
    const seconds = Math.round((performance.now() - this.startedAt) / 1000);
    return `${String(seconds).padStart(4)} s  ${this.what}: ${this.doing}`;
  }

  private draw(): void {
    this.stream.write(`\r\u001b[K${this.line().slice(0, (this.stream.columns ?? 80) - 1)}`);
  }

  private clear(): void {
    if (this.timer !== undefined) this.stream.write('\r\u001b[K');
  }
}
