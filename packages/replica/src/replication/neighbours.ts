/**
 * Neighbours: the links of this replica, who stands at their other ends, and the gossip with them.
 *
 * Invariants
 * - Of two links to one replica the one dialled by the smaller id stays; of two dialled by the same side the
 *   newer one, since its dialler knows the older one for dead.
 * - Nothing is served to a replica that is not stored among the members.
 * - A dot never names two writes: a peer that knows more of this replica than it has itself, or another start at
 *   the same seq, shows that this directory was rolled back (amnesia); two starts of one identity at a time are a
 *   copied directory. Both are refused, loudly.
 */
import { dominates, type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import {
  CausewayError,
  chunkHead,
  isChunkWhole,
  type Member,
  type PeerHello,
  type PeerMessage,
} from '@causeway/protocol';
import type { Environment, Now, ReplicaConfig } from '../environment.js';
import type { LinkId } from '../events.js';
import {
  ACK_DELAY_MS,
  CHALLENGE_MS,
  DIAL_TIMEOUT_MS,
  GOSSIP_INTERVAL_MS,
  HANDSHAKE_TIMEOUT_MS,
  HELD_MESSAGES_MAX,
  LINK_SILENCE_MS,
  LINKS_MAX,
  REFUSED_REDIAL_MS,
} from '../limits.js';
import type { LoggedChunk } from '../store/commit.js';
import { logRange } from '../store/keyspace.js';
import type { Store } from '../store/store.js';
import { Dialer } from './dialer.js';
import type { Intake } from './intake.js';
import { Link } from './link.js';
import type { Members } from './members.js';
import { liveChunks } from './streams.js';

export interface NeighbourEvents {
  /** The address is this node's own. */
  isSelf(address: string): void;
  /** A peer has said what it holds, in its hello: `address` where it was dialled. */
  answered(address: string | undefined, hello: PeerHello): void;
  /** This replica is not to be trusted with its identity. */
  untrusted(code: 'CAUSEWAY_AMNESIA' | 'CAUSEWAY_DUPLICATE_IDENTITY', message: string): void;
  /** A peer has found nothing wrong with it. */
  linked(): void;
  /** A member's report has moved. */
  reported(replica: ReplicaId): void;
}

export class Neighbours {
  private readonly links = new Map<LinkId, Link>();
  private readonly up = new Map<ReplicaId, Link>();
  private readonly refused = new Map<ReplicaId, string>();
  private readonly dialer: Dialer;
  private nextGossipAt: number;
  private lastTickAt: number;
  private nextPing = 1;
  private ackDueAt: number | undefined;
  private paused = false;

  constructor(
    private readonly store: Store,
    private readonly members: Members,
    private readonly intake: Intake,
    private readonly config: ReplicaConfig,
    private readonly start: number,
    private readonly env: Environment,
    private readonly events: NeighbourEvents,
    now: Now,
  ) {
    this.nextGossipAt = now.monotonic + GOSSIP_INTERVAL_MS;
    this.lastTickAt = now.monotonic;
    this.dialer = new Dialer(config.seeds, env, (id, address, at) => {
      this.links.set(id, new Link(id, address, at.monotonic, store, members, env.log));
      store.send({ type: 'dial', link: id, address });
    });
    for (const { member } of members.all()) this.dialer.advertised(member.replica, member.address);
  }

  get deadline(): number {
    const dialAt = this.paused ? Number.POSITIVE_INFINITY : this.dialer.deadline;
    return Math.min(this.nextGossipAt, dialAt, this.ackDueAt ?? Number.POSITIVE_INFINITY);
  }

  linkTo(replica: ReplicaId): Link | undefined {
    return this.up.get(replica);
  }

  upLinks(): Iterable<Link> {
    return this.up.values();
  }

  /** Why a member cannot be linked to, if it was refused. */
  refusal(replica: ReplicaId): string | undefined {
    return this.refused.get(replica);
  }

  isDialling(replica: ReplicaId): boolean {
    const address = this.members.get(replica)?.member.address;
    return [...this.links.values()].some((link) => link.state !== 'up' && link.address === address);
  }

  // What happens to links

  opened(id: LinkId, address: string | undefined, now: Now): void {
    let link = this.links.get(id);
    if (link === undefined) {
      link = new Link(id, address, now.monotonic, this.store, this.members, this.env.log);
      if (this.paused || this.links.size >= LINKS_MAX)
        return link.close(this.paused ? 'no links for now' : 'too many links');
      this.links.set(id, link);
    }
    link.state = 'greeting';
    link.lastHeardAt = now.monotonic;
    link.send({
      type: 'hello',
      version: 1,
      replica: this.store.self,
      region: this.config.region,
      start: this.start,
      address: this.config.advertise,
      versionVector: new Map(this.store.durable),
      horizon: new Map(this.store.horizon),
      members: this.memberList(),
    });
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
    try {
      this.take(link, message, now);
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.env.log.warn(
        { peer: link.member?.replica, code: error.code, error: error.message },
        'a peer sent nonsense',
      );
      this.refuse(link, error.code, error.message);
    }
  }

  /** Time has passed. */
  tick(now: Now): void {
    // While this node stood still it heard nobody, and what they sent waits to be read.
    const stalledMs = now.monotonic - this.lastTickAt - 2 * GOSSIP_INTERVAL_MS;
    this.lastTickAt = now.monotonic;
    if (stalledMs > 0) for (const link of this.links.values()) link.lastHeardAt += stalledMs;
    for (const link of this.links.values()) this.checkSilence(link, now);
    if (this.ackDueAt !== undefined && this.ackDueAt <= now.monotonic) this.acknowledge();
    if (this.nextGossipAt <= now.monotonic) {
      this.nextGossipAt = now.monotonic + GOSSIP_INTERVAL_MS;
      for (const link of this.up.values()) {
        link.streams.pumpAll();
        this.gossip(link, now);
      }
      this.intake.route(now);
      if (this.up.size > 0) this.events.linked();
    }
    if (!this.paused) this.dialer.run(now, (replica) => replica === this.store.self || this.up.has(replica));
  }

  durableChunks(chunks: readonly LoggedChunk[], now: Now): void {
    for (const live of liveChunks(chunks, this.store.self, now.wall)) {
      for (const link of this.up.values()) link.streams.live(live);
    }
    if (this.up.size > 0) this.ackDueAt ??= now.monotonic + ACK_DELAY_MS;
  }

  /** Durable here: told to all neighbours, since each may be the way to another. */
  acknowledge(): void {
    this.ackDueAt = undefined;
    for (const link of this.up.values()) {
      const news = new Map<ReplicaId, number>();
      for (const [origin, seq] of this.store.durable) {
        if ((link.acked.get(origin) ?? 0) >= seq) continue;
        news.set(origin, seq);
        link.acked.set(origin, seq);
      }
      if (news.size > 0) link.send({ type: 'ack', versionVector: news });
    }
  }

  /** No links, so that nothing is to be written for them: while the store cannot. */
  pause(now: Now): void {
    this.closeAll('the store failed', now);
    this.paused = true;
  }

  resume(now: Now): void {
    this.paused = false;
    this.closeAll('the store was reopened', now);
  }

  private closeAll(reason: string, now: Now): void {
    for (const link of [...this.links.values()]) this.end(link, reason, now);
  }

  bye(): void {
    for (const link of this.up.values()) link.send({ type: 'bye' });
  }

  // Messages

  private take(link: Link, message: PeerMessage, now: Now): void {
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
        return this.hello(link, message, now);
      case 'heard':
        return this.heard(link, message, now);
      case 'refuse':
        return this.refusedBy(link, message.code, message.message);
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
        return this.report(link.replica, message.versionVector);
      case 'gossip':
        this.refused.delete(link.replica);
        this.learn(message.members, false);
        this.report(link.replica, message.versionVector);
        for (const { replica, versionVector } of message.reports) this.report(replica, versionVector);
        return;
      case 'ping':
        return link.send({ type: 'pong', id: message.id, wall: message.wall, receivedAt: now.wall });
      case 'pong':
        if (link.challenge?.ping === message.id) link.challenge.answered = true;
        return link.measured(message.wall, message.receivedAt, now.wall);
      case 'accept':
      case 'bye':
        return;
    }
  }

  private hello(link: Link, hello: PeerHello, now: Now): void {
    const { replica } = hello;
    if (link.state !== 'greeting') throw new CausewayError('CAUSEWAY_BAD_FRAME', 'a second hello');
    if (link.address !== undefined) this.dialer.answered(link.address, replica);
    link.member = { replica, region: hello.region, address: hello.address };
    link.start = hello.start;
    if (replica === this.store.self) return this.helloOfSelf(link, hello);
    this.events.answered(link.address, hello);
    if (this.isTwin(link, hello, now) || !this.mayStay(link, replica, now)) return;
    const known = this.members.get(replica)?.latest ?? new Map();
    link.state = 'checking';
    this.learn([link.member], true);
    this.learn(hello.members, false);
    if (this.members.get(replica) === undefined) {
      return this.refuse(link, 'CAUSEWAY_OVERLOADED', 'the cluster has as many members as it may have');
    }
    // What is here names a write; what was only heard of stands in the version vector.
    const seq = seqOf(this.store.durable, replica);
    const start = this.store.durableStarts.get(replica) ?? 0;
    // It counts for stability before it is served a byte: only then the handshake goes on.
    const tell = (durable: Now) => {
      link.send({ type: 'heard', seq, start, versionVector: known });
      link.told = true;
      this.raise(link, durable);
    };
    if (this.members.isStored(replica)) tell(now);
    else this.store.whenDurable(tell);
    this.report(replica, hello.versionVector);
  }

  private helloOfSelf(link: Link, hello: PeerHello): void {
    if (hello.start === this.start) {
      if (link.address !== undefined) this.events.isSelf(link.address);
      return this.end(link, 'dialled itself', this.store.now);
    }
    const message =
      'another node runs with the same data directory, or a copy of it: stop one of the two, and start it with a new directory';
    this.events.untrusted('CAUSEWAY_DUPLICATE_IDENTITY', message);
    this.refuse(link, 'CAUSEWAY_DUPLICATE_IDENTITY', message);
  }

  /**
   * A second start of a replica that is linked already: the link may be what a dead process has left behind, or both
   * may be alive. The old one is asked; the new one may come again when that is known.
   */
  private isTwin(link: Link, { replica, start }: PeerHello, now: Now): boolean {
    const other = this.up.get(replica);
    if (other === undefined || other.start === start) return false;
    const { challenge } = other;
    if (challenge?.answered === true && now.monotonic - challenge.at < REFUSED_REDIAL_MS) {
      const message = `two nodes run as ${replica}: one of them is a copy and must start with a new directory`;
      this.complain(replica, 'CAUSEWAY_DUPLICATE_IDENTITY', message);
      this.refuse(link, 'CAUSEWAY_DUPLICATE_IDENTITY', message);
      return true;
    }
    // An answer says nothing of later.
    if (challenge === undefined || challenge.answered) {
      other.challenge = { ping: this.nextPing++, at: now.monotonic, answered: false };
      other.send({ type: 'ping', id: other.challenge.ping, wall: now.wall });
    }
    this.end(link, 'another start of it is linked, and asked whether it lives', now);
    return true;
  }

  /** Closes whichever of two links to one replica has to go. */
  private mayStay(link: Link, replica: ReplicaId, now: Now): boolean {
    const dialledBySmaller = (candidate: Link) =>
      (candidate.address !== undefined) === this.store.self < replica;
    for (const other of [...this.links.values()]) {
      if (other === link || other.member?.replica !== replica) continue;
      const sameSide = (other.address === undefined) === (link.address === undefined);
      if (sameSide || dialledBySmaller(link)) {
        this.end(other, 'replaced by another link', now);
      } else {
        this.end(link, 'another link stands', now);
        return false;
      }
    }
    return true;
  }

  private heard(
    link: Link,
    { seq, start, versionVector }: { seq: number; start: number; versionVector: VersionVector },
    now: Now,
  ): void {
    if (link.state !== 'checking') throw new CausewayError('CAUSEWAY_BAD_FRAME', 'heard before hello');
    const own = seqOf(this.store.durable, this.store.self);
    if (seq > own || !dominates(this.store.durable, versionVector)) return this.rolledBack(link);
    if (seq === 0 || start === 0) return this.sound(link, now);
    if (seq < own)
      return this.compareStarts(link, seq, start, seq - this.store.limits.chunkTransactionsMax + 1);
    if (start === this.store.durableStarts.get(this.store.self)) this.sound(link, now);
    else this.rolledBack(link);
  }

  /** Another start at the seq that the peer has: what this node wrote there is not what the peer knows. */
  private compareStarts(link: Link, seq: number, start: number, from: number): void {
    const { store } = this;
    link.comparing = true;
    const range = logRange(store.self, Math.max(1, from), seq + 1);
    store.reads.scan(range, store.limits.chunkTransactionsMax, store.limits.logReadBytes, (entries) => {
      if (this.links.get(link.id) !== link) return;
      if (entries === undefined) return this.end(link, 'the log cannot be read', store.now);
      const heads = entries.filter(({ value }) => isChunkWhole(value)).map(({ value }) => chunkHead(value));
      const chunk = heads.find(({ firstSeq, lastSeq }) => firstSeq <= seq && seq <= lastSeq);
      const last = heads.at(-1);
      if (chunk !== undefined && chunk.start !== start) this.rolledBack(link);
      else if (chunk === undefined && last !== undefined)
        this.compareStarts(link, seq, start, last.lastSeq + 1);
      // Where the log has been cut everybody had the same.
      else this.sound(link, store.now);
    });
  }

  private rolledBack(link: Link): void {
    const message = `${link.replica} has seen writes of this node that it no longer has: its data directory was rolled back`;
    this.events.untrusted('CAUSEWAY_AMNESIA', message);
    this.refuse(link, 'CAUSEWAY_AMNESIA', message);
  }

  private sound(link: Link, now: Now): void {
    link.sound = true;
    link.comparing = false;
    this.raise(link, now);
  }

  /** Up is a link on which both sides have said what they know, and what this side heard is sound. */
  private raise(link: Link, now: Now): void {
    if (!link.told || !link.sound || this.links.get(link.id) !== link) return;
    link.state = 'up';
    // The handshake may have waited for this node's own disk.
    link.lastHeardAt = now.monotonic;
    this.up.set(link.replica, link);
    this.env.log.info({ peer: link.replica }, 'linked');
    if (link.address !== undefined) this.dialer.linked(link.address);
    this.events.linked();
    this.intake.linkUp(link, now);
    this.gossip(link, now);
    for (const message of link.held.splice(0)) this.message(link.id, message, now);
  }

  private refusedBy(link: Link, code: string, message: string): void {
    if (link.member !== undefined)
      this.complain(link.member.replica, code, `refused by the peer: ${message}`);
    if (code === 'CAUSEWAY_DUPLICATE_IDENTITY') this.events.untrusted(code, message);
    if (link.address !== undefined) this.dialer.refused(link.address);
    this.end(link, 'refused', this.store.now);
  }

  /** Loudly, but once for each peer until it changes. */
  private complain(peer: ReplicaId, code: string, message: string): void {
    if (this.refused.get(peer) !== message) this.env.log.error({ peer, code }, message);
    if (this.members.get(peer) !== undefined) this.refused.set(peer, message);
  }

  private refuse(link: Link, code: string, message: string): void {
    link.send({ type: 'refuse', code, message });
    if (link.address !== undefined) this.dialer.refused(link.address);
    this.end(link, code, this.store.now);
  }

  // Gossip

  private learn(members: readonly Member[], byThemselves: boolean): void {
    for (const member of members) {
      if (!this.members.add(member, byThemselves)) continue;
      this.env.log.info({ peer: member.replica, address: member.address }, 'met a member');
      this.dialer.advertised(member.replica, member.address);
      this.nextGossipAt = 0;
    }
  }

  private report(replica: ReplicaId, versionVector: VersionVector): void {
    this.members.report(replica, versionVector);
    this.events.reported(replica);
  }

  private gossip(link: Link, now: Now): void {
    const others = [...this.members.all()].filter(({ member }) => member.replica !== link.replica);
    link.send({
      type: 'gossip',
      versionVector: new Map(this.store.durable),
      reports: others.map(({ member, latest }) => ({
        replica: member.replica,
        versionVector: latest,
        members: [],
      })),
      members: this.memberList(),
      wall: now.wall,
    });
    link.send({ type: 'ping', id: this.nextPing++, wall: now.wall });
  }

  private memberList(): Member[] {
    const self = { replica: this.store.self, region: this.config.region, address: this.config.advertise };
    return [self, ...[...this.members.all()].map(({ member }) => member)];
  }

  // Ends

  private checkSilence(link: Link, now: Now): void {
    const limit =
      link.state === 'opening'
        ? DIAL_TIMEOUT_MS
        : link.state === 'up'
          ? LINK_SILENCE_MS
          : HANDSHAKE_TIMEOUT_MS;
    const { challenge } = link;
    if (challenge?.answered === false && now.monotonic - challenge.at >= CHALLENGE_MS) {
      return this.end(link, 'its process has ended', now);
    }
    const since = link.state === 'up' ? link.lastHeardAt : link.createdAt;
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
    this.intake.linkDown(link, now);
  }
}
