/**
 * Truth: for whom a replica that is to leave its identity behind may give up what it holds.
 *
 * Invariant: nobody gives up a state for a peer that does not hold at least what is given up, but for the replica's own
 * writes, which it takes along. A peer holds that when it is done with joining, was not rolled back itself, and its
 * report covers what is here. Until there is one this replica takes no writes and serves its peers: a joiner finishes
 * with what is here, and then is one to begin anew from.
 *
 * Two that wait for each other (both were rolled back, each holds what the other is known to have held) would wait for
 * ever. When all members are linked and joining, nobody else will come: who is covered goes, and of two that cover each
 * other the smaller. Where neither is, since each holds what the other itself has lost, both wait for an operator.
 */
import { type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import type { Store } from '../store/store.js';
import type { Link } from './link.js';
import type { Members } from './members.js';

export class Truth {
  constructor(
    private readonly store: Store,
    private readonly members: Members,
    private readonly up: ReadonlyMap<ReplicaId, Link>,
  ) {}

  /** What the peer holds is what there is. */
  holdsAll(link: Link): boolean {
    const { durable } = this.store;
    if (this.isJoining(link) || link.hasForgotten) return false;
    // Who tells nothing may hold back what it has (Store.withholds); it tells of it later.
    if (durable.size > 0 && link.said.size === 0) return false;
    return this.covers(link.said);
  }

  /** Nobody else is to be waited for, and of those who wait it is this replica that goes, with this peer. */
  isLast(link: Link): boolean {
    const { self } = this.store;
    const { said, replica } = link;
    if (!this.areAllJoining || said.size === 0) return false;
    return this.covers(said) && (self < replica || !this.isCoveredHere(said, replica));
  }

  /** Every member is linked, and joins, or is to leave its identity behind as well. */
  get areAllJoining(): boolean {
    if (this.up.size === 0) return false;
    for (const link of this.up.values()) if (!this.isJoining(link)) return false;
    for (const { member } of this.members.living()) if (!this.up.has(member.replica)) return false;
    return true;
  }

  private isJoining({ replica }: Link): boolean {
    return this.members.get(replica)?.member.state === 'joining';
  }

  /** What is here of members is there; a retired one counts as long as anything of it may still come. */
  private covers(said: VersionVector): boolean {
    const { durable } = this.store;
    for (const { member, settled } of this.members.all()) {
      if (settled) continue;
      if (seqOf(said, member.replica) < seqOf(durable, member.replica)) return false;
    }
    return true;
  }

  /** The same of what the peer has, whose own writes it takes along. */
  private isCoveredHere(said: VersionVector, peer: ReplicaId): boolean {
    for (const [origin, seq] of said) {
      if (origin === peer || this.members.isSettled(origin)) continue;
      if (seqOf(this.store.durable, origin) < seq) return false;
    }
    return true;
  }
}
