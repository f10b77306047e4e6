/**
 * The clock by which results of operations with idempotency keys age. It begins at the wall time and goes on only
 * while a process of this directory runs: a wall clock that jumps ahead must not forget at one blow what retries
 * rely on.
 *
 * Invariants
 * - It never goes faster than time, so that nothing is forgotten early.
 * - It is written every SAVE_MS while results are kept: after a crash it is behind by no more than that.
 */
import { ByteReader, ByteWriter, CausewayError, sealValue, unsealValue } from '@causeway/protocol';
import type { Now } from '../environment.js';
import type { ScanEntry } from '../events.js';
import { bytesText, RETENTION_KEY } from './keyspace.js';

export const SAVE_MS = 600_000;

export class RetentionClock {
  /** What it showed at `from`, monotonic; undefined in a directory that has never kept a result. */
  private time: number | undefined;
  private from: number | undefined;
  private saved = Number.NEGATIVE_INFINITY;

  /** Takes what the store holds, at the start. */
  restore(entries: readonly ScanEntry[]): void {
    if (this.from !== undefined) return;
    const id = bytesText(RETENTION_KEY);
    const entry = entries.find(({ key }) => bytesText(key) === id);
    if (entry === undefined) return;
    try {
      this.time = new ByteReader(unsealValue(RETENTION_KEY, entry.value)).varint();
      this.saved = this.time;
    } catch (error) {
      // It begins anew at the wall time, as in a directory that has none.
      if (!(error instanceof CausewayError)) throw error;
    }
  }

  at(now: Now): number {
    this.from ??= now.monotonic;
    this.time ??= Math.floor(now.wall);
    return this.time + Math.floor(Math.max(0, now.monotonic - this.from));
  }

  /** The record to be written; undefined when the last one is new enough. */
  save(now: Now): { readonly key: Uint8Array; readonly value: Uint8Array } | undefined {
    const time = this.at(now);
    if (time - this.saved < SAVE_MS) return undefined;
    this.saved = time;
    const writer = new ByteWriter(16);
    writer.varint(time);
    return { key: RETENTION_KEY, value: sealValue(RETENTION_KEY, writer.view()) };
  }
}
