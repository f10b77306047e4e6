/**
 * What every checker is: an observer that throws a Violation when what it sees cannot be.
 *
 * Hooks are called in the order of virtual time, inside the event that they speak of.
 */
import type { ReplicaId } from '@causeway/crdt';
import type { PeerMessage } from '@causeway/protocol';
import type { ClusterNode, Durable, Landing } from '../cluster.js';
import type { Call, History } from '../history.js';
import type { NodeContents } from '../rest.js';

export interface Checker {
  /** A process has started, or one has made a commit durable. */
  progressed?(node: ClusterNode, durable: Durable): void;
  /** A process is about to send. */
  sent?(node: ClusterNode, message: PeerMessage, to: number | undefined): void;
  /** A batch of the machine's process is durable, whether or not the process knows it. */
  landing?(node: ClusterNode, landing: Landing): void;
  /** The replica of the node's directory, as it has been until now, is not to be held to what it has said. */
  broken?(node: ClusterNode, replica: ReplicaId): void;
  invoked?(call: Call): void;
  /** The call has its answer, whatever it is. */
  answered?(call: Call): void;
  /** All is healed, all have settled. Contents were read from each node by requests. */
  atRest?(nodes: readonly NodeContents[], history: History): void;
}
