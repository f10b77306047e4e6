import { describe, expect, test } from 'vitest';
import { KIND } from '../store/keyspace.js';
import { add, increment, put } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { digestOf, logOf } from '../testing/stored.js';
import { Wires } from '../testing/wires.js';

const limits = { compareIntervalMs: 5_000, indexBits: 6 };

/** The log of `rig` reaches back to nothing any more, as after a cap. */
function forgetLog(rig: Rig): void {
  for (const { key } of rig.store.all(KIND.log)) rig.store.delete(key);
}

function linked(...regions: readonly string[]): { rigs: Rig[]; wires: Wires } {
  const rigs = regions.map((region) => new Rig({ region, limits }));
  return { rigs, wires: new Wires(rigs).connectAll() };
}

describe('a gap', () => {
  test('is repaired, and both are equal', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    a.run(put('x', 1));
    wires.pass(2_000);
    wires.cut(a, b);
    for (let i = 0; i < 50; i++) a.run(put(`k${i}`, i), add('s', `e${i}`), increment('c', i));
    b.run(put('own', 'b'));
    forgetLog(a);
    wires.connect(a, b);
    wires.pass(5_000);
    expect(logOf(b.store, a.id)).toHaveLength(1);
    expect(b.status.versionVector).toEqual(a.status.versionVector);
    expect(b.digest).toBe(a.digest);
    expect(digestOf(b.store)).toBe(b.digest);
  });
});
