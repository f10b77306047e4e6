/**
 * What runs on the virtual machines: the engine and the codec of its links. The default is the real one;
 * tests of the simulator itself put a small model in its place.
 */
import { decodePeerMessage, encodePeerMessage, type PeerMessage } from '@causeway/protocol';
import {
  type Batch,
  type Environment,
  type Now,
  Replica,
  type ReplicaConfig,
  START_RANGES,
  type StoredReplica,
} from '@causeway/replica';

export interface Engine {
  /** What is read of the store at a start and after a reopen, in order. */
  readonly startRanges: readonly { readonly from: Uint8Array; readonly to: Uint8Array }[];
  /** The first batch of an empty store. */
  initialBatch(config: ReplicaConfig, env: Environment, now: Now): Batch;
  open(stored: StoredReplica, config: ReplicaConfig, env: Environment, now: Now): Replica;
  /** Neither its chunks nor its records are those of the protocol, so that nothing is known of them. */
  readonly hasOwnFormats: boolean;
  encode(message: PeerMessage): Uint8Array;
  decode(bytes: Uint8Array): PeerMessage;
}

export const REAL_ENGINE: Engine = {
  get startRanges() {
    return START_RANGES;
  },
  initialBatch: (config, env, now) => Replica.initialBatch(config, env, now),
  open: (stored, config, env, now) => Replica.open(stored, config, env, now),
  hasOwnFormats: false,
  encode: encodePeerMessage,
  decode: decodePeerMessage,
};
