/**
 * Clients that count: each sends increments of one counter over a connection of its own, the next when the last one is
 * answered, and remembers when each request began and ended and how.
 */
import { HttpClient } from '../support/http.js';

export interface Sent {
  readonly beganAt: number;
  readonly endedAt: number;
  /** Undefined if it succeeded. */
  readonly failure?: string;
}

export class Traffic {
  readonly sent: Sent[] = [];
  private readonly stopped = new AbortController();
  private readonly workers: Promise<void>[];

  constructor(
    url: string,
    readonly key: string,
    workerCount: number,
  ) {
    this.workers = Array.from({ length: workerCount }, () => this.work(new HttpClient(url)));
  }

  get acknowledged(): number {
    return this.sent.filter(({ failure }) => failure === undefined).length;
  }

  get failures(): Sent[] {
    return this.sent.filter(({ failure }) => failure !== undefined);
  }

  /** Successes among the requests that began after `time`. */
  since(time: number): number {
    return this.sent.filter(({ beganAt, failure }) => beganAt >= time && failure === undefined).length;
  }

  /** The longest time between two successes after `time`. Milliseconds. */
  longestGapMs(time: number): number {
    const ends = this.sent
      .filter(({ endedAt, failure }) => endedAt >= time && failure === undefined)
      .map(({ endedAt }) => endedAt)
      .sort((a, b) => a - b);
    return Math.max(0, ...ends.slice(1).map((end, index) => end - ends[index]!));
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await Promise.all(this.workers);
  }

  private async work(client: HttpClient): Promise<void> {
    while (!this.stopped.signal.aborted) {
      const beganAt = performance.now();
      const failure = await increment(client, this.key);
      const endedAt = performance.now();
      this.sent.push({ beganAt, endedAt, ...(failure === undefined ? {} : { failure }) });
    }
    client.close();
  }
}

async function increment(client: HttpClient, key: string): Promise<string | undefined> {
  try {
    const { status, body } = await client.send('POST', `/v1/counters/${key}`, { by: 1 });
    return status === 200 ? undefined : `${status} ${JSON.stringify(body)}`;
  } catch (error) {
    return (error as Error).message;
  }
}
