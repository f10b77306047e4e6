/**
 * Conflicts: which incoming records met a write that their writer had not seen, known exactly from the chunk's
 * `deps`; and the bounded feed of the last ones.
 */
import type { Dot, ReplicaId, Stamp, VersionVector } from '@causeway/crdt';
import { covers } from '@causeway/crdt';
import { CausewayError, type KeyType } from '@causeway/protocol';
import type { Telemetry } from '../environment.js';
import { CONFLICT_BYTES_MAX, CONFLICTS_MAX } from '../limits.js';
import { detached } from '../store/keyspace.js';

export interface ConflictSide {
  /** Canonical bytes: the register's value, or the element; absent for a delete or a removal. */
  readonly value?: Uint8Array;
  readonly stamp?: Stamp;
  readonly replica: ReplicaId;
}

export interface ConflictRecord {
  readonly type: KeyType;
  readonly key: string;
  readonly winner: ConflictSide;
  readonly loser: ConflictSide;
  /** Wall ms of this node when it met. */
  readonly at: number;
}

/** Whether a writer that had seen `deps` and its own writes had not seen `dot`. */
export function unseen(dot: Dot, origin: ReplicaId, deps: VersionVector): boolean {
  return dot.replica !== origin && !covers(deps, dot);
}

/** A value is a view of the message that it came in, which the feed would keep. */
function withOwnValue(side: ConflictSide): ConflictSide {
  return side.value === undefined ? side : { ...side, value: detached(side.value) };
}

export class Conflicts {
  readonly counts: Record<KeyType, number> = { register: 0, set: 0, counter: 0 };
  private readonly feed: { position: number; bytes: number; record: ConflictRecord }[] = [];
  private bytes = 0;
  private position = 0;

  constructor(private readonly telemetry: Telemetry) {}

  count(type: KeyType): void {
    this.counts[type]++;
    this.telemetry.conflict(type);
  }

  add(record: ConflictRecord): void {
    this.count(record.type);
    const bytes =
      record.key.length + (record.winner.value?.length ?? 0) + (record.loser.value?.length ?? 0) + 256;
    const { winner, loser } = record;
    const own = { ...record, winner: withOwnValue(winner), loser: withOwnValue(loser) };
    this.feed.push({ position: ++this.position, bytes, record: own });
    this.bytes += bytes;
    while (this.feed.length > CONFLICTS_MAX || (this.bytes > CONFLICT_BYTES_MAX && this.feed.length > 1)) {
      this.bytes -= this.feed.shift()!.bytes;
    }
  }

  /** @throws CausewayError CAUSEWAY_BAD_REQUEST when `after` is no position of this feed. */
  page(after: string | undefined, limit: number): { conflicts: ConflictRecord[]; after: string } {
    const position = after === undefined ? 0 : Number(after);
    if (after !== undefined && !/^\d{1,15}$/.test(after)) {
      throw new CausewayError(
        'CAUSEWAY_BAD_REQUEST',
        'after is no position of the feed: take it from a page',
      );
    }
    const page = this.feed.filter((entry) => entry.position > position).slice(0, limit);
    const last = page[page.length - 1]?.position ?? Math.min(position, this.position);
    return { conflicts: page.map(({ record }) => record), after: String(last) };
  }
}
