/**
 * Neighbours: the links of this replica, from the dial to the end, and whom each of their messages is for.
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import {
  CausewayError,
  isRetired,
  type Member,
  PEER_PROTOCOL_VERSION,
  type PeerHello,
  type PeerMessage,
  type RepairMessage,
} from '@causeway/protocol';
import type { Environment, Now, ReplicaConfig } from '../environment.js';
import type { LinkId } from '../events.js';
import {
  ACK_ALONE_MS,
  ACK_DELAY_MS,
  ACK_INTERVAL_MS,
  CHALLENGE_MS,
  DIAL_TIMEOUT_MS,
  GOSSIP_INTERVAL_MS,
  HANDSHAKE_TIMEOUT_MS,
  HELD_MESSAGES_MAX,
  LINK_SILENCE_MS,
  LINKS_MAX,
} from '../limits.js';
import type { LoggedChunk } from '../store/commit.js';
import type { Store } from '../store/store.js';
import type { Clocks } from './clocks.js';
import { Dialer } from './dialer.js';
import { Gossip } from './gossip.js';
import { describeRetirement, Handshake } from './handshake.js';
import type { Intake } from './intake.js';
import { Link } from './link.js';
import { LogReader } from './log-reader.js';
import type { Members } from './members.js';
import type { RejoinCode } from './rejoin.js';
import { liveChunks } from './streams.js';
import { Trust } from './trust.js';

/** Why an identity is not to be used for new writes. */
export type UntrustedCode =
  | 'CAUSEWAY_AMNESIA'
  | 'CAUSEWAY_DUPLICATE_IDENTITY'
  | 'CAUSEWAY_REMOVED'
  | 'CAUSEWAY_EVICTED';

export interface NeighbourEvents {
  /** The address is this node's own. */
  isSelf(address: string): void;
  /** A peer has said what it holds, in its hello: `address` where it was dialled. */
  answered(address: string | undefined, hello: PeerHello): void;
  /** A neighbour says again what it holds. */
  holds(replica: ReplicaId, versionVector: VersionVector): void;
  /** This replica is not to be trusted with its identity, says `by`: it takes no writes. */
  untrusted(code: UntrustedCode, message: string, by?: ReplicaId): void;
  /** It is to leave its identity behind; `fork` as in Rejoin. */
  rejoin(code: RejoinCode, message: string, fork?: number): void;
  /** Peers are linked that find nothing wrong with it: `by` since now, and it is to be believed. */
  linked(by?: ReplicaId, isBelieved?: boolean): void;
  /** It is to leave its identity behind as soon as there is a peer to begin anew from: it takes no writes until then. */
  waits(reason: string): void;
  /** It was to leave its identity behind, but no member holds anything that it could begin anew from. */
  stays(): void;
  /** A member's report has moved. */
  reported(replica: ReplicaId): void;
  /** A link is up, or is no more; a message of a repair has come over one. */
  linkUp(link: Link, now: Now): void;
  linkDown(link: Link): void;
  repair(link: Link, message: RepairMessage, now: Now): void;
}

export class Neighbours {
  private readonly links = new Map<LinkId, Link>();
  private readonly up = new Map<ReplicaId, Link>();
  private readonly reader: LogReader;
  private readonly dialer: Dialer;
  private readonly gossip: Gossip;
  private readonly handshake: Handshake;
  private readonly trust: Trust;
  private lastTickAt: number;
  private ackDueAt: number | undefined;
  private ackedAt = Number.NEGATIVE_INFINITY;
  private paused = false;

  constructor(
    private readonly store: Store,
    private readonly members: Members,
    private readonly intake: Intake,
    private readonly clocks: Clocks,
    private readonly config: ReplicaConfig,
    private readonly start: number,
    private readonly env: Environment,
    private readonly events: NeighbourEvents,
    now: Now,
  ) {
    this.lastTickAt = now.monotonic;
    this.reader = new LogReader(store, env.log);
    this.dialer = new Dialer(config.seeds, env, (id, address, at) => {
      this.links.set(id, new Link(id, address, at.monotonic, store, members, this.reader));
      store.send({ type: 'dial', link: id, address });
    });
    for (const { member } of members.living()) this.dialer.advertised(member.replica, member.address);
    this.gossip = new Gossip(
      store,
      members,
      env,
      (member, news) => this.learnt(member, news),
      (replica) => events.reported(replica),
      now.monotonic + GOSSIP_INTERVAL_MS,
    );
    const table = {
      links: this.links,
      up: this.up,
      raised: (link: Link, at: Now) => this.raised(link, at),
      end: (link: Link, reason: string, at: Now) => this.end(link, reason, at),
    };
    this.trust = new Trust(config.seeds, members);
    this.handshake = new Handshake(
      store,
      members,
      this.gossip,
      this.dialer,
      table,
      this.trust,
      start,
      env,
      events,
    );
  }

  /** The identity is to be left behind as soon as there is a peer to begin anew from. */
  rejoinSoon(reason: string | undefined): void {
    this.handshake.rejoinReason = reason;
  }

  /** No repair brings what is missing here: the peer has compacted what this replica has not seen. */
  tooLate(link: Link): void {
    this.handshake.tooLate(link);
  }

  get deadline(): number {
    const dialAt = this.paused ? Number.POSITIVE_INFINITY : this.dialer.deadline;
    return Math.min(this.gossip.dueAt, dialAt, this.ackDueAt ?? Number.POSITIVE_INFINITY);
  }

  linkTo(replica: ReplicaId): Link | undefined {
    return this.up.get(replica);
  }

  upLinks(): Iterable<Link> {
    return this.up.values();
  }

  /** Why a member cannot be linked to, if it was refused. */
  refusal(replica: ReplicaId): string | undefined {
    return this.handshake.refused.get(replica);
  }

  isDialling(replica: ReplicaId): boolean {
    const address = this.members.get(replica)?.member.address;
    return [...this.links.values()].some((link) => link.state !== 'up' && link.address === address);
  }

  /** A peer is linked that this replica could begin anew from. */
  get hasTruth(): boolean {
    return [...this.up.values()].some((link) => this.handshake.truth.holdsAll(link));
  }

  // What happens to links

  opened(id: LinkId, address: string | undefined, now: Now): void {
    let link = this.links.get(id);
    if (link === undefined) {
      link = new Link(id, address, now.monotonic, this.store, this.members, this.reader);
      if (this.paused || this.links.size >= LINKS_MAX)
        return link.close(this.paused ? 'no links for now' : 'too many links');
      this.links.set(id, link);
    }
    link.state = 'greeting';
    link.lastHeardAt = now.monotonic;
    link.send({
      type: 'hello',
      version: PEER_PROTOCOL_VERSION,
      replica: this.store.self,
      region: this.config.region,
      start: this.start,
      address: this.config.advertise,
      versionVector: new Map(this.store.reported),
      horizon: new Map(this.store.horizon),
      members: this.introduction(),
    });
  }

  /** Who is to leave its identity behind is no peer to begin anew from, from its first word on. */
  private introduction(): Member[] {
    const members = this.members.list();
    if (this.handshake.rejoinReason === undefined) return members;
    return members.map((member) =>
      member.replica === this.store.self && !isRetired(member) ? { ...member, state: 'joining' } : member,
    );
  }

  closed(id: LinkId, reason: string, now: Now): void {
    this.dialer.ended(id, now);
    const link = this.links.get(id);
    if (link === undefined) return;
    this.links.delete(id);
    this.drop(link, reason, now);
  }

  message(id: LinkId, message: PeerMessage, now: Now): void {
    const link = this.links.get(id);
    if (link === undefined) return;
    link.lastHeardAt = now.monotonic;
    if (link.state === 'up') this.members.heard(link.replica, 0, now.monotonic);
    try {
      this.take(link, message, now);
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.nonsense(link, error);
    }
  }

  /** What came over the link is wrong: it is ended, unless it has ended already. */
  nonsense(link: Link, { code, message }: CausewayError): void {
    this.env.log.warn({ peer: link.member?.replica, code, error: message }, 'a peer sent nonsense');
    if (this.links.get(link.id) === link) this.handshake.refuse(link, code, message);
  }

  /** Time has passed. */
  tick(now: Now): void {
    // While this node stood still it heard nobody, and what they sent waits to be read.
    const stalledMs = now.monotonic - this.lastTickAt - 2 * GOSSIP_INTERVAL_MS;
    this.lastTickAt = now.monotonic;
    if (stalledMs > 0) {
      for (const link of this.links.values()) link.lastHeardAt += stalledMs;
      this.members.stoodStill(stalledMs);
    }
    for (const link of this.links.values()) this.checkSilence(link, now);
    if (this.ackDueAt !== undefined && this.ackDueAt <= now.monotonic) {
      this.ackDueAt = undefined;
      this.ackedAt = now.monotonic;
      this.gossip.acknowledge(this.up.values(), now);
    }
    for (const link of this.up.values()) {
      if (link.toldMembers !== this.members.version) this.gossip.tell(link, now);
    }
    if (this.gossip.dueAt <= now.monotonic) {
      this.gossip.dueAt = now.monotonic + GOSSIP_INTERVAL_MS;
      this.reader.sweep();
      for (const link of this.up.values()) {
        link.streams.pumpAll();
        this.gossip.tell(link, now);
      }
      this.intake.route(now);
      if (this.up.size > 0) this.events.linked();
      if (this.handshake.mayStay) this.events.stays();
      // A peer that is linked may have joined or caught up meanwhile.
      if ([...this.up.values()].some((link) => this.handshake.beginsAnewFrom(link))) return;
    }
    if (!this.paused && !isRetired(this.members.self))
      this.dialer.run(now, (replica) => replica === this.store.self || this.up.has(replica));
  }

  durableChunks(chunks: readonly LoggedChunk[], now: Now): void {
    for (const live of liveChunks(chunks, this.store.self, now.wall)) {
      for (const link of this.up.values()) link.streams.live(live);
    }
    if (this.up.size === 0) return;
    this.ackDueAt ??= Math.max(now.monotonic + ACK_DELAY_MS, this.ackedAt + ACK_ALONE_MS);
    // Own chunks have just gone out on every link that keeps up: what goes with them takes no packet of its own.
    const isAlong = chunks.some(({ origin }) => origin === this.store.self);
    if (isAlong && now.monotonic >= this.ackedAt + ACK_INTERVAL_MS) this.ackDueAt = now.monotonic;
  }

  /** The version vector has moved without chunks. */
  moved(now: Now): void {
    this.ackDueAt ??= now.monotonic;
  }

  /** No links, so that nothing is to be written for them: while the store cannot. */
  pause(now: Now): void {
    this.closeAll('the store failed', now);
    this.reader.forget();
    this.paused = true;
  }

  resume(now: Now): void {
    this.paused = false;
    this.closeAll('the store was reopened', now);
  }

  private closeAll(reason: string, now: Now): void {
    for (const link of [...this.links.values()]) this.end(link, reason, now);
  }

  /** Registers that did not come over a link. */
  learn(members: readonly Member[]): void {
    this.gossip.learn(members, false, true);
  }

  bye(): void {
    for (const link of this.up.values()) link.send({ type: 'bye' });
  }

  // Messages

  private take(link: Link, message: PeerMessage, now: Now): void {
    if (link.proving !== undefined && message.type !== 'refuse') return this.prove(link, message, now);
    if (link.comparing && message.type !== 'refuse') {
      // The peer is done with its side of the handshake, and may speak before this side is.
      if (link.held.length >= HELD_MESSAGES_MAX)
        throw new CausewayError('CAUSEWAY_BAD_FRAME', 'too much too early');
      link.held.push(message);
      return;
    }
    if (link.state !== 'up' && !['hello', 'heard', 'refuse'].includes(message.type)) {
      throw new CausewayError('CAUSEWAY_BAD_FRAME', `${message.type} before the handshake is done`);
    }
    switch (message.type) {
      case 'hello':
        return this.handshake.hello(link, message, now);
      case 'heard':
        return this.handshake.heard(link, message, now);
      case 'refuse':
        return this.handshake.refusedBy(link, message.code, message.message);
      case 'subscribe':
        // Nobody else is streamed: a stream for each name that a peer may invent would have no bound.
        if (this.members.get(message.origin) === undefined && message.origin !== this.store.self) return;
        return link.streams.subscribe(message.origin, message.after);
      case 'unsubscribe':
        return link.streams.unsubscribe(message.origin);
      case 'credit':
        return link.streams.credit(message.origin, message.bytes);
      case 'chunks':
        return this.intake.receive(link, message.origin, message.chunks, message.durableAt, now);
      case 'gap':
        return this.intake.gap(link, message.origin, message.after, message.first, now);
      case 'ack':
        link.says(message.versionVector);
        return this.gossip.report(link.replica, message.versionVector);
      case 'gossip':
        this.handshake.refused.delete(link.replica);
        this.gossip.take(link, message, this.trust.believes(link), now);
        this.events.holds(link.replica, message.versionVector);
        if (link.state === 'up') this.handshake.isForeign(link, true, message.versionVector);
        return;
      case 'ping':
        return link.send({ type: 'pong', id: message.id, wall: message.wall, receivedAt: now.wall });
      case 'pong':
        if (link.challenge?.ping === message.id) link.challenge.answered = true;
        return this.pong(link, message.id, message.receivedAt, now);
      case 'bye':
        return;
      default:
        return this.events.repair(link, message, now);
    }
  }

  private pong(link: Link, id: number, receivedAt: number, now: Now): void {
    const sentAt = link.answered(id);
    if (sentAt !== undefined) this.clocks.measured(link.replica, sentAt, receivedAt, now);
  }

  private learnt(member: Member, news: 'met' | 'changed' | 'retired'): void {
    const { replica, address } = member;
    if (replica === this.store.self) return this.retired(this.members.self);
    if (news !== 'retired') return this.dialer.advertised(replica, address);
    this.dialer.forget(replica);
    this.clocks.forget(replica);
    for (const link of [...this.links.values()]) {
      if (link.member?.replica === replica) this.handshake.refuseRetired(link, member);
    }
  }

  /** Others have retired this replica: nobody links with it any more. */
  private retired({ replica, state }: Member): void {
    const message = describeRetirement(replica, state);
    if (state === 'evicted') this.events.rejoin('CAUSEWAY_EVICTED', message, this.handshake.unsent);
    else this.events.untrusted('CAUSEWAY_REMOVED', message);
    this.closeAll('this replica is retired', this.store.now);
  }

  /** The peer shows what it has under this replica's name; for the rest the link is of no use any more. */
  private prove(link: Link, message: PeerMessage, now: Now): void {
    if (message.type === 'ping')
      link.send({ type: 'pong', id: message.id, wall: message.wall, receivedAt: now.wall });
    else if (message.type === 'chunks' && message.origin === this.store.self)
      link.proving?.chunks(message.chunks);
    else if (message.type === 'gap' && message.origin === this.store.self) link.proving?.gap();
  }

  private raised(link: Link, now: Now): void {
    // The handshake may have waited for this node's own disk.
    link.lastHeardAt = now.monotonic;
    this.up.set(link.replica, link);
    this.env.log.info({ peer: link.replica }, 'linked');
    if (link.address !== undefined) this.dialer.linked(link.address);
    this.events.linked(link.replica, this.trust.believes(link));
    this.trust.linked(link);
    if (this.handshake.mayStay) this.events.stays();
    this.events.linkUp(link, now);
    this.intake.linkUp(link, now);
    this.gossip.tell(link, now);
    for (const message of link.held.splice(0)) this.message(link.id, message, now);
  }

  // Ends

  private checkSilence(link: Link, now: Now): void {
    const limit =
      link.state === 'opening'
        ? DIAL_TIMEOUT_MS
        : link.state === 'up' || link.proving !== undefined
          ? LINK_SILENCE_MS
          : HANDSHAKE_TIMEOUT_MS;
    const { challenge } = link;
    if (challenge?.answered === false && now.monotonic - challenge.at >= CHALLENGE_MS) {
      return this.end(link, 'its process has ended', now);
    }
    const isUsed = link.state === 'up' || link.proving !== undefined;
    const since = isUsed ? link.lastHeardAt : link.createdAt;
    if (now.monotonic - since < limit) return;
    this.end(link, link.state === 'up' ? 'silent' : 'no handshake', now);
  }

  private end(link: Link, reason: string, now: Now): void {
    link.close(reason);
    this.links.delete(link.id);
    this.drop(link, reason, now);
    this.dialer.ended(link.id, now);
  }

  private drop(link: Link, reason: string, now: Now): void {
    link.streams.close();
    if (link.member === undefined || this.up.get(link.member.replica) !== link) return;
    this.up.delete(link.member.replica);
    this.env.log.info({ peer: link.member.replica, reason }, 'link lost');
    this.events.linkDown(link);
    this.intake.linkDown(link, now);
  }
}
