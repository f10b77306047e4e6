/** Parts of the engine, for who shows that a bug in one of them is found: the simulator's mutations. No public door. */
export { ChunkApplier } from '../replication/apply-chunk.js';
export { Intake } from '../replication/intake.js';
export type { MemberState } from '../replication/member-state.js';
export { Members } from '../replication/members.js';
export { Transaction } from '../session/transaction.js';
export { Store } from '../store/store.js';
