/** What a replica says of itself: everything in it is durable. */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import type { KeyType } from '@causeway/protocol';

export interface PeerStatus {
  readonly replica: ReplicaId;
  readonly region: string;
  readonly address: string;
  readonly state: 'connected' | 'connecting' | 'down' | 'refused';
  /** Newest lag of its chunks here, ms; null until one came. */
  readonly lagMs: number | null;
  /** Transactions that are durable here and not known to be durable there. */
  readonly backlogTransactions: number;
  /** Its wall clock minus this node's, ms; null until measured. */
  readonly clockOffsetMs: number | null;
  /** Age of this node's oldest write that it has not acknowledged. */
  readonly unacknowledgedSeconds: number;
}

export interface Status {
  readonly replica: ReplicaId;
  readonly region: string;
  readonly ready: boolean;
  /** Why it is not ready, one word each. */
  readonly reasons: readonly string[];
  readonly writable: boolean;
  readonly versionVector: VersionVector;
  /** Root digest, 32 hex digits. */
  readonly digest: string;
  /** No purge and no expiry is under way. */
  readonly settled: boolean;
  readonly conflicts: Readonly<Record<KeyType, number>>;
  readonly peers: readonly PeerStatus[];
  /** Age of the oldest write that is not known to be everywhere. */
  readonly oldestUnstableSeconds: number;
}
