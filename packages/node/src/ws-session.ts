/**
 * One client on the WebSocket protocol: frames of requests in, frames of replies out. The hot path of a node.
 *
 * Invariants
 * - Requests are given to the replica in the order in which they came. Each is answered exactly once, under the
 *   id that the client gave it, as long as the connection lives.
 * - All replies of a turn leave in one frame, or in several of REPLY_FRAME_BYTES.
 * - A request that is wrong gets its own failure. A frame that is wrong ends the connection with 1002, after an
 *   error that says why; nothing in it has taken effect.
 * - A client with too much under way, or that does not read its answers, is not read from. It is cut only when
 *   it takes nothing for UNREAD_TIMEOUT_MS. Its watches end earlier: changes cannot be held back.
 */
import {
  CausewayError,
  CLIENT_PROTOCOL_VERSION,
  decodeClientFrame,
  NodeFrameWriter,
  type NodeMessage,
  type ReceivedMessage,
  type Result,
  SOFTWARE_VERSION,
  type WatchFilter,
} from '@causeway/protocol';
import type { SessionId } from '@causeway/replica';
import type { ClientServerOptions } from './client-facing.js';
import {
  HELLO_TIMEOUT_MS,
  REPLY_FRAME_BYTES,
  UNREAD_BYTES_MAX,
  UNREAD_CHANGES_BYTES_MAX,
  UNREAD_TIMEOUT_MS,
} from './client-limits.js';
import type { SessionHandler, SessionSend } from './session-hub.js';
import type { Connection, ConnectionHandlers } from './websocket.js';
import { RequestTable } from './ws-requests.js';

/** What sessions need of the server that they belong to. */
export interface SessionContext extends ClientServerOptions {
  readonly stopping: boolean;
  /** The session is over; called once. */
  ended(session: ClientSession): void;
}

/** Numbers of watches, apart from those of requests: never used twice, since changes may come late. */
const WATCHES_FROM = 2 ** 31;
const NO_MESSAGES: readonly ReceivedMessage[] = [];
const PROTOCOL_ERROR = 1002;

/** Shared: a frame is written in one go. */
let writer = new NodeFrameWriter();

export class ClientSession implements SessionHandler, ConnectionHandlers {
  private readonly session: SessionId;
  private readonly requests = new RequestTable();
  /** By the client's id, and by the number that the replica knows. */
  private readonly watches = new Map<number, number>();
  private readonly watchIds = new Map<number, number>();
  private lastWatch = WATCHES_FROM;

  /** Frames that have come and are not decoded yet; then the messages of one frame, from `next` on. */
  private readonly frames: Uint8Array[] = [];
  private messages: readonly ReceivedMessage[] = NO_MESSAGES;
  private next = 0;
  private paused = false;

  /** Answers that are ours, not the replica's; they leave with the next frame. */
  private own: NodeMessage[] = [];
  private greeted = false;
  private over = false;
  private readonly helloTimer: NodeJS.Timeout;
  private unreadTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly context: SessionContext,
  ) {
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
    this.takeOwn();
    for (let i = 0; i < batch.length; i++) {
      this.write(batch[i]!, at);
      if (writer.length >= REPLY_FRAME_BYTES) this.flush();
    }
    this.flush();
    this.work();
  }

  /** Says goodbye; what is under way is answered no more. */
  close(): void {
    this.end();
    this.connection.close(1001, 'the node is stopping');
  }

  private write(send: SessionSend, at: number): void {
    switch (send.type) {
      case 'reply':
        this.writeReply(this.answered(send.request, at), send.results);
        return;
      case 'failure': {
        const watch = this.watchIds.get(send.request);
        if (watch !== undefined) this.endWatch(watch, send.request, send.error);
        else if (send.request < WATCHES_FROM) {
          writer.add({ type: 'failure', id: this.answered(send.request, at), error: send.error });
        }
        return;
      }
      case 'change': {
        const watch = this.watchIds.get(send.request);
        // Told before the replica heard that the watch has ended.
        if (watch === undefined) return;
        if (this.connection.bufferedBytes + writer.length > UNREAD_CHANGES_BYTES_MAX) this.overflow(watch);
        else writer.add({ type: 'change', id: watch, change: send.change });
        return;
      }
      default:
      // Keys are not listed in this protocol.
    }
  }

  private writeReply(id: number, results: readonly Result[]): void {
    const before = writer.length;
    writer.add({ type: 'reply', id, results });
    if (results.length === 1 && results[0]!.op === 'register.get')
      this.requests.learn(writer.length - before);
  }

  private answered(request: number, at: number): number {
    const { requests } = this;
    const id = requests.id(request);
    this.context.telemetry.operation(requests.name(request), requests.age(request, at) / 1000);
    requests.remove(request);
    return id;
  }

  /** Carries out what has come until it is done, or too much is under way. */
  private work(): void {
    const at = performance.now();
    for (;;) {
      while (this.next < this.messages.length) {
        if (this.requests.full || this.connection.bufferedBytes > UNREAD_BYTES_MAX) return this.wait();
        this.handle(this.messages[this.next++]!, at);
        if (this.over) return;
      }
      this.messages = NO_MESSAGES;
      this.next = 0;
      const frame = this.frames.shift();
      if (frame === undefined) break;
      try {
        this.messages = decodeClientFrame(frame);
      } catch (error) {
        if (!(error instanceof CausewayError)) throw error;
        this.refuse(error);
        return;
      }
    }
    if (this.connection.bufferedBytes > UNREAD_BYTES_MAX) this.wait();
    else if (this.paused) this.resume();
  }

  private handle(message: ReceivedMessage, at: number): void {
    if (!this.greeted) return this.greet(message);
    const { context, session } = this;
    if (context.stopping && message.type !== 'unwatch' && message.type !== 'hello') {
      this.fail(message.id, new CausewayError('CAUSEWAY_DRAINING', 'the node is stopping'));
      return;
    }
    switch (message.type) {
      case 'request': {
        const { id, operations, transaction } = message;
        const name = transaction ? 'transaction' : operations[0]!.op;
        const request = this.requests.add(id, name, operations, at);
        context.step({ type: 'request', session, request, operations });
        return;
      }
      case 'invalid':
        this.fail(message.id, message.error);
        return;
      case 'watch':
        this.watch(message.id, message.filter);
        return;
      case 'unwatch':
        this.unwatch(message.watch);
        this.reply({ type: 'reply', id: message.id, results: [] });
        return;
      default:
        this.refuse(badFrame('a second hello'));
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
    this.reply({
      type: 'hello',
      version: CLIENT_PROTOCOL_VERSION,
      replica: replica.id,
      region: config.region,
      software: SOFTWARE_VERSION,
    });
  }

  private watch(id: number, filter: WatchFilter): void {
    if (this.watches.has(id)) {
      this.fail(id, new CausewayError('CAUSEWAY_BAD_REQUEST', `a watch with the id ${id} is open already`));
      return;
    }
    const request = ++this.lastWatch;
    this.watches.set(id, request);
    this.watchIds.set(request, id);
    this.context.step({ type: 'watch', session: this.session, request, filter });
    this.reply({ type: 'reply', id, results: [] });
  }

  /** One that has ended meanwhile is ended all the same. */
  private unwatch(id: number): void {
    const request = this.watches.get(id);
    if (request === undefined) return;
    this.watches.delete(id);
    this.watchIds.delete(request);
    this.context.step({ type: 'unwatch', session: this.session, request });
  }

  private overflow(id: number): void {
    const request = this.watches.get(id)!;
    this.unwatch(id);
    this.endWatch(
      id,
      request,
      new CausewayError(
        'CAUSEWAY_WATCH_OVERFLOW',
        'changes came faster than they were read: read the keys anew',
      ),
    );
  }

  private endWatch(id: number, request: number, error: CausewayError): void {
    this.watches.delete(id);
    this.watchIds.delete(request);
    writer.add({ type: 'watch-end', id, error });
  }

  private fail(id: number, error: CausewayError): void {
    this.reply({ type: 'failure', id, error });
  }

  /** Answers of ours share a frame with each other, and with what the replica answers in the same turn. */
  private reply(message: NodeMessage): void {
    if (this.own.length === 0) process.nextTick(() => this.sendOwn());
    this.own.push(message);
  }

  private sendOwn(): void {
    if (this.over || this.own.length === 0) return;
    this.takeOwn();
    this.flush();
  }

  private takeOwn(): void {
    const { own } = this;
    if (own.length === 0) return;
    this.own = [];
    for (const message of own) writer.add(message);
  }

  private flush(): void {
    if (writer.messages === 0) return;
    const large = writer.length > 2 * REPLY_FRAME_BYTES;
    this.connection.send(writer.finish());
    // Its buffer has grown for one large answer.
    if (large) writer = new NodeFrameWriter();
  }

  private wait(): void {
    if (!this.paused) {
      this.paused = true;
      this.connection.pause();
    }
    this.unreadTimer ??= this.watchProgress();
  }

  private resume(): void {
    this.paused = false;
    this.connection.resume();
    clearTimeout(this.unreadTimer);
    this.unreadTimer = undefined;
  }

  /** Cuts the client if the system could not hand it a byte of what waits until then. */
  private watchProgress(): NodeJS.Timeout {
    const { connection } = this;
    const before = connection.bytesSent - connection.bufferedBytes;
    return setTimeout(() => {
      this.unreadTimer = undefined;
      const waiting = connection.bufferedBytes;
      if (waiting > 0 && connection.bytesSent - waiting === before) {
        connection.cut(`it reads nothing: ${waiting} bytes wait for it`);
      } else if (this.paused) {
        this.unreadTimer = this.watchProgress();
      }
    }, UNREAD_TIMEOUT_MS);
  }

  /** Ends the connection for what the client has done. */
  private refuse(error: CausewayError): void {
    this.takeOwn();
    writer.add({ type: 'refused', error });
    this.flush();
    this.end();
    this.connection.close(PROTOCOL_ERROR, error.code);
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.helloTimer);
    clearTimeout(this.unreadTimer);
    this.frames.length = 0;
    this.messages = NO_MESSAGES;
    this.own = [];
    if (this.paused) this.connection.resume();
    this.context.hub.close(this.session);
    this.context.ended(this);
  }
}

function badFrame(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_FRAME', message);
}
