import { describe, expect, test } from 'vitest';
import { add, clear, count, del, get, has, increment, put, remove, reset } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { Wires } from '../testing/wires.js';
import { elementPrefix, KIND, textKey } from './keyspace.js';

const limits = {
  compareIntervalMs: 5_000,
  scrubIntervalMs: 1e12,
  indexBits: 6,
  logFloorTransactions: 100_000,
};
const MISSING = 'evidence of removals is missing: a peer is asked for it';

/** Three that have all; then `c` is away, and `a` and `b` remove what it still has: their evidence has to wait for it. */
function removedWithoutC(): { a: Rig; b: Rig; c: Rig; wires: Wires } {
  const rigs = ['a', 'b', 'c'].map((region) => new Rig({ region, limits }));
  const [a, b, c] = rigs as [Rig, Rig, Rig];
  const wires = new Wires(rigs).connectAll();
  wires.pass(1_000);
  b.run(put('register', 1), add('set', 'x'), add('cleared', 1, 2), increment('counter', 5));
  wires.pass(2_000);
  wires.cut(a, c);
  wires.cut(b, c);
  b.run(del('register'), remove('set', 'x'), clear('cleared'), reset('counter'));
  wires.pass(5_000);
  return { a, b, c, wires };
}

function scrub(node: Rig, wires: Wires): void {
  const { passes } = node.status.scrub;
  node.step({ type: 'scrub' });
  for (let i = 0; i < 50 && node.status.scrub.passes === passes; i++) wires.pass(1_000);
  wires.pass(3_000);
}

const warnings = (node: Rig) => node.logged.filter(({ message }) => message === MISSING);

const KINDS = [
  { name: 'a tombstone', key: textKey(KIND.register, 'register') },
  { name: 'a removed dot', key: undefined },
  { name: 'a clear record', key: textKey(KIND.set, 'cleared') },
  { name: 'a baseline', key: textKey(KIND.counter, 'counter') },
];
const keyOf = (node: Rig, key: Uint8Array | undefined): Uint8Array =>
  key ?? node.store.all(KIND.element).find((entry) => isOfSet(entry.key))!.key;
const isOfSet = (key: Uint8Array): boolean =>
  elementPrefix('set').every((byte, index) => key[index] === byte);

describe('evidence that the disk has lost', () => {
  test.each(KINDS)('$name is found and had back from a peer before what it removed can return', ({ key }) => {
    const { a, b, c, wires } = removedWithoutC();
    const name = keyOf(a, key);
    const held = a.store.get(name);
    wires.restart(a);
    wires.connect(a, b);
    wires.pass(1_000);
    a.store.delete(name);

    scrub(a, wires);

    expect(warnings(a)).toHaveLength(1);
    expect(a.store.get(name)).toEqual(held);
    scrub(a, wires);
    expect(warnings(a)).toHaveLength(1);

    wires.connect(a, c);
    wires.connect(b, c);
    wires.pass(20_000);
    for (const rig of [a, b, c]) {
      expect(rig.run(get('register'), has('set', 'x'), has('cleared', 1), count('counter'))).toEqual([
        undefined,
        [false],
        [false],
        0,
      ]);
    }
  });

  test('is asked of nobody who has less than was here', () => {
    const { a, b, c, wires } = removedWithoutC();
    const name = keyOf(a, undefined);
    wires.restart(a);
    a.store.delete(name);
    scrub(a, wires);
    // What it has not seen of the others it does not get either.
    wires.filter = (message) => (message.type === 'chunks' ? undefined : message);
    wires.connect(a, c);
    wires.pass(20_000);
    expect(a.run(has('set', 'x'))).toEqual([[false]]);
    expect(a.told.repairs.filter(({ peer }) => peer === c.status.replica)).toEqual([]);

    wires.filter = (message) => message;
    wires.cut(a, c);
    wires.connect(a, b);
    wires.connect(a, c);
    wires.connect(b, c);
    wires.pass(30_000);
    for (const rig of [a, b, c]) expect(rig.run(has('set', 'x'))).toEqual([[false]]);
  });

  test('that is compacted is not missed, and none is that is there', () => {
    const { a, b, c, wires } = removedWithoutC();
    scrub(a, wires);
    wires.connect(a, c);
    wires.connect(b, c);
    wires.pass(20_000);
    scrub(a, wires);
    expect(a.store.all(KIND.garbage)).toEqual([]);
    expect(warnings(a)).toEqual([]);
  });
});
