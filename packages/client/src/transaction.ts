/**
 * Transactions: what a callback does with `tx` is collected and carried out as one, all or nothing.
 *
 * A node runs all operations of a transaction in one go, so there is no talking back and forth while it is open:
 * the operations are sent when the callback has returned and its promise, if it returned one, has resolved.
 * - Writes (`set`, `delete`, `add`, `remove`, `clear`, `reset`) resolve as soon as they are part of the transaction;
 *   that they are durable is told by the promise of the transaction.
 * - Reads, and increments, which tell the new value, are promises that resolve when the transaction has been
 *   carried out: reads see its snapshot and its own earlier operations.
 * - A callback that waits for one of those before it has returned would wait for ever. That is noticed: everything is
 *   rejected with CAUSEWAY_BAD_REQUEST and nothing is sent. Keep the promise and await it afterwards, or return it:
 *   `const [left, name] = await db.transaction(tx => [tx.counter('stock').value(), tx.register('name').get()])`.
 *   (Sending at the first await instead would tear such a callback in two: its later writes would not be atomic with
 *   its earlier ones.)
 *
 * Invariants
 * - Nothing is sent unless every operation is well formed and the callback has succeeded.
 * - Every promise that was handed out is settled before that of the transaction.
 */
import {
  CausewayError,
  checkKey,
  type Operation,
  type Result,
  TRANSACTION_OPERATIONS_MAX,
} from '@causeway/protocol';
import { type Counter, CounterHandle } from './counter.js';
import type { Executor } from './executor.js';
import { PendingResult, type Settlement } from './pending-result.js';
import { type Register, RegisterHandle } from './register.js';
import { nothing, type Runner } from './runner.js';
import { Elements, type Set, SetHandle } from './set.js';

/** The handles of a database, within one transaction. Of no use after it. */
export interface Transaction {
  register<T = unknown>(key: string): Register<T>;
  set<T = unknown>(key: string): Set<T>;
  counter(key: string): Counter;
}

/** What a callback returned, with its promises resolved: itself, or the items of an array. */
export type Settled<R> =
  Awaited<R> extends readonly unknown[]
    ? { -readonly [K in keyof Awaited<R>]: Awaited<Awaited<R>[K]> }
    : Awaited<R>;

export async function runTransaction<R>(
  executor: Executor,
  body: (tx: Transaction) => R,
): Promise<Settled<R>> {
  const transaction = new OpenTransaction();
  let returned: unknown;
  try {
    returned = body(transaction);
    // One of our own promises is to be resolved by what comes next; waiting for it here would be waiting for ever.
    if (isThenable(returned) && !transaction.owns(returned)) returned = await transaction.watched(returned);
    await transaction.commit(executor);
  } catch (error) {
    transaction.fail(error);
    throw error;
  }
  return (await (Array.isArray(returned) ? Promise.all(returned) : returned)) as Settled<R>;
}

class OpenTransaction implements Transaction, Runner {
  private readonly operations: Operation[] = [];
  private readonly settlements: Settlement[] = [];
  /** The first thing that went wrong: the whole transaction goes wrong with it, also if nobody looks. */
  private failure: { readonly error: unknown } | undefined;
  private open = true;
  /** Set while the callback has returned a promise that is not resolved yet. */
  private interrupt: ((error: CausewayError) => void) | undefined;
  private readonly awaited = (): void => this.interrupt?.(waitsForItself());

  register<T = unknown>(key: string): Register<T> {
    return new RegisterHandle<T>(this, key);
  }

  set<T = unknown>(key: string): Set<T> {
    return new SetHandle<T>(this, key, false);
  }

  counter(key: string): Counter {
    return new CounterHandle(this, key);
  }

  execute<T>(operation: Operation, read: (result: Result) => T): Promise<T> {
    if (!this.open) return Promise.reject(over());
    try {
      checkKey(operation.key);
      if (this.operations.length === TRANSACTION_OPERATIONS_MAX) throw tooLarge();
    } catch (error) {
      return this.refuse(error);
    }
    this.operations.push(operation);
    return (read as unknown) === nothing ? this.buffered() : this.promised(read);
  }

  refuse(error: unknown): Promise<never> {
    if (!this.open) return Promise.reject(over());
    this.failure ??= { error };
    return handled(Promise.reject(error));
  }

  /** True for a promise, or the elements of a set, that this transaction has handed out. */
  owns(value: unknown): boolean {
    const promise = value instanceof Elements ? value.source : value;
    return promise instanceof PendingResult && promise.awaited === this.awaited;
  }

  /** Resolves as the callback's own promise does, unless that waits for a result of this transaction. */
  async watched(promise: PromiseLike<unknown>): Promise<unknown> {
    try {
      return await Promise.race([
        promise,
        new Promise<never>((_, reject) => {
          this.interrupt = reject;
        }),
      ]);
    } finally {
      this.interrupt = undefined;
    }
  }

  async commit(executor: Executor): Promise<void> {
    this.open = false;
    if (this.failure !== undefined) throw this.failure.error;
    if (this.operations.length > 0) {
      await executor.transact(this.operations, (results) => {
        this.settlements.forEach((settlement, index) => {
          settlement.settle(results[index]!);
        });
      });
    }
  }

  fail(error: unknown): void {
    this.open = false;
    for (const settlement of this.settlements) settlement.reject(error);
  }

  private buffered<T>(): Promise<T> {
    this.settlements.push(UNOBSERVED);
    return Promise.resolve(undefined as T);
  }

  private promised<T>(read: (result: Result) => T): Promise<T> {
    const pending = new PendingResult<T>((resolve, reject) => {
      this.settlements.push({
        settle(result) {
          try {
            resolve(read(result));
          } catch (error) {
            reject(error);
          }
        },
        reject,
      });
    });
    pending.awaited = this.awaited;
    return handled(pending);
  }
}

const UNOBSERVED: Settlement = { settle: nothing, reject: nothing };

/** Nobody has to look at this promise: what it is rejected with also rejects the transaction. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(nothing);
  return promise;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value !== null &&
    (typeof value === 'object' || typeof value === 'function') &&
    'then' in value &&
    typeof value.then === 'function'
  );
}

function over(): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_REQUEST', 'the transaction is over: its callback has returned');
}

function tooLarge(): CausewayError {
  return new CausewayError(
    'CAUSEWAY_TOO_LARGE',
    `a transaction holds at most ${TRANSACTION_OPERATIONS_MAX} operations`,
  );
}

function waitsForItself(): CausewayError {
  return new CausewayError(
    'CAUSEWAY_BAD_REQUEST',
    'the callback waits for a result of its own transaction, which is not carried out before the callback has ' +
      'returned; keep the promise and await it after the transaction, or return it (in an array, if several)',
  );
}
