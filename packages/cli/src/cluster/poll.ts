/** Waiting for a condition of other processes, with a bound. */
import { setTimeout as delay } from 'node:timers/promises';

export interface PollOptions {
  /** Milliseconds. */
  readonly timeoutMs?: number;
  /** Between two looks. Milliseconds. */
  readonly everyMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 30_000;
const EVERY_MS = 25;

/**
 * What `look` returns as soon as it is neither undefined nor false. What `look` throws counts as not yet; when the
 * time is up the error says what was waited for and what `look` threw last.
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutMs = TIMEOUT_MS, everyMs = EVERY_MS, signal }: PollOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    let failure: unknown;
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`after ${timeoutMs} ms still waiting for: ${what}`, { cause: failure });
    }
    await delay(everyMs, undefined, signal === undefined ? {} : { signal });
  }
}
