/** Automerge-repo: one document with all keys, synchronized over its WebSocket adapters, stored in files. */
import { until } from '@causeway/cli';
import { library, missingLibraries, versionOfLibrary } from './installed.js';
import { type Peer, REDIAL_MS } from './peer.js';
import type { Replica, ReplicaOptions } from './replica.js';
import { startReplicas } from './replicas.js';

const NETWORK = '@automerge/automerge-repo-network-websocket';
const STORAGE = '@automerge/automerge-repo-storage-nodefs';

interface Values {
  readonly values: Record<string, Uint8Array>;
}
interface Handle {
  readonly url: string;
  change(mutate: (doc: Values) => void): void;
  doc(): Values;
  on(
    event: 'change',
    listener: (change: { readonly patches: readonly { readonly path: readonly unknown[] }[] }) => void,
  ): void;
}
interface RepoLibrary {
  readonly Repo: new (options: object) => { create(doc: Values): Handle; find(url: string): Promise<Handle> };
}
interface Adapter {
  onError: (event: unknown) => void;
}
interface NetworkLibrary {
  readonly NodeWSServerAdapter: new (server: unknown) => unknown;
  readonly WebSocketClientAdapter: new (url: string, retryMs: number) => Adapter;
}
interface StorageLibrary {
  readonly NodeFSStorageAdapter: new (directory: string) => unknown;
}
interface Ws {
  readonly WebSocketServer: new (options: object) => unknown;
}

export const automerge: Peer = {
  id: 'automerge',
  throughput: { not: 'a write is a call in memory, and nothing acknowledges it' },
  lag: { placeCount: 2 },
  heal: { placeCount: 3 },
  remark:
    'It keeps the whole history of a document. Puts that arrive together are one change; it synchronizes ten times a second ' +
    `by design, and saves now and then. It redials after ${REDIAL_MS} ms.`,
  missing: async () => missingLibraries('@automerge/automerge-repo', NETWORK, STORAGE, 'ws'),
  start: async ({ placeCount, delayMs }) =>
    startReplicas({
      file: 'automerge',
      name: `Automerge-repo ${versionOfLibrary('@automerge/automerge-repo')}`,
      durability: 'memory of one process',
      placeCount,
      delayMs,
      shape: 'star',
    }),
};

export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const { listen, dial, directory, shared, placeIndex } = options;
  const [{ Repo }, network, { NodeFSStorageAdapter }, { WebSocketServer }] = await Promise.all([
    library<RepoLibrary>('@automerge/automerge-repo'),
    library<NetworkLibrary>(NETWORK),
    library<StorageLibrary>(STORAGE),
    library<Ws>('ws'),
  ]);
  const adapters: unknown[] = dial.map((port) => {
    const adapter = new network.WebSocketClientAdapter(`ws://127.0.0.1:${port}`, REDIAL_MS);
    // By itself it throws, out of reach, whenever a connection is reset; that it redials then is all that is needed.
    adapter.onError = () => undefined;
    return adapter;
  });
  // It also lets go of sockets that are still connecting, and nobody listens to their errors.
  process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET') throw error;
  });
  if (listen !== undefined) {
    adapters.push(new network.NodeWSServerAdapter(new WebSocketServer({ host: '127.0.0.1', port: listen })));
  }
  const repo = new Repo({
    network: adapters,
    storage: new NodeFSStorageAdapter(directory),
    sharePolicy: async () => true,
    peerId: `place-${placeIndex}`,
  });
  const handle =
    shared === undefined
      ? repo.create({ values: {} })
      : // It gives up, and would not ask again, if the other place is not connected within a second.
        await until('the document to arrive', () => repo.find(shared));
  return {
    shared: handle.url,
    put: (entries) =>
      handle.change(({ values }) => {
        for (const [key, value] of entries) values[key] = value;
      }),
    get: (key) => handle.doc().values[key],
    watch: (onKeys) =>
      handle.on('change', ({ patches }) => {
        const keys = patches.filter(({ path }) => path[0] === 'values' && path.length >= 2);
        onKeys([...new Set(keys.map(({ path }) => String(path[1])))]);
      }),
  };
}
