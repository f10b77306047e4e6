/**
 * WebSockets of this node, accepted and dialled: the only file that knows `ws`.
 *
 * Invariants
 * - Binary frames only, uncompressed, at most `frameBytesMax`; the subprotocol is agreed on; a browser's Origin
 *   must be an allowed one.
 * - `closed` is called exactly once for every connection that was handed out, whatever ended it, never from
 *   within a call of ours.
 * - What waits to be sent stays below `bufferedBytesMax` and one frame: beyond it the connection is cut. A frame
 *   that will wait keeps its own bytes alive and no larger buffer that it is a view of.
 * - All frames of one turn leave in one system call.
 */
import type { IncomingMessage, Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CausewayError, ERRORS, type ErrorCode } from '@causeway/protocol';
import { type ClientOptions, type RawData, type ServerOptions, WebSocket, WebSocketServer } from 'ws';

/**
 * `closeTimeout`: how long the other side may take to answer a close before the socket is cut, in milliseconds.
 * The type declarations lack it.
 */
const COMMON = { perMessageDeflate: false, closeTimeout: 1_000 } satisfies ServerOptions & {
  closeTimeout: number;
};

export interface ConnectionHandlers {
  /** A frame; possibly a view into a larger buffer. Must not throw. */
  message(bytes: Uint8Array): void;
  /** `violation`: what of the protocol the other side has broken, if that was it. */
  closed(reason: string, violation?: CausewayError): void;
}

export interface ConnectionLimits {
  /** Bytes of a frame that is received; a larger one ends the connection. */
  readonly frameBytesMax: number;
  /** Bytes that may wait for a peer that does not read. */
  readonly bufferedBytesMax: number;
}

export interface AcceptOptions extends ConnectionLimits {
  readonly server: Server;
  /** Path of the upgrade request; without it every path is taken. */
  readonly path?: string;
  readonly subprotocol: string;
  readonly connectionsMax: number;
  readonly allowOrigin: readonly string[];
  /** Called for every connection that is accepted. */
  readonly accept: (connection: Connection) => ConnectionHandlers;
}

export interface DialOptions extends ConnectionLimits {
  readonly address: string;
  readonly subprotocol: string;
  /** From the first packet to the open WebSocket. Milliseconds. */
  readonly timeoutMs: number;
  readonly opened: (connection: Connection) => ConnectionHandlers;
  readonly failed: (reason: string) => void;
}

/** One open WebSocket. */
export class Connection {
  private corked = false;
  /** The system took not all of what earlier turns have sent. */
  private blocked = false;
  private endReason: string | undefined;
  private violation: CausewayError | undefined;

  constructor(
    private readonly ws: WebSocket,
    private readonly socket: Socket,
    private readonly limits: ConnectionLimits,
  ) {}

  /** Bytes on the wire since it opened, what still waits included. */
  get bytesSent(): number {
    return this.socket.bytesWritten;
  }

  get bytesReceived(): number {
    return this.socket.bytesRead;
  }

  /** Bytes handed to `send` that the system has not taken yet. */
  get bufferedBytes(): number {
    return this.ws.bufferedAmount;
  }

  /** Sends one frame; the bytes must not be changed afterwards. Does nothing once the connection is ending. */
  send(bytes: Uint8Array): void {
    if (this.ws.readyState !== WebSocket.OPEN) return;
    if (!this.corked) {
      this.corked = true;
      this.blocked = this.ws.bufferedAmount > 0;
      this.socket.cork();
      process.nextTick(() => {
        this.corked = false;
        this.socket.uncork();
      });
    }
    this.ws.send(this.blocked ? detached(bytes) : bytes, { binary: true, compress: false });
    const waiting = this.ws.bufferedAmount;
    if (waiting > this.limits.bufferedBytesMax) this.cut(`does not read: ${waiting} bytes wait for it`);
  }

  /** Sends what waits, then closes; cut after a second if the other side does not answer. */
  close(code: number, reason: string): void {
    this.endReason ??= reason;
    // A close frame holds 123 bytes of reason; ours are ASCII but may quote an address.
    this.ws.close(
      code,
      Buffer.from(reason)
        .subarray(0, 123)
        .toString('latin1')
        .replace(/[^ -~]/g, '?'),
    );
  }

  /** Ends it at once; what waits is lost. */
  cut(reason: string): void {
    this.endReason ??= reason;
    this.ws.terminate();
  }

  /** Stops reading, so that TCP slows the sender; until `resume`. */
  pause(): void {
    this.ws.pause();
  }

  resume(): void {
    this.ws.resume();
  }

  /** Only for accept and dial. */
  attach(handlers: ConnectionHandlers): void {
    const { ws } = this;
    ws.on('message', (data: RawData, isBinary: boolean) => {
      if (ws.readyState !== WebSocket.OPEN) return;
      if (isBinary) handlers.message(data as Buffer);
      else {
        this.violation ??= new CausewayError('CAUSEWAY_BAD_FRAME', 'a text frame: binary frames only');
        this.close(1003, 'binary frames only');
      }
    });
    ws.on('error', (error: NodeJS.ErrnoException) => {
      this.endReason ??= error.message;
      this.violation ??= this.violationOf(error);
    });
    ws.on('close', (code: number, reason: Buffer) => {
      handlers.closed(this.endReason ?? describeClose(code, reason.toString('utf8')), this.violation);
    });
  }

  private violationOf({ code = '', message }: NodeJS.ErrnoException): CausewayError | undefined {
    if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
      const { frameBytesMax } = this.limits;
      return new CausewayError('CAUSEWAY_TOO_LARGE', `a frame of more than ${frameBytesMax} bytes`);
    }
    return code.startsWith('WS_ERR_') ? new CausewayError('CAUSEWAY_BAD_FRAME', message) : undefined;
  }
}

/** Accepts the WebSockets of `server`. Ends with the server; open connections are their owner's to close. */
export function acceptWebSockets(options: AcceptOptions): void {
  const { server, path, subprotocol } = options;
  const settings: ServerOptions = {
    ...COMMON,
    noServer: true,
    clientTracking: false,
    maxPayload: options.frameBytesMax,
    handleProtocols: () => subprotocol,
  };
  const sockets = new WebSocketServer(settings);
  let open = 0;
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const refuse = refuseUpgrade.bind(undefined, socket);
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (path !== undefined && request.url?.split('?', 1)[0] !== path) {
      refuse('CAUSEWAY_NOT_FOUND', `no WebSocket here, only at ${path}`);
    } else if (!originAllowed(request.headers.origin, options.allowOrigin)) {
      refuse('CAUSEWAY_ORIGIN_REFUSED', 'this Origin is not among the allowed ones (--allow-origin)');
    } else if (!offered.includes(subprotocol)) {
      refuse('CAUSEWAY_BAD_VERSION', `this port speaks the subprotocol ${subprotocol}`);
    } else if (open >= options.connectionsMax) {
      refuse('CAUSEWAY_OVERLOADED', `${open} connections are open already`);
    } else {
      sockets.handleUpgrade(request, socket, head, (ws) => {
        open += 1;
        ws.once('close', () => {
          open -= 1;
        });
        const connection = new Connection(ws, socket as Socket, options);
        connection.attach(options.accept(connection));
      });
    }
  });
}

/** Whether a request with this `Origin` header may be served: none is no browser. */
export function originAllowed(origin: string | undefined, allowOrigin: readonly string[]): boolean {
  return origin === undefined || allowOrigin.includes(origin);
}

/** Dials; `opened` or `failed` follows, unless the returned function is called first: then `failed` does. */
export function dialWebSocket(options: DialOptions): (reason: string) => void {
  const settings: ClientOptions = {
    ...COMMON,
    followRedirects: false,
    handshakeTimeout: options.timeoutMs,
    maxPayload: options.frameBytesMax,
  };
  let ws: WebSocket;
  try {
    ws = new WebSocket(options.address, options.subprotocol, settings);
  } catch (error) {
    setImmediate(() => options.failed(error instanceof Error ? error.message : String(error)));
    return () => undefined;
  }
  let reason: string | undefined;
  let socket: Socket | undefined;
  // A name with several addresses fails with an AggregateError, which has a code but no message.
  const fail = (error: NodeJS.ErrnoException) => {
    reason ??= error.message || error.code || error.name;
  };
  const end = () => options.failed(reason ?? 'closed during the handshake');
  ws.on('error', fail);
  ws.once('close', end);
  ws.once('upgrade', (response: IncomingMessage) => {
    socket = response.socket;
  });
  ws.once('open', () => {
    ws.off('error', fail);
    ws.off('close', end);
    const connection = new Connection(ws, socket ?? new Socket(), options);
    connection.attach(options.opened(connection));
  });
  return (asked: string) => {
    reason ??= asked;
    if (ws.readyState === WebSocket.CONNECTING) ws.terminate();
  };
}

/** 1006 stands for an end without a close: the process or the network between is gone. */
function describeClose(code: number, reason: string): string {
  return code === 1006 ? 'the connection was lost' : `closed by the other side: ${code} ${reason}`.trim();
}

function refuseUpgrade(socket: Duplex, code: ErrorCode, message: string): void {
  const { status } = ERRORS[code];
  const body = JSON.stringify({ error: { code, message } });
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** The encoder hands out small views of large arrays: a gossip of 1 kB would keep some 256 kB. */
function detached(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.length ? new Uint8Array(bytes) : bytes;
}
