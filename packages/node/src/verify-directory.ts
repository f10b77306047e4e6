/**
 * Verifies the store of a data directory, or of a backup, that no process has open. LevelDB writes when it opens, so what
 * it opens is a directory of its own with links to the tables, which never change, and copies of the rest: nothing is
 * ever written to the one that is verified.
 */
import { copyFile, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CausewayError } from '@causeway/protocol';
import { type Verification, Verifier } from '@causeway/replica';
import { openLevel, reasonOf } from './level.js';

const STEP_ENTRIES = 500;

/** Throws CAUSEWAY_DATA_IN_USE, CAUSEWAY_DATA_UNREADABLE when it does not open. */
export async function verifyDirectory(
  directory: string,
  progress: (entries: number) => void = () => undefined,
): Promise<Verification> {
  const db = resolve(directory, 'db');
  await checkUnused(directory, db);
  const aside = await mkdtemp(join(tmpdir(), 'causeway-verify-'));
  try {
    for (const name of await readdir(db)) {
      if (/\.(ldb|sst)$/.test(name)) await symlink(join(db, name), join(aside, name));
      else if (name !== 'LOCK' && !name.startsWith('LOG')) await copyFile(join(db, name), join(aside, name));
    }
    return await verifyStore(aside, progress);
  } catch (error) {
    if (error instanceof CausewayError) throw error;
    throw new CausewayError('CAUSEWAY_DATA_UNREADABLE', `${db} cannot be read: ${reasonOf(error)}`, {
      cause: error,
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function verifyStore(path: string, progress: (entries: number) => void): Promise<Verification> {
  const level = await openLevel(path, false);
  try {
    const verifier = new Verifier();
    const iterator = level.iterator({ fillCache: false });
    let entries = 0;
    for (;;) {
      const step = await iterator.nextv(STEP_ENTRIES);
      if (step.length === 0) break;
      for (const [key, value] of step) verifier.take({ key, value });
      entries += step.length;
      progress(entries);
    }
    await iterator.close();
    return verifier.finish();
  } finally {
    await level.close();
  }
}

/** As far as the system tells who holds the lock: only Linux does. */
async function checkUnused(directory: string, db: string): Promise<void> {
  const lock = await stat(join(db, 'LOCK')).catch(() => undefined);
  if (lock === undefined) return;
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '');
  if (locks.split('\n').some((line) => line.split(/\s+/).some((word) => word.endsWith(`:${lock.ino}`)))) {
    throw new CausewayError(
      'CAUSEWAY_DATA_IN_USE',
      `${directory} is in use: stop the node, or verify a backup of it`,
    );
  }
}
