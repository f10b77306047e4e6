/**
 * Increments whose outcome may stay unknown, and the books that are kept of them.
 *
 * Every increment has an amount and an idempotency key of its own, so that the value of a counter tells which of the
 * unknown ones took effect: it must be the sum of all acknowledged amounts and of some of the unknown ones, each at
 * most once.
 */
import type { HttpClient } from './http.js';

export interface Increment {
  readonly counter: string;
  readonly by: number;
  readonly idempotencyKey: string;
  /** The node that was asked: the key is known there only. */
  readonly region: string;
  outcome: 'acknowledged' | 'unknown' | 'not sent';
  /** What the answer said. */
  value?: number;
}

/** Beyond this many unknown ones at one counter their sums say little, and take long. */
const UNKNOWN_MAX = 16;

/** Asks for an increment, perhaps again; what becomes of it is written down in it. */
export async function send(increment: Increment, client: HttpClient): Promise<void> {
  const { counter, by, idempotencyKey } = increment;
  const before = increment.outcome;
  // What was unknown before stays so, whatever becomes of this attempt.
  increment.outcome = 'unknown';
  try {
    const path = `/v1/counters/${encodeURIComponent(counter)}`;
    const { status, body } = await client.send('POST', path, { by }, { 'idempotency-key': idempotencyKey });
    if (status === 200) {
      increment.outcome = 'acknowledged';
      increment.value = (body as { value: number }).value;
    } else if (status !== 503) {
      throw new Error(`${idempotencyKey}: ${status} ${JSON.stringify(body)}`);
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // Nobody listened there; or who did is gone, with the request or before it.
    if (code === 'ECONNREFUSED') increment.outcome = before;
    else if (code !== 'ECONNRESET' && code !== 'EPIPE') throw error;
  }
}

export class Books {
  readonly entries: Increment[] = [];

  enter(increment: Increment): void {
    this.entries.push(increment);
  }

  get counters(): string[] {
    return [...new Set(this.entries.map(({ counter }) => counter))].sort();
  }

  count(outcome: Increment['outcome']): number {
    return this.entries.filter((entry) => entry.outcome === outcome).length;
  }

  /** What is wrong with the value of a counter; undefined when it is one of those that it may have. */
  problem(counter: string, value: number): string | undefined {
    const of = this.entries.filter((entry) => entry.counter === counter);
    const sum = total(of.filter(({ outcome }) => outcome === 'acknowledged'));
    const unknown = of.filter(({ outcome }) => outcome === 'unknown').map(({ by }) => by);
    if (unknown.length > UNKNOWN_MAX) return `${counter}: ${unknown.length} increments of unknown outcome`;
    let possible = new Set([sum]);
    for (const by of unknown) possible = new Set([...possible].flatMap((before) => [before, before + by]));
    if (possible.has(value)) return undefined;
    return `${counter} is ${value}; acknowledged are ${sum}, unknown ${JSON.stringify(unknown)}`;
  }
}

function total(increments: readonly Increment[]): number {
  return increments.reduce((sum, { by }) => sum + by, 0);
}
