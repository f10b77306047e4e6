/**
 * Introductions: whom each replica has to wait for, and what was there when it came to be so.
 *
 * A replica waits for those that it has stored, and for those whom they have stored: each report of a replica names whom
 * that has stored, so that nobody goes by one without knowing them. It may go by an older report, of which nothing goes
 * beyond what the introducer had when it stored the newcomer, and by none of the introducer where it has yet to hear of
 * him: then what stood for him (`brought`) stands for whomever he had stored. All that is brought to the newcomer by the
 * introducer itself. Clusters that have formed apart know nothing of each other, and need not wait for each other.
 */
import { joinVersionVectors, type ReplicaId, type VersionVector } from '@causeway/crdt';

const NOTHING: VersionVector = new Map();
const NOBODY: ReadonlyMap<ReplicaId, VersionVector> = new Map();

export interface Meeting {
  readonly ours: ReadonlySet<ReplicaId>;
  readonly theirs: ReadonlySet<ReplicaId>;
}

export class Introductions {
  private readonly storedBy = new Map<ReplicaId, Set<ReplicaId>>();
  /** For each replica those that count for it, all that `storedBy` leads to, with what is brought to them. */
  private readonly known = new Map<ReplicaId, Map<ReplicaId, VersionVector>>();

  /** `by`, which has applied `applied`, has stored `member`; gives their clusters when these were two until now. */
  stored(by: ReplicaId, member: ReplicaId, applied: VersionVector): Meeting | undefined {
    const all = this.storedBy.get(by) ?? new Set();
    if (all.has(member)) return undefined;
    const [ours, theirs] = [this.clusterOf(by), this.clusterOf(member)];
    this.storedBy.set(by, all.add(member));
    if (!this.known.has(by)) this.known.set(by, new Map());
    const introduced = this.reachedFrom(member);
    for (const [one, known] of this.known) {
      if (one !== by && !known.has(by)) continue;
      // What the introducer was to be brought itself it brings in turn.
      const brought = joinVersionVectors(applied, known.get(by) ?? NOTHING);
      for (const other of introduced) if (one !== other && !known.has(other)) known.set(other, brought);
    }
    return ours.has(member) ? undefined : { ours, theirs };
  }

  /** Who counts for it. */
  to(replica: ReplicaId): ReadonlyMap<ReplicaId, VersionVector> {
    return this.known.get(replica) ?? NOBODY;
  }

  /** It, whom it has stored, whom they have, and so on. */
  private reachedFrom(replica: ReplicaId): Set<ReplicaId> {
    const reached = new Set([replica]);
    for (const one of reached) for (const other of this.storedBy.get(one) ?? []) reached.add(other);
    return reached;
  }

  /** All that are joined to it by pairs that have stored each other. */
  private clusterOf(replica: ReplicaId): Set<ReplicaId> {
    const cluster = new Set([replica]);
    for (const one of cluster) {
      for (const other of this.storedBy.get(one) ?? [])
        if (this.storedBy.get(other)?.has(one) === true) cluster.add(other);
    }
    return cluster;
  }
}
