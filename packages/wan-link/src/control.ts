/**
 * Cuts and settings from outside the process, over HTTP:
 *
 *   GET  /        { links: [LinkStats] }
 *   POST /cut     direction=up|down|both  mode=silence|reset
 *   POST /heal
 *   POST /set     delayMs= jitterMs= bytesPerSecond= queueBytesMax=, those of one direction up.delayMs=
 *   POST /reset
 *
 * Arguments stand in the query or in a JSON object (there `up` and `down` are objects); a `link` among them
 * names the link, without it all are meant. A POST answers with the stats of the links it was for. What is
 * wrong is answered by { error } and 400, 403 (a browser's page of another origin), 404, 405 or 413, and
 * has changed nothing.
 *
 * There is no authentication: it listens on the loopback address unless told otherwise.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, parseAddress } from './address.js';
import type { LinkSettings } from './settings.js';
import type { Cut, WanLink } from './wan-link.js';

export interface ControlServer {
  /** `host:port` it listens on. */
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

type Arguments = Readonly<Record<string, unknown>>;

/**
 * Serves the control of some links. Rejects with RangeError when two have one name, and with the system's
 * error when it cannot listen.
 */
export async function serveControl(
  links: readonly WanLink[],
  listen = '127.0.0.1:0',
): Promise<ControlServer> {
  if (new Set(links.map((link) => link.name)).size < links.length) {
    throw new RangeError(`names of links must be unique: ${links.map((link) => link.name).join(', ')}`);
  }
  const server = createServer((request, response) => {
    answer(links, request).then(
      (stats) => send(response, 200, { links: stats }),
      (error: unknown) => fail(response, error),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(parseAddress(listen), () => {
      server.off('error', reject);
      server.on('error', ignoreFailedAccept);
      resolve();
    });
  });
  const { address: host, port } = server.address() as AddressInfo;
  return {
    address: formatAddress({ host, port }),
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A refusal with its HTTP status. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function answer(links: readonly WanLink[], request: IncomingMessage): Promise<unknown[]> {
  // A page in a browser on this machine could otherwise cut links behind the back of who reads it.
  if (request.headers.origin !== undefined) throw new Refusal(403, 'not for web pages');
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const action = ACTIONS.get(path);
  if (action === undefined) throw new Refusal(404, `no such request: ${path}`);
  const method = action === status ? 'GET' : 'POST';
  if (request.method !== method) throw new Refusal(405, `${path} takes ${method}`);
  const { link: name, ...args } = { ...fromQuery(query), ...(await fromBody(request)) };
  const chosen = links.filter((link) => name === undefined || link.name === name);
  if (chosen.length === 0) throw new Refusal(404, `no such link: ${String(name)}`);
  action(chosen, args);
  return chosen.map((link) => link.stats());
}

type Action = (links: readonly WanLink[], args: Arguments) => void;

const status: Action = (_links, args) => only(args, []);

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['/', status],
  [
    '/cut',
    (links, args) => {
      only(args, ['direction', 'mode']);
      for (const link of links) link.cut(args as Cut);
    },
  ],
  [
    '/heal',
    (links, args) => {
      only(args, []);
      for (const link of links) link.heal();
    },
  ],
  [
    '/reset',
    (links, args) => {
      only(args, []);
      for (const link of links) link.reset();
    },
  ],
  [
    '/set',
    (links, args) => {
      for (const link of links) link.set(args as LinkSettings);
    },
  ],
]);

function only(args: Arguments, names: readonly string[]): void {
  const unknown = Object.keys(args).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Refusal(400, `no such argument: ${unknown}`);
}

/** Numbers are those of settings; `up.delayMs` becomes { up: { delayMs } }. */
function fromQuery(query: string): Arguments {
  const args: Record<string, unknown> = Object.create(null);
  for (const [path, text] of new URLSearchParams(query)) {
    const [outer = '', inner] = path.split('.', 2);
    const value = TEXTS.has(path) ? text : toNumber(path, text);
    if (inner === undefined) args[outer] = value;
    else args[outer] = { ...(args[outer] as object | undefined), [inner]: value };
  }
  return args;
}

const TEXTS: ReadonlySet<string> = new Set(['link', 'direction', 'mode']);

function toNumber(name: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw new Refusal(400, `${name} must be a number: ${text}`);
  return value;
}

async function fromBody(request: IncomingMessage): Promise<Arguments> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // The rest is read all the same: a throw in here would close the connection before the answer.
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  if (bytes > BODY_BYTES_MAX) throw new Refusal(413, `more than ${BODY_BYTES_MAX} bytes`);
  if (bytes === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    throw new Refusal(400, `not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(400, 'not a JSON object');
  return value as Arguments;
}

function fail(response: ServerResponse, error: unknown): void {
  const code = error instanceof Refusal ? error.status : error instanceof RangeError ? 400 : 500;
  send(response, code, { error: error instanceof Error ? error.message : String(error) });
}

function send(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}

function ignoreFailedAccept(): void {
  // Out of file descriptors: the client is gone, the links go on, and the next request may be taken.
}

/** A request names a handful of settings. */
const BODY_BYTES_MAX = 16 * 1024;
