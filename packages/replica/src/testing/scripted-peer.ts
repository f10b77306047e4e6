/**
 * A peer that says what the test tells it to, over links to one rig: it dials or is dialled, shakes hands, writes
 * chunks of its own and looks at what it is sent. Nothing that it does follows from anything.
 */
import { type Dot, type ReplicaId, replicaId, type VersionVector } from '@causeway/crdt';
import {
  type Chunk,
  ChunkWriter,
  decodeChunk,
  type Member,
  PEER_PROTOCOL_VERSION,
  type PeerHello,
  type PeerMessage,
  type RecordDelta,
} from '@causeway/protocol';
import type { LinkId } from '../events.js';
import { bytes } from './operations.js';
import { type Rig, WALL } from './rig.js';

/** A record of a transaction, told its own dot. */
export type Write = (dot: Dot, peer: ScriptedPeer) => RecordDelta;
type MessageOf<T extends PeerMessage['type']> = PeerMessage & { type: T };

export class ScriptedPeer {
  readonly id: ReplicaId;
  start: number;
  seq = 0;
  /** What it has seen of the others: `deps` of what it writes next. */
  readonly seen = new Map<ReplicaId, number>();
  link: LinkId = 0;
  private clock = WALL;

  constructor(
    readonly rig: Rig,
    readonly region: string,
    options: { readonly id?: ReplicaId; readonly start?: number } = {},
  ) {
    this.id = options.id ?? replicaId(`${region}.0000000a`);
    this.start = options.start ?? 77;
  }

  get address(): string {
    return `ws://${this.region}`;
  }

  get member(): Member {
    return {
      replica: this.id,
      region: this.region,
      address: this.address,
      state: 'active',
      version: 0,
      finalSeq: 0,
    };
  }

  /** All that it has. */
  get versionVector(): Map<ReplicaId, number> {
    const all = new Map(this.seen);
    if (this.seq > 0) all.set(this.id, this.seq);
    return all;
  }

  // Links

  /** Dials the rig and shakes hands. */
  dials(hello: Partial<PeerHello> = {}): this {
    this.link = this.rig.opens();
    return this.shakes(hello);
  }

  /** Answers the newest dial of the rig to `address`, and shakes hands. */
  answers(hello: Partial<PeerHello> = {}, address = this.address): this {
    const dial = this.rig.dials(address).at(-1);
    if (dial === undefined) throw new Error(`${address} was not dialled`);
    this.link = dial.link;
    this.rig.accepts(dial.link, address);
    return this.shakes(hello);
  }

  shakes(hello: Partial<PeerHello> = {}): this {
    this.greets(hello);
    return this.tells({
      type: 'heard',
      seq: this.seen.get(this.rig.id) ?? 0,
      start: 0,
      versionVector: NOTHING,
    });
  }

  greets(hello: Partial<PeerHello> = {}): this {
    return this.tells({
      type: 'hello',
      version: PEER_PROTOCOL_VERSION,
      replica: this.id,
      region: this.region,
      start: this.start,
      address: this.address,
      versionVector: this.versionVector,
      horizon: NOTHING,
      members: [],
      ...hello,
    });
  }

  tells(...messages: readonly PeerMessage[]): this {
    const { link } = this;
    this.rig.step(...messages.map((message) => ({ type: 'link-message', link, message }) as const));
    return this;
  }

  /** It has everything that it has been sent, and what `held` says. */
  acks(held: VersionVector = this.versionVector): this {
    for (const [origin, seq] of held) {
      if (origin !== this.id) this.seen.set(origin, Math.max(seq, this.seen.get(origin) ?? 0));
    }
    return this.tells({ type: 'ack', versionVector: held });
  }

  /** It has all that the rig has. */
  catchesUp(): this {
    return this.acks(
      new Map([...this.rig.status.versionVector, ...(this.seq > 0 ? ([[this.id, this.seq]] as const) : [])]),
    );
  }

  gossips(told: Partial<MessageOf<'gossip'>> = {}): this {
    return this.tells({
      type: 'gossip',
      versionVector: this.versionVector,
      reports: [],
      members: [],
      wall: this.rig.now.wall,
      ...told,
    });
  }

  // Chunks

  /** A chunk of its own, one transaction for each list of records. */
  chunk(transactions: readonly (readonly Write[])[], sees: VersionVector = this.seen): Uint8Array {
    const firstSeq = this.seq + 1;
    const writer = new ChunkWriter();
    const deps = new Map(sees);
    deps.delete(this.id);
    writer.begin({ origin: this.id, start: this.start, firstSeq, at: this.clock, deps });
    for (const writes of transactions) {
      this.seq++;
      writer.transaction(writes.map((write) => write({ replica: this.id, seq: this.seq }, this)));
    }
    return writer.finish().slice();
  }

  /** Hands in chunks of `origin`. */
  sends(chunks: Uint8Array | readonly Uint8Array[], origin = this.id, durableAt = 0): this {
    const list = chunks instanceof Uint8Array ? [chunks] : chunks;
    return this.tells({ type: 'chunks', origin, durableAt, chunks: list });
  }

  /** Makes and hands in a chunk of one transaction. */
  writes(...writes: readonly Write[]): this {
    return this.sends(this.chunk([writes]));
  }

  /** A stamp later than all before, and than those of others at the same moment. */
  tick(): number {
    return ++this.clock;
  }

  // What it was sent over its newest link

  get received(): PeerMessage[] {
    return this.rig.messages(this.link);
  }

  of<T extends PeerMessage['type']>(type: T): MessageOf<T>[] {
    return this.received.filter((message): message is MessageOf<T> => message.type === type);
  }

  /** The chunks, decoded. */
  chunksOf(origin: ReplicaId): Chunk[] {
    return this.of('chunks')
      .filter((message) => message.origin === origin)
      .flatMap((message) => message.chunks.map(decodeChunk));
  }

  /** Subscriptions that the rig has made here, as `origin>after`, oldest first; `-origin` ends one. */
  get subscriptions(): string[] {
    return this.received.flatMap((message) => {
      if (message.type === 'subscribe') return [`${message.origin}>${message.after}`];
      return message.type === 'unsubscribe' ? [`-${message.origin}`] : [];
    });
  }
}

const NOTHING: VersionVector = new Map();

// What peers write

export function puts(
  key: string,
  value: unknown,
  stamp: { physical?: number; logical?: number } = {},
): Write {
  return ({ replica }, peer) => ({
    type: 'register',
    key,
    stamp: { physical: stamp.physical ?? peer.tick(), logical: stamp.logical ?? 0, replica },
    value: bytes(value),
  });
}

export function putsUntil(key: string, value: unknown, expiresAt: number): Write {
  return (dot, peer) => ({ ...puts(key, value)(dot, peer), expiresAt }) as RecordDelta;
}

export function deletes(key: string, stamp: { physical?: number } = {}): Write {
  return ({ replica }, peer) => ({
    type: 'register',
    key,
    stamp: { physical: stamp.physical ?? peer.tick(), logical: 0, replica },
  });
}

export function adds(key: string, element: unknown, removed: readonly Dot[] = []): Write {
  return () => ({ type: 'element', key, element: bytes(element), add: true, removed });
}

export function removes(key: string, element: unknown, ...removed: readonly Dot[]): Write {
  return () => ({ type: 'element', key, element: bytes(element), add: false, removed });
}

export function clears(key: string): Write {
  return () => ({ type: 'clear', key });
}

/** A new entry. */
export function increments(key: string, by: number): Write {
  return ({ seq }) => ({
    type: 'increment',
    key,
    first: seq,
    p: BigInt(Math.max(by, 0)),
    n: BigInt(Math.max(-by, 0)),
  });
}

export function resets(key: string, ...entries: readonly { dot: Dot; bp: bigint; bn: bigint }[]): Write {
  return () => ({ type: 'reset', key, entries });
}
