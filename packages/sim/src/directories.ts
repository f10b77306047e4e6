/**
 * Data directories that are not what they were: a backup is put back, a directory is copied to another machine, or
 * deleted. What was known nowhere else may be lost with it; everything else may not.
 */
import { type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import { decodeReplicaRecord, type ScanEntry } from '@causeway/replica';
import { IDENTITY } from './checkers/stored-keys.js';
import type { Cluster, ClusterNode } from './cluster.js';
import type { Departures } from './departures.js';
import { doubtWhatIsLost, heldElsewhere } from './held-elsewhere.js';
import type { History } from './history.js';

/** Second bytes of the keys of a replica record, and of a departure. */
const RECORD = 1;
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
   * A backup is taken now; returns what puts it back. Not what the engine leaves to an operator (docs/protocol.md,
   * Beginning anew): none of a node that has writes of an earlier identity to issue again, since put back after it has done
   * so it would do so a second time; nor one that a machine could not see to be old while another may have what was
   * written after it: each would take other writes under the same dots.
   */
  backUp(node: ClusterNode): (() => void) | undefined {
    const replica = node.driver?.replica.id;
    if (replica === undefined) return undefined;
    const backup = node.disk.entries();
    if (backup.some(({ key }) => key[0] === IDENTITY && key[1] === DEPARTURE)) return undefined;
    return () => {
      // Whoever has begun anew since then has another directory.
      if (node.gone || node.driver?.replica.id !== replica) return;
      if (!this.isSeenByAll(node, replica, seqOf(heldIn(backup), replica))) return;
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

  /** Every other machine has more of `replica` than `seq`, or there is no more, nor on its way to one. */
  private isSeenByAll(node: ClusterNode, replica: ReplicaId, seq: number): boolean {
    const hasMore = ({ disk }: ClusterNode): boolean => seqOf(heldIn(disk.entries()), replica) > seq;
    return !hasMore(node) || this.cluster.present().every((other) => other === node || hasMore(other));
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
    this.cluster.endHistory(node);
    change();
    this.cluster.start(node.index);
  }
}

/** What a store holds of each origin. */
function heldIn(entries: readonly ScanEntry[]): VersionVector {
  const record = entries.find(({ key }) => key[0] === IDENTITY && key[1] === RECORD);
  const { positions } = record === undefined ? NOTHING : decodeReplicaRecord(record.value);
  return new Map([...positions].map(([origin, { seq }]) => [origin, seq]));
}

const NOTHING = { positions: new Map<ReplicaId, { readonly seq: number }>() };
