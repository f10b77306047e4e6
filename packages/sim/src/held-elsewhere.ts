/** What would be left of a replica's writes without its machine. */
import { type ReplicaId, seqOf } from '@causeway/crdt';
import type { Cluster, ClusterNode } from './cluster.js';
import type { History } from './history.js';

/** The highest seq of `replica` that another machine's process has made durable. */
export function heldElsewhere(cluster: Cluster, node: ClusterNode, replica: ReplicaId): number {
  const others = cluster.nodes.filter((other) => other !== node);
  return Math.max(
    0,
    ...others.map(({ index }) => seqOf(cluster.durable(index)?.versionVector ?? new Map(), replica)),
  );
}

/** What is lost with a machine's store may be missing from now on: its own writes, and what it alone had of others. */
export function doubtWhatIsLost(cluster: Cluster, history: History, node: ClusterNode): void {
  const durable = cluster.durable(node.index);
  if (durable === undefined) return;
  history.doubt(durable.replica, heldElsewhere(cluster, node, durable.replica));
  for (const [origin, seq] of durable.versionVector) {
    const held = heldElsewhere(cluster, node, origin);
    if (held < seq) history.doubt(origin, held);
  }
}
