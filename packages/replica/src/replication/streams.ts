/**
 * Streams: what this replica sends to one neighbour, one stream for each origin that the neighbour has
 * subscribed to here.
 *
 * Invariants
 * - Only durable chunks are sent, in the order of their origin, each once per subscription.
 * - A stream that keeps up is fed from commits, with the very bytes that were written; one that does not is read
 *   from the log on disk (log-reader.ts). Nothing is buffered for it alone in memory.
 * - No more than the window is under way on one stream, whatever the neighbour does.
 */
import { type ReplicaId, seqOf } from '@causeway/crdt';
import type { PeerMessage } from '@causeway/protocol';
import type { LoggedChunk } from '../store/commit.js';
import type { Store } from '../store/store.js';
import type { LogPart, LogReader } from './log-reader.js';

interface Stream {
  readonly origin: ReplicaId;
  /** Seq that is sent next. */
  next: number;
  credit: number;
  reading: boolean;
}

/** Chunks of one origin out of one commit, as one message for all neighbours that are up to date. */
export interface LiveChunks {
  readonly first: LoggedChunk;
  readonly last: LoggedChunk;
  readonly bytes: number;
  readonly message: PeerMessage;
}

export class Streams {
  private readonly streams = new Map<ReplicaId, Stream>();

  constructor(
    private readonly store: Store,
    private readonly send: (message: PeerMessage) => void,
    private readonly reader: LogReader,
  ) {}

  subscribe(origin: ReplicaId, after: number): void {
    const stream = {
      origin,
      next: after + 1,
      credit: this.store.limits.subscriptionWindowBytes,
      reading: false,
    };
    this.streams.set(origin, stream);
    this.pump(stream);
  }

  unsubscribe(origin: ReplicaId): void {
    this.streams.delete(origin);
  }

  credit(origin: ReplicaId, bytes: number): void {
    const stream = this.streams.get(origin);
    if (stream === undefined) return;
    stream.credit = Math.min(stream.credit + bytes, this.store.limits.subscriptionWindowBytes);
    this.pump(stream);
  }

  /** Looks again whether any stream has something to send: no wake-up is lost for longer than a gossip. */
  pumpAll(): void {
    for (const stream of this.streams.values()) this.pump(stream);
  }

  close(): void {
    this.streams.clear();
  }

  /** Chunks that have just become durable. */
  live(chunks: LiveChunks): void {
    const stream = this.streams.get(chunks.first.origin);
    if (stream === undefined || stream.reading) return;
    if (stream.credit > 0 && stream.next === chunks.first.firstSeq) {
      stream.next = chunks.last.lastSeq + 1;
      stream.credit -= chunks.bytes;
      this.send(chunks.message);
    } else {
      this.pump(stream);
    }
  }

  private pump(stream: Stream): void {
    const { origin, next } = stream;
    if (stream.reading || stream.credit <= 0 || next > seqOf(this.store.durable, origin)) return;
    stream.reading = true;
    this.read(stream, next, (part) => {
      if (part.chunks[0]?.firstSeq === next) this.sendLogged(stream, part);
      else this.readCovering(stream);
    });
  }

  /** The neighbour has part of a chunk: the chunk that holds the seq starts before it. */
  private readCovering(
    stream: Stream,
    from = Math.max(1, stream.next - this.store.limits.chunkTransactionsMax),
  ): void {
    const { origin, next } = stream;
    this.read(stream, from, (part) => {
      const { chunks } = part;
      const covering = chunks.findIndex(({ firstSeq, lastSeq }) => firstSeq <= next && next <= lastSeq);
      if (covering >= 0) return this.sendLogged(stream, part, covering);
      const last = chunks.at(-1);
      if (last !== undefined && last.lastSeq < next) return this.readCovering(stream, last.lastSeq + 1);
      if (part.isCut) {
        // It may be in the chunk that is being written: the next commit, or gossip, tries again.
        stream.reading = false;
        return;
      }
      this.streams.delete(origin);
      this.send({ type: 'gap', origin, after: next - 1, first: chunks[0]?.firstSeq ?? 0 });
    });
  }

  private read(stream: Stream, from: number, then: (part: LogPart) => void): void {
    const bytesMax = Math.min(this.store.limits.logReadBytes, Math.max(stream.credit, 1));
    this.reader.read(stream.origin, from, bytesMax, (part) => {
      if (this.streams.get(stream.origin) !== stream) return;
      // After a failed read the next gossip tries again.
      if (part === undefined) stream.reading = false;
      else then(part);
    });
  }

  /** Sends the chunks of the part from `at` on, up to a hole or to where the credit ends. */
  private sendLogged(stream: Stream, part: LogPart, at = 0): void {
    const { origin } = stream;
    const chunks: Uint8Array[] = [];
    for (const { firstSeq, lastSeq, bytes } of part.chunks.slice(at)) {
      // What follows a hole waits for the next read.
      if (firstSeq > stream.next || stream.credit <= 0) break;
      chunks.push(bytes);
      stream.next = lastSeq + 1;
      stream.credit -= bytes.length;
    }
    stream.reading = false;
    if (chunks.length === 0) return;
    const isWhole = chunks.length === part.chunks.length;
    this.send(isWhole ? part.message : { type: 'chunks', origin, durableAt: 0, chunks });
    this.pump(stream);
  }
}

/** Groups the chunks of a commit by origin, so that each neighbour gets one message for each. */
export function liveChunks(chunks: readonly LoggedChunk[], self: ReplicaId, wall: number): LiveChunks[] {
  const groups = new Map<ReplicaId, LoggedChunk[]>();
  for (const chunk of chunks) {
    const group = groups.get(chunk.origin);
    if (group === undefined) groups.set(chunk.origin, [chunk]);
    else group.push(chunk);
  }
  return [...groups].map(([origin, group]) => {
    const first = group[0]!;
    const last = group[group.length - 1]!;
    let bytes = 0;
    for (const chunk of group) bytes += chunk.bytes.length;
    const message: PeerMessage = {
      type: 'chunks',
      origin,
      durableAt: origin === self ? wall : last.durableAt,
      chunks: group.map((chunk) => chunk.bytes),
    };
    return { first, last, bytes, message };
  });
}
