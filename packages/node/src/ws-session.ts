/**
 * One client on the WebSocket protocol: frames of requests in, frames of replies out. The hot path of a node.
 *
 * Invariants
 * - Requests are given to the replica in the order in which they came. Each is answered exactly once, under the
 *   id that the client gave it, as long as the connection lives.
 * - All replies of a turn leave in one frame, or in several of REPLY_FRAME_BYTES.
 * - A request that is wrong gets its own failure. A frame that is wrong ends the connection with 1002, after an
 *   error that says why; nothing in it has taken effect.
 * - A client with too much under way, or that does not read its answers, is not read from. Its watches end
 *   instead: changes cannot be held back.
 */
import {
  CausewayError,
  CLIENT_PROTOCOL_VERSION,
  decodeClientFrame,
  type KeyChange,
  type ReceivedMessage,
  type Result,
  SOFTWARE_VERSION,
  type WatchFilter,
} from '@causeway/protocol';
import type { SessionId } from '@causeway/replica';
import type { ClientServerOptions } from './client-facing.js';
import { HELLO_TIMEOUT_MS, UNREAD_BYTES_MAX, UNREAD_CHANGES_BYTES_MAX } from './client-limits.js';
import type { SessionHandler, SessionSend } from './session-hub.js';
import type { Connection, ConnectionHandlers } from './websocket.js';
import { Outbox } from './ws-outbox.js';
import { RequestTable } from './ws-requests.js';
import { Throttle } from './ws-throttle.js';
import { WatchTable } from './ws-watches.js';

/** What sessions need of the server that they belong to. */
export interface SessionContext extends ClientServerOptions {
  readonly stopping: boolean;
  /** The session is over; called once. */
  ended(session: ClientSession): void;
}

const NO_MESSAGES: readonly ReceivedMessage[] = [];
const NO_RESULTS: readonly Result[] = [];
const PROTOCOL_ERROR = 1002;
const GOING_AWAY = 1001;

export class ClientSession implements SessionHandler, ConnectionHandlers {
  private readonly session: SessionId;
  private readonly requests = new RequestTable();
  private readonly watches = new WatchTable();
  private readonly outbox: Outbox;
  private readonly throttle: Throttle;
  /** Frames that have come and are not decoded yet; then the messages of one frame, from `next` on. */
  private readonly frames: Uint8Array[] = [];
  private messages = NO_MESSAGES;
  private next = 0;
  private greeted = false;
  private over = false;
  private readonly helloTimer: NodeJS.Timeout;

  constructor(
    private readonly connection: Connection,
    private readonly context: SessionContext,
  ) {
    this.outbox = new Outbox(connection);
    this.throttle = new Throttle(connection);
    this.session = context.hub.open(this);
    this.helloTimer = setTimeout(() => this.refuse(badFrame('no hello came')), HELLO_TIMEOUT_MS);
  }

  /** Requests that have arrived and are not answered. */
  get inFlight(): number {
    return this.requests.size;
  }

  message(bytes: Uint8Array): void {
    if (this.over) return;
    this.frames.push(bytes);
    this.work();
  }

  closed(): void {
    this.end();
  }

  /** The system has taken everything that waited for the client. */
  drained(): void {
    if (!this.over) this.work();
  }

  sends(batch: readonly SessionSend[]): void {
    if (this.over) return;
    const at = performance.now();
    this.outbox.begin();
    for (let i = 0; i < batch.length; i++) this.send(batch[i]!, at);
    this.outbox.end();
    this.work();
  }

  /** Says goodbye; what is under way is answered no more. */
  close(): void {
    this.end();
    this.connection.close(GOING_AWAY, 'the node is stopping');
  }

  // From the replica to the client

  private send(send: SessionSend, at: number): void {
    switch (send.type) {
      case 'reply':
        return this.sendReply(this.answered(send.request, at), send.results);
      case 'failure':
        return this.sendFailure(send.request, send.error, at);
      case 'change':
        return this.sendChange(send.request, send.change);
      default:
      // Keys are not listed in this protocol.
    }
  }

  private sendReply(id: number, results: readonly Result[]): void {
    const bytes = this.outbox.add({ type: 'reply', id, results });
    if (results.length === 1 && results[0]!.op === 'register.get') this.requests.learn(bytes);
  }

  private sendFailure(request: number, error: CausewayError, at: number): void {
    if (!WatchTable.isWatch(request)) {
      this.outbox.add({ type: 'failure', id: this.answered(request, at), error });
      return;
    }
    const id = this.watches.id(request);
    if (id === undefined) return;
    this.watches.remove(id);
    this.outbox.add({ type: 'watch-end', id, error });
  }

  private sendChange(request: number, change: KeyChange): void {
    const id = this.watches.id(request);
    // Told before the replica heard that the watch has ended.
    if (id === undefined) return;
    if (this.outbox.waiting <= UNREAD_CHANGES_BYTES_MAX) {
      this.outbox.add({ type: 'change', id, change });
      return;
    }
    this.unwatch(id);
    const message = 'changes came faster than they were read: watch anew, then read the keys';
    this.outbox.add({ type: 'watch-end', id, error: new CausewayError('CAUSEWAY_WATCH_OVERFLOW', message) });
  }

  /** The client's id of a request that is over now. */
  private answered(request: number, at: number): number {
    const { requests } = this;
    const id = requests.id(request);
    this.context.telemetry.operation(requests.name(request), requests.age(request, at) / 1000);
    requests.remove(request);
    return id;
  }

  // From the client to the replica

  /** Carries out what has come until it is done, or too much is under way. */
  private work(): void {
    const at = performance.now();
    do {
      while (this.next < this.messages.length) {
        if (this.isFull) return this.throttle.pause();
        this.handle(this.messages[this.next++]!, at);
        if (this.over) return;
      }
    } while (this.decode());
    if (this.over) return;
    if (this.connection.bufferedBytes > UNREAD_BYTES_MAX) this.throttle.pause();
    else this.throttle.resume();
  }

  private get isFull(): boolean {
    return this.requests.full || this.connection.bufferedBytes > UNREAD_BYTES_MAX;
  }

  /** Takes the next frame to pieces; false if there is none. */
  private decode(): boolean {
    this.messages = NO_MESSAGES;
    this.next = 0;
    const frame = this.frames.shift();
    if (frame === undefined) return false;
    try {
      this.messages = decodeClientFrame(frame);
      return true;
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.refuse(error);
      return false;
    }
  }

  private handle(message: ReceivedMessage, at: number): void {
    if (!this.greeted) return this.greet(message);
    const { context, session } = this;
    switch (message.type) {
      case 'request': {
        const { id, operations, transaction } = message;
        if (context.stopping) return this.fail(id, draining());
        const name = transaction ? 'transaction' : operations[0]!.op;
        const request = this.requests.add(id, name, operations, at);
        return context.step({ type: 'request', session, request, operations });
      }
      case 'invalid':
        return this.fail(message.id, message.error);
      case 'watch':
        return this.watch(message.id, message.filter);
      case 'unwatch':
        this.unwatch(message.watch);
        return this.outbox.answer({ type: 'reply', id: message.id, results: NO_RESULTS });
      default:
        return this.refuse(badFrame('a second hello'));
    }
  }

  private greet(message: ReceivedMessage): void {
    if (message.type !== 'hello') return this.refuse(badFrame('the first message must be a hello'));
    if (message.version !== CLIENT_PROTOCOL_VERSION) {
      const known = `this node speaks version ${CLIENT_PROTOCOL_VERSION}, not ${message.version}`;
      return this.refuse(new CausewayError('CAUSEWAY_BAD_VERSION', known));
    }
    this.greeted = true;
    clearTimeout(this.helloTimer);
    const { replica, config } = this.context;
    this.outbox.answer({
      type: 'hello',
      version: CLIENT_PROTOCOL_VERSION,
      replica: replica.id,
      region: config.region,
      software: SOFTWARE_VERSION,
    });
  }

  private watch(id: number, filter: WatchFilter): void {
    if (this.context.stopping) return this.fail(id, draining());
    const request = this.watches.add(id);
    if (request === undefined) {
      const message = `a watch with the id ${id} is open already`;
      return this.fail(id, new CausewayError('CAUSEWAY_BAD_REQUEST', message));
    }
    this.context.step({ type: 'watch', session: this.session, request, filter });
    this.outbox.answer({ type: 'reply', id, results: NO_RESULTS });
  }

  /** One that has ended meanwhile is ended all the same. */
  private unwatch(id: number): void {
    const request = this.watches.remove(id);
    if (request !== undefined) this.context.step({ type: 'unwatch', session: this.session, request });
  }

  private fail(id: number, error: CausewayError): void {
    this.outbox.answer({ type: 'failure', id, error });
  }

  // The end

  /** Ends the connection for what the client has done. */
  private refuse(error: CausewayError): void {
    this.outbox.begin();
    this.outbox.add({ type: 'refused', error });
    this.outbox.end();
    this.end();
    this.connection.close(PROTOCOL_ERROR, error.code);
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.helloTimer);
    this.frames.length = 0;
    this.messages = NO_MESSAGES;
    this.outbox.drop();
    // The other side's goodbye has to be read.
    this.throttle.resume();
    this.context.hub.close(this.session);
    this.context.ended(this);
  }
}

function draining(): CausewayError {
  return new CausewayError('CAUSEWAY_DRAINING', 'the node is stopping');
}

function badFrame(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_FRAME', message);
}
