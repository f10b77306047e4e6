/**
 * Link: one WebSocket to a neighbour, from its opening through the handshake to its end.
 *
 *   opening ─opened▶ greeting ─hello▶ checking ─heard▶ up
 *
 * Each side says what it is (`hello`), then what it knows of the other (`heard`). A side that finds nothing wrong
 * in what the other knows of it is up; what it sends next stands behind its own `heard`.
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import type { Member, PeerMessage } from '@causeway/protocol';
import type { Log } from '../environment.js';
import type { LinkId } from '../events.js';
import type { Store } from '../store/store.js';
import type { ForkSearch } from './fork.js';
import type { Source } from './intake.js';
import type { Members } from './members.js';
import { Streams } from './streams.js';

/** Round trips of which the quickest tells the clock offset best. */
const SAMPLES = 8;

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
  /** Another start of the replica has come: whether this one lives is asked by a ping. */
  challenge: { readonly ping: number; readonly at: number; answered: boolean } | undefined;
  /** Version of the members that the peer has been told. */
  toldMembers = -1;
  /** For how long nobody known to the peer has heard of a member, ms, as of its newest gossip. */
  readonly quiet = new Map<ReplicaId, number>();
  /** What of `durable` has been acknowledged on this link. */
  readonly acked = new Map<ReplicaId, number>();
  readonly streams: Streams;
  private readonly samples: { roundTripMs: number; offsetMs: number }[] = [];

  constructor(
    readonly id: LinkId,
    /** Address that this side has dialled; undefined when the peer has. */
    readonly address: string | undefined,
    now: number,
    private readonly store: Store,
    private readonly members: Members,
    log: Log,
  ) {
    this.createdAt = now;
    this.lastHeardAt = now;
    this.streams = new Streams(store, (message) => this.send(message), log);
  }

  get replica(): ReplicaId {
    if (this.member === undefined) throw new Error('invariant broken: a link is named by its hello');
    return this.member.replica;
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

  /** A ping has come back; `receivedAt` is the peer's wall clock in between. */
  measured(sentWall: number, receivedAt: number, nowWall: number): void {
    const roundTripMs = nowWall - sentWall;
    if (roundTripMs < 0) return;
    this.samples.push({ roundTripMs, offsetMs: receivedAt - (sentWall + nowWall) / 2 });
    if (this.samples.length > SAMPLES) this.samples.shift();
  }

  /** The peer's wall clock minus this node's, ms; undefined until measured. */
  get offsetMs(): number | undefined {
    return this.best?.offsetMs;
  }

  private get best(): { roundTripMs: number; offsetMs: number } | undefined {
    let best: { roundTripMs: number; offsetMs: number } | undefined;
    for (const sample of this.samples) {
      if (best === undefined || sample.roundTripMs < best.roundTripMs) best = sample;
    }
    return best;
  }
}
