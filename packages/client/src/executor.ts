/**
 * What a database is built on: something that carries out operations. The client library has one that talks to
 * a node over a WebSocket (connection.ts); a node that is embedded in the process provides its own.
 *
 * What every executor promises
 * - No method throws: what goes wrong is told through the promise or the sink, as a CausewayError.
 * - Operations take effect in the order of the calls, also those whose promises nobody waits for.
 * - Once the promise of a mutation resolves, the mutation is durable.
 *
 * What it may rely on: keys are keys (`checkKey`), values and elements are canonical bytes within their limits.
 */
import type { CausewayError, KeyChange, Operation, Result, WatchFilter } from '@causeway/protocol';

export interface Executor {
  /**
   * Carries out one operation. `read` turns its result into what the promise resolves with; the promise is
   * rejected with what `read` throws. Passing it in here saves a second promise for every operation.
   */
  execute<T>(operation: Operation, read: (result: Result) => T): Promise<T>;
  /** Carries out all operations as one transaction; `results` has one entry for each of them, in order. */
  transact<T>(operations: readonly Operation[], read: (results: readonly Result[]) => T): Promise<T>;
  /** Starts a watch. The function that it returns ends it: the sink hears nothing from then on. */
  watch(filter: WatchFilter, sink: WatchSink): () => void;
  /** Finishes or rejects what is under way (CAUSEWAY_CLOSED), then frees what the executor holds. */
  close(): Promise<void>;
}

/** Told of one watch, never from within the call to `watch`. Its methods do not throw; nothing is called after `ended`. */
export interface WatchSink {
  /** From here on every change that is committed is told of. Called once, before the first change. */
  opened(): void;
  changed(change: KeyChange): void;
  /** The watch is over and was not asked to be. */
  ended(error: CausewayError): void;
}
