/**
 * LevelDB as this package uses it: how it is opened, written and read, and what its errors mean.
 */
import { CausewayError } from '@causeway/protocol';
import type { Batch, ScanEntry } from '@causeway/replica';
import { Level } from 'level';

export type Database = Level<Uint8Array, Uint8Array>;
export type Snapshot = ReturnType<Database['snapshot']>;

export const SYNC = { sync: true };

/** Fewer, larger tables than with LevelDB's 4 MiB; what a restart replays and a reopening writes anew. */
const WRITE_BUFFER_BYTES = 16 << 20;
/** Blocks read lately, uncompressed; the system's page cache holds the rest. */
const CACHE_BYTES = 32 << 20;
/** One crossing from the thread pool during a scan: a larger one holds the event loop for milliseconds. */
const SCAN_STEP_ENTRIES = 500;
const SCAN_STEP_BYTES = 128 << 10;

interface Range {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

export async function createLevel(path: string, batch: Batch): Promise<void> {
  const created = await openLevel(path, true);
  await writeBatch(created, batch);
  await created.close();
}

/** In steps, so that neither store holds more than one of them in memory. Durable only when the copy is synced. */
export async function copyRange(
  from: Database,
  to: Database,
  range: { readonly gte?: Uint8Array; readonly lt?: Uint8Array },
  rename: (key: Uint8Array) => Uint8Array,
  progress: (entries: number, bytes: number) => void = () => undefined,
  snapshot?: Snapshot,
): Promise<void> {
  const options = { ...range, fillCache: false, highWaterMarkBytes: SCAN_STEP_BYTES };
  const iterator = from.iterator(snapshot === undefined ? options : { ...options, snapshot });
  try {
    for (;;) {
      const step = await iterator.nextv(SCAN_STEP_ENTRIES);
      if (step.length === 0) return;
      const puts = step.map(([key, value]) => ({ key: rename(key), value }));
      await writeBatch(to, { puts, deletes: [] }, { sync: false });
      progress(
        puts.length,
        puts.reduce((sum, { key, value }) => sum + key.length + value.length, 0),
      );
    }
  } finally {
    await iterator.close();
  }
}

export async function openLevel(path: string, createIfMissing: boolean): Promise<Database> {
  const db: Database = new Level(path, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing,
    errorIfExists: createIfMissing,
    compression: true,
    writeBufferSize: WRITE_BUFFER_BYTES,
    cacheSize: CACHE_BYTES,
  });
  await db.open();
  return db;
}

/** Chained, since array batches are several times slower on Node 20. */
export async function writeBatch(db: Database, { puts, deletes }: Batch, options = SYNC): Promise<void> {
  const chained = db.batch();
  for (const { key, value } of puts) chained.put(key, value);
  for (const key of deletes) chained.del(key);
  await chained.write(options);
}

export async function scanRange(
  db: Database,
  { from, to }: Range,
  entriesMax: number,
  bytesMax: number,
  snapshot?: Snapshot,
): Promise<ScanEntry[]> {
  const highWaterMarkBytes = Math.min(bytesMax, SCAN_STEP_BYTES);
  const options = { gte: from, lt: to, highWaterMarkBytes, fillCache: false };
  const iterator = db.iterator(snapshot === undefined ? options : { ...options, snapshot });
  const entries: ScanEntry[] = [];
  let bytes = 0;
  try {
    while (entries.length < entriesMax && bytes < bytesMax) {
      const step = await iterator.nextv(Math.min(entriesMax - entries.length, SCAN_STEP_ENTRIES));
      if (step.length === 0) break;
      for (const [key, value] of step) {
        if (bytes >= bytesMax) break;
        bytes += key.length + value.length;
        entries.push({ key, value });
      }
    }
  } finally {
    await iterator.close();
  }
  return entries;
}

/**
 * What LevelDB or the replica says of a store that holds something else than what was written, or lacks a file of it.
 * Not what may pass: no space, no permission, no file handles, an input or output error.
 */
export function isDamage(error: unknown): boolean {
  if (error instanceof CausewayError) return error.code === 'CAUSEWAY_CORRUPT';
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return false;
  if ('code' in cause && cause.code === 'LEVEL_CORRUPTION') return true;
  return /create_if_missing|No such file or directory/.test(cause.message);
}

export function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

/** Of a read: what is damaged stays so, however often it is read. */
export function tellDamage(error: unknown): never {
  if (!isDamage(error)) throw error;
  throw new CausewayError('CAUSEWAY_CORRUPT', `part of the store cannot be read: ${reasonOf(error)}`, {
    cause: error,
  });
}
