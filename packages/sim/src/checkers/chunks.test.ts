import { type ReplicaId, replicaId } from '@causeway/crdt';
import { ChunkWriter } from '@causeway/protocol';
import { expect, test } from 'vitest';
import type { ClusterNode, Durable } from '../cluster.js';
import { ChunksChecker } from './chunks.js';

const A = replicaId('eu-west.00000001');
const B = replicaId('us-east.00000002');
const node = { index: 0 } as ClusterNode;

function chunk(
  origin: ReplicaId,
  firstSeq: number,
  keys: string[],
  deps: [ReplicaId, number][] = [],
): Uint8Array {
  const writer = new ChunkWriter();
  writer.begin({ origin, start: 1, firstSeq, at: 5, deps: new Map(deps) });
  for (const key of keys) {
    writer.transaction([
      { type: 'register', key, stamp: { physical: 5, logical: 0, replica: origin }, value: Uint8Array.of(1) },
    ]);
  }
  return writer.finish();
}

function send(checker: ChunksChecker, origin: ReplicaId, ...chunks: Uint8Array[]): void {
  checker.sent(node, { type: 'chunks', origin, durableAt: 0, chunks });
}

const status = (...versionVector: [ReplicaId, number][]): Durable => ({
  replica: B,
  versionVector: new Map(versionVector),
  ceiling: new Map(versionVector),
  isRepairing: false,
});

test('the same chunk may be sent again, another one for its dots may not', () => {
  const checker = new ChunksChecker();
  send(checker, A, chunk(A, 1, ['x', 'y']));
  send(checker, A, chunk(A, 1, ['x', 'y']), chunk(A, 3, ['z']));
  expect(checker.counts).toEqual({ distinct: 2, sent: 3 });
  expect(() => send(checker, A, chunk(A, 1, ['other', 'y']))).toThrow('one-write-per-dot');
  expect(() => send(checker, A, chunk(A, 2, ['y']))).toThrow('one-write-per-dot');
});

test('what a chunk depends on has to be there when it is applied', () => {
  const checker = new ChunksChecker();
  send(checker, A, chunk(A, 1, ['x'], [[B, 3]]));
  checker.progressed(node, status([B, 3]));
  checker.progressed(node, status([B, 3], [A, 1]));
  const early = new ChunksChecker();
  send(early, A, chunk(A, 1, ['x'], [[B, 3]]));
  expect(() => early.progressed(node, status([B, 2], [A, 1]))).toThrow('causal-delivery');
});

test('nobody has what nobody has sent', () => {
  const checker = new ChunksChecker();
  expect(() => checker.progressed(node, status([A, 1]))).toThrow('causal-delivery');
});

test('what a repair has brought needs no chunks, once the whole of the view is there', () => {
  const checker = new ChunksChecker();
  const session = { session: 1, starts: [], ceiling: new Map(), horizon: new Map() };
  const tree = { clock: { physical: 0, logical: 0 }, bits: 1, count: 1, level: 0 };
  const bytes = { root: new Uint8Array(16), digests: new Uint8Array(0) };
  const versionVector = new Map([
    [A, 7],
    [B, 2],
  ]);
  checker.sent(node, { type: 'repair-view', ...session, ...tree, ...bytes, versionVector });
  expect(() => checker.progressed(node, status([A, 7]))).toThrow('nobody has sent');
  expect(() => checker.progressed(node, status([A, 7], [B, 2]))).not.toThrow();
});
