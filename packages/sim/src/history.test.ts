import { type ReplicaId, replicaId } from '@causeway/crdt';
import type { Operation } from '@causeway/protocol';
import { expect, test } from 'vitest';
import { type Call, sees } from './history.js';

const A = replicaId('eu.00000000');
const B = replicaId('us.00000000');
const X = Uint8Array.of(1);
const add: Operation = { op: 'set.update', key: 's', add: [X], remove: [] };
const remove: Operation = { op: 'set.update', key: 's', add: [], remove: [X] };

/** What `replica` made after its seq 5, when it had B up to 3; no seq came of it if `seqAfter` is 5 too. */
function call(replica: ReplicaId, operation: Operation, seqAfter: number): Call {
  return {
    id: 1,
    node: 0,
    place: 'n0',
    session: 1,
    request: 1,
    operations: [operation],
    writes: true,
    key: undefined,
    outcome: 'acknowledged',
    attempts: 1,
    invokedAt: 10,
    answeredAt: 20,
    results: [],
    code: undefined,
    replica,
    seqBefore: 5,
    seqAfter,
    seenBefore: new Map([[A, 5]]),
    seenAfter: new Map([
      [A, seqAfter],
      [B, 3],
    ]),
    doubtful: false,
    blind: false,
  };
}

function reader(a: number, b: number): Call {
  const seen = new Map([
    [A, a],
    [B, b],
  ]);
  const invokedAt = 30;
  return {
    ...call(B, add, 9),
    id: 2,
    session: 2,
    invokedAt,
    answeredAt: 40,
    seenBefore: seen,
    seenAfter: seen,
  };
}

test.each([
  { name: 'an add whose dot it has', earlier: call(A, add, 6), later: reader(6, 0), want: 'yes' },
  { name: 'an add whose dot it lacks', earlier: call(A, add, 6), later: reader(5, 9), want: 'no' },
  {
    name: 'a removal, with all that it may have seen',
    earlier: call(A, remove, 6),
    later: reader(6, 3),
    want: 'yes',
  },
  {
    name: 'a removal that may have found nothing, without what it may have seen',
    earlier: call(A, remove, 6),
    later: reader(6, 2),
    want: 'maybe',
  },
])('a call sees $name: $want', ({ earlier, later, want }) => {
  expect(sees(later, earlier)).toBe(want);
});
