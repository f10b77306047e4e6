/**
 * The client port: HTTP, and WebSocket at /v1/ws.
 *
 * Invariants
 * - Connections of both kinds together are bounded; every one of them ends at `close`.
 * - An upgrade passes the same checks as any other request, and is refused in JSON.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BODY_BYTES_MAX, CausewayError, CLIENT_SUBPROTOCOL } from '@causeway/protocol';
import type { ClientServer, ClientServerOptions, ListenAddress } from './client-facing.js';
import {
  CONNECTIONS_MAX,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  REQUEST_TIMEOUT_MS,
  STALLED_MS,
  TCP_KEEP_ALIVE_MS,
  UNREAD_CUT_BYTES,
} from './client-limits.js';
import { failure, rawAnswer } from './http-answer.js';
import { HttpApi } from './http-api.js';
import { checkAsked, checkForm, checkOrigin, checkUpgrade, headWithoutUpgrade } from './http-headers.js';
import { closeListener, listen } from './listener.js';
import { acceptWebSockets, type Connection, type ConnectionHandlers } from './websocket.js';
import { ClientSession, type SessionContext } from './ws-session.js';

export function createClientServer(options: ClientServerOptions): ClientServer {
  return new ClientPort(options);
}

/** Between the end of the sessions and of their sockets: time for goodbyes to leave. Milliseconds. */
const GOODBYE_MS = 500;

class ClientPort implements ClientServer {
  private readonly server: Server;
  /** Never listens: it hands on the upgrades that have passed the checks here. */
  private readonly gate = createServer();
  private readonly api: HttpApi;
  private readonly sessions = new Set<ClientSession>();
  private readonly context: SessionContext;
  private upgrading: Socket | undefined;
  private stopped = false;

  constructor(private readonly options: ClientServerOptions) {
    const port = this;
    this.context = {
      ...options,
      get stopping() {
        return port.stopped;
      },
      ended: (session) => this.sessions.delete(session),
    };
    this.server = createServer({
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 1_000,
      requireHostHeader: false,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    });
    this.server.timeout = STALLED_MS;
    // Beyond CONNECTIONS_MAX the API says so; with all of these being told no more are taken.
    this.server.maxConnections = CONNECTIONS_MAX + 100;
    this.api = new HttpApi(options);
    this.api.attach(this.server);
    this.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.upgrade(request, socket as Socket, head);
    });
    acceptWebSockets({
      server: this.gate,
      subprotocol: CLIENT_SUBPROTOCOL,
      connectionsMax: CONNECTIONS_MAX,
      allowOrigin: options.config.allowOrigin,
      frameBytesMax: BODY_BYTES_MAX,
      bufferedBytesMax: UNREAD_CUT_BYTES,
      accept: (connection) => this.accept(connection),
    });
  }

  get inFlight(): number {
    let inFlight = this.api.inFlight;
    for (const session of this.sessions) inFlight += session.inFlight;
    return inFlight;
  }

  listen(): Promise<ListenAddress> {
    return listen(this.server, '--client-listen', this.options.config.clientListen);
  }

  stopAccepting(): void {
    this.stopped = true;
    // Its callback comes with the end of the last connection: `close` waits for that.
    this.server.close();
    this.api.stop();
  }

  async close(): Promise<void> {
    this.stopped = true;
    const closed = closeListener(this.server);
    for (const session of [...this.sessions]) session.close();
    const cut = setTimeout(() => this.api.cut(), GOODBYE_MS);
    await closed;
    clearTimeout(cut);
  }

  private upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // The answers of requests under way would come between its frames.
    if (!this.api.release(socket)) {
      socket.destroy();
      return;
    }
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      this.serveInstead(request, socket, head);
      return;
    }
    socket.on('error', () => socket.destroy());
    try {
      checkOrigin(request, this.options.config.allowOrigin);
      checkForm(request);
      checkAsked(request);
      if (this.stopped) throw new CausewayError('CAUSEWAY_DRAINING', 'the node is stopping');
      checkUpgrade(request);
    } catch (error) {
      socket.write(rawAnswer(failure(error, this.options.log)));
      socket.destroySoon();
      return;
    }
    this.upgrading = socket;
    this.gate.emit('upgrade', request, socket, head);
    this.upgrading = undefined;
  }

  /**
   * A server may ignore an Upgrade, and some HTTP clients ask for HTTP/2 with each first request; Node cannot ignore
   * it for some requests only. So the request goes through the parser again, without the header.
   */
  private serveInstead(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.unshift(Buffer.concat([headWithoutUpgrade(request), head]));
    this.server.emit('connection', socket);
  }

  /** Called within `upgrade`. */
  private accept(connection: Connection): ConnectionHandlers {
    const session = new ClientSession(connection, this.context);
    this.sessions.add(session);
    this.upgrading?.on('drain', () => session.drained());
    return session;
  }
}
