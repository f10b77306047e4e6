/**
 * Sends transactions to one node, each exactly once, whatever happens to connections and to the node meanwhile.
 *
 * A transaction whose outcome is unknown is sent again under the same Idempotency-Key to the same node, which then
 * answers what it answered first or carries it out now. One is under way at a time, so they take effect in order.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CausewayError } from '@causeway/protocol';
import { reasonOf } from '../cluster/node-status.js';
import { httpUrl, readAnswer } from '../node-api.js';
import type { LineOperation } from './operations.js';

const RETRY_MS = 100;
/** A node that does not answer for so long is asked again. */
const ANSWER_TIMEOUT_MS = 30_000;

export interface SenderOptions {
  /** Any client URL of the node. */
  readonly node: string;
  /** No other sender ever uses the same. */
  readonly name: string;
  /** How long a node may be away before the sender gives up. Milliseconds. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Called with the reason when a transaction has to be sent again, with undefined when it has been answered then. */
  readonly onTrouble: (reason: string | undefined) => void;
}

export class TransactionSender {
  /** Requests that had to be sent again. */
  retries = 0;
  private next = 0;
  private readonly url: URL;

  constructor(private readonly options: SenderOptions) {
    this.url = new URL('/v1/transactions', httpUrl(options.node));
  }

  /** Resolves when durable at the node. Throws what the node refuses it with, CAUSEWAY_UNREACHABLE out of patience. */
  async send(operations: readonly LineOperation[]): Promise<void> {
    const key = `${this.options.name}-${this.next++}`;
    const body = JSON.stringify({ operations });
    let troubledSince: number | undefined;
    for (;;) {
      try {
        await this.post(key, body);
        if (troubledSince !== undefined) this.options.onTrouble(undefined);
        return;
      } catch (error) {
        this.options.signal.throwIfAborted();
        if (!maySendAgain(error)) throw error;
        this.retries++;
        troubledSince ??= performance.now();
        const reason = reasonOf(error);
        if (performance.now() - troubledSince > this.options.patienceMs) {
          const message = `${this.url.origin} has been away for ${this.options.patienceMs / 1000} s: ${reason}`;
          throw new CausewayError('CAUSEWAY_UNREACHABLE', message, { cause: error });
        }
        this.options.onTrouble(reason);
        await delay(RETRY_MS, undefined, { signal: this.options.signal });
      }
    }
  }

  private async post(key: string, body: string): Promise<void> {
    const { signal } = this.options;
    signal.throwIfAborted();
    const response = await fetch(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]),
    });
    readAnswer(response.status, await response.text());
  }
}

/** Everything but a refusal of the request itself: the idempotency key makes the rest exact. */
function maySendAgain(error: unknown): boolean {
  return !(error instanceof CausewayError) || error.retryable || error.status >= 500;
}
