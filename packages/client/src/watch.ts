/**
 * Watching: the changes of keys, as an async iterator.
 *
 * A change waits here from its arrival until the application takes it. What waits is bounded: an application that falls
 * behind for too long is told so, instead of the buffer growing without end.
 *
 * Invariants
 * - Changes come in the order in which the node committed them, each once.
 * - An iterator that ends by itself ends with an error, after everything that arrived before it; never in silence.
 */
import { CausewayError, decodeCanonical, type KeyChange, type WatchFilter } from '@causeway/protocol';
import type { Executor } from './executor.js';
import { nothing, toCausewayError } from './runner.js';

/** One committed change of one key. */
export interface Change {
  type: 'register' | 'set' | 'counter';
  key: string;
  /** Register: the value now, absent when it was deleted. Counter: the value now, a bigint beyond ±(2^53-1). */
  value?: unknown;
  /** Set: elements that came and went. */
  added?: unknown[];
  removed?: unknown[];
  /** Set: everything that the clearing node saw went; the elements are not listed. */
  cleared?: boolean;
  /** Replica that made the write. */
  origin: string;
  /** True if the write met another that its writer had not seen. */
  conflict: boolean;
  /** Opaque position of the change. */
  cursor: string;
}

export interface WatchOptions {
  /** Only keys that begin with this. Default: all. */
  readonly prefix?: string;
  /** Only this key. */
  readonly key?: string;
  readonly type?: 'register' | 'set' | 'counter';
  /** Changes that may wait to be taken before the watch ends with CAUSEWAY_WATCH_OVERFLOW. Default 10,000. */
  readonly bufferChangesMax?: number;
}

/**
 * The changes of a watch. It begins when `watch` is called and ends when the loop over it is left (`break`, `return`,
 * an exception) or `return()` is called. Otherwise it ends with an error: CAUSEWAY_WATCH_INTERRUPTED when the
 * connection or the node is gone, CAUSEWAY_WATCH_OVERFLOW when changes came faster than they were taken,
 * CAUSEWAY_CLOSED when the database was closed. Changes may then have been missed: watch again, then read.
 */
export interface Watch extends AsyncIterableIterator<Change> {
  /** Resolves when the node has begun to watch: every change that is committed from then on is told of. */
  readonly opened: Promise<void>;
  return(): Promise<IteratorResult<Change>>;
}

const BUFFER_CHANGES_MAX_DEFAULT = 10_000;
/** Values are up to 1 MiB, so that a bound in changes alone would bound nothing. Bytes. */
const BUFFER_BYTES_MAX = 64 * 1024 * 1024;
/** Taken changes are cut off the buffer once there are this many of them and they are the larger part. */
const COMPACT_COUNT = 1024;
/** What a change weighs beside its values: objects and texts. Bytes. */
const CHANGE_BYTES = 256;

interface Waiter {
  resolve(result: IteratorResult<Change>): void;
  reject(error: CausewayError): void;
}

interface Buffered {
  readonly change: Change;
  readonly bytes: number;
}

export class WatchIterator implements Watch {
  readonly opened: Promise<void>;
  private open: () => void = nothing;
  private refuse: (error: CausewayError) => void = nothing;
  private buffer: Buffered[] = [];
  /** Index of the next change to be taken. */
  private head = 0;
  private bytes = 0;
  private readonly waiters: Waiter[] = [];
  private state: 'running' | 'failed' | 'done' = 'running';
  private error: CausewayError | undefined;
  private readonly stop: () => void;
  private readonly changesMax: number;

  constructor(executor: Executor, options: WatchOptions) {
    this.changesMax = options.bufferChangesMax ?? BUFFER_CHANGES_MAX_DEFAULT;
    this.opened = new Promise((resolve, reject) => {
      this.open = resolve;
      this.refuse = reject;
    });
    // The iterator tells of the failure too; nobody has to wait for the beginning.
    this.opened.catch(nothing);
    this.stop = executor.watch(filterOf(options), {
      opened: () => this.open(),
      changed: (change) => this.changed(change),
      ended: (error) => this.ended(error),
    });
  }

  private changed(encoded: KeyChange): void {
    if (this.state !== 'running') return;
    let change: Change;
    try {
      change = decodeChange(encoded);
    } catch (error) {
      this.stop();
      this.ended(toCausewayError(error));
      return;
    }
    const waiter = this.waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: change });
      return;
    }
    const bytes = weigh(encoded);
    const count = this.buffer.length - this.head;
    if (count >= this.changesMax || this.bytes + bytes > BUFFER_BYTES_MAX) {
      this.overflow();
      return;
    }
    this.buffer.push({ change, bytes });
    this.bytes += bytes;
  }

  private ended(error: CausewayError): void {
    if (this.state !== 'running') return;
    this.error = error;
    this.refuse(error);
    this.state = this.waiters.length > 0 ? 'done' : 'failed';
    // One of those who wait learns of the error, the others of the end.
    this.waiters.shift()?.reject(error);
    for (const waiter of this.waiters.splice(0)) waiter.resolve(END);
  }

  next(): Promise<IteratorResult<Change>> {
    const change = this.take();
    if (change !== undefined) return Promise.resolve({ done: false, value: change });
    if (this.state === 'failed') {
      this.state = 'done';
      return Promise.reject(this.error);
    }
    if (this.state === 'done') return Promise.resolve(END);
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<Change>> {
    if (this.state === 'running') this.stop();
    this.state = 'done';
    this.drop();
    this.refuse(new CausewayError('CAUSEWAY_CLOSED', 'the watch was ended before it began'));
    for (const waiter of this.waiters.splice(0)) waiter.resolve(END);
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private take(): Change | undefined {
    const buffered = this.buffer[this.head];
    if (buffered === undefined) return undefined;
    this.head += 1;
    this.bytes -= buffered.bytes;
    if (this.head === this.buffer.length) {
      this.drop();
    } else if (this.head >= COMPACT_COUNT && this.head * 2 >= this.buffer.length) {
      this.buffer = this.buffer.slice(this.head);
      this.head = 0;
    }
    return buffered.change;
  }

  private drop(): void {
    this.buffer = [];
    this.head = 0;
    this.bytes = 0;
  }

  private overflow(): void {
    this.stop();
    this.ended(
      new CausewayError(
        'CAUSEWAY_WATCH_OVERFLOW',
        'changes came faster than they were taken; the watch has ended',
      ),
    );
  }
}

const END: IteratorResult<Change> = { done: true, value: undefined };

function filterOf(options: WatchOptions): WatchFilter {
  return {
    prefix: options.prefix ?? '',
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.type === undefined ? {} : { type: options.type }),
  };
}

function decodeChange(change: KeyChange): Change {
  const { type, key, origin, conflict, cursor } = change;
  const decoded: Change = { type, key, origin, conflict, cursor };
  if (change.value !== undefined) decoded.value = decodeCanonical(change.value);
  if (change.count !== undefined) decoded.value = change.count;
  if (change.added !== undefined && change.added.length > 0)
    decoded.added = change.added.map(decodeCanonical);
  if (change.removed !== undefined && change.removed.length > 0) {
    decoded.removed = change.removed.map(decodeCanonical);
  }
  if (change.cleared === true) decoded.cleared = true;
  return decoded;
}

function weigh(change: KeyChange): number {
  let bytes = CHANGE_BYTES + (change.value?.length ?? 0);
  for (const element of change.added ?? NONE) bytes += element.length;
  for (const element of change.removed ?? NONE) bytes += element.length;
  return bytes;
}

const NONE: readonly Uint8Array[] = [];
