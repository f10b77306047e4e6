/**
 * Backups: a store of its own, as a running node's was at one moment, and putting it back.
 *
 *   <backup>/db/             LevelDB, closed and synced
 *   <backup>/backup.json     {"format": 1, "replica", "region", "at"}; written last: without it there is no backup
 *
 * A backup that is put back is older than what the peers have seen of the node. So it is marked as restored, and the node
 * leaves its identity behind; only what no peer has of its writes goes on.
 */
import { copyFile, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CausewayError, SOFTWARE_VERSION } from '@causeway/protocol';
import { readMarker, syncPath, writeMarker } from './data-directory.js';
import type { LevelStorage } from './level-storage.js';

const FORMAT = 1;
const MANIFEST = 'backup.json';

export interface BackupProgress {
  readonly records: number;
  readonly bytes: number;
}

export interface BackupManifest {
  readonly replica: string;
  readonly region: string;
  /** ISO 8601. */
  readonly at: string;
}

/** Makes a backup in `directory`, which must be empty or not there. Throws CAUSEWAY_BAD_REQUEST. */
export async function makeBackup(
  storage: LevelStorage,
  directory: string,
  manifest: BackupManifest,
  progress: (progress: BackupProgress) => void,
): Promise<BackupProgress> {
  const path = resolve(directory);
  await mkdir(path, { recursive: true });
  if ((await readdir(path)).length > 0) {
    throw new CausewayError(
      'CAUSEWAY_BAD_REQUEST',
      `${path} is not empty: a backup takes a directory of its own`,
    );
  }
  try {
    const copied = await storage.copyTo(join(path, 'db'), progress);
    for (const name of await readdir(join(path, 'db'))) await syncPath(join(path, 'db', name));
    await syncPath(join(path, 'db'));
    const file = await open(join(path, MANIFEST), 'w');
    try {
      await file.writeFile(`${JSON.stringify({ format: FORMAT, version: SOFTWARE_VERSION, ...manifest })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncPath(path);
    await syncPath(dirname(path));
    return copied;
  } catch (error) {
    await rm(join(path, 'db'), { recursive: true, force: true });
    throw error;
  }
}

/**
 * Puts a backup in the place of a data directory that is empty or not there. `alone`: no other region has anything
 * left, so the identity stays. Throws CAUSEWAY_DATA_UNREADABLE, CAUSEWAY_BAD_CONFIG.
 */
export async function restoreBackup(
  backup: string,
  data: string,
  { alone, progress }: { readonly alone: boolean; readonly progress: (bytes: number) => void },
): Promise<BackupManifest> {
  const manifest = await readManifest(backup);
  const [from, to] = [resolve(backup, 'db'), resolve(data)];
  await mkdir(to, { recursive: true });
  const there = (await readdir(to)).filter((name) => !name.startsWith('db.new-') && name !== 'causeway.json');
  if (there.length > 0 && there.some((name) => !name.startsWith('db.left-'))) {
    throw new CausewayError(
      'CAUSEWAY_BAD_CONFIG',
      `${data} holds ${there.join(', ')}: move it aside first, it may hold writes that no region has`,
    );
  }
  await readMarker(to);
  const next = join(to, 'db.new-restored');
  await rm(next, { recursive: true, force: true });
  await mkdir(next);
  let bytes = 0;
  for (const name of await readdir(from)) {
    await copyFile(join(from, name), join(next, name));
    await syncPath(join(next, name));
    bytes += (await stat(join(next, name))).size;
    progress(bytes);
  }
  await syncPath(next);
  // Before there is a store: one that was put back must never be opened without the mark.
  await writeMarker(
    to,
    alone ? {} : { restored: { from: `a backup of ${manifest.at}`, at: new Date().toISOString() } },
  );
  await rename(next, join(to, 'db'));
  await syncPath(to);
  return manifest;
}

export async function readManifest(backup: string): Promise<BackupManifest> {
  try {
    const manifest = JSON.parse(await readFile(join(backup, MANIFEST), 'utf8')) as BackupManifest & {
      readonly format?: unknown;
    };
    if (manifest.format !== FORMAT) throw new Error(`it has format ${String(manifest.format)}`);
    return manifest;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CausewayError(
      'CAUSEWAY_DATA_UNREADABLE',
      `${backup} is no backup that was finished: ${reason}`,
      { cause: error },
    );
  }
}
