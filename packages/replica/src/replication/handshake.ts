/**
 * Handshake: who stands at the other end of a link, and whether the two may speak.
 *
 * Invariants
 * - Of two links to one replica, dialled by either side, the one whose hello came first to the smaller id stays: it alone
 *   decides, or each might close what the other keeps. Of two dialled by the same side the newer one stays, since its
 *   dialler knows the older one for dead.
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
  type Membership,
  type PeerHello,
} from '@causeway/protocol';
import type { Environment, Now } from '../environment.js';
import type { LinkId } from '../events.js';
import { REFUSED_REDIAL_MS, TWIN_REFUSALS } from '../limits.js';
import { logRange } from '../store/keyspace.js';
import type { Store } from '../store/store.js';
import type { Dialer } from './dialer.js';
import { earliest, ForkSearch } from './fork.js';
import { type Gossip, knowledgeOf } from './gossip.js';
import type { Link } from './link.js';
import type { Members } from './members.js';
import type { NeighbourEvents } from './neighbours.js';
import type { RejoinCode } from './rejoin.js';
import { knows } from './repair-session.js';
import type { Trust } from './trust.js';
import { Truth } from './truth.js';

/** The links, as a handshake needs them. */
export interface LinkTable {
  readonly links: ReadonlyMap<LinkId, Link>;
  readonly up: ReadonlyMap<ReplicaId, Link>;
  /** Both sides are content. */
  raised(link: Link, now: Now): void;
  end(link: Link, reason: string, now: Now): void;
}

export class Handshake {
  /** What was last said of each member that cannot be linked to. */
  readonly refused = new Map<ReplicaId, string>();
  /** Why the identity is to be left behind as soon as there is a peer to begin anew from. */
  rejoinReason: string | undefined;
  /** The code of that: the host's own reason, or what a peer has shown. */
  private rejoinCode: RejoinCode = 'CAUSEWAY_REJOINING';
  readonly truth: Truth;
  /** Claims of peers that were looked into: they hold this replica's own log, and more of it. */
  private readonly extended = new Map<ReplicaId, Claim>();
  /** How often peers have said that another node runs under this identity, since one has found it sound. */
  private twins = 0;
  /** Own seq at this start: what is above was written by this process. */
  private readonly openedAt: number;

  constructor(
    private readonly store: Store,
    private readonly members: Members,
    private readonly gossip: Gossip,
    private readonly dialer: Dialer,
    private readonly table: LinkTable,
    private readonly trust: Trust,
    private readonly start: number,
    private readonly env: Environment,
    private readonly events: NeighbourEvents,
  ) {
    this.openedAt = seqOf(store.durable, store.self);
    if (members.size > 0) store.growsFrom = this.openedAt + 1;
    this.truth = new Truth(store, members, table.up);
  }

  /**
   * First own seq that has surely left for nobody, 0 when there is none: what this process has written before any peer
   * linked with it. Whatever others have under those dots is another write.
   */
  get unsent(): number {
    const own = seqOf(this.store.durable, this.store.self);
    return this.trust.neverLinked && own > this.openedAt ? this.openedAt + 1 : 0;
  }

  hello(link: Link, hello: PeerHello, now: Now): void {
    const { replica } = hello;
    if (link.state !== 'greeting') throw new CausewayError('CAUSEWAY_BAD_FRAME', 'a second hello');
    if (link.address !== undefined) this.dialer.answered(link.address, replica);
    link.member = memberOf(hello);
    link.start = hello.start;
    link.horizon = hello.horizon;
    if (replica === this.store.self) return this.helloOfSelf(link, hello);
    const met = this.members.get(replica);
    // What it says of others counts as little as what it has.
    if (met?.isRetired) return this.refuseRetired(link, met.member);
    if (this.isForeign(link, met !== undefined, hello.versionVector)) return;
    this.events.answered(link.address, hello);
    if (this.isTwin(link, hello, now) || !this.mayLinkStay(link, replica, now)) return;
    const known = met?.latest.versionVector ?? new Map();
    link.hasForgotten =
      !dominates(hello.versionVector, known) ||
      (hello.versionVector.size > 0 &&
        seqOf(hello.versionVector, replica) < seqOf(this.store.durable, replica));
    link.state = 'checking';
    const believed = this.trust.believes(link);
    this.gossip.learn([link.member], true, believed);
    this.gossip.learn(hello.members, false, believed);
    // This replica, or the peer, may have been told of its retirement.
    if (this.table.links.get(link.id) !== link) return;
    const member = this.members.get(replica);
    if (member === undefined) {
      return this.refuse(link, 'CAUSEWAY_OVERLOADED', 'the cluster has as many members as it may have');
    }
    link.says(hello.versionVector);
    // What is here names a write; what was only heard of stands in the version vector.
    const seq = seqOf(this.store.durable, replica);
    const start = this.store.durableStarts.get(replica) ?? 0;
    // It counts for stability before it is served a byte: only then the handshake goes on.
    const tell = (durable: Now) => {
      link.send({ type: 'heard', seq, start, versionVector: known });
      link.told = true;
      this.raise(link, durable);
    };
    if (member.told !== undefined) tell(now);
    else this.store.whenDurable(tell);
    this.gossip.report(replica, hello.versionVector, knowledgeOf(hello.members));
  }

  /** Tells a retired member why nothing is taken from it. */
  refuseRetired(link: Link, { replica, state }: Member): void {
    const code = state === 'evicted' ? 'CAUSEWAY_EVICTED' : 'CAUSEWAY_REMOVED';
    this.refuse(link, code, describeRetirement(replica, state));
  }

  /**
   * A peer may hold writes of a retired member that nobody else waits for: one that joined by the retired one alone,
   * or heard it last. A stranger has to wait until what it has is here from others; once all is settled here, what
   * there is beyond it must not come.
   */
  isForeign(link: Link, isMember: boolean, versionVector: VersionVector): boolean {
    const foreign = this.members.foreign(versionVector);
    if (foreign === undefined || (isMember && !foreign.settled)) return false;
    const { origin, settled } = foreign;
    if (settled) {
      this.refuse(link, 'CAUSEWAY_STALE', `has writes of ${origin}, which is retired, that no member has`);
    } else {
      this.table.end(
        link,
        `has writes of ${origin}, which is retired, that are not here yet`,
        this.store.now,
      );
    }
    return true;
  }

  private helloOfSelf(link: Link, hello: PeerHello): void {
    if (hello.start === this.start) {
      if (link.address !== undefined) this.events.isSelf(link.address);
      return this.table.end(link, 'dialled itself', this.store.now);
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
    const other = this.table.up.get(replica);
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
      other.challenge = { ping: this.gossip.nextPing(), at: now.monotonic, answered: false };
      other.ping(other.challenge.ping, now);
    }
    this.table.end(link, 'another start of it is linked, and asked whether it lives', now);
    return true;
  }

  /**
   * Closes whichever of two links to one replica has to go. Where the peer decides both go on: it says `heard` on one alone.
   */
  private mayLinkStay(link: Link, replica: ReplicaId, now: Now): boolean {
    for (const other of [...this.table.links.values()]) {
      if (other === link || other.member?.replica !== replica) continue;
      const isSameSide = (other.address === undefined) === (link.address === undefined);
      if (isSameSide) {
        this.table.end(other, 'replaced by another link', now);
      } else if (this.store.self < replica) {
        this.table.end(link, 'another link stands', now);
        return false;
      }
    }
    return true;
  }

  heard(
    link: Link,
    { seq, start, versionVector }: { seq: number; start: number; versionVector: VersionVector },
    now: Now,
  ): void {
    if (link.state !== 'checking') throw new CausewayError('CAUSEWAY_BAD_FRAME', 'heard before hello');
    link.heldOfOwn = seq;
    const own = seqOf(this.store.durable, this.store.self);
    if (seq > own) return this.contradicted(link, { seq, start });
    const isForgotten = !dominates(this.store.durable, versionVector);
    if (isForgotten && this.trust.believes(link))
      this.events.untrusted('CAUSEWAY_AMNESIA', rolledBackMessage(link), link.replica);
    // Who forgot others' writes may have written over its own as well: its starts are compared first.
    const alike = (at: Now) => (isForgotten ? this.rolledBack(link) : this.consistent(link, at));
    if (seq === 0 || start === 0) return alike(now);
    if (seq < own)
      return this.compareStarts(
        link,
        { seq, start },
        seq - this.store.limits.chunkTransactionsMax + 1,
        alike,
      );
    if (start === this.store.durableStarts.get(this.store.self)) alike(now);
    else this.contradicted(link, { seq, start });
  }

  /** Another start at the seq that the peer has: what this node wrote there is not what the peer knows. */
  private compareStarts(link: Link, claim: Claim, from: number, alike: (now: Now) => void): void {
    const { store } = this;
    const { seq, start } = claim;
    link.comparing = true;
    const range = logRange(store.self, Math.max(1, from), seq + 1);
    store.reads.scan(range, store.limits.chunkTransactionsMax, store.limits.logReadBytes, (entries) => {
      if (this.table.links.get(link.id) !== link) return;
      if (entries === undefined) return this.table.end(link, 'the log cannot be read', store.now);
      const heads = entries.filter(({ value }) => isChunkWhole(value)).map(({ value }) => chunkHead(value));
      const chunk = heads.find(({ firstSeq, lastSeq }) => firstSeq <= seq && seq <= lastSeq);
      const last = heads.at(-1);
      if (chunk !== undefined && chunk.start !== start) this.contradicted(link, claim);
      else if (chunk === undefined && last !== undefined)
        this.compareStarts(link, claim, last.lastSeq + 1, alike);
      // Where the log has been cut everybody had the same.
      else alike(store.now);
    });
  }

  /**
   * The peer has other writes of this replica, or more, than there are here. It is asked to show them: what of the
   * own log is common to both ends where the two part.
   */
  private contradicted(link: Link, claim: Claim): void {
    const { store } = this;
    const shown = this.extended.get(link.replica);
    const isKnown = shown?.seq === claim.seq && shown.start === claim.start && this.isWaiting;
    if (isKnown) return this.rolledBack(link);
    if (!this.trust.believes(link) || claim.start === 0)
      return this.leave(link, 'CAUSEWAY_AMNESIA', rolledBackMessage(link));
    const own = seqOf(store.durable, store.self);
    this.events.untrusted('CAUSEWAY_AMNESIA', rolledBackMessage(link), link.replica);
    link.comparing = false;
    const isOpen = () => this.table.links.get(link.id) === link;
    const send = (after: number) => link.send({ type: 'subscribe', origin: store.self, after });
    link.proving = new ForkSearch(
      store,
      this.start,
      claim,
      { subscribe: send, unsubscribe: () => link.send({ type: 'unsubscribe', origin: store.self }), isOpen },
      ({ common }) => {
        if (common >= own) this.extended.set(link.replica, claim);
        this.rolledBack(link, common < own ? common + 1 : 0);
      },
      (reason) => {
        if (isOpen()) this.table.end(link, reason, store.now);
      },
    );
    // What the peer is asked it answers when it has been told what is known of it.
    const begin = () => {
      if (!isOpen()) return;
      if (link.told) link.proving?.start();
      else store.whenDurable(begin);
    };
    begin();
  }

  private rolledBack(link: Link, fork = 0): void {
    const message = rolledBackMessage(link);
    if (fork === 0 && this.isUnforked(link) && this.giveUp(link, 'CAUSEWAY_AMNESIA', message)) return;
    this.leave(link, 'CAUSEWAY_AMNESIA', message, fork);
  }

  /**
   * No dot of this process stands beside another write of the same name, which might be served. Nobody has another when
   * the peer is the only member, and has none.
   */
  private isUnforked(link: Link): boolean {
    const { durable, executed, self } = this.store;
    if (this.unsent === 0 && seqOf(executed, self) === seqOf(durable, self)) return true;
    const others = [...this.members.living()].filter(({ member }) => member.replica !== link.replica);
    return others.length === 0 && link.heldOfOwn <= this.openedAt;
  }

  /** Nothing speaks against what the peer has of this replica; but it may be too late, or have to go anyway. */
  private consistent(link: Link, now: Now): void {
    if (this.beginsAnewFrom(link)) return;
    if (this.rejoinReason === undefined && this.isStale(link)) {
      return this.tooLate(link);
    }
    this.sound(link, now);
  }

  tooLate(link: Link): void {
    const message = `${link.replica} has dropped evidence of removals that this node has not seen: it was away for too long`;
    if (!this.giveUp(link, 'CAUSEWAY_STALE', message)) this.leave(link, 'CAUSEWAY_STALE', message);
  }

  /** It has been shown that the identity is to be left behind, and there was no peer yet to give up what is here for. */
  private get isWaiting(): boolean {
    return this.rejoinReason !== undefined && this.rejoinCode !== 'CAUSEWAY_REJOINING';
  }

  /**
   * The state is to be given up: not for a peer that does not hold it. Such a link goes on, so that the peer gets what it
   * lacks. False: nothing stands against leaving, or nothing is to be decided by what the peer says.
   */
  private giveUp(link: Link, code: RejoinCode, message: string): boolean {
    if (!this.trust.believes(link) && !(this.isWaiting && this.trust.knows(link))) return false;
    if (this.truth.holdsAll(link)) return false;
    if (!this.isWaiting) {
      this.rejoinCode = code;
      this.events.waits(message);
    }
    // What came while it was asked for proof has been passed over.
    if (link.proving !== undefined)
      this.table.end(link, 'it holds less than is to be given up for it', this.store.now);
    else if (link.state !== 'up') this.sound(link, this.store.now);
    return true;
  }

  /** If the identity is to be left behind and the peer is one to begin anew from. */
  beginsAnewFrom(link: Link): boolean {
    if (this.rejoinReason === undefined) return false;
    if (!this.trust.believes(link) && !this.trust.knows(link)) return false;
    if (!this.truth.holdsAll(link) && !(this.isWaiting && link.state === 'up' && this.truth.isLast(link)))
      return false;
    this.leave(link, this.rejoinCode, this.rejoinReason);
    return true;
  }

  /** The host wants the identity left behind, but nobody has more than all have together. Who was rolled back must not stay. */
  get mayStay(): boolean {
    return this.rejoinReason !== undefined && !this.isWaiting && this.truth.areAllJoining;
  }

  /** One that is joining is served all that there is. */
  private isStale({ horizon }: Link): boolean {
    return this.store.wasReady && !knows(this.store.durable, horizon);
  }

  /** The identity is left behind if the peer is to be believed; if it may only be who it says, nothing is written here until that is known. */
  private leave(link: Link, code: RejoinCode, message: string, fork = 0): void {
    const isDecided = this.isWaiting && this.trust.knows(link);
    if (this.trust.believes(link) || code === 'CAUSEWAY_REJOINING' || isDecided) {
      this.events.rejoin(code, message, earliest(fork, this.unsent));
    } else if (this.trust.knows(link)) {
      if (code === 'CAUSEWAY_AMNESIA') this.events.untrusted(code, message, link.replica);
    } else {
      this.env.log.warn({ peer: link.replica, code }, `a stranger is not believed: ${message}`);
    }
    // Told that it is stale the peer would take itself for the one that is.
    this.refuse(link, code === 'CAUSEWAY_STALE' ? 'CAUSEWAY_REJOINING' : code, message);
  }

  private sound(link: Link, now: Now): void {
    link.sound = true;
    link.comparing = false;
    this.raise(link, now);
  }

  /** Up is a link on which both sides have said what they know, and what this side heard is sound. */
  private raise(link: Link, now: Now): void {
    if (!link.told || !link.sound || this.table.links.get(link.id) !== link) return;
    // The peer has lost it, or it would not have let this one come so far.
    const before = this.table.up.get(link.replica);
    if (before !== undefined && before !== link) this.table.end(before, 'replaced by another link', now);
    link.state = 'up';
    if (this.trust.knows(link)) this.store.growsFrom = 0;
    this.table.raised(link, now);
  }

  refusedBy(link: Link, code: string, message: string): void {
    const { member } = link;
    // What a retired member thinks of this one is of no account, nor what somebody thinks who has not said who it is.
    if (member !== undefined && this.members.get(member.replica)?.isRetired !== true) {
      this.complain(member.replica, code, `refused by the peer: ${message}`);
      if (code === 'CAUSEWAY_DUPLICATE_IDENTITY') this.refusedAsTwin(link, message);
      else if (isUntrusted(code)) this.refusedAsRetired(link, code, message);
    }
    if (link.address !== undefined) this.dialer.refused(link.address);
    this.table.end(link, 'refused', this.store.now);
  }

  /**
   * A peer is linked with another node of this identity, which lives. The original has been linked before; who never
   * was since its start is the copy, and what it has written meanwhile nobody has.
   */
  private refusedAsTwin(link: Link, message: string): void {
    if (!this.trust.believes(link) && !this.trust.knows(link)) return;
    this.events.untrusted('CAUSEWAY_DUPLICATE_IDENTITY', message);
    if (!this.trust.believes(link) || !this.trust.neverLinked) return;
    this.twins++;
    if (this.twins < TWIN_REFUSALS) return;
    this.events.rejoin('CAUSEWAY_DUPLICATE_IDENTITY', message, this.unsent);
  }

  /** Who was waited for in vain begins anew; who was sent away by a person waits for one. */
  private refusedAsRetired(
    link: Link,
    code: 'CAUSEWAY_REMOVED' | 'CAUSEWAY_EVICTED' | 'CAUSEWAY_STALE',
    message: string,
  ): void {
    const isBelieved = this.trust.believes(link);
    if (code !== 'CAUSEWAY_REMOVED' && isBelieved) return this.events.rejoin(code, message, this.unsent);
    if (code !== 'CAUSEWAY_STALE') this.events.untrusted(code, message, link.replica);
  }

  /** Loudly, but once for each peer until it changes. */
  private complain(peer: ReplicaId, code: string, message: string): void {
    if (this.refused.get(peer) !== message) this.env.log.error({ peer, code }, message);
    if (this.members.get(peer) !== undefined) this.refused.set(peer, message);
  }

  refuse(link: Link, code: string, message: string): void {
    link.send({ type: 'refuse', code, message });
    if (link.address !== undefined) this.dialer.refused(link.address);
    this.table.end(link, code, this.store.now);
  }
}

/** What a peer says to have of this replica: the highest seq, and the start under which that was written. */
interface Claim {
  readonly seq: number;
  readonly start: number;
}

function rolledBackMessage({ replica }: Link): string {
  return `${replica} has seen writes of this node that it no longer has: its data directory was rolled back`;
}

/** Refusals that say that the identity of this replica is not to be used; the others have a cause at the peer. */
function isUntrusted(code: string): code is 'CAUSEWAY_REMOVED' | 'CAUSEWAY_EVICTED' | 'CAUSEWAY_STALE' {
  return code === 'CAUSEWAY_REMOVED' || code === 'CAUSEWAY_EVICTED' || code === 'CAUSEWAY_STALE';
}

/** What the peer says of itself; one that has not stored it yet says where it is at least. */
function memberOf({ replica, region, address, members }: PeerHello): Member {
  const said = members.find((member) => member.replica === replica);
  return said ?? { replica, region, address, state: 'joining', version: 0, finalSeq: 0 };
}

/** Told to the retired one, and kept by it. */
export function describeRetirement(replica: ReplicaId, state: Membership): string {
  switch (state) {
    case 'left':
      return `${replica} has left the cluster: to join again, start it with a new data directory`;
    case 'evicted':
      return `${replica} was away for longer than the others wait (--max-offline) and was evicted: it must join again under a new identity`;
    default:
      return `${replica} was removed from the cluster by an operator: to join again, start it with a new data directory`;
  }
}
