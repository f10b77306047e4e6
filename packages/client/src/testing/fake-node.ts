/**
 * A node that speaks the client protocol over real WebSockets and keeps its data in maps: what tests of the client
 * talk to. It can be made to misbehave.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  CausewayError,
  CLIENT_PROTOCOL_VERSION,
  CLIENT_SUBPROTOCOL,
  decodeClientFrame,
  type KeyChange,
  NodeFrameWriter,
  type NodeMessage,
  type Operation,
  type ReceivedMessage,
  SOFTWARE_VERSION,
  type WatchFilter,
} from '@causeway/protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import { FAKE_REPLICA, FakeStore } from './fake-store.js';

export interface FakeOptions {
  readonly port?: number;
  /** Data that outlive the node. */
  readonly store?: FakeStore;
  /** Version that it speaks. */
  readonly version?: number;
  /** Never greets. */
  readonly mute?: boolean;
}

interface Session {
  readonly socket: WebSocket;
  readonly watches: Map<number, WatchFilter>;
  readonly writer: NodeFrameWriter;
  greeted: boolean;
}

export class FakeNode {
  readonly store: FakeStore;
  readonly port: number;
  /** Messages of every frame that came, without the hellos. */
  readonly frames: ReceivedMessage[][] = [];
  /** Names that clients gave in their hellos. */
  readonly names: string[] = [];
  /** Called with every operation before it is carried out; what it throws is the answer. */
  before: (operation: Operation) => void = () => {};
  /** From the next message on everything is turned away. */
  draining = false;
  /** Frames are taken in but neither carried out nor answered. */
  deaf = false;
  /** Frames are carried out but not answered. */
  silent = false;
  /** Operations are carried out but not answered; what needs no store is. */
  slow = false;
  private readonly sessions = new Set<Session>();

  private constructor(
    private readonly server: WebSocketServer,
    private readonly options: FakeOptions,
  ) {
    this.port = (server.address() as AddressInfo).port;
    this.store = options.store ?? new FakeStore();
    server.on('connection', (socket) => this.accept(socket));
  }

  static async listen(options: FakeOptions = {}): Promise<FakeNode> {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: options.port ?? 0,
      path: '/v1/ws',
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(CLIENT_SUBPROTOCOL) ? CLIENT_SUBPROTOCOL : false),
    });
    await once(server, 'listening');
    return new FakeNode(server, options);
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get connections(): number {
    return this.sessions.size;
  }

  /** Operations that came, in order. */
  get operations(): Operation[] {
    return this.frames.flat().flatMap((message) => (message.type === 'request' ? message.operations : []));
  }

  /** Cuts every connection, as a killed process does. */
  cut(): void {
    for (const { socket } of this.sessions) socket.terminate();
  }

  /** Sends bytes of any kind on every connection. */
  say(bytes: Uint8Array | string): void {
    for (const { socket } of this.sessions) socket.send(bytes);
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.server, 'close');
    this.server.close();
    await closed;
  }

  private accept(socket: WebSocket): void {
    const session: Session = { socket, watches: new Map(), writer: new NodeFrameWriter(), greeted: false };
    this.sessions.add(session);
    socket.on('message', (data) => this.receive(session, data as Buffer));
    socket.on('close', () => this.sessions.delete(session));
    socket.on('error', () => this.sessions.delete(session));
  }

  private receive(session: Session, bytes: Uint8Array): void {
    const messages = decodeClientFrame(bytes);
    if (this.options.mute || this.deaf) return;
    if (!session.greeted) {
      this.greet(session, messages);
      return;
    }
    this.frames.push(messages);
    for (const message of messages) {
      const changes: KeyChange[] = [];
      const answer = this.answer(session, message, changes);
      if (!this.silent && !(this.slow && message.type === 'request')) session.writer.add(answer);
      this.tell(changes);
    }
    for (const { socket, writer } of this.sessions) {
      if (writer.messages > 0 && socket.readyState === socket.OPEN) socket.send(writer.finish());
    }
  }

  private greet(session: Session, messages: readonly ReceivedMessage[]): void {
    const [hello] = messages;
    if (hello?.type !== 'hello') throw new Error('the first message must be a hello');
    this.names.push(hello.name);
    const writer = new NodeFrameWriter();
    if ((this.options.version ?? CLIENT_PROTOCOL_VERSION) !== hello.version) {
      writer.add({ type: 'refused', error: new CausewayError('CAUSEWAY_BAD_VERSION', 'another version') });
      session.socket.send(writer.finish());
      session.socket.close(1002);
      return;
    }
    session.greeted = true;
    writer.add({
      type: 'hello',
      version: hello.version,
      replica: FAKE_REPLICA as Extract<NodeMessage, { type: 'hello' }>['replica'],
      region: 'fake',
      software: SOFTWARE_VERSION,
    });
    session.socket.send(writer.finish());
  }

  private answer(session: Session, message: ReceivedMessage, changes: KeyChange[]): NodeMessage {
    if (this.draining && (message.type === 'request' || message.type === 'watch')) {
      const error = new CausewayError('CAUSEWAY_DRAINING', 'the node is stopping');
      return { type: 'failure', id: message.id, error };
    }
    switch (message.type) {
      case 'request':
        try {
          message.operations.forEach(this.before);
          return { type: 'reply', id: message.id, results: this.store.run(message.operations, changes) };
        } catch (error) {
          return { type: 'failure', id: message.id, error: error as CausewayError };
        }
      case 'watch':
        session.watches.set(message.id, message.filter);
        return { type: 'reply', id: message.id, results: [] };
      case 'unwatch':
        session.watches.delete(message.watch);
        return { type: 'reply', id: message.id, results: [] };
      case 'invalid':
        return { type: 'failure', id: message.id, error: message.error };
      case 'hello':
        throw new Error('a second hello');
    }
  }

  private tell(changes: readonly KeyChange[]): void {
    for (const { writer, watches } of this.sessions) {
      for (const change of changes) {
        for (const [id, filter] of watches) {
          if (matches(filter, change)) writer.add({ type: 'change', id, change });
        }
      }
    }
  }
}

function matches(filter: WatchFilter, change: KeyChange): boolean {
  return (
    change.key.startsWith(filter.prefix) &&
    (filter.key === undefined || filter.key === change.key) &&
    (filter.type === undefined || filter.type === change.type)
  );
}
