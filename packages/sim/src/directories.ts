/**
 * Data directories that are not what they were: a backup is put back, a directory is copied to another machine, or
 * deleted. What was known nowhere else may be lost with it; everything else may not.
 */
import { IDENTITY } from './checkers/stored-keys.js';
import type { Cluster, ClusterNode } from './cluster.js';
import type { Departures } from './departures.js';
import { doubtWhatIsLost, heldElsewhere } from './held-elsewhere.js';
import type { History } from './history.js';

/** Second byte of the key of a departure. */
const DEPARTURE = 2;

export class Directories {
  constructor(
    private readonly cluster: Cluster,
    private readonly history: History,
    private readonly departures: Departures,
    /** Checkers are told that an identity's history has a break. */
    private readonly onBreak: (node: ClusterNode) => void,
  ) {}

  /**
   * A backup is taken now; returns what puts it back. None of a node that has writes of an earlier identity to issue
   * again: put back after it has done so, it would do so a second time (docs/protocol.md, Beginning anew).
   */
  backUp(node: ClusterNode): (() => void) | undefined {
    const replica = node.driver?.replica.id;
    if (replica === undefined) return undefined;
    const backup = node.disk.entries();
    if (backup.some(({ key }) => key[0] === IDENTITY && key[1] === DEPARTURE)) return undefined;
    return () => {
      // Whoever has begun anew since then has another directory.
      if (node.gone || node.driver?.replica.id !== replica) return;
      this.replace(node, () => node.disk.restore(backup));
    };
  }

  /** The directory of `original` in the place of the node's own, whose identity is no more. */
  copy(node: ClusterNode, original: ClusterNode): (() => void) | undefined {
    const lost = node.driver?.replica.id;
    const copied = original.driver?.replica.id;
    if (lost === undefined || copied === undefined || original.gone || !this.departures.canSpare(node))
      return undefined;
    // One mistake is noticed before the next is made: of many copies of copies only a person can tell what is what.
    if (this.hasTwins()) return undefined;
    const entries = original.disk.entries();
    this.history.doubt(copied, heldElsewhere(this.cluster, original, copied));
    this.onBreak(original);
    this.replace(node, () => node.disk.restore(entries));
    this.departures.strike(lost);
    return () => undefined;
  }

  remove(node: ClusterNode): (() => void) | undefined {
    const lost = node.driver?.replica.id;
    if (lost === undefined || !this.departures.canSpare(node)) return undefined;
    this.replace(node, () => node.disk.restore([]));
    this.departures.strike(lost);
    return () => undefined;
  }

  private hasTwins(): boolean {
    const names = this.cluster.present().map(({ driver }) => driver?.replica.id);
    return new Set(names).size < names.length;
  }

  private replace(node: ClusterNode, change: () => void): void {
    doubtWhatIsLost(this.cluster, this.history, node);
    this.history.leaves(node.index);
    this.onBreak(node);
    this.cluster.crash(node.index, false);
    change();
    node.epoch++;
    this.cluster.start(node.index);
  }
}
