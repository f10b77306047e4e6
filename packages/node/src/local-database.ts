/**
 * The database of an embedded node: the client's interface, carried out in process. One session of the replica,
 * without a socket between.
 *
 * Invariants
 * - Operations are given to the replica in the order of the calls.
 * - Every promise is settled, at the latest by `close`.
 */
import { createDatabase, type Database, type Executor, type WatchSink } from '@causeway/client';
import { CausewayError, isRead, type Operation, type Result, type WatchFilter } from '@causeway/protocol';
import type { SessionId } from '@causeway/replica';
import type { LocalDatabaseHandle, LocalDatabaseOptions } from './client-facing.js';
import type { SessionHandler, SessionSend } from './session-hub.js';

/** How long the database's own `close` waits for what is under way. Milliseconds. */
const CLOSE_MS_MAX = 5_000;

export function createLocalDatabase(options: LocalDatabaseOptions): LocalDatabaseHandle<Database> {
  const executor = new LocalExecutor(options);
  return {
    db: createDatabase(executor),
    async close() {
      executor.end();
    },
  };
}

/** A request that the replica has and has not answered. */
interface Pending {
  readonly operations: readonly Operation[];
  /** Settles the promise by the results; must not throw. */
  readonly settle: (results: readonly Result[]) => void;
  readonly reject: (error: unknown) => void;
}

export class LocalExecutor implements Executor, SessionHandler {
  private readonly session: SessionId;
  private readonly pending = new Map<number, Pending>();
  private readonly watches = new Map<number, WatchSink>();
  private last = 0;
  private state: 'open' | 'closing' | 'closed' = 'open';
  private idle: (() => void) | undefined;

  constructor(private readonly options: LocalDatabaseOptions) {
    this.session = options.hub.open(this);
  }

  execute<T>(operation: Operation, read: (result: Result) => T): Promise<T> {
    return this.request([operation], (results) => read(results[0]!));
  }

  transact<T>(operations: readonly Operation[], read: (results: readonly Result[]) => T): Promise<T> {
    return this.request(operations, read);
  }

  watch(filter: WatchFilter, sink: WatchSink): () => void {
    if (this.state !== 'open') {
      queueMicrotask(() => sink.ended(closed()));
      return () => undefined;
    }
    const { session } = this;
    const request = ++this.last;
    this.watches.set(request, sink);
    this.options.step({ type: 'watch', session, request, filter });
    // Not from within this call: its caller does not have what it returns yet.
    queueMicrotask(() => {
      if (this.watches.has(request)) sink.opened();
    });
    return () => {
      if (this.watches.delete(request)) this.options.step({ type: 'unwatch', session, request });
    };
  }

  async close(): Promise<void> {
    if (this.state === 'open') {
      this.state = 'closing';
      await this.settled();
    }
    this.end();
  }

  /** Closes at once: what a mutation under way came to is not known. */
  end(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.options.hub.close(this.session);
    const error = closed();
    for (const { operations, reject } of this.pending.values()) reject(forgotten(operations, error));
    this.pending.clear();
    const sinks = [...this.watches.values()];
    this.watches.clear();
    for (const sink of sinks) sink.ended(error);
    this.idle?.();
  }

  sends(batch: readonly SessionSend[]): void {
    for (const send of batch) {
      switch (send.type) {
        case 'reply':
          this.take(send.request)?.settle(send.results);
          break;
        case 'failure':
          this.take(send.request)?.reject(send.error);
          this.endWatch(send.request, send.error);
          break;
        case 'change':
          this.watches.get(send.request)?.changed(send.change);
          break;
        default:
        // Keys are not listed through this interface.
      }
    }
    if (this.pending.size === 0) this.idle?.();
  }

  private request<T>(operations: readonly Operation[], read: (results: readonly Result[]) => T): Promise<T> {
    if (this.state !== 'open') return Promise.reject(closed());
    return new Promise<T>((resolve, reject) => {
      const { session } = this;
      const request = ++this.last;
      const settle = (results: readonly Result[]): void => {
        try {
          resolve(read(results));
        } catch (error) {
          reject(error);
        }
      };
      this.pending.set(request, { operations, settle, reject });
      this.options.step({ type: 'request', session, request, operations });
    });
  }

  private take(request: number): Pending | undefined {
    const pending = this.pending.get(request);
    this.pending.delete(request);
    return pending;
  }

  private endWatch(request: number, error: CausewayError): void {
    const sink = this.watches.get(request);
    this.watches.delete(request);
    sink?.ended(error);
  }

  private settled(): Promise<void> {
    if (this.pending.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLOSE_MS_MAX);
      this.idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function forgotten(operations: readonly Operation[], cause: CausewayError): CausewayError {
  if (operations.every(isRead)) return cause;
  const message =
    'the node was closed while the operation was under way: it may or may not have taken effect';
  return new CausewayError('CAUSEWAY_OUTCOME_UNKNOWN', message, { cause });
}

function closed(): CausewayError {
  return new CausewayError('CAUSEWAY_CLOSED', 'the database is closed');
}
