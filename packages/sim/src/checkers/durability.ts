/**
 * What a node has once told to be durable it has for good: its version vector never goes back, whatever
 * crashes. This finds an acknowledgement that came too early as soon as the node is up again.
 */
import { dominates, type VersionVector } from '@causeway/crdt';
import type { ClusterNode, Durable } from '../cluster.js';
import { show, Violation } from '../violation.js';
import type { Checker } from './checker.js';

export class DurabilityChecker implements Checker {
  private readonly told = new Map<string, VersionVector>();

  progressed(node: ClusterNode, { replica, versionVector }: Durable): void {
    const before = this.told.get(replica);
    if (before !== undefined && !dominates(versionVector, before)) {
      throw new Violation(
        'durability',
        `n${node.index} had ${show(before)} and now has ${show(versionVector)}`,
      );
    }
    this.told.set(replica, new Map(versionVector));
  }
}
