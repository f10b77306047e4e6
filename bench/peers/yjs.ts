/** Yjs with y-websocket. The server is the replica of its place, and keeps its updates by y-leveldb. */
import { createServer } from 'node:http';
import { library, missingLibraries, versionOfLibrary } from './installed.js';
import { type Peer, REDIAL_MS } from './peer.js';
import type { Replica, ReplicaOptions } from './replica.js';
import { startReplicas } from './replicas.js';

const DOCUMENT = 'bench';

interface YMap {
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array): void;
  observe(listener: (event: { readonly keysChanged: ReadonlySet<string> }) => void): void;
}
interface Doc {
  getMap(name: string): YMap;
  transact(change: () => void): void;
}
interface Yjs {
  readonly Doc: new () => Doc;
}
interface Provider {
  once(event: 'sync', listener: (isSynced: boolean) => void): void;
}
interface YWebsocket {
  readonly WebsocketProvider: new (url: string, room: string, doc: Doc, options: object) => Provider;
}
interface YServer {
  setupWSConnection(socket: unknown, request: unknown, options: { docName: string }): void;
  getYDoc(name: string): Doc;
}
interface Ws {
  readonly WebSocketServer: new (
    options: object,
  ) => {
    on(event: 'connection', listener: (socket: unknown, request: unknown) => void): void;
  };
}

export const yjs: Peer = {
  id: 'yjs',
  throughput: { not: 'a write is a call in memory, and nothing acknowledges it' },
  lag: { placeCount: 2 },
  heal: { placeCount: 3 },
  remark:
    'Replicas live in memory, all through one server, which is itself the replica of the second place and stores updates ' +
    `after it has passed them on. It redials after ${REDIAL_MS} ms at most, instead of 2.5 s.`,
  missing: async () => missingLibraries('yjs', 'y-websocket', '@y/websocket-server', 'ws'),
  start: async ({ placeCount, delayMs }) =>
    startReplicas({
      file: 'yjs',
      name: `Yjs ${versionOfLibrary('yjs')}, y-websocket ${versionOfLibrary('y-websocket')}`,
      durability: 'memory of one process',
      placeCount,
      delayMs,
      shape: 'star',
    }),
};

export async function openReplica({ listen, dial, directory }: ReplicaOptions): Promise<Replica> {
  const doc = listen === undefined ? await dialled(dial[0]!) : await served(listen, directory);
  const values = doc.getMap('values');
  return {
    put: (entries) =>
      doc.transact(() => {
        for (const [key, value] of entries) values.set(key, value);
      }),
    get: (key) => values.get(key),
    watch: (onKeys) => values.observe(({ keysChanged }) => onKeys([...keysChanged])),
  };
}

async function served(port: number, directory: string): Promise<Doc> {
  // Read when the server is imported.
  process.env['YPERSISTENCE'] = directory;
  const [server, { WebSocketServer }] = await Promise.all([
    library<YServer>('@y/websocket-server/utils'),
    library<Ws>('ws'),
  ]);
  const http = createServer();
  new WebSocketServer({ server: http }).on('connection', (socket, request) =>
    server.setupWSConnection(socket, request, { docName: DOCUMENT }),
  );
  await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
  return server.getYDoc(DOCUMENT);
}

async function dialled(port: number): Promise<Doc> {
  const [{ Doc }, { WebsocketProvider }, WebSocketPolyfill] = await Promise.all([
    library<Yjs>('yjs'),
    library<YWebsocket>('y-websocket'),
    library<{ readonly default: unknown }>('ws').then((ws) => ws.default),
  ]);
  const doc = new Doc();
  const options = { WebSocketPolyfill, disableBc: true, maxBackoffTime: REDIAL_MS };
  const provider = new WebsocketProvider(`ws://127.0.0.1:${port}`, DOCUMENT, doc, options);
  await new Promise<void>((resolve) => provider.once('sync', () => resolve()));
  return doc;
}
