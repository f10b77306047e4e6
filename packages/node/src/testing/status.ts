/** A replica's status for tests of what shows it. */
import { replicaId } from '@causeway/crdt';
import type { Replica } from '@causeway/replica';

type Status = ReturnType<Replica['status']>;

export function status(change: Partial<Status> = {}): Status {
  const self = replicaId('eu.00000001');
  const peer = replicaId('us.00000002');
  return {
    replica: self,
    region: 'eu',
    ready: true,
    reasons: [],
    writable: true,
    versionVector: new Map([
      [self, 7],
      [peer, 3],
    ]),
    ceiling: new Map([
      [self, 7],
      [peer, 3],
    ]),
    digest: '0123456789abcdef0123456789abcdef',
    settled: true,

    scrub: { state: 'idle', passes: 0, records: 0, damaged: 0, healed: 0, corrected: 0 },
    conflicts: { register: 1, set: 2, counter: 0 },
    peers: [
      {
        replica: peer,
        region: 'us',
        address: 'ws://us.example:7500',
        state: 'connected',
        lagMs: 41,
        backlogTransactions: 3,
        clockOffsetMs: -2,
        unacknowledgedSeconds: 0.5,
      },
    ],
    members: [
      {
        replica: self,
        region: 'eu',
        address: 'ws://eu.example:7500',
        state: 'active',
        version: 2,
        finalSeq: 0,
        quietMs: 0,
        counts: true,
      },
      {
        replica: peer,
        region: 'us',
        address: 'ws://us.example:7500',
        state: 'active',
        version: 2,
        finalSeq: 0,
        quietMs: 120,
        counts: true,
      },
    ],
    oldestUnstableSeconds: 0.25,
    logBytes: 4_096,
    ...change,
  };
}
