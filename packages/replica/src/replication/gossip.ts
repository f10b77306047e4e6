/**
 * Gossip: what this replica tells its neighbours of itself and of others, and what it takes from theirs.
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import type { Member } from '@causeway/protocol';
import type { Environment, Now, ReplicaConfig } from '../environment.js';
import type { Store } from '../store/store.js';
import type { Link } from './link.js';
import type { Members } from './members.js';

export class Gossip {
  /** Monotonic ms of the next one; 0: at once, for there is news of the members. */
  dueAt: number;
  private pings = 0;

  constructor(
    private readonly store: Store,
    private readonly members: Members,
    private readonly config: ReplicaConfig,
    private readonly env: Environment,
    /** A member is new, or has moved. */
    private readonly onLearnt: (member: Member) => void,
    private readonly onReported: (replica: ReplicaId) => void,
    dueAt: number,
  ) {
    this.dueAt = dueAt;
  }

  nextPing(): number {
    return ++this.pings;
  }

  learn(members: readonly Member[], byThemselves: boolean): void {
    for (const member of members) {
      if (!this.members.add(member, byThemselves)) continue;
      this.env.log.info({ peer: member.replica, address: member.address }, 'met a member');
      this.onLearnt(member);
      this.dueAt = 0;
    }
  }

  report(replica: ReplicaId, versionVector: VersionVector): void {
    this.members.report(replica, versionVector);
    this.onReported(replica);
  }

  tell(link: Link, now: Now): void {
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
    link.send({ type: 'ping', id: this.nextPing(), wall: now.wall });
  }

  memberList(): Member[] {
    const self = { replica: this.store.self, region: this.config.region, address: this.config.advertise };
    return [self, ...[...this.members.all()].map(({ member }) => member)];
  }

  /** Durable here: told to all neighbours, since each may be the way to another. */
  acknowledge(links: Iterable<Link>): void {
    for (const link of links) {
      const news = new Map<ReplicaId, number>();
      for (const [origin, seq] of this.store.durable) {
        if ((link.acked.get(origin) ?? 0) >= seq) continue;
        news.set(origin, seq);
        link.acked.set(origin, seq);
      }
      if (news.size > 0) link.send({ type: 'ack', versionVector: news });
    }
  }
}
