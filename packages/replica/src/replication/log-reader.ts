/**
 * LogReader: chunks out of the log for neighbours that are behind. After a cut several want the same, at much the same time:
 * what one is sent is kept for the others, as the very message, which is then encoded once.
 *
 * Invariants
 * - Only durable chunks are handed out and kept: what is read beyond them may be torn away, and another take its place.
 * - At most KEPT_MAX reads are kept, of `logReadBytes` each.
 */
import { type ReplicaId, seqOf } from '@causeway/crdt';
import { chunkHead, isChunkWhole, type PeerMessage } from '@causeway/protocol';
import type { Log } from '../environment.js';
import { logRange } from '../store/keyspace.js';
import type { Store } from '../store/store.js';

export interface LogPart {
  /** Ascending; there may be holes, where a chunk is damaged. */
  readonly chunks: readonly {
    readonly firstSeq: number;
    readonly lastSeq: number;
    readonly bytes: Uint8Array;
  }[];
  readonly bytes: number;
  /** All of it. */
  readonly message: PeerMessage;
}

/** `undefined`: the read failed. */
type Then = (part: LogPart | undefined) => void;

const KEPT_MAX = 8;

export class LogReader {
  /** By origin, place and size; the oldest first. */
  private readonly kept = new Map<string, LogPart>();
  private readonly pending = new Map<string, Then[]>();

  constructor(
    private readonly store: Store,
    private readonly log: Log,
  ) {}

  /** Durable chunks of `origin` whose firstSeq is `from` or more, some `bytesMax`. */
  read(origin: ReplicaId, from: number, bytesMax: number, then: Then): void {
    const name = `${origin} ${from} ${bytesMax}`;
    const kept = this.kept.get(name);
    if (kept !== undefined) return then(kept);
    const waiting = this.pending.get(name);
    if (waiting !== undefined) {
      waiting.push(then);
      return;
    }
    const { store } = this;
    const asked = [then];
    this.pending.set(name, asked);
    store.reads.scan(logRange(origin, from), store.limits.chunkTransactionsMax, bytesMax, (entries) => {
      this.pending.delete(name);
      const part = entries === undefined ? undefined : this.partOf(origin, entries);
      if (part !== undefined && part.chunks.length > 0) this.keep(name, part);
      for (const each of asked) each(part);
    });
  }

  /** Reads that are under way are never answered, and what is on disk may be another thing. */
  forget(): void {
    this.kept.clear();
    this.pending.clear();
  }

  private partOf(origin: ReplicaId, entries: readonly { readonly value: Uint8Array }[]): LogPart {
    const durable = seqOf(this.store.durable, origin);
    const chunks = [];
    let bytes = 0;
    for (const { value } of entries) {
      if (!isChunkWhole(value)) {
        // A hole: whoever wants it is told of a gap, and goes to another neighbour.
        this.log.error(
          { origin, code: 'CAUSEWAY_BAD_CHUNK' },
          'a chunk in the log is damaged and is not sent',
        );
        continue;
      }
      const { firstSeq, lastSeq } = chunkHead(value);
      if (lastSeq > durable) break;
      chunks.push({ firstSeq, lastSeq, bytes: value });
      bytes += value.length;
    }
    const message: PeerMessage = {
      type: 'chunks',
      origin,
      durableAt: 0,
      chunks: chunks.map((chunk) => chunk.bytes),
    };
    return { chunks, bytes, message };
  }

  private keep(name: string, part: LogPart): void {
    this.kept.set(name, part);
    const [oldest] = this.kept.keys();
    if (this.kept.size > KEPT_MAX && oldest !== undefined) this.kept.delete(oldest);
  }
}
