/** The sans-I/O state machine of a store node: every decision, no I/O. */
export * from './driver.js';
export * from './environment.js';
export * from './events.js';
export { DEFAULT_LIMITS, LINK_SILENCE_MS, type Limits } from './limits.js';
export * from './ready.js';
export { Replica } from './replica.js';
export type { ConflictRecord, ConflictSide } from './replication/conflicts.js';
export { decodeMember } from './replication/member-register.js';
export { copiedKey } from './replication/rejoin.js';
export type { MemberStatus, PeerStatus, Status } from './status.js';
export { IDENTITY_KEY, REPLICA_KEY, START_RANGES } from './store/keyspace.js';
export { decodeIdentity, decodeReplicaRecord, type ReplicaRecord } from './store/replica-record.js';
export { type Verification, type VerifiedPart, Verifier } from './verify.js';
