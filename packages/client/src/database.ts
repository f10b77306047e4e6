/**
 * The public interface of Causeway, the same over a connection and in process: built on any Executor.
 */
import { CausewayError, checkKey } from '@causeway/protocol';
import { type Counter, CounterHandle } from './counter.js';
import type { Executor } from './executor.js';
import { type Register, RegisterHandle } from './register.js';
import { DirectRunner } from './runner.js';
import { type Set, SetHandle } from './set.js';
import { runTransaction, type Settled, type Transaction } from './transaction.js';
import { type Watch, WatchIterator, type WatchOptions } from './watch.js';

/**
 * A key-value store of registers, sets and counters. The type is part of a key's identity: register `a` and counter
 * `a` are two things. Keys are well-formed text of 1 to 1,024 bytes in UTF-8 (else CAUSEWAY_BAD_KEY).
 *
 * Everything is local to the region that answers: it is durable there when a promise resolves, and reaches the other
 * regions by itself. Operations take effect in the order in which they were called; those called in one tick travel
 * together, so there is no need to await each before the next.
 */
export interface Database {
  /** Handles cost nothing and ask nothing of the node; make them as needed. */
  register<T = unknown>(key: string): Register<T>;
  set<T = unknown>(key: string): Set<T>;
  counter(key: string): Counter;
  /**
   * Carries out everything that `body` does with `tx` as one: all of it or nothing, here and wherever it arrives.
   * Resolves when durable, with what `body` returned, its promises resolved: itself, or the items of an array.
   * At most 1,000 operations.
   *
   * Writes on `tx` resolve at once; reads, and the values that increments tell, resolve when the transaction has been
   * carried out, so `body` must not await them: that is CAUSEWAY_BAD_REQUEST, and nothing is sent. If `body` throws or
   * rejects, nothing is sent either.
   */
  transaction<const R>(body: (tx: Transaction) => R): Promise<Settled<R>>;
  /** Changes of keys from now on; see `Watch` for how it ends. */
  watch(options?: WatchOptions): Watch;
  /** Waits a while for what is under way, then ends everything; whatever is asked after is CAUSEWAY_CLOSED. */
  close(): Promise<void>;
}

/** The database that sends its operations to `executor`. */
export function createDatabase(executor: Executor): Database {
  return new ExecutorDatabase(executor);
}

class ExecutorDatabase implements Database {
  private readonly runner: DirectRunner;

  constructor(private readonly executor: Executor) {
    this.runner = new DirectRunner(executor);
  }

  register<T = unknown>(key: string): Register<T> {
    return new RegisterHandle<T>(this.runner, key);
  }

  set<T = unknown>(key: string): Set<T> {
    return new SetHandle<T>(this.runner, key, true);
  }

  counter(key: string): Counter {
    return new CounterHandle(this.runner, key);
  }

  transaction<const R>(body: (tx: Transaction) => R): Promise<Settled<R>> {
    return runTransaction(this.executor, body);
  }

  watch(options: WatchOptions = {}): Watch {
    checkWatchOptions(options);
    return new WatchIterator(this.executor, options);
  }

  close(): Promise<void> {
    return this.executor.close();
  }
}

/** A wrong filter is a mistake in the program, and there is no promise yet that could tell of it. */
function checkWatchOptions({ prefix, key, type, bufferChangesMax }: WatchOptions): void {
  if (key !== undefined) checkKey(key);
  if (prefix !== undefined && prefix !== '') checkKey(prefix);
  if (type !== undefined && type !== 'register' && type !== 'set' && type !== 'counter') {
    throw new CausewayError('CAUSEWAY_BAD_REQUEST', `no such type: ${String(type)}`);
  }
  if (bufferChangesMax !== undefined && !(Number.isSafeInteger(bufferChangesMax) && bufferChangesMax > 0)) {
    throw new CausewayError('CAUSEWAY_BAD_REQUEST', 'bufferChangesMax must be an integer above 0');
  }
}
