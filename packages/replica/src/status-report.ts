/** What a replica says of the others: its members, and how far each of its peers is. */
import { type ReplicaId, seqOf } from '@causeway/crdt';
import type { Now } from './environment.js';
import type { Clocks } from './replication/clocks.js';
import type { Members } from './replication/members.js';
import type { Neighbours } from './replication/neighbours.js';
import type { OwnCommits } from './replication/own-commits.js';
import type { MemberStatus, PeerStatus } from './status.js';
import type { Store } from './store/store.js';

export class StatusReport {
  /** Newest lag of the chunks of each origin, ms. */
  readonly lagMs = new Map<ReplicaId, number>();

  constructor(
    private readonly store: Store,
    private readonly members: Members,
    private readonly neighbours: Neighbours,
    private readonly clocks: Clocks,
    private readonly ownCommits: OwnCommits,
  ) {}

  /** All that are registered, this replica first. */
  memberStatuses(now: Now): MemberStatus[] {
    return this.members.list().map((member) => {
      const state = this.members.get(member.replica);
      const quietMs = state === undefined ? 0 : Math.round(state.quietMs(now.monotonic));
      return { ...member, quietMs, counts: state?.settled !== true };
    });
  }

  peerStatuses(now: Now): PeerStatus[] {
    return [...this.members.living()].map(({ member }) => this.peerStatus(member.replica, now));
  }

  private peerStatus(replica: ReplicaId, now: Now): PeerStatus {
    const { durable, self } = this.store;
    const state = this.members.get(replica);
    const latest = state?.latest.versionVector ?? new Map();
    let backlog = 0;
    for (const [origin, seq] of durable) {
      if (origin !== replica) backlog += Math.max(0, seq - seqOf(latest, origin));
    }
    const acknowledged = seqOf(latest, self);
    return {
      replica,
      region: state?.member.region ?? '',
      address: state?.member.address ?? '',
      state: this.connectionTo(replica),
      lagMs: this.lagMs.get(replica) ?? null,
      backlogTransactions: backlog,
      clockOffsetMs: this.clocks.offsetMs(replica, now) ?? null,
      unacknowledgedSeconds: this.ownCommits.ageBeyond(acknowledged, seqOf(durable, self), now.monotonic),
    };
  }

  private connectionTo(replica: ReplicaId): PeerStatus['state'] {
    const { neighbours } = this;
    if (neighbours.linkTo(replica) !== undefined) return 'connected';
    if (neighbours.refusal(replica) !== undefined) return 'refused';
    return neighbours.isDialling(replica) ? 'connecting' : 'down';
  }
}
