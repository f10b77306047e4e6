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
import { type Chunk, decodeChunk, type PeerMessage } from '@causeway/protocol';
import { assert } from '../assert.js';
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

export interface Arrival {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: Uint8Array;
  readonly durableAt: number;
  readonly from: Source;
  /** Monotonic ms. */
  readonly receivedAt: number;
}

export class OpenArrival {
  private loaded = false;

  constructor(
    readonly lastSeq: number,
    readonly bytes: Uint8Array,
    readonly durableAt: number,
    readonly from: Source,
    readonly receivedAt: number,
    readonly chunk: Chunk,
    readonly slots: ChunkSlots,
  ) {}

  /** All of its records have been read. */
  get isLoaded(): boolean {
    this.loaded ||= this.slots.every((transaction) => transaction.every((slot) => slot.loaded));
    return this.loaded;
  }
}

export class Arrivals {
  private open: OpenArrival[] = [];
  private closed: Arrival[] = [];
  /** First of `closed` that is not open yet: large arrays are not shifted. */
  private next = 0;
  private openBytes = 0;
  /** Of all that wait. */
  bytes = 0;

  constructor(private readonly store: Store) {}

  get head(): OpenArrival | undefined {
    return this.open[0];
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
      const { lastSeq, bytes, durableAt, from, receivedAt } = this.closed[this.next]!;
      const chunk = decodeChunk(bytes);
      const slots = acquireSlots(this.store, chunk);
      this.open.push(new OpenArrival(lastSeq, bytes, durableAt, from, receivedAt, chunk, slots));
      this.openBytes += bytes.length;
      this.next++;
    }
    if (this.next === this.closed.length) this.closed = [];
    else if (this.next >= COMPACTED_AT) this.closed = this.closed.slice(this.next);
    else return;
    this.next = 0;
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

  private leave({ bytes, slots }: OpenArrival): void {
    this.bytes -= bytes.length;
    this.openBytes -= bytes.length;
    for (const transaction of slots) for (const slot of transaction) this.store.records.release(slot);
  }
}

const COMPACTED_AT = 1_024;
