/**
 * The HTTP API of the client port: from a request to what it asks, and back.
 *
 * Order of the checks: origin, form, headers that are not there yet, stop, path, method, key, query,
 * idempotency key, announced length; then the body. The first that fails is the answer, and nothing has taken effect.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { stampToText } from '@causeway/crdt';
import { CausewayError } from '@causeway/protocol';
import type { ConflictRecord, ConflictSide } from '@causeway/replica';
import type { ClientServerOptions } from './client-facing.js';
import { CONNECTIONS_MAX } from './client-limits.js';
import { failure, HttpRefusal, rawAnswer } from './http-answer.js';
import { BodyBudget, checkBodyLength, discardBody, hasBody, receiveBody } from './http-body.js';
import { type ConnectionContext, type Exchange, HttpConnection } from './http-connection.js';
import { badRequest } from './http-fields.js';
import {
  checkAsked,
  checkForm,
  checkOrigin,
  corsHeaders,
  fingerprint,
  idempotencyKey,
  isPreflight,
  WEBSOCKET_PATH,
} from './http-headers.js';
import { parseJson } from './http-json.js';
import { valueOf } from './http-operations.js';
import { decodeKey, parseQuery, splitTarget } from './http-path.js';
import { type Ask, type Route, RouteTable } from './http-routes.js';

/** Everything of a request but its body. */
interface Head {
  readonly route: Route;
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  readonly idempotencyKey: string | undefined;
}

const NOTHING = Buffer.alloc(0);

export class HttpApi {
  private readonly routes = new RouteTable();
  private readonly budget = new BodyBudget();
  private readonly connections = new Map<Socket, HttpConnection>();
  private readonly context: ConnectionContext;
  private stopped = false;

  constructor(private readonly options: ClientServerOptions) {
    const api = this;
    this.context = {
      ...options,
      get stopping() {
        return api.stopped;
      },
      conflicts: (ask) => this.conflicts(ask),
    };
  }

  attach(server: Server): void {
    server.on('connection', (socket: Socket) => this.connected(socket));
    server.on('request', (request, response) => this.handle(request, response, false));
    server.on('checkContinue', (request, response) => this.handle(request, response, true));
    server.on('checkExpectation', (request, response) => this.unexpected(request, response));
    server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
      this.malformed(error, socket as Socket),
    );
  }

  /** Exchanges under way. */
  get inFlight(): number {
    let open = 0;
    for (const connection of this.connections.values()) open += connection.open;
    return open;
  }

  /** From now on connections end with their last answer; idle ones at once. */
  stop(): void {
    this.stopped = true;
    for (const connection of this.connections.values()) connection.endIfIdle();
  }

  /** Ends every connection, whatever is under way; WebSockets too. */
  cut(): void {
    for (const socket of this.connections.keys()) socket.destroy();
  }

  /** Gives an open connection away, to become a WebSocket. False if requests are under way on it. */
  release(socket: Socket): boolean {
    return this.connections.get(socket)?.release() === true;
  }

  private connected(socket: Socket): void {
    const known = this.connections.get(socket);
    // Given back, since its request was for no WebSocket.
    if (known !== undefined) return known.reclaim();
    if (this.connections.size >= CONNECTIONS_MAX) {
      const error = new CausewayError('CAUSEWAY_OVERLOADED', 'the node has as many connections as it may');
      socket.write(rawAnswer(failure(error, this.options.log)));
      socket.destroySoon();
      return;
    }
    const connection = new HttpConnection(socket, this.context);
    this.connections.set(socket, connection);
    socket.once('close', () => {
      this.connections.delete(socket);
      connection.closed();
    });
  }

  private handle(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const connection = this.connections.get(request.socket);
    const exchange = connection?.begin(request, response);
    if (connection === undefined || exchange === undefined) return;
    let head: Head;
    try {
      const read = this.readHead(exchange);
      if (read === undefined) {
        discardBody(request);
        connection.finish(exchange, { status: 204, headers: {}, body: '' });
        return;
      }
      head = read;
      checkBodyLength(request);
    } catch (error) {
      // Who has asked whether to send the body will not, and the next request would be taken for it.
      if (expectsContinue) exchange.headers['connection'] = 'close';
      discardBody(request);
      connection.refuse(exchange, error);
      return;
    }
    if (!hasBody(request)) {
      request.resume();
      this.complete(connection, exchange, head, NOTHING);
      return;
    }
    if (expectsContinue) response.writeContinue();
    receiveBody(request, this.budget, (outcome) => {
      if (outcome instanceof CausewayError) connection.refuse(exchange, outcome);
      else this.complete(connection, exchange, head, outcome);
    });
  }

  private unexpected(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.connections.get(request.socket);
    const exchange = connection?.begin(request, response);
    if (connection === undefined || exchange === undefined) return;
    exchange.headers['connection'] = 'close';
    discardBody(request);
    connection.refuse(exchange, new HttpRefusal(badRequest('Expect may only be 100-continue'), 417));
  }

  /** Undefined for a preflight that is granted. */
  private readHead(exchange: Exchange): Head | undefined {
    const { request } = exchange;
    checkOrigin(request, this.options.config.allowOrigin);
    Object.assign(exchange.headers, corsHeaders(request));
    checkForm(request);
    checkAsked(request);
    if (this.stopped) throw new CausewayError('CAUSEWAY_DRAINING', 'the node is stopping');
    const { path, query } = splitTarget(request.url ?? '');
    const method = request.method ?? '';
    const found = this.routes.find(method, path);
    if (found === undefined) {
      const allowed = this.routes.allowed(path);
      if (!isPreflight(request) || allowed.length === 0) throw noRoute(method, path, allowed);
      Object.assign(exchange.headers, {
        'access-control-allow-methods': allowed.join(', '),
        'access-control-allow-headers': 'content-type, idempotency-key',
        'access-control-max-age': '600',
      });
      return undefined;
    }
    const { route, segment } = found;
    return {
      route,
      key: segment === undefined ? '' : decodeKey(segment),
      query: parseQuery(query, route.query),
      idempotencyKey: idempotencyKey(request),
    };
  }

  private complete(connection: HttpConnection, exchange: Exchange, head: Head, bytes: Buffer): void {
    const { route, key, query } = head;
    try {
      if (!route.takesBody && bytes.length > 0) throw badRequest(`${route.method} takes no body here`);
      const body = route.takesBody ? parseJson(bytes) : undefined;
      const ask = route.ask({ key, query, body });
      connection.received(exchange, {
        name: route.name,
        ask,
        ...(head.idempotencyKey === undefined || !route.mutates
          ? {}
          : {
              idempotency: {
                key: head.idempotencyKey,
                fingerprint: fingerprint(route.method, route.path, key, body),
              },
            }),
      });
    } catch (error) {
      connection.refuse(exchange, error);
    }
  }

  private conflicts({ after, limit }: Extract<Ask, { type: 'conflicts' }>): object {
    const { replica } = this.options;
    if (replica.status().reasons.includes('joining')) {
      throw new CausewayError('CAUSEWAY_NOT_READY', 'the node is joining and has not caught up yet');
    }
    const page = replica.conflicts(after, limit);
    return { conflicts: page.conflicts.map(conflictBody), after: page.after };
  }

  /** Called for bytes that are no HTTP, and for requests that do not arrive in time. */
  private malformed(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.connections.get(socket);
    const gone = error.code === 'ECONNRESET' || error.code === 'HPE_INVALID_EOF_STATE';
    if (connection === undefined || gone || !socket.writable) {
      socket.destroy();
      return;
    }
    connection.end(failure(refusalOf(error), this.options.log));
  }
}

function noRoute(method: string, path: string, allowed: readonly string[]): HttpRefusal {
  if (path === WEBSOCKET_PATH) {
    const error = badRequest(`${WEBSOCKET_PATH} speaks WebSocket: ask for an upgrade`);
    return new HttpRefusal(error, 426, { upgrade: 'websocket', connection: 'upgrade' });
  }
  if (allowed.length === 0)
    return new HttpRefusal(new CausewayError('CAUSEWAY_NOT_FOUND', 'there is no such path'));
  const allow = allowed.join(', ');
  const error = new CausewayError('CAUSEWAY_METHOD_NOT_ALLOWED', `${method} is not among ${allow}`);
  return new HttpRefusal(error, error.status, { allow });
}

function refusalOf({ code, message }: NodeJS.ErrnoException): HttpRefusal {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new HttpRefusal(new CausewayError('CAUSEWAY_TOO_LARGE', 'the headers are too large'), 431);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new HttpRefusal(badRequest('the request did not arrive in time'), 408);
    default:
      return new HttpRefusal(badRequest(`the request is not HTTP/1.1: ${message}`));
  }
}

function conflictBody({ type, key, winner, loser, at }: ConflictRecord): object {
  return { type, key, winner: sideBody(winner), loser: sideBody(loser), at };
}

/** A delete or a removal has no value, an element no timestamp. */
function sideBody({ value, stamp, replica }: ConflictSide): object {
  return {
    ...(value === undefined ? {} : { value: valueOf(value) }),
    ...(stamp === undefined ? {} : { timestamp: stampToText(stamp) }),
    replica,
  };
}
