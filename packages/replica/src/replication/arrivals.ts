/**
 * Arrivals: the chunks of one origin that have come and wait to be applied, in their order.
 *
 * Those in front are open: decoded, and their records are being read. The others stay the bytes that they came as. What is
 * decoded takes ten times the memory of the bytes, all of it young, and a peer that catches up brings a whole window at once:
 * the collector would copy it again and again.
 *
 * Invariants
 * - Open are as many as have `arrivalsOpenBytes`, and the first whatever its size: `openAhead` makes it so.
 * - Whoever is open has its slots pinned; they are released when it leaves, on whichever way.
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import { type Chunk, type ChunkHead, decodeChunk, type PeerMessage } from '@causeway/protocol';
import { assert } from '../assert.js';
import type { LoggedChunk } from '../store/commit.js';
import type { Slot } from '../store/slot.js';
import type { Store } from '../store/store.js';
import { acquireSlots, type ChunkSlots } from './apply-chunk.js';

/** A neighbour as the intake sees it: a link that is up. */
export interface Source {
  readonly replica: ReplicaId;
  /** Newest report of the neighbour. */
  report(): VersionVector;
  /** Up to where it has compacted. */
  readonly horizon: VersionVector;
  send(message: PeerMessage): void;
}

/** A chunk on its way from the link to the log. */
export class Arrival implements LoggedChunk {
  readonly origin: ReplicaId;
  readonly start: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly at: number;
  /** While it is open. */
  content: { readonly chunk: Chunk; readonly slots: ChunkSlots } | undefined;
  private loaded = false;

  constructor(
    head: ChunkHead,
    readonly bytes: Uint8Array,
    readonly durableAt: number,
    readonly from: Source,
    /** Monotonic ms. */
    readonly receivedAt: number,
  ) {
    this.origin = head.origin;
    this.start = head.start;
    this.firstSeq = head.firstSeq;
    this.lastSeq = head.lastSeq;
    this.at = head.at;
  }

  /** All of its records have been read. */
  get isLoaded(): boolean {
    this.loaded ||= this.content?.slots.every(areLoaded) === true;
    return this.loaded;
  }
}

function areLoaded(slots: readonly Slot[]): boolean {
  for (const slot of slots) if (!slot.loaded) return false;
  return true;
}

export class Arrivals {
  private open: Arrival[] = [];
  private closed: Arrival[] = [];
  /** First of `closed` that is not open yet: large arrays are not shifted. */
  private next = 0;
  private openBytes = 0;
  /** Of all that wait. */
  bytes = 0;

  constructor(private readonly store: Store) {}

  get head(): Arrival | undefined {
    return this.open[0];
  }

  /** Last seq of those that are open. */
  get openThrough(): number | undefined {
    return this.open.at(-1)?.lastSeq;
  }

  /** Behind all others. */
  push(arrival: Arrival): void {
    this.closed.push(arrival);
    this.bytes += arrival.bytes.length;
  }

  /** Throws CAUSEWAY_BAD_CHUNK when the next is none: it stays closed, and nothing behind it can be opened. */
  openAhead(): void {
    const { arrivalsOpenBytes } = this.store.limits;
    while (this.next < this.closed.length && (this.open.length === 0 || this.openBytes < arrivalsOpenBytes)) {
      const arrival = this.closed[this.next]!;
      const chunk = decodeChunk(arrival.bytes);
      arrival.content = { chunk, slots: acquireSlots(this.store, chunk) };
      this.open.push(arrival);
      this.openBytes += arrival.bytes.length;
      this.next++;
    }
    this.compact();
  }

  /** The head has been applied. */
  shift(): void {
    const head = this.open.shift();
    assert(head !== undefined, 'there is a head');
    this.leave(head);
  }

  /** What is up to `seq` is no longer to be applied. The rest may have to be opened. */
  dropThrough(seq: number): void {
    const rest = this.open.findIndex(({ lastSeq }) => lastSeq > seq);
    for (const arrival of this.open.splice(0, rest < 0 ? this.open.length : rest)) this.leave(arrival);
    while (this.open.length === 0 && this.next < this.closed.length) {
      const { lastSeq, bytes } = this.closed[this.next]!;
      if (lastSeq > seq) break;
      this.bytes -= bytes.length;
      this.next++;
    }
    this.compact();
  }

  /** Drops what is not open, and returns the first of it. */
  dropClosed(): Arrival {
    const first = this.closed[this.next];
    assert(first !== undefined, 'something is closed');
    for (const { bytes } of this.closed.slice(this.next)) this.bytes -= bytes.length;
    this.closed = [];
    this.next = 0;
    return first;
  }

  /** All are gone, and their slots with them: the store has dropped its records. */
  forget(): void {
    this.open = [];
    this.closed = [];
    this.next = this.openBytes = this.bytes = 0;
  }

  /** Lets go of what is no longer closed, now and then. */
  private compact(): void {
    if (this.next === this.closed.length) this.closed = [];
    else if (this.next >= COMPACTED_AT) this.closed = this.closed.slice(this.next);
    else return;
    this.next = 0;
  }

  private leave(arrival: Arrival): void {
    const { bytes, content } = arrival;
    this.bytes -= bytes.length;
    this.openBytes -= bytes.length;
    for (const transaction of content?.slots ?? [])
      for (const slot of transaction) this.store.records.release(slot);
    // It lives on until it is durable.
    arrival.content = undefined;
  }
}

const COMPACTED_AT = 1_024;
