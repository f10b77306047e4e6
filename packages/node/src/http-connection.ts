/**
 * One connection of the HTTP API: requests that are pipelined on it take effect in the order in which they came.
 *
 * Invariants
 * - A request is given to the replica after all that came before it on this connection, whichever body was
 *   complete first. The replica executes the requests of one session in order.
 * - A listing waits until everything before it is answered, and what comes after waits for it: listings are not
 *   part of the session's order.
 * - Each exchange is answered at most once. Node puts the answers into the order of the requests.
 * - Beyond PIPELINE_MAX exchanges nothing more is read from the socket, and while UNREAD_BYTES_MAX of answers wait
 *   for the client nothing more is started. Whole sets are asked for one at a time.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { SessionId } from '@causeway/replica';
import type { ClientServerOptions } from './client-facing.js';
import { PIPELINE_CUT, PIPELINE_MAX, PIPELINE_STARTED_MAX, UNREAD_BYTES_MAX } from './client-limits.js';
import { type Answer, failure, rawAnswer, success } from './http-answer.js';
import { cursorOf } from './http-cursor.js';
import type { Ask } from './http-routes.js';
import type { SessionHandler, SessionSend } from './session-hub.js';

/** One request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Headers that its answer carries, whatever it is. */
  readonly headers: Record<string, string>;
  /** What it asks, as soon as it has been received and read. */
  asks?: {
    readonly name: string;
    readonly ask: Ask;
    readonly idempotency?: { key: string; fingerprint: string };
  };
  startedAt: number;
  answered: boolean;
}

/** What connections need of the server that they belong to. */
export interface ConnectionContext extends ClientServerOptions {
  readonly stopping: boolean;
  /** Runs `ask` of the conflict feed; throws CausewayError. */
  conflicts(ask: Extract<Ask, { type: 'conflicts' }>): object;
}

export class HttpConnection implements SessionHandler {
  private session: SessionId | undefined;
  private last = 0;
  /** Received in this order, not yet given to the replica. */
  private readonly waiting: Exchange[] = [];
  private readonly started = new Map<number, Exchange>();
  private newest: Exchange | undefined;
  /** Exchanges that have not been answered. */
  open = 0;
  private barrier = false;
  /** Bytes of answers that the system has not taken yet. */
  private unsent = 0;
  private paused = false;
  private released = false;
  /** Set when the parser has given up: what to say when everything before has been answered. */
  private ending: Answer | undefined;

  constructor(
    readonly socket: Socket,
    private readonly context: ConnectionContext,
  ) {
    // Node resumes the socket by itself whenever it reads on in a body, or has dropped one.
    socket.on('resume', () => {
      if (this.paused) socket.pause();
    });
  }

  /** Undefined when the connection is at its end: the request is not looked at. */
  begin(request: IncomingMessage, response: ServerResponse): Exchange | undefined {
    if (this.ending !== undefined || this.socket.destroyed) return undefined;
    if (this.open >= PIPELINE_CUT) {
      this.socket.destroy();
      return undefined;
    }
    const exchange: Exchange = { request, response, headers: {}, startedAt: 0, answered: false };
    this.waiting.push(exchange);
    this.newest = exchange;
    this.open++;
    if (this.open >= PIPELINE_MAX && !this.paused) {
      this.paused = true;
      this.socket.pause();
    }
    return exchange;
  }

  /** The exchange has all that it needs: it starts as soon as it is its turn. */
  received(exchange: Exchange, asks: NonNullable<Exchange['asks']>): void {
    exchange.asks = asks;
    this.advance();
  }

  /** Answers without asking the replica. */
  finish(exchange: Exchange, answer: Answer): void {
    const index = this.waiting.indexOf(exchange);
    if (index >= 0) this.waiting.splice(index, 1);
    this.answer(exchange, answer);
    this.advance();
  }

  refuse(exchange: Exchange, error: unknown): void {
    this.finish(exchange, failure(error, this.context.log));
  }

  sends(batch: readonly SessionSend[]): void {
    for (const send of batch) {
      const exchange = this.started.get(send.request);
      if (exchange === undefined) continue;
      this.started.delete(send.request);
      this.barrier = false;
      this.context.telemetry.operation(exchange.asks!.name, (performance.now() - exchange.startedAt) / 1000);
      this.answer(exchange, this.answerOf(exchange.asks!.ask, send));
    }
    this.advance();
  }

  /** Nothing that follows on this connection can be understood: `answer` is the last word. */
  end(answer: Answer): void {
    if (this.ending !== undefined) return;
    this.ending = answer;
    const unfinished = this.newest;
    if (unfinished !== undefined && !unfinished.answered && unfinished.asks === undefined) {
      this.waiting.splice(this.waiting.indexOf(unfinished), 1);
      unfinished.headers['connection'] = 'close';
      this.answer(unfinished, answer);
    } else {
      this.endIfIdle();
    }
  }

  /** From now on the socket is somebody else's. False, and nothing changes, if exchanges are under way. */
  release(): boolean {
    this.released = this.open === 0;
    return this.released;
  }

  /** The socket speaks HTTP again. */
  reclaim(): void {
    this.released = false;
  }

  /** The socket is gone. */
  closed(): void {
    this.open = 0;
    this.waiting.length = 0;
    this.started.clear();
    if (this.session !== undefined) this.context.hub.close(this.session);
    this.session = undefined;
  }

  /** Ends the connection if nothing is under way on it. */
  endIfIdle(): void {
    if (this.open > 0 || this.released) return;
    const last = this.newest?.response;
    if (last !== undefined && !last.writableFinished) {
      // Answers leave in the order of the requests: with the newest all have left.
      last.once('finish', () => this.endIfIdle());
      return;
    }
    if (this.ending !== undefined && this.socket.writable) this.socket.write(rawAnswer(this.ending));
    this.socket.destroySoon();
  }

  private advance(): void {
    while (!this.barrier) {
      const next = this.waiting[0];
      if (next?.asks === undefined || this.unsent > UNREAD_BYTES_MAX) return;
      const startedMax = isAlone(next.asks.ask) ? 1 : PIPELINE_STARTED_MAX;
      if (this.started.size >= startedMax) return;
      this.waiting.shift();
      this.start(next, next.asks);
    }
  }

  private start(exchange: Exchange, { ask, name, idempotency }: NonNullable<Exchange['asks']>): void {
    exchange.startedAt = performance.now();
    if (ask.type === 'conflicts') {
      this.answer(exchange, this.conflicts(ask));
      this.context.telemetry.operation(name, (performance.now() - exchange.startedAt) / 1000);
      return;
    }
    this.session ??= this.context.hub.open(this);
    const { session } = this;
    const request = ++this.last;
    this.started.set(request, exchange);
    this.barrier = isAlone(ask);
    if (ask.type === 'keys') {
      const { prefix, limit, keyType, after } = ask;
      this.context.step({
        type: 'list-keys',
        session,
        request,
        prefix,
        limit,
        ...(keyType === undefined ? {} : { keyType }),
        ...(after === undefined ? {} : { after }),
      });
    } else {
      const { operations } = ask;
      this.context.step({
        type: 'request',
        session,
        request,
        operations,
        ...(idempotency === undefined ? {} : { idempotency }),
      });
    }
  }

  private conflicts(ask: Extract<Ask, { type: 'conflicts' }>): Answer {
    try {
      return success(this.context.conflicts(ask));
    } catch (error) {
      return failure(error, this.context.log);
    }
  }

  private answerOf(ask: Ask, send: SessionSend): Answer {
    try {
      if (send.type === 'failure') return failure(send.error, this.context.log);
      if (send.type === 'reply' && ask.type === 'operations') return success(ask.answer(send.results));
      if (send.type === 'keys') {
        const { keys, after } = send;
        return success({ keys, ...(after === undefined ? {} : { after: cursorOf(after) }) });
      }
      throw new Error(`a request for ${ask.type} was answered with a ${send.type}`);
    } catch (error) {
      return failure(error, this.context.log);
    }
  }

  private answer(exchange: Exchange, { status, headers, body }: Answer): void {
    if (exchange.answered || this.socket.destroyed) return;
    exchange.answered = true;
    this.open--;
    const { response } = exchange;
    const bytes = body.length;
    this.unsent += bytes;
    response.once('finish', () => {
      this.unsent -= bytes;
      if (this.waiting.length > 0) this.advance();
    });
    // An answer that closes drops whatever is pipelined behind it, so only the newest may.
    if (this.context.stopping && exchange === this.newest && this.open === 0) {
      exchange.headers['connection'] = 'close';
    }
    response.writeHead(status, { ...headers, ...exchange.headers });
    response.end(body);
    if (this.paused && this.open < PIPELINE_MAX / 2) {
      this.paused = false;
      this.socket.resume();
    }
    if (this.ending !== undefined || this.context.stopping) this.endIfIdle();
  }
}

/** Listings are no part of the session's order; a set may be large, and its answer is held until it is sent. */
function isAlone(ask: Ask): boolean {
  return ask.type !== 'operations' || ask.operations.some(({ op }) => op === 'set.values');
}
