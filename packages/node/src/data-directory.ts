/**
 * The data directory: makes it so that whatever is found after a power cut either is complete or was never used.
 *
 * Layout
 *   db/              the LevelDB store
 *   causeway.json    marker {"format": 1}: a complete store stands beside it, for ever; with more in it, below
 *   db.new-<random>  a store that is being made
 *   db.left-<date>-… a store that was left behind with its identity, or did not open: nobody needs it but a person
 *
 * In the marker besides, while it holds
 *   exchange  {"next", "aside"}: `db` is being moved to `aside`, and `next` to `db`
 *   restored  {"from", "at"}: what stands in `db` was put there by a person; its identity is to be left behind
 *   unclean   true: writes are acknowledged before they are on disk, and the store was not closed since
 *
 * A new LevelDB store does not survive a power cut before its first synced write, and LevelDB syncs neither its
 * first MANIFEST nor the directory. So a store is made aside, with the identity in it, synced with all its
 * files and entries, and only then renamed to `db`, which is atomic. The cut may come
 * - before the rename is durable: there is no `db`. Nothing has ever spoken in the name of what stands in
 *   `db.new-*`, since a node runs only on `db`; another is made, and the leftover goes once `db` is locked.
 * - between rename and marker: `db` is complete, by the order above; the marker is written now.
 * - after the marker: an ordinary start.
 *
 * A store is exchanged for another by two renames, with the marker telling of both before the first: whatever is found
 * in between is brought to its end at the next start.
 *
 * Invariants
 * - `db` is opened, never created: a missing CURRENT file is an error, not an empty store.
 * - A marker without `db` is an error: a volume that is not mounted must not become a new replica.
 * - Nothing is ever deleted but `db.new-*`, and not while the marker tells of an exchange.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CausewayError } from '@causeway/protocol';

const FORMAT = 1;
const MARKER = 'causeway.json';
const UNFINISHED = 'db.new-';
const LEFT = 'db.left-';

export interface Marker {
  readonly exchange?: { readonly next: string; readonly aside: string };
  readonly restored?: { readonly from: string; readonly at: string };
  readonly unclean?: true;
}

export function markerPath(directory: string): string {
  return join(directory, MARKER);
}

/**
 * Makes the directory ready for its store to be opened; returns the path of the store.
 *
 * `create` makes a store at the path given, holding what a new replica starts with, written durably, and closes
 * it again. Throws CAUSEWAY_DATA_UNREADABLE.
 */
export async function prepareDataDirectory(
  directory: string,
  create: (path: string) => Promise<void>,
): Promise<string> {
  const db = join(directory, 'db');
  await makeDirectory(resolve(directory));
  const marker = await readMarker(directory);
  if (marker?.exchange !== undefined) await finishExchange(directory, marker.exchange);
  const there = await exists(db);
  if (marker !== undefined && !there) {
    throw new CausewayError(
      'CAUSEWAY_DATA_UNREADABLE',
      `${directory} held a store, but ${db} is missing. Is a volume not mounted? Bring it back; or, to start ` +
        'as a new replica that copies everything from its peers, give an empty directory',
    );
  }
  if (!there) await createStore(directory, db, create);
  return db;
}

/** To be called when the store is open, and by that locked. Durable when it resolves. */
export async function markComplete(directory: string): Promise<void> {
  if ((await readMarker(directory)) === undefined) await writeMarker(directory, {});
  for (const name of await readdir(directory)) {
    if (name.startsWith(UNFINISHED)) await rm(join(directory, name), { recursive: true, force: true });
  }
}

/**
 * Puts the store that `create` makes in the place of `db`, which is moved aside, under a name with the date and `what`.
 * `release` lets go of `db`, when the new one is complete. Returns the path of what was moved aside.
 */
export async function exchangeStore(
  directory: string,
  what: string,
  create: (path: string) => Promise<void>,
  release: () => Promise<void>,
): Promise<string> {
  const next = await makeStore(directory, create);
  await release();
  const date = new Date().toISOString().replace(/[:.]/g, '-');
  const exchange = { next: basename(next), aside: `${LEFT}${date}-${what}` };
  await writeMarker(directory, { exchange });
  await finishExchange(directory, exchange);
  return join(directory, exchange.aside);
}

async function finishExchange(
  directory: string,
  { next, aside }: { readonly next: string; readonly aside: string },
): Promise<void> {
  const [db, nextPath, asidePath] = ['db', next, aside].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  if (await exists(nextPath)) {
    if ((await exists(db)) && !(await exists(asidePath))) await rename(db, asidePath);
    await syncPath(directory);
    await rename(nextPath, db);
    await syncPath(directory);
  }
  await writeMarker(directory, {});
}

/** Durable when it resolves, whole at every moment. */
export async function writeMarker(directory: string, marker: Marker): Promise<void> {
  const unnamed = join(directory, `${MARKER}.new`);
  const file = await open(unnamed, 'w');
  try {
    await file.writeFile(`${JSON.stringify({ format: FORMAT, ...marker })}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unnamed, markerPath(directory));
  await syncPath(directory);
}

/** Makes a store aside, complete and synced. */
async function makeStore(directory: string, create: (path: string) => Promise<void>): Promise<string> {
  const aside = join(directory, `${UNFINISHED}${randomBytes(8).toString('hex')}`);
  try {
    await create(aside);
    for (const name of await readdir(aside)) await syncPath(join(aside, name));
    await syncPath(aside);
    return aside;
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
}

async function createStore(
  directory: string,
  db: string,
  create: (path: string) => Promise<void>,
): Promise<void> {
  try {
    await rename(await makeStore(directory, create), db);
  } catch (error) {
    // Another process that starts on the same new directory was faster: opening `db` settles who has it.
    if (!(await exists(db))) throw error;
  }
  await syncPath(directory);
}

/** As mkdir -p; the entries of what it made are durable. */
async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true });
  if (first === undefined) return;
  for (let path = directory; path !== dirname(first); path = dirname(path)) await syncPath(dirname(path));
}

/** Undefined when there is none. Throws CAUSEWAY_DATA_UNREADABLE on one that this version does not understand. */
export async function readMarker(directory: string): Promise<Marker | undefined> {
  const path = markerPath(directory);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const { format, ...marker } = parseMarker(text);
  if (format !== FORMAT) {
    throw new CausewayError(
      'CAUSEWAY_DATA_UNREADABLE',
      `${path} says format ${String(format)}, this version reads format ${FORMAT}: start the version that wrote it`,
    );
  }
  return marker;
}

function parseMarker(text: string): Marker & { readonly format?: unknown } {
  try {
    const marker: unknown = JSON.parse(text);
    return typeof marker === 'object' && marker !== null ? marker : {};
  } catch {
    return { format: 'unknown (it is not JSON)' };
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Of a directory: makes its entries durable. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
