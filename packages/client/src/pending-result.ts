/**
 * The promise of a result inside a transaction, which cannot come before the transaction has been sent.
 *
 * A callback that waits for such a promise before it returns would wait for ever, so the promise notices that it
 * is waited for. `await`, `Promise.all` and the like pass both handlers to `then`; `.then(f)` and `.catch(f)`, with
 * which one prepares what is to be done later, pass one.
 */
import type { Result } from '@causeway/protocol';

export class PendingResult<T> extends Promise<T> {
  /** What `then` returns is an ordinary promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** Called whenever the result begins to be waited for. */
  awaited: () => void = () => {};

  // biome-ignore lint/suspicious/noThenProperty: a promise has this method; here it also notices who waits
  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    if (typeof fulfilled === 'function' && typeof rejected === 'function') this.awaited();
    return super.then(fulfilled, rejected);
  }
}

/** Where the result at the same index goes. */
export interface Settlement {
  /** Resolves the promise, or rejects it with what reading the result threw. */
  settle(result: Result): void;
  reject(error: unknown): void;
}
