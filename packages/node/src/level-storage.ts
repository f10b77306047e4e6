/**
 * The replica's store: LevelDB, and what has to be done around it so that "written" means "there after a power
 * cut".
 *
 * Invariants
 * - `write` resolves only when the whole batch is on disk; one batch is one synced LevelDB write, and a look at
 *   whether the file system still lives: an fsync that meets the end of its journal may report success (ext4,
 *   seen in 1 of 25 forced shutdowns under load), and only the calls after it fail.
 * - After a failed write the open handle is never written to again: LevelDB would acknowledge what follows the
 *   torn record in its log and lose all of it at the next open. `reopen` makes a new handle and proves it.
 * - Until the disk takes bytes again the old handle stays open, for reading; but not after a look that failed,
 *   since LevelDB would show what a power cut may take back.
 * - Nothing is created over a damaged store, and nothing is deleted: see data-directory.ts.
 *
 * Keys and values are bytes, compared byte by byte. What is read is a fresh copy, owned by the caller.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { open as openFile, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CausewayError } from '@causeway/protocol';
import {
  type Batch,
  copiedKey,
  type Log,
  type Rejoin,
  type Scan,
  type ScanEntry,
  type StoredReplica,
} from '@causeway/replica';
import {
  exchangeStore,
  type Marker,
  markComplete,
  markerPath,
  prepareDataDirectory,
  readMarker,
  writeMarker,
} from './data-directory.js';
import {
  copyRange,
  createLevel,
  type Database,
  isDamage,
  openLevel,
  reasonOf,
  type Snapshot,
  SYNC,
  scanRange,
  tellDamage,
  writeBatch,
} from './level.js';
import { ReadAllowance } from './read-allowance.js';

/** Between attempts to make the store writable again. Milliseconds. */
const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 1_000;
/** A disk that has not answered for so long is not waited for by the event loop. */
const DISK_STANDS_STILL_MS = 20;
/** Free space that is asked for beyond LevelDB's log before the old handle is given up. Bytes. */
const SPARE_BYTES = 1 << 20;
/** Record of the probe, deleted at once: no kind of key of the replica starts with this byte. */
const PROBE_KEY = Uint8Array.of(0xff, 0x70);
const PROBE_VALUE = new Uint8Array(64 << 10);

export interface StorageOptions {
  readonly directory: string;
  /** What `records` reads, in this order: see Replica's START_RANGES. */
  readonly startRanges: readonly Range[];
  /** First batch of a new store; called only for one, before anything else knows of it. */
  readonly initialBatch: () => Batch;
  /** The same for a store in the place of one that is damaged; undefined: then there is nobody to begin anew from. */
  readonly batchAfterLoss?: (() => Batch) | undefined;
  /** `async`: a batch is handed to the operating system, and `close` puts all on disk. Sync by default. */
  readonly durability?: 'sync' | 'async';
  readonly log: Log;
}

export interface Range {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

export class LevelStorage {
  private readonly stopping = new AbortController();
  /** Open ones, of the handle that is open now. */
  private readonly snapshots = new Map<number, Snapshot>();
  /** Settled unless the handle is being exchanged just now. */
  private exchange: Promise<void> | undefined;
  /** LevelDB shows a batch of which nobody knows whether it is on disk: nothing is read before the exchange. */
  private unsure = false;
  /** One byte of the marker is read after every write; a few µs, from the page cache. */
  private readonly pulse = { file: -1, byte: new Uint8Array(1) };
  private readonly syncing: { readonly sync: boolean };
  private readonly allowance = new ReadAllowance(performance.now());
  /** Writes and reads in the thread pool, and when the disk was last heard of while there are any. */
  private readonly asked = { count: 0, heardAt: 0 };

  private constructor(
    private db: Database,
    private readonly path: string,
    private readonly options: StorageOptions,
    /** Why the identity in it is to be left behind. */
    private leave: string | undefined,
  ) {
    this.syncing = options.durability === 'async' ? { sync: false } : SYNC;
    this.pulse.file = openSync(markerPath(options.directory), 'r');
  }

  /** Throws CAUSEWAY_DATA_IN_USE when another process has it, CAUSEWAY_DATA_UNREADABLE when it does not open. */
  static async open(options: StorageOptions): Promise<LevelStorage> {
    const { directory } = options;
    try {
      const path = await prepareDataDirectory(directory, (aside) =>
        createLevel(aside, options.initialBatch()),
      );
      const db = await openLevel(path, false).catch(async (error: unknown) => {
        await LevelStorage.replaceDamaged(options, error);
        return openLevel(path, false);
      });
      await markComplete(directory);
      const marker = (await readMarker(directory)) ?? {};
      const storage = new LevelStorage(db, path, options, whyLeave(marker));
      await storage.noteUnclean();
      return storage;
    } catch (error) {
      throw openFailure(directory, error);
    }
  }

  /**
   * Moves a store that is damaged aside, and makes a new one in its place. Rethrows `error` when it tells of something
   * else than damage, or when there is nobody to begin anew from. The store must be closed.
   */
  static async replaceDamaged(options: StorageOptions, error: unknown): Promise<void> {
    const { directory, batchAfterLoss, log } = options;
    if (!isDamage(error) || batchAfterLoss === undefined) throw error;
    const create = (path: string) => createLevel(path, batchAfterLoss());
    const aside = await exchangeStore(directory, 'damaged', create, async () => undefined);
    log.error(
      { code: 'CAUSEWAY_DATA_UNREADABLE', aside, reason: reasonOf(error) },
      'the store is damaged and does not open: it is moved aside, nothing is deleted. The node begins anew, under a new ' +
        'identity, and copies everything from its peers; writes that no peer had are only in what was moved aside',
    );
  }

  /**
   * Puts a new store in the place of this one, which is moved aside under a name with `what`. When it rejects the
   * storage is closed, and the next start goes on from where this came to.
   */
  async beginAnew({ batch, copies }: Rejoin, what: string): Promise<void> {
    const { directory, log } = this.options;
    const create = async (path: string): Promise<void> => {
      const created = await openLevel(path, true);
      try {
        await writeBatch(created, batch, { sync: false });
        for (const copy of copies) await this.copyInto(created, copy);
      } finally {
        await created.close();
      }
    };
    let released = false;
    const release = async (): Promise<void> => {
      released = true;
      this.snapshots.clear();
      await this.db.close();
    };
    for (let retryMs = RETRY_MIN_MS; ; retryMs = Math.min(2 * retryMs, RETRY_MAX_MS)) {
      try {
        const aside = await exchangeStore(directory, what, create, release);
        log.warn({ aside }, 'the store was moved aside, nothing was deleted');
        break;
      } catch (error) {
        if (released) throw error;
        log.warn({ err: error, retryMs }, 'the new store cannot be made yet, trying again');
      }
      await this.pause(retryMs);
    }
    this.leave = undefined;
    this.db = await openLevel(this.path, false);
    this.followMarker();
    await this.noteUnclean();
  }

  /** What cannot be read any more cannot be taken along; it stays in what is moved aside. */
  private async copyInto(created: Database, copy: Rejoin['copies'][number]): Promise<void> {
    const range = { gte: copy.from, lt: copy.to };
    try {
      await copyRange(this.db, created, range, (key) => copiedKey(copy, key));
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.options.log.error(
        { err: error, code: 'CAUSEWAY_CORRUPT' },
        'part of what nobody else may have cannot be read: it is only in what is moved aside',
      );
    }
  }

  /** The identity stays, although the host had reason to doubt it: nobody else has ever heard of it. */
  async keepIdentity(): Promise<void> {
    if (this.leave === undefined) return;
    this.leave = undefined;
    await writeMarker(this.options.directory, this.options.durability === 'async' ? { unclean: true } : {});
  }

  private async noteUnclean(): Promise<void> {
    const { directory, durability } = this.options;
    if (durability !== 'async') return;
    await writeMarker(directory, { ...(await readMarker(directory)), unclean: true });
  }

  /** When it rejects, nothing may be assumed of the batch, and nothing may be written before `reopen`. */
  async write(batch: Batch): Promise<void> {
    await this.ask(writeBatch(this.db, batch, this.syncing));
    try {
      readSync(this.pulse.file, this.pulse.byte, 0, 1, 0);
    } catch (error) {
      this.unsure = true;
      throw error;
    }
  }

  /**
   * The value of a key, undefined if there is none, on this thread; `later` when there is no time for that, or when it
   * cannot be read: `load` tells why.
   */
  readNow(key: Uint8Array): Uint8Array | undefined | 'later' {
    if (this.exchange !== undefined || this.unsure) return 'later';
    const at = performance.now();
    // Whoever waits for a disk that has stopped is not the event loop.
    if (this.asked.count > 0 && at - this.asked.heardAt > DISK_STANDS_STILL_MS) return 'later';
    if (!this.allowance.allows(at)) return 'later';
    try {
      return this.db.getSync(key);
    } catch {
      return 'later';
    } finally {
      this.allowance.took(performance.now() - at);
    }
  }

  /**
   * Values in the order of `keys`, undefined where there is none, all from one snapshot.
   *
   * getMany in the thread pool, for what `readNow` had no time for: see docs/decisions/reads-on-the-event-loop.md.
   */
  async load(keys: readonly Uint8Array[], snapshot?: number): Promise<readonly (Uint8Array | undefined)[]> {
    if (snapshot !== undefined) {
      const options = { snapshot: this.snapshotOf(snapshot) };
      return this.ask(this.db.getMany(keys as Uint8Array[], options)).catch(tellDamage);
    }
    if (this.exchange !== undefined || this.unsure) await this.readable();
    return this.ask(this.db.getMany(keys as Uint8Array[])).catch(tellDamage);
  }

  /** In key order, on one snapshot; the entry that reaches `bytesMax` is the last one. */
  async scan(scan: Scan): Promise<readonly ScanEntry[]> {
    if (scan.snapshot !== undefined) {
      const snapshot = this.snapshotOf(scan.snapshot);
      return scanRange(this.db, scan, scan.entriesMax, scan.bytesMax, snapshot).catch(tellDamage);
    }
    if (this.exchange !== undefined || this.unsure) await this.readable();
    return scanRange(this.db, scan, scan.entriesMax, scan.bytesMax).catch(tellDamage);
  }

  private async ask<T>(answer: Promise<T>): Promise<T> {
    const { asked } = this;
    if (asked.count++ === 0) asked.heardAt = performance.now();
    try {
      return await answer;
    } finally {
      asked.count--;
      asked.heardAt = performance.now();
    }
  }

  private async readable(): Promise<void> {
    if (this.exchange !== undefined) await this.exchange;
    if (this.unsure) throw new Error('what the last write came to is not known yet');
  }

  /** Of all that has been written so far, and of nothing that is written from now on. */
  openSnapshot(id: number): void {
    // While the handle is exchanged there is nothing to take it of: its reads fail.
    if (this.db.status === 'open' && !this.unsure) this.snapshots.set(id, this.db.snapshot());
  }

  /** Copies all that is written now into a new store at `path`, while writing goes on; bounded in memory. */
  async copyTo(
    path: string,
    progress: (progress: { readonly records: number; readonly bytes: number }) => void,
  ): Promise<{ readonly records: number; readonly bytes: number }> {
    if (this.exchange !== undefined) await this.exchange;
    const snapshot = this.db.snapshot();
    const copy = await openLevel(path, true);
    let [records, bytes] = [0, 0];
    try {
      await copyRange(
        this.db,
        copy,
        {},
        (key) => key,
        (entries, size) => {
          records += entries;
          bytes += size;
          progress({ records, bytes });
        },
        snapshot,
      );
      return { records, bytes };
    } finally {
      await copy.close();
      await snapshot.close();
    }
  }

  /** A scan of it that has not ended may fail. */
  closeSnapshot(id: number): void {
    const snapshot = this.snapshots.get(id);
    if (snapshot === undefined) return;
    this.snapshots.delete(id);
    snapshot
      .close()
      .catch((error: unknown) => this.options.log.warn({ err: error }, 'a snapshot stays open'));
  }

  private snapshotOf(id: number): Snapshot {
    const snapshot = this.snapshots.get(id);
    if (snapshot === undefined) throw new Error(`snapshot ${id} is gone`);
    return snapshot;
  }

  /** What a replica starts from. */
  async records(): Promise<StoredReplica> {
    const entries: ScanEntry[] = [];
    for (const range of this.options.startRanges) {
      for (const entry of await scanRange(this.db, range, Infinity, Infinity)) entries.push(entry);
    }
    return this.leave === undefined ? { entries } : { entries, leave: this.leave };
  }

  /**
   * After a failed write: resolves when a probe has been written durably through a new handle, however long
   * that takes, with what the store holds then. Rejects with CAUSEWAY_CLOSED when the storage is closed.
   */
  async reopen(): Promise<StoredReplica> {
    for (let retryMs = RETRY_MIN_MS; ; retryMs = Math.min(2 * retryMs, RETRY_MAX_MS)) {
      try {
        await this.probeDisk();
        this.exchange = this.exchangeHandle();
        await this.exchange;
        await this.write({ puts: [{ key: PROBE_KEY, value: PROBE_VALUE }], deletes: [] });
        await this.write({ puts: [], deletes: [PROBE_KEY] });
        return await this.records();
      } catch (error) {
        const level = retryMs === RETRY_MIN_MS ? 'warn' : 'debug';
        this.options.log[level]({ err: error, retryMs }, 'the store is not writable yet, trying again');
      } finally {
        this.exchange = undefined;
      }
      await this.pause(retryMs);
    }
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => {
      throw new CausewayError('CAUSEWAY_CLOSED', 'the storage was closed');
    });
  }

  /** Waits for reads and writes under way. */
  async close(): Promise<void> {
    this.stopping.abort();
    await this.exchange?.catch(() => undefined);
    // An identity that is still to be left behind stays so.
    const isWhole = this.leave === undefined && this.db.status === 'open';
    if (this.options.durability === 'async' && isWhole) await this.settle();
    await this.db.close();
    if (this.pulse.file !== -1) closeSync(this.pulse.file);
    this.pulse.file = -1;
  }

  /**
   * Throws while the disk would not let LevelDB open again. Opening writes the log anew as a table, so as much
   * space as the log takes is asked for; without this check a full disk would cost the reads as well.
   */
  private async probeDisk(): Promise<void> {
    let bytes = SPARE_BYTES;
    for (const name of await readdir(this.path)) {
      if (name.endsWith('.log')) bytes += (await stat(join(this.path, name))).size;
    }
    const { bavail, bsize } = await statfs(this.path);
    if (bavail * bsize < bytes) throw new Error(`${bytes} bytes must be free, ${bavail * bsize} are`);
    const probe = join(this.options.directory, 'probe');
    const file = await openFile(probe, 'w');
    try {
      await file.writeFile(PROBE_VALUE);
      await file.sync();
    } finally {
      await file.close();
      await rm(probe, { force: true });
    }
  }

  private async exchangeHandle(): Promise<void> {
    // They are closed with the handle that they are of.
    this.snapshots.clear();
    await this.db.close();
    this.stopping.signal.throwIfAborted();
    this.db = await openLevel(this.path, false);
    this.unsure = false;
    this.followMarker();
  }

  private followMarker(): void {
    const before = this.pulse.file;
    this.pulse.file = openSync(markerPath(this.options.directory), 'r');
    closeSync(before);
  }

  /** A clean end under asynchronous durability: everything is on disk, and the marker says so. */
  private async settle(): Promise<void> {
    try {
      await writeBatch(this.db, { puts: [{ key: PROBE_KEY, value: PROBE_VALUE }], deletes: [] });
      await writeBatch(this.db, { puts: [], deletes: [PROBE_KEY] });
      const { unclean: _clean, ...marker } = (await readMarker(this.options.directory)) ?? {};
      await writeMarker(this.options.directory, marker);
    } catch (error) {
      this.options.log.warn(
        { err: error },
        'the store could not be put on disk whole: the next start begins anew',
      );
    }
  }
}

function whyLeave({ restored, unclean }: Marker): string | undefined {
  if (restored !== undefined) return `the directory was restored from ${restored.from} at ${restored.at}`;
  if (unclean)
    return 'the node was not stopped in good order under durability async, and may have lost writes';
  return undefined;
}

function openFailure(directory: string, error: unknown): CausewayError {
  if (error instanceof CausewayError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = reasonOf(error);
  if (cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED') {
    return new CausewayError(
      'CAUSEWAY_DATA_IN_USE',
      `${directory} is in use by another process: stop that one, or give this node another directory`,
      { cause: error },
    );
  }
  return new CausewayError(
    'CAUSEWAY_DATA_UNREADABLE',
    `${directory} does not open: ${reason}. Nothing was changed. Bring back what is missing or restore the ` +
      'directory; or give an empty one, and keep this one: writes that no peer has are only there',
    { cause: error },
  );
}
