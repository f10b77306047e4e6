/**
 * Eviction: a member of which nobody has heard for too long is retired, so that evidence and log need not wait for it.
 *
 * It takes more than half of all members, the silent one counted: this replica and those of its neighbours that find the
 * member silent as well. With two members there is no such majority, and the operator decides: of two that are cut
 * apart each would find the other silent.
 */
import type { ReplicaId } from '@causeway/crdt';
import type { Log, Now } from '../environment.js';
import type { Link } from './link.js';
import type { Members } from './members.js';

export class Eviction {
  /** Silent for too long, and told of. */
  private readonly waitedFor = new Set<ReplicaId>();

  constructor(
    private readonly members: Members,
    private readonly maxOfflineMs: number,
    private readonly log: Log,
  ) {}

  /** Whom to evict now. */
  due(links: Iterable<Link>, now: Now): ReplicaId[] {
    const neighbours = [...links];
    const living = [...this.members.living()];
    const due: ReplicaId[] = [];
    for (const state of living) {
      const { replica } = state.member;
      if (state.quietMs(now.monotonic) < this.maxOfflineMs) {
        this.waitedFor.delete(replica);
        continue;
      }
      const agreeing = neighbours.filter(({ quiet }) => (quiet.get(replica) ?? 0) >= this.maxOfflineMs);
      if (2 * (1 + agreeing.length) > living.length + 1) due.push(replica);
      else this.wait(replica, 1 + agreeing.length, living.length + 1);
    }
    return due;
  }

  private wait(replica: ReplicaId, agree: number, members: number): void {
    if (this.waitedFor.has(replica)) return;
    this.waitedFor.add(replica);
    this.log.error(
      { peer: replica, agree, members },
      'a member has been away for longer than --max-offline, and no majority is here to evict it: if it is not to come back, remove it (causeway members remove)',
    );
  }
}
