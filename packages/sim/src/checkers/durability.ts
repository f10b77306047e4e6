/**
 * What a node has once told to be durable it has for good: its version vector never goes back, whatever
 * crashes. This finds an acknowledgement that came too early as soon as the node is up again.
 */
import { dominates, type ReplicaId, type VersionVector } from '@causeway/crdt';
import type { ClusterNode, Durable } from '../cluster.js';
import { show, Violation } from '../violation.js';
import type { Checker } from './checker.js';

export class DurabilityChecker implements Checker {
  private readonly brokenOnes = new Set<ReplicaId>();
  private readonly told = new Map<string, VersionVector>();

  broken(_node: ClusterNode, replica: ReplicaId): void {
    this.brokenOnes.add(replica);
  }

  progressed(node: ClusterNode, { replica, versionVector }: Durable): void {
    const before = this.told.get(replica);
    if (this.brokenOnes.has(replica)) return;
    if (before !== undefined && !dominates(versionVector, before)) {
      throw new Violation(
        'durability',
        `n${node.index} had ${show(before)} and now has ${show(versionVector)}`,
      );
    }
    this.told.set(replica, new Map(versionVector));
  }
}
