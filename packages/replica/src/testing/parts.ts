/** Parts of the engine, for who shows that a bug in one of them is found: the simulator's mutations. No public door. */
export { ChunkApplier } from '../replication/apply-chunk.js';
export { Intake } from '../replication/intake.js';
export type { MemberState } from '../replication/member-state.js';
export { Members } from '../replication/members.js';
export { Rejoin } from '../replication/rejoin.js';
export { RepairReceiver } from '../replication/repair-receiver.js';
export { RepairSource } from '../replication/repair-source.js';
export { Transaction } from '../session/transaction.js';
export { KIND, kindRange } from '../store/keyspace.js';
export { Store } from '../store/store.js';
export { View } from '../store/views.js';
