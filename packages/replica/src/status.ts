/** What a replica says of itself: everything in it is durable. */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import type { KeyType, Member } from '@causeway/protocol';

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

/** A register of the membership, retired ones included, as it would be known after a crash. */
export interface MemberStatus extends Member {
  /** For how long nobody that is known has heard of it, ms; 0 for this replica itself. */
  readonly quietMs: number;
  /** Evidence of removals waits for it. Of a retired one no longer when all others are known to know. */
  readonly counts: boolean;
}

/** What has been found by looking through the stored records. Figures are since the start. */
export interface ScrubStatus {
  /** counting: the index was lost, and is counted from the records; comparisons with peers wait for it. */
  readonly state: 'idle' | 'scrubbing' | 'counting';
  /** Ended. */
  readonly passes: number;
  /** Records looked at by the pass that is under way, or the last one. */
  readonly records: number;
  /** Records found damaged that were not in memory. */
  readonly damaged: number;
  /** Damaged records that were written anew from memory. */
  readonly healed: number;
  /** Leaves of the index that were not the digests of their records. */
  readonly corrected: number;
}

export interface Status {
  readonly replica: ReplicaId;
  readonly region: string;
  readonly ready: boolean;
  /** Why it is not ready, one word each. */
  readonly reasons: readonly string[];
  readonly writable: boolean;
  readonly versionVector: VersionVector;
  /** What an answer may have shown of: above the version vector while a repair is unfinished. */
  readonly ceiling: VersionVector;
  /** Root digest, 32 hex digits. */
  readonly digest: string;
  /** No purge and no expiry is under way, and nothing is left to be issued again. */
  readonly settled: boolean;
  readonly scrub: ScrubStatus;
  readonly conflicts: Readonly<Record<KeyType, number>>;
  /** Members that are not retired, without this replica. */
  readonly peers: readonly PeerStatus[];
  /** All, this replica first. */
  readonly members: readonly MemberStatus[];
  /** Age of the oldest write that is not known to be everywhere. */
  readonly oldestUnstableSeconds: number;
  /** Bytes of the chunks in the log. */
  readonly logBytes: number;
}
