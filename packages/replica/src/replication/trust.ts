/**
 * Trust: whose word is enough to leave this replica's identity behind.
 *
 * Until peers authenticate each other anybody may dial the peer port and call himself anything. So only who answers
 * where this replica has dialled is believed: at a configured seed, or at the address of a member that was stored
 * before this start or has once been linked without a fault. A member that dials in and claims the same is not
 * believed, and dialled. What a stranger says changes nothing; see docs/decisions/whom-to-believe.md.
 */
import type { ReplicaId } from '@causeway/crdt';
import type { Link } from './link.js';
import type { Members } from './members.js';

export class Trust {
  private readonly seeds: ReadonlySet<string>;
  /** Where the members were that are known for longer. */
  private readonly known = new Map<ReplicaId, string>();
  /** No peer has found this process sound so far. */
  neverLinked = true;

  constructor(seeds: readonly string[], members: Members) {
    this.seeds = new Set(seeds);
    for (const { member } of members.all()) this.known.set(member.replica, member.address);
  }

  /** A link of its own that was found sound. */
  linked(link: Link): void {
    this.neverLinked = false;
    if (link.member !== undefined) this.known.set(link.member.replica, link.member.address);
  }

  believes({ address, member }: Link): boolean {
    if (address === undefined || member === undefined) return false;
    return this.seeds.has(address) || this.known.get(member.replica) === address;
  }

  /** It says that it is a member of old, and may be. */
  knows({ member }: Link): boolean {
    return member !== undefined && this.known.has(member.replica);
  }
}
