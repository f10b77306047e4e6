/**
 * PouchDB on LevelDB with live replication: each place serves its database by express-pouchdb, and keeps it in step with
 * the others by `sync`. A single place is reached over HTTP, as its users reach a server.
 */
import type { Target, TargetClient } from '../harness/target.js';
import { library, missingLibraries, versionOfLibrary } from './installed.js';
import { type Peer, REDIAL_MS } from './peer.js';
import { fromBase64, type Replica, type ReplicaOptions, toBase64 } from './replica.js';
import { type ReplicasTarget, startReplicas } from './replicas.js';

const DATABASE = 'bench';
const BATCH = 1_000;
const CONFLICT = 409;

interface Doc {
  readonly _id: string;
  readonly _rev?: string;
  readonly value: string;
}
type Written =
  | { readonly id: string; readonly rev: string }
  | { readonly status: number; readonly message: string };
interface Database {
  put(doc: Doc): Promise<{ readonly rev: string }>;
  bulkDocs(docs: readonly Doc[]): Promise<readonly Written[]>;
  get(id: string): Promise<Doc>;
  info(): Promise<unknown>;
  changes(options: object): {
    on(event: 'change', listener: (change: { readonly id: string }) => void): void;
  };
  sync(url: string, options: object): { on(event: 'error', listener: (error: unknown) => void): void };
}
interface Constructor {
  new (name: string): Database;
  defaults(options: object): Constructor;
}
interface PouchLibrary {
  readonly default: Constructor;
}
interface Express {
  readonly default: () => {
    use(path: string, handler: unknown): void;
    listen(port: number, host: string, done: () => void): void;
  };
}
interface ExpressPouch {
  readonly default: (database: Constructor, options: object) => unknown;
}

export const pouchdb: Peer = {
  id: 'pouchdb',
  throughput: { placeCount: 1 },
  lag: { placeCount: 2 },
  heal: { placeCount: 3 },
  remark:
    'The one here that is durable and takes writes at every place. A write over an old value has to name its revision, which ' +
    `the client remembers. Batches of ${BATCH}, redials after ${REDIAL_MS} ms at most; values are base64, a third longer.`,
  missing: async () => missingLibraries('pouchdb', 'express-pouchdb', 'express'),
  start: async ({ placeCount, delayMs }) => {
    const name = `PouchDB ${versionOfLibrary('pouchdb')}, express-pouchdb ${versionOfLibrary('express-pouchdb')}`;
    const durability = 'LevelDB of one node, not fsynced';
    const target = await startReplicas({
      file: 'pouchdb',
      name,
      durability,
      placeCount,
      delayMs,
      shape: 'mesh',
    });
    return placeCount === 1 ? overHttp(target) : target;
  },
};

export async function openReplica({ listen, dial, directory }: ReplicaOptions): Promise<Replica> {
  const [{ default: PouchDB }, { default: express }, { default: serve }] = await Promise.all([
    library<PouchLibrary>('pouchdb'),
    library<Express>('express'),
    library<ExpressPouch>('express-pouchdb'),
  ]);
  const Local = PouchDB.defaults({ prefix: `${directory}/` });
  const db = new Local(DATABASE);
  await db.info();
  if (listen !== undefined) {
    const app = express();
    app.use('/', serve(Local, { mode: 'minimumForPouchDB' }));
    await new Promise<void>((resolve) => app.listen(listen, '127.0.0.1', resolve));
  }
  for (const port of dial) {
    const options = { live: true, retry: true, batch_size: BATCH, back_off_function: backOff };
    db.sync(urlOf(port), options).on('error', (error) => {
      throw error;
    });
  }
  const revisions = new Map<string, string>();
  return {
    ...(listen !== undefined && { shared: urlOf(listen) }),
    put: async (entries) => {
      const docs = entries.map(([key, value]) => docOf(key, value, revisions.get(key)));
      for (const written of await db.bulkDocs(docs)) {
        if ('status' in written) throw new Error(written.message);
        revisions.set(written.id, written.rev);
      }
    },
    get: (key) => read(db, key),
    watch: (onKeys) => db.changes({ live: true, since: 'now' }).on('change', ({ id }) => onKeys([id])),
  };
}

async function overHttp(target: ReplicasTarget): Promise<Target> {
  const { default: PouchDB } = await library<PouchLibrary>('pouchdb');
  const url = target.shared!;
  return { ...target, connect: async () => httpClient(new PouchDB(url)) };
}

function httpClient(db: Database): TargetClient {
  const revisions = new Map<string, string>();
  const put = async (key: string, value: Uint8Array): Promise<void> => {
    try {
      revisions.set(key, (await db.put(docOf(key, value, revisions.get(key)))).rev);
    } catch (error) {
      // Another client or lane was faster: read, and write over that.
      if ((error as { status?: number }).status !== CONFLICT) throw error;
      const { _rev } = await db.get(key);
      if (_rev !== undefined) revisions.set(key, _rev);
      await put(key, value);
    }
  };
  return { put, get: (key) => read(db, key), close: async () => undefined };
}

async function read(db: Database, key: string): Promise<Uint8Array | undefined> {
  try {
    return fromBase64((await db.get(key)).value);
  } catch (error) {
    if ((error as { status?: number }).status === 404) return undefined;
    throw error;
  }
}

function docOf(key: string, value: Uint8Array, revision: string | undefined): Doc {
  return { _id: key, value: toBase64(value), ...(revision !== undefined && { _rev: revision }) };
}

function backOff(ms: number): number {
  return Math.min(REDIAL_MS, Math.max(100, ms * 2));
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}/${DATABASE}`;
}
