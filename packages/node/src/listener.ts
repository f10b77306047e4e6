/**
 * HTTP servers of this node: bounds that every listener keeps, and errors in the one JSON form.
 */
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CausewayError } from '@causeway/protocol';
import type { ListenAddress } from './client-facing.js';

/** For the head of a request, and for a whole request: one who trickles bytes is cut. Milliseconds. */
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 60_000;

export interface ListenerOptions {
  readonly connectionsMax: number;
  readonly handle: RequestListener;
}

export function createListener({ connectionsMax, handle }: ListenerOptions): Server {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      noDelay: true,
    },
    handle,
  );
  server.maxConnections = connectionsMax;
  return server;
}

/** Resolves with the address bound. Rejects with CAUSEWAY_BAD_CONFIG when it cannot be had. */
export function listen(server: Server, flag: string, { host, port }: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'another process listens there' : error.message;
      reject(
        new CausewayError('CAUSEWAY_BAD_CONFIG', `${flag} ${formatAddress({ host, port })}: ${reason}`, {
          cause: error,
        }),
      );
    });
    server.listen({ host, port }, () => {
      server.removeAllListeners('error');
      // An error of accept(), such as too many open files, costs that connection only.
      server.on('error', () => undefined);
      resolve({ host, port: (server.address() as AddressInfo).port });
    });
  });
}

/**
 * Takes no more connections, ends all but WebSockets, whose owners close them, and resolves when the last one
 * is gone.
 */
export function closeListener(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

export function formatAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

export function answerError(response: ServerResponse, error: CausewayError): void {
  const { status, code, message } = error;
  if (status === 503 || status === 429) response.setHeader('retry-after', '1');
  answerJson(response, status, { error: { code, message } });
}
