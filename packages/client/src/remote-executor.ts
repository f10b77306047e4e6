/**
 * The executor of the client library: carries operations out at a node, over a connection that it makes anew whenever
 * it is lost, at one endpoint after the other.
 *
 * What happens to a request when the connection is lost
 * - not sent yet: it stays in the queue and goes out on the next connection.
 * - a read, or a transaction of reads, that was not answered: it is sent again, before all that waits.
 * - what a node that is stopping has turned away: it is sent to the next one.
 * - a mutation that was not answered: it is rejected with CAUSEWAY_OUTCOME_UNKNOWN, for it may or may not have taken
 *   effect. It is never sent twice.
 * - a watch: it ends with CAUSEWAY_WATCH_INTERRUPTED.
 *
 * Invariants
 * - Of what takes effect, everything does so in the order of the calls: one connection at a time, one queue.
 * - What waits is bounded in bytes (CAUSEWAY_OVERLOADED beyond) and in time.
 * - While anything waits, a timer runs; when nothing does, none.
 * - A node that does not answer is left within about 3 s, one that is only slow is not: see `lookAt`.
 */
import { CausewayError, type Operation, type Result, type WatchFilter } from '@causeway/protocol';
import { Connection, FRAME_MESSAGES, type Greeting } from './connection.js';
import type { Endpoints } from './endpoints.js';
import type { Executor, WatchSink } from './executor.js';
import { OperationRequest, type Request, UnwatchRequest, WatchRequest } from './request.js';
import { RequestQueue } from './request-queue.js';
import type { Surroundings } from './surroundings.js';

/** What may wait to be sent, as `bytes` of requests. */
const QUEUE_BYTES_MAX = 128 * 1024 * 1024;
/** After so much silence a node of which something is wanted is asked whether it is still there. Milliseconds. */
const PROBE_MS = 1000;
/**
 * A node that has said nothing for this long, and not even answered the probe, is taken for gone: more than a busy event
 * loop and a long line need. Milliseconds.
 */
const SILENCE_MS_MAX = 2500;
/** The same where the probe or its answer waits behind much else. Milliseconds. */
const SILENCE_LOADED_MS_MAX = 10_000;
/** How long `close` waits for what is under way. Milliseconds. */
const CLOSE_MS_MAX = 5000;
/** A connection that lasted this long was a good one: the next pauses are short again. Milliseconds. */
const GOOD_CONNECTION_MS = 1000;
/** Time between looks at what has waited too long. Milliseconds. */
const LOOK_MS_MIN = 5;
const LOOK_MS_MAX = 500;

export interface RemoteOptions {
  readonly name: string;
  /** How long an operation may wait for a connection and its answer. Milliseconds. */
  readonly operationTimeoutMs: number;
}

export interface RemoteEvents {
  /** A node has answered the handshake, after the start or after a loss. */
  connected(greeting: Greeting): void;
  /** A connection was lost, or could not be made. */
  disconnected(error: CausewayError): void;
}

export class RemoteExecutor implements Executor {
  private readonly queue = new RequestQueue();
  private connection: Connection | undefined;
  private lastError = new CausewayError('CAUSEWAY_UNREACHABLE', 'not connected yet');
  private phase: 'running' | 'closing' | 'closed' = 'running';
  private closed: Promise<void> | undefined;
  private whenIdle: (() => void) | undefined;
  private flushing = false;
  /** The time at the beginning of this tick. Milliseconds. */
  private tickAt = 0;
  private cancelDial: (() => void) | undefined;
  private cancelLook: (() => void) | undefined;
  /** When the next look should be. Milliseconds. */
  private lookAtMs = 0;
  private readonly flush = (): void => {
    this.flushing = false;
    this.connection?.pump(this.queue, this.tickAt);
  };

  constructor(
    private readonly surroundings: Surroundings,
    private readonly endpoints: Endpoints,
    private readonly options: RemoteOptions,
    private readonly events: RemoteEvents,
  ) {
    this.dial();
  }

  execute<T>(operation: Operation, read: (result: Result) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.enqueue(new OperationRequest([operation], false, read, unread, resolve, reject));
    });
  }

  transact<T>(operations: readonly Operation[], read: (results: readonly Result[]) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.enqueue(new OperationRequest(operations, true, unread, read, resolve, reject));
    });
  }

  watch(filter: WatchFilter, sink: WatchSink): () => void {
    const watch = new WatchRequest(filter, sink);
    this.enqueue(watch);
    return () => {
      if (watch.settled) return;
      watch.settled = true;
      // If it was not sent yet, it never will be.
      if (watch.stage === 'sent') this.enqueue(new UnwatchRequest(watch));
    };
  }

  close(): Promise<void> {
    this.closed ??= this.finish();
    return this.closed;
  }

  private async finish(): Promise<void> {
    this.phase = 'closing';
    const connection = this.connection;
    if (connection?.isOpen && (connection.waitingCount > 0 || this.queue.length > 0)) {
      await new Promise<void>((resolve) => {
        const cancel = this.surroundings.after(CLOSE_MS_MAX, resolve);
        this.whenIdle = () => {
          cancel();
          resolve();
        };
      });
    }
    this.phase = 'closed';
    this.cancelDial?.();
    this.cancelLook?.();
    const error = closedError();
    if (this.connection !== undefined) this.connection.close(error);
    while (this.queue.length > 0) this.queue.shift().failed(error);
  }

  private enqueue(request: Request): void {
    const refusal = this.refusal(request);
    if (refusal !== undefined) {
      // Whoever begins a watch does not have what `watch` returns yet.
      if (request.type === 'watch') this.surroundings.soon(() => request.failed(refusal));
      else request.failed(refusal);
      return;
    }
    if (!this.flushing) this.flushSoon();
    request.askedAt = this.tickAt;
    this.queue.push(request);
    if (this.queue.length >= FRAME_MESSAGES) this.connection?.pump(this.queue, this.tickAt);
  }

  private refusal(request: Request): CausewayError | undefined {
    if (this.phase !== 'running') return closedError();
    if (this.queue.bytes + request.bytes <= QUEUE_BYTES_MAX) return undefined;
    return new CausewayError('CAUSEWAY_OVERLOADED', `more than ${QUEUE_BYTES_MAX} bytes wait to be sent`);
  }

  private flushSoon(): void {
    this.flushing = true;
    this.tickAt = this.surroundings.now();
    this.surroundings.soon(this.flush);
    if (this.cancelLook === undefined) this.lookLater(this.tickAt);
  }

  private dial(): void {
    const connection = new Connection(
      this.surroundings,
      { url: this.endpoints.take(), name: this.options.name },
      {
        opened: (greeting) => {
          this.events.connected(greeting);
          this.flushSoon();
        },
        answered: () => this.answered(connection),
        lost: (error) => this.lost(connection, error),
      },
    );
    this.connection = connection;
  }

  private answered(connection: Connection): void {
    if (this.queue.length > 0) {
      if (!this.flushing) this.flushSoon();
    } else if (this.phase === 'closing' && connection.waitingCount === 0) {
      this.whenIdle?.();
    }
  }

  private lost(connection: Connection, error: CausewayError): void {
    this.connection = undefined;
    this.lastError = error;
    if (connection.ageMs(this.surroundings.now()) >= GOOD_CONNECTION_MS) this.endpoints.good();
    const again: Request[] = [];
    for (const request of connection.drain()) {
      if (this.phase === 'running' && request.repeatable) {
        again.push(request);
      } else {
        request.forgotten(error);
      }
    }
    this.queue.prepend(again);
    for (const watch of connection.openWatches()) watch.forgotten(error);
    if (this.phase === 'running') {
      this.events.disconnected(error);
      this.cancelDial = this.surroundings.after(this.endpoints.pauseMs(), () => this.dial());
    } else {
      this.whenIdle?.();
    }
  }

  /** Looks for what has waited too long. Runs now and then while anything waits. */
  private look(): void {
    this.cancelLook = undefined;
    const now = this.surroundings.now();
    const deadline = now - this.options.operationTimeoutMs;
    // When this process itself stood still, answers may lie unread: they are taken in before the next look.
    if (now - this.lookAtMs <= LOOK_MS_MAX) {
      this.expireQueue(deadline);
      if (this.connection?.isOpen) this.lookAt(this.connection, now, deadline);
    }
    const connection = this.connection;
    const watching = connection !== undefined && connection.waitingCount + connection.watchCount > 0;
    if ((watching || this.queue.length > 0) && this.cancelLook === undefined) this.lookLater(now);
  }

  private lookLater(now: number): void {
    const { operationTimeoutMs } = this.options;
    const lookMs = Math.max(LOOK_MS_MIN, Math.min(LOOK_MS_MAX, operationTimeoutMs / 4));
    this.lookAtMs = now + lookMs;
    this.cancelLook = this.surroundings.after(lookMs, () => this.look());
  }

  /**
   * A stopped process, or a line that is cut without a word, keeps the connection open. So a silent node is probed, and
   * left when it says nothing to that either. Both are required: silence alone may be a long commit.
   */
  private lookAt(connection: Connection, now: number, deadline: number): void {
    if (connection.waitingCount + connection.watchCount === 0) return;
    const { operationTimeoutMs } = this.options;
    const quietMs = connection.quietMs(now);
    const silenceMs = connection.probeIsLoaded ? SILENCE_LOADED_MS_MAX : SILENCE_MS_MAX;
    const probeMs = Math.min(PROBE_MS, operationTimeoutMs / 2);
    if (quietMs >= Math.min(silenceMs, operationTimeoutMs) && connection.probedMs(now) >= probeMs) {
      const silence = `the node has said nothing for ${Math.round(quietMs)} ms`;
      connection.close(new CausewayError('CAUSEWAY_CONNECTION_LOST', silence));
      return;
    }
    if (quietMs >= probeMs) connection.probe(now);
    if (connection.waitingCount > 0) {
      connection.expire(
        deadline,
        new CausewayError('CAUSEWAY_TIMEOUT', `no answer within ${operationTimeoutMs} ms`),
      );
    }
  }

  private expireQueue(deadline: number): void {
    for (let request = this.queue.peek(); request !== undefined; request = this.queue.peek()) {
      if (request.askedAt >= deadline && !request.settled) return;
      this.queue.shift();
      const { operationTimeoutMs } = this.options;
      const waited = `the operation was not sent within ${operationTimeoutMs} ms`;
      request.failed(
        this.connection?.isOpen
          ? new CausewayError('CAUSEWAY_OVERLOADED', `${waited}: the node is slower than what is asked of it`)
          : new CausewayError('CAUSEWAY_UNREACHABLE', `${waited}: no endpoint answers`, {
              cause: this.lastError,
            }),
      );
    }
  }
}

function closedError(): CausewayError {
  return new CausewayError('CAUSEWAY_CLOSED', 'the database is closed');
}

/** Requests of one operation and of several are read by different functions. */
function unread(): never {
  throw new CausewayError('CAUSEWAY_INTERNAL', 'the result was read as that of another kind of request');
}
