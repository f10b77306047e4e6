/** What a new store holds before anything else: of a new directory, or of one that leaves an identity behind. */
import { Digest, replicaId } from '@causeway/crdt';
import { ByteWriter } from '@causeway/protocol';
import type { Environment, Now } from '../environment.js';
import type { Batch } from '../ready.js';
import { type Departure, encodeDeparture } from './departure.js';
import { IDENTITY_KEY, REPLICA_KEY } from './keyspace.js';
import { encodeIdentity, encodeReplicaRecord, type ReplicaRecord } from './replica-record.js';

/**
 * The identity is random: a store that is made anew is a new replica, whatever it is called. Beside it stand the
 * identities that it has left behind; `carried` is what goes on from the store before.
 */
export function initialRecords(
  region: string,
  env: Environment,
  now: Now,
  departures: readonly Departure[] = [],
  carried: Pick<ReplicaRecord, 'clock' | 'resultBytes'> = { clock: ZERO, resultBytes: 0 },
): Batch {
  const suffix = Math.floor(env.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
  const record = encodeReplicaRecord(new ByteWriter(256), {
    positions: new Map(),
    root: new Digest(),
    horizon: new Map(),
    ceiling: new Map(),
    logBytes: 0,
    wasReady: false,
    ...carried,
  });
  return {
    puts: [
      { key: IDENTITY_KEY, value: encodeIdentity(replicaId(`${region}.${suffix}`), now.wall) },
      { key: REPLICA_KEY, value: record },
      ...departures.map(encodeDeparture),
    ],
    deletes: [],
  };
}

const ZERO = { physical: 0, logical: 0 };
