/**
 * Cuts the log: drops the chunks that every member has, but for the newest ones; and beyond a cap in bytes or age the
 * oldest of all, whoever still lacks them: a repair brings forward who comes back to a log that has been cut.
 *
 * Invariants
 * - Of an origin the oldest chunks go first: what is left has no gap but where a repair has moved past chunks.
 * - Own chunks that no other member has are never cut: nobody else could bring them back.
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import { chunkHead, decodeChunk, isChunkWhole } from '@causeway/protocol';
import type { Now } from '../environment.js';
import type { ScanEntry } from '../events.js';
import { SCAN_BYTES, type Schedule } from './job.js';
import { concat, type KeyRange, logRange } from './keyspace.js';
import type { Store } from './store.js';

/** How often chunks are looked at for their age; bytes of a page of each origin's oldest. */
const AGE_CHECK_MS = 60_000;
const CAP_BYTES = 256 << 10;

export class LogCut {
  private cutting = false;
  private readonly cutThrough = new Map<ReplicaId, number>();
  private nextAgeCheckAt = 0;

  constructor(
    private readonly store: Store,
    private readonly schedule: Schedule,
  ) {}

  /** At the start and after a discard, when nothing that was under way is answered any more. */
  restart(): void {
    this.cutting = false;
    this.cutThrough.clear();
  }

  /** `held`: what all members have. */
  start(held: VersionVector): void {
    if (this.cutting) return;
    const due: [ReplicaId, number][] = [];
    for (const [origin, seq] of held) {
      const through = seq - this.store.limits.logFloorTransactions;
      if (through > (this.cutThrough.get(origin) ?? 0)) due.push([origin, through]);
    }
    if (due.length === 0) return;
    this.cutting = true;
    this.cutOrigins(due);
  }

  /** `ownHeld`: the highest own seq that any other member has. */
  cap(ownHeld: number, now: Now): void {
    if (this.cutting) return;
    const { durable, self, logBytes, limits } = this.store;
    const isOver = logBytes > limits.logBytesMax;
    if (!isOver && now.monotonic < this.nextAgeCheckAt) return;
    this.nextAgeCheckAt = now.monotonic + Math.min(AGE_CHECK_MS, limits.logAgeMaxMs);
    const through = new Map(durable);
    through.set(self, Math.min(ownHeld, durable.get(self) ?? 0));
    this.cutting = true;
    this.capStep(through);
  }

  /** Drops a page of the origin whose chunks are the oldest, until the log is within its bounds. */
  private capStep(through: VersionVector): void {
    const { store } = this;
    const heads: { origin: ReplicaId; at: number; entries: readonly ScanEntry[] }[] = [];
    let left = through.size;
    const looked = (): void => {
      if (--left > 0) return;
      const oldest = heads.sort((a, b) => a.at - b.at)[0];
      if (oldest === undefined) {
        this.cutting = false;
        return;
      }
      this.capPage(oldest.origin, oldest.entries, through);
    };
    if (left === 0) this.cutting = false;
    for (const [origin, seq] of through) {
      store.reads.scan(
        logRange(origin, 1, seq + 1),
        store.limits.housekeepingRecords,
        CAP_BYTES,
        (entries) => {
          const old = this.cuttable(entries ?? [], seq);
          const at = old[0] === undefined ? undefined : timeOf(old[0]);
          if (at !== undefined) heads.push({ origin, at, entries: old });
          looked();
        },
      );
    }
  }

  private capPage(origin: ReplicaId, entries: readonly ScanEntry[], through: VersionVector): void {
    const { store } = this;
    this.schedule({
      slots: [],
      run: (now) => {
        const { logBytesMax, logAgeMaxMs } = store.limits;
        const bytes = store.logBytes;
        for (const entry of entries) {
          if (store.logBytes <= logBytesMax && timeOf(entry) > now.wall - logAgeMaxMs) break;
          this.cut(origin, entry);
        }
        if (store.logBytes === bytes) {
          this.cutting = false;
          return;
        }
        store.whenDurable(() => this.capStep(through));
      },
    });
  }

  /** Chunks of a page that end at or before `through`, up to the first that does not. */
  private cuttable(entries: readonly ScanEntry[], through: number): ScanEntry[] {
    const end = entries.findIndex(({ value }) => isChunkWhole(value) && chunkHead(value).lastSeq > through);
    return end < 0 ? [...entries] : entries.slice(0, end);
  }

  private cut(origin: ReplicaId, { key, value }: ScanEntry): void {
    const { store } = this;
    store.delete(key);
    store.logBytes = Math.max(0, store.logBytes - value.length);
    // The chunk behind it starts right there, however many transactions it holds.
    if (isChunkWhole(value)) this.cutThrough.set(origin, chunkHead(value).lastSeq);
  }

  private cutOrigins(due: readonly (readonly [ReplicaId, number])[]): void {
    const [first, ...rest] = due;
    if (first === undefined) {
      this.cutting = false;
      return;
    }
    const [origin, through] = first;
    const range = logRange(origin, (this.cutThrough.get(origin) ?? 0) + 1, through + 1);
    this.step(origin, range, through, () => this.cutOrigins(rest));
  }

  private step(origin: ReplicaId, range: KeyRange, through: number, then: () => void): void {
    const { store } = this;
    store.reads.scan(range, store.limits.housekeepingRecords, SCAN_BYTES, (entries) => {
      const old = (entries ?? []).filter(
        ({ value }) => !isChunkWhole(value) || chunkHead(value).lastSeq <= through,
      );
      const last = old.at(-1);
      if (last === undefined) return then();
      this.schedule({
        slots: [],
        run: () => {
          for (const entry of old) this.cut(origin, entry);
          const from = concat(last.key, Uint8Array.of(0));
          store.whenDurable(() => this.step(origin, { from, to: range.to }, through, then));
        },
      });
    });
  }
}

/** When it was made; a damaged one counts as old. */
function timeOf({ value }: ScanEntry): number {
  return isChunkWhole(value) ? decodeChunk(value).at : 0;
}
