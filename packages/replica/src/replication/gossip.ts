/**
 * Gossip: what this replica tells its neighbours of itself and of others, and what it takes from theirs.
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import { isRetired, type Member, type PeerMessage, type Report } from '@causeway/protocol';
import type { Environment, Now } from '../environment.js';
import type { Store } from '../store/store.js';
import type { Link } from './link.js';
import type { Members } from './members.js';

export class Gossip {
  /** Monotonic ms of the next one. */
  dueAt: number;
  private pings = 0;

  constructor(
    private readonly store: Store,
    private readonly members: Members,
    private readonly env: Environment,
    /** A member is new, has changed, or is retired; this replica itself may be the retired one. */
    private readonly onLearnt: (member: Member, news: 'met' | 'changed' | 'retired') => void,
    private readonly onReported: (replica: ReplicaId) => void,
    dueAt: number,
  ) {
    this.dueAt = dueAt;
  }

  nextPing(): number {
    return ++this.pings;
  }

  /** `byThemselves`: each is what the member says of itself. Of this replica's own end only the believed are heard. */
  learn(members: readonly Member[], byThemselves: boolean, believed: boolean): void {
    for (const member of members) {
      if (!believed && member.replica === this.store.self) continue;
      const news = this.members.add(member, byThemselves);
      if (news === undefined) continue;
      const { replica, address, state, finalSeq } = member;
      if (news === 'retired') this.env.log.warn({ peer: replica, state, finalSeq }, 'a member is retired');
      else if (news === 'met') this.env.log.info({ peer: replica, address }, 'met a member');
      this.onLearnt(member, news);
    }
  }

  report(
    replica: ReplicaId,
    versionVector: VersionVector,
    knows?: { readonly members: readonly ReplicaId[]; readonly retired: readonly ReplicaId[] },
  ): void {
    this.members.report(replica, versionVector, knows);
    this.onReported(replica);
  }

  /** What a neighbour says of itself and of others. */
  take(link: Link, gossip: PeerMessage & { type: 'gossip' }, believed: boolean, now: Now): void {
    this.learn(gossip.members, false, believed);
    link.says(gossip.versionVector);
    this.report(link.replica, gossip.versionVector, knowledgeOf(gossip.members));
    link.quiet.clear();
    for (const report of gossip.reports) {
      const { replica, quietMs } = report;
      this.report(replica, report.versionVector, report);
      this.members.heard(replica, quietMs, now.monotonic);
      link.quiet.set(replica, quietMs);
    }
  }

  tell(link: Link, now: Now): void {
    const { members } = this;
    link.toldMembers = members.version;
    const versionVector = new Map(this.store.reported);
    for (const [origin, seq] of versionVector) link.acked.set(origin, seq);
    link.send({
      type: 'gossip',
      versionVector,
      reports: this.reports(link, now),
      members: members.list(),
      wall: now.wall,
    });
    link.ping(this.nextPing(), now);
  }

  /** Those that say no more of members than this replica would itself after a crash. */
  private reports(link: Link, now: Now): Report[] {
    const reports: Report[] = [];
    for (const state of this.members.living()) {
      const { replica } = state.member;
      const { versionVector, members, retired } = state.latest;
      if (replica === link.replica || [...members].some((member) => !this.members.isTold(member))) continue;
      reports.push({
        replica,
        versionVector,
        members: [...members],
        retired: [...retired],
        quietMs: Math.floor(state.quietMs(now.monotonic)),
      });
    }
    return reports;
  }

  /**
   * Durable here: told to all neighbours, since each may be the way to another. An acknowledgement is a report under
   * the members that were told before it: where these have changed, all is told.
   */
  acknowledge(links: Iterable<Link>, now: Now): void {
    for (const link of links) {
      if (link.toldMembers !== this.members.version) {
        this.tell(link, now);
        continue;
      }
      const news = new Map<ReplicaId, number>();
      for (const [origin, seq] of this.store.reported) {
        if ((link.acked.get(origin) ?? 0) >= seq) continue;
        news.set(origin, seq);
        link.acked.set(origin, seq);
      }
      if (news.size > 0) link.send({ type: 'ack', versionVector: news });
    }
  }
}

/** Of a hello or a gossip: who names a member knows it. */
export function knowledgeOf(members: readonly Member[]): {
  readonly members: readonly ReplicaId[];
  readonly retired: readonly ReplicaId[];
} {
  return {
    members: members.map(({ replica }) => replica),
    retired: members.filter(isRetired).map(({ replica }) => replica),
  };
}
