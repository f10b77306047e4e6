/**
 * How often each state of the protocol occurred: what was sent, by type; from whom an origin was taken; and what
 * happened to the stores. What no seed ever reaches no seed can show to be right.
 */
import type { PeerMessage } from '@causeway/protocol';
import type { Checker } from './checkers/checker.js';
import type { Cluster, ClusterNode } from './cluster.js';

export class ProtocolStates implements Checker {
  readonly counts = new Map<string, number>();

  /** Set once the cluster is there, which is made with its observers. */
  constructor(private readonly cluster: () => Cluster) {}

  sent(node: ClusterNode, message: PeerMessage, to: number | undefined): void {
    this.note(`message ${message.type}`);
    if (message.type === 'subscribe') this.note(`stream ${this.kindOf(node, message, to)}`);
  }

  /** Where an origin is taken from, and whether from its beginning. */
  private kindOf(
    node: ClusterNode,
    { origin, after }: PeerMessage & { type: 'subscribe' },
    to: number | undefined,
  ): string {
    const cluster = this.cluster();
    const owner = cluster.nodes.find(({ driver }) => driver?.replica.id === origin);
    if (to !== undefined && owner?.index === to) return after === 0 ? 'from its beginning' : 'resumed';
    const peers = cluster.status(node.index)?.peers ?? [];
    const isLinked = peers.some(({ replica, state }) => replica === origin && state === 'connected');
    return isLinked ? 'override' : 'rerouted';
  }

  note(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}
