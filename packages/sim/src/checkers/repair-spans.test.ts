import { replicaId } from '@causeway/crdt';
import { expect, test } from 'vitest';
import type { ClusterNode } from '../cluster.js';
import { RepairSpans } from './repair-spans.js';

function spansOf(...moments: readonly (readonly [at: number, isRepairing: boolean])[]): RepairSpans {
  const spans = new RepairSpans();
  const node = { index: 0 } as ClusterNode;
  const durable = { replica: replicaId('eu.00000000'), versionVector: new Map(), ceiling: new Map() };
  for (const [at, isRepairing] of moments) spans.progressed(node, { ...durable, isRepairing }, at);
  return spans;
}

test.each([
  { name: 'before the first repair', at: 5, want: undefined },
  { name: 'during one', at: 15, want: 15 },
  { name: 'between two', at: 25, want: 20 },
  { name: 'after the last', at: 50, want: 40 },
])('RepairSpans: the last moment of a repair $name', ({ at, want }) => {
  const spans = spansOf([0, false], [10, true], [20, false], [30, true], [40, false]);
  expect(spans.last(0, at)).toBe(want);
  expect(spans.last(1, at)).toBeUndefined();
});
