/**
 * Link: one WebSocket to a neighbour, from its opening through the handshake to its end.
 *
 *   opening ─opened▶ greeting ─hello▶ checking ─heard▶ up
 *
 * Each side says what it is (`hello`), then what it knows of the other (`heard`). A side that finds nothing wrong
 * in what the other knows of it is up; what it sends next stands behind its own `heard`.
 */
import { joinVersionVectors, type ReplicaId, type VersionVector } from '@causeway/crdt';
import type { Member, PeerMessage } from '@causeway/protocol';
import type { Now } from '../environment.js';
import type { LinkId } from '../events.js';
import type { Store } from '../store/store.js';
import type { Source } from './arrivals.js';
import type { ForkSearch } from './fork.js';
import type { LogReader } from './log-reader.js';
import type { Members } from './members.js';
import { Streams } from './streams.js';

/** Pings without an answer that are remembered; a link that is silent for longer is closed. */
const PINGS_MAX = 16;

export class Link implements Source {
  state: 'opening' | 'greeting' | 'checking' | 'up' = 'opening';
  /** Monotonic ms. */
  readonly createdAt: number;
  lastHeardAt: number;
  member: Member | undefined;
  /** `heard` has been sent; that of the peer has come and is sound. */
  told = false;
  sound = false;
  /** What the peer has is being compared with the log; what it says meanwhile is held. */
  comparing = false;
  readonly held: PeerMessage[] = [];
  /** What the peer claims of this replica is being looked into. */
  proving: ForkSearch | undefined;
  /** Up to where the peer has compacted, told in its hello. */
  horizon: VersionVector = new Map();
  start = 0;
  /**
   * The most that the peer has said over this link to hold. Not its report (`report()`), which remembers what it held
   * before it was rolled back.
   */
  said: VersionVector = new Map();
  /** What it has of this replica's own writes, as of the handshake. */
  heldOfOwn = 0;
  /** It holds less than it is known to have held: it was rolled back, and learns that from this replica. */
  hasForgotten = false;
  /** Another start of the replica has come: whether this one lives is asked by a ping. */
  challenge: { readonly ping: number; readonly at: number; answered: boolean } | undefined;
  /** Version of the members that the peer has been told. */
  toldMembers = -1;
  /** For how long nobody known to the peer has heard of a member, ms, as of its newest gossip. */
  readonly quiet = new Map<ReplicaId, number>();
  /** What of `durable` has been acknowledged on this link. */
  readonly acked = new Map<ReplicaId, number>();
  readonly streams: Streams;
  private readonly pings = new Map<number, number>();

  constructor(
    readonly id: LinkId,
    /** Address that this side has dialled; undefined when the peer has. */
    readonly address: string | undefined,
    now: number,
    private readonly store: Store,
    private readonly members: Members,
    reader: LogReader,
  ) {
    this.createdAt = now;
    this.lastHeardAt = now;
    this.streams = new Streams(store, (message) => this.send(message), reader);
  }

  get replica(): ReplicaId {
    if (this.member === undefined) throw new Error('invariant broken: a link is named by its hello');
    return this.member.replica;
  }

  /** The peer says that it holds this. Origins that are no members are nobody's: a liar could invent them without end. */
  says(versionVector: VersionVector): void {
    const isKnown = (origin: ReplicaId) =>
      origin === this.store.self || this.members.get(origin) !== undefined;
    const known = new Map([...versionVector].filter(([origin]) => isKnown(origin)));
    this.said = joinVersionVectors(this.said, known);
  }

  report(): VersionVector {
    return this.members.get(this.replica)?.latest.versionVector ?? new Map();
  }

  send(message: PeerMessage): void {
    this.store.send({ type: 'message', link: this.id, message });
  }

  close(reason: string): void {
    this.store.send({ type: 'close', link: this.id, reason });
  }

  /** `id` comes back with the answer. */
  ping(id: number, now: Now): void {
    this.pings.set(id, now.monotonic);
    const [oldest] = this.pings.keys();
    if (this.pings.size > PINGS_MAX && oldest !== undefined) this.pings.delete(oldest);
    this.send({ type: 'ping', id, wall: now.wall });
  }

  /** Monotonic ms at which the ping was sent; undefined for one that was not, or was answered. */
  answered(id: number): number | undefined {
    const sentAt = this.pings.get(id);
    this.pings.delete(id);
    return sentAt;
  }
}
