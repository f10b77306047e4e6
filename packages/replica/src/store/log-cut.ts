/**
 * Cuts the log: drops the chunks that every member has, but for the newest ones.
 *
 * Invariant: what is left of an origin's chunks has no gap, since they are dropped from the oldest on.
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import { chunkHead, isChunkWhole } from '@causeway/protocol';
import { SCAN_BYTES, type Schedule } from './job.js';
import { concat, type KeyRange, logRange } from './keyspace.js';
import type { Store } from './store.js';

export class LogCut {
  private cutting = false;
  private readonly cutThrough = new Map<ReplicaId, number>();

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
          for (const { key } of old) store.delete(key);
          // The chunk behind it starts right there, however many transactions it holds.
          if (isChunkWhole(last.value)) this.cutThrough.set(origin, chunkHead(last.value).lastSeq);
          const from = concat(last.key, Uint8Array.of(0));
          store.whenDurable(() => this.step(origin, { from, to: range.to }, through, then));
        },
      });
    });
  }
}
