/**
 * Introductions: whom each replica's cluster knows, and what was there when it came to know him.
 *
 * Two that have stored each other are of one cluster. When one of its replicas stores somebody of another cluster, all of
 * the other's count for all of the first from then on: what the introducer had by then is brought by the introducer
 * itself, and each of its later reports names whom it has met, so that nobody goes by one without knowing him. Clusters
 * that have formed apart know nothing of each other, and need not wait for each other.
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
  /** For each replica those that count for it, with what their introducers had. */
  private readonly known = new Map<ReplicaId, Map<ReplicaId, VersionVector>>();

  /** `by`, which has applied `applied`, has stored `member`; gives their clusters when these were two until now. */
  stored(by: ReplicaId, member: ReplicaId, applied: VersionVector): Meeting | undefined {
    const all = this.storedBy.get(by) ?? new Set();
    if (all.has(member)) return undefined;
    const [ours, theirs] = [this.clusterOf(by), this.clusterOf(member)];
    this.storedBy.set(by, all.add(member));
    for (const one of ours) {
      const known = this.known.get(one) ?? new Map<ReplicaId, VersionVector>();
      this.known.set(one, known);
      // What the introducer was to be brought itself it brings in turn.
      const brought = joinVersionVectors(applied, known.get(by) ?? NOTHING);
      for (const other of theirs) if (one !== other && !known.has(other)) known.set(other, brought);
    }
    return ours.has(member) ? undefined : { ours, theirs };
  }

  /** Who counts for it. */
  to(replica: ReplicaId): ReadonlyMap<ReplicaId, VersionVector> {
    return this.known.get(replica) ?? NOBODY;
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
