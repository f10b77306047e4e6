/** TinyBase: mergeable stores that meet at its WebSocket server. */
import { library, missingLibraries, versionOfLibrary } from './installed.js';
import { type Peer, REDIAL_MS } from './peer.js';
import { fromBase64, type Replica, type ReplicaOptions, toBase64 } from './replica.js';
import { startReplicas } from './replicas.js';

const TABLE = 'values';
const CELL = 'value';

interface Store {
  setCell(table: string, row: string, cell: string, value: string): void;
  getCell(table: string, row: string, cell: string): unknown;
  addRowListener(
    table: string,
    row: null,
    listener: (store: Store, table: string, row: string) => void,
  ): void;
  transaction(change: () => void): void;
}
interface TinyBase {
  createMergeableStore(): Store;
}
interface SynchronizerClient {
  createWsSynchronizer(store: Store, socket: unknown): Promise<{ startSync(): Promise<unknown> }>;
}
interface SynchronizerServer {
  createWsServer(server: unknown): unknown;
}
interface Ws {
  readonly default: unknown;
  readonly WebSocketServer: new (options: object) => unknown;
}
interface Reconnecting {
  readonly default: new (url: string, protocols: readonly string[], options: object) => unknown;
}

export const tinybase: Peer = {
  id: 'tinybase',
  throughput: { not: 'a write is a call in memory, and nothing acknowledges it' },
  lag: { placeCount: 2 },
  heal: { placeCount: 3 },
  remark:
    'Replicas live in memory; a server beside the second place passes messages on. Its WebSocket client does not redial by ' +
    `itself: reconnecting-websocket does, after ${REDIAL_MS} ms at most. Values are base64, a third longer.`,
  missing: async () => missingLibraries('tinybase', 'reconnecting-websocket', 'ws'),
  start: async ({ placeCount, delayMs }) =>
    startReplicas({
      file: 'tinybase',
      name: `TinyBase ${versionOfLibrary('tinybase')}`,
      durability: 'memory of one process',
      placeCount,
      delayMs,
      shape: 'star',
    }),
};

export async function openReplica({ listen, dial }: ReplicaOptions): Promise<Replica> {
  const [{ createMergeableStore }, client, server, ws, { default: Reconnecting }] = await Promise.all([
    library<TinyBase>('tinybase'),
    library<SynchronizerClient>('tinybase/synchronizers/synchronizer-ws-client'),
    library<SynchronizerServer>('tinybase/synchronizers/synchronizer-ws-server'),
    library<Ws>('ws'),
    library<Reconnecting>('reconnecting-websocket'),
  ]);
  if (listen !== undefined)
    server.createWsServer(new ws.WebSocketServer({ host: '127.0.0.1', port: listen }));
  const store = createMergeableStore();
  const socket = new Reconnecting(`ws://127.0.0.1:${listen ?? dial[0]}`, [], {
    WebSocket: ws.default,
    minReconnectionDelay: 100,
    maxReconnectionDelay: REDIAL_MS,
  });
  const synchronizer = await client.createWsSynchronizer(store, socket);
  await synchronizer.startSync();
  return {
    put: (entries) =>
      store.transaction(() => {
        for (const [key, value] of entries) store.setCell(TABLE, key, CELL, toBase64(value));
      }),
    get: (key) => fromBase64(store.getCell(TABLE, key, CELL)),
    watch: (onKeys) => store.addRowListener(TABLE, null, (_store, _table, key) => onKeys([key])),
  };
}
