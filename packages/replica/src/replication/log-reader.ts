/**
 * LogReader: chunks out of the log for neighbours that are behind. After a cut several want the same, at much the same time:
 * what one is sent is kept for the others, as the very message, which is then encoded once.
 *
 * Invariants
 * - Only durable chunks are handed out and kept: what is read beyond them may be torn away, and another take its place.
 * - At most KEPT_MAX reads are kept, of twice `logReadBytes` at most, and none that nobody has wanted for a gossip.
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
  /** More is on disk that is not known to be durable yet. */
  readonly isCut: boolean;
  /** All of it. */
  readonly message: PeerMessage;
}

interface Kept {
  readonly part: LogPart;
  /** Since `sweep` was called last. */
  isWanted: boolean;
}

/** `undefined`: the read failed. */
type Then = (part: LogPart | undefined) => void;

const KEPT_MAX = 8;

export class LogReader {
  /** By origin, place and size; the oldest first. */
  private readonly kept = new Map<string, Kept>();
  private readonly pending = new Map<string, Then[]>();

  constructor(
    private readonly store: Store,
    private readonly log: Log,
  ) {}

  /** Durable chunks of `origin` whose firstSeq is `from` or more, some `bytesMax`. */
  read(origin: ReplicaId, from: number, bytesMax: number, then: Then): void {
    const name = `${origin} ${from} ${bytesMax}`;
    const kept = this.kept.get(name);
    if (kept !== undefined) {
      kept.isWanted = true;
      return then(kept.part);
    }
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
      if (part !== undefined) this.keep(name, part);
      for (const each of asked) each(part);
    });
  }

  /** Called now and then: drops what nobody has wanted since the last time. */
  sweep(): void {
    for (const [name, kept] of this.kept) {
      if (!kept.isWanted) this.kept.delete(name);
      kept.isWanted = false;
    }
  }

  /** Reads that are under way are never answered, and what is on disk may be another thing. */
  forget(): void {
    this.kept.clear();
    this.pending.clear();
  }

  private partOf(origin: ReplicaId, entries: readonly { readonly value: Uint8Array }[]): LogPart {
    const durable = seqOf(this.store.durable, origin);
    const chunks = [];
    let isCut = false;
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
      isCut = lastSeq > durable;
      if (isCut) break;
      chunks.push({ firstSeq, lastSeq, bytes: value });
    }
    const message: PeerMessage = {
      type: 'chunks',
      origin,
      durableAt: 0,
      chunks: chunks.map((chunk) => chunk.bytes),
    };
    return { chunks, isCut, message };
  }

  private keep(name: string, part: LogPart): void {
    const bytes = part.chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
    // One chunk may be much larger than what is asked for.
    if (bytes === 0 || bytes > 2 * this.store.limits.logReadBytes) return;
    this.kept.set(name, { part, isWanted: true });
    const [oldest] = this.kept.keys();
    if (this.kept.size > KEPT_MAX && oldest !== undefined) this.kept.delete(oldest);
  }
}
