/** What a new directory holds before anything else. */
import { Digest, replicaId } from '@causeway/crdt';
import { ByteWriter } from '@causeway/protocol';
import type { Environment, Now } from '../environment.js';
import type { Batch } from '../ready.js';
import { IDENTITY_KEY, REPLICA_KEY } from './keyspace.js';
import { encodeIdentity, encodeReplicaRecord } from './replica-record.js';

/** The identity is random: a directory that is made anew is a new replica, whatever it is called. */
export function initialRecords(region: string, env: Environment, now: Now): Batch {
  const suffix = Math.floor(env.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
  const record = encodeReplicaRecord(new ByteWriter(256), {
    positions: new Map(),
    clock: { physical: 0, logical: 0 },
    root: new Digest(),
    horizon: new Map(),
    wasReady: false,
    resultBytes: 0,
  });
  return {
    puts: [
      { key: IDENTITY_KEY, value: encodeIdentity(replicaId(`${region}.${suffix}`), now.wall) },
      { key: REPLICA_KEY, value: record },
    ],
    deletes: [],
  };
}
