/** Clusters that formed apart and meet: what each has is there afterwards, and what each removed stays removed. */
import { describe, expect, test } from 'vitest';
import { KIND } from '../store/keyspace.js';
import { add, clear, count, del, get, increment, put, remove, reset, values } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { digestOf } from '../testing/stored.js';
import { Wires } from '../testing/wires.js';

const limits = { compareIntervalMs: 5_000, indexBits: 6, logFloorTransactions: 0 };

/** Two replicas that have dropped the evidence of what they removed, and whose logs are cut. */
function cluster(...regions: readonly [string, string]): [Rig, Rig] {
  const rigs = regions.map((region) => new Rig({ region, limits })) as [Rig, Rig];
  const wires = new Wires(rigs).connectAll();
  const [one, other] = rigs;
  one.run(put('both', one.id), put(`of ${one.id}`, 1), put('goes', 1), add('s', one.id, 'x'), add('t', 1));
  one.run(increment('c', 10), increment('r', 5));
  wires.pass(1_000);
  other.run(
    put(`of ${other.id}`, 2),
    del('goes'),
    remove('s', 'x'),
    clear('t'),
    reset('r'),
    increment('c', 1),
  );
  wires.pass(10_000);
  for (const rig of rigs) {
    expect(rig.record.horizon.get(other.id)).toBe(other.seq);
    expect(rig.store.all(KIND.garbage)).toEqual([]);
  }
  wires.cut(one, other);
  return rigs;
}

function meet(wires: Wires, ...pairs: readonly (readonly [Rig, Rig])[]): void {
  for (const [one, other] of pairs) wires.connect(one, other);
  wires.pass(10_000);
}

function expectAllThere(rigs: readonly Rig[]): void {
  const [first] = rigs as [Rig];
  for (const rig of rigs) {
    expect(rig.aside).toEqual([]);
    expect(rig.status.versionVector).toEqual(first.status.versionVector);
    expect(rig.digest).toBe(first.digest);
    expect(digestOf(rig.store)).toBe(rig.digest);
    expect(rig.record.ceiling.size).toBe(0);
    expect(rig.run(get('goes'), count('c'), count('r'), values('t'))).toEqual([undefined, 22, 0, []]);
    expect(rig.run(...rigs.map(({ id }) => get(`of ${id}`))).sort()).toEqual([1, 1, 2, 2]);
  }
}

describe('two clusters that formed apart', () => {
  test.each([
    ['all at once', true],
    ['one by one', false],
  ])('have everything when they meet %s, although both have dropped evidence', (_, atOnce) => {
    const [a, b] = cluster('a', 'b');
    const [c, d] = cluster('c', 'd');
    const rigs = [a, b, c, d];
    const wires = new Wires(rigs);
    if (atOnce) wires.connectAll();
    else {
      meet(wires, [a, c]);
      meet(wires, [a, b], [c, d]);
      meet(wires, [a, d], [b, c], [b, d]);
    }
    wires.pass(20_000);
    expectAllThere(rigs);
  });

  test('have everything although the first repair is cut off, and again by another way', () => {
    const [a, b] = cluster('a', 'b');
    const [c, d] = cluster('c', 'd');
    const rigs = [a, b, c, d];
    const wires = new Wires(rigs);
    wires.filter = (message) =>
      message.type === 'repair-mark' && message.what === 'walked' ? undefined : message;
    wires.connect(a, c);
    wires.pass(500);
    wires.cut(a, c);
    wires.filter = (message) => message;
    meet(wires, [a, d], [a, b], [c, d]);
    meet(wires, [a, c], [b, c], [b, d]);
    wires.pass(20_000);
    expectAllThere(rigs);
  });

  test('take nothing of each other by a stream before a repair has brought what was compacted', () => {
    const [a] = cluster('a', 'b');
    const [c] = cluster('c', 'd');
    const wires = new Wires([a, c]);
    const subscribed: string[] = [];
    wires.filter = (message, from) => {
      if (message.type === 'subscribe' && message.after === 0)
        subscribed.push(`${from.id} ${message.origin}`);
      return message.type.startsWith('repair') ? undefined : message;
    };
    meet(wires, [a, c]);
    expect(subscribed).toEqual([]);
    expect(c.status.versionVector.has(a.id)).toBe(false);
  });
});

test('a node that wrote alone, and meets a cluster, makes nobody begin anew', () => {
  const [a, b] = cluster('a', 'b');
  const alone = new Rig({ region: 'z', limits });
  alone.run(put('both', 'z'), put('own', 'z'), add('s', 'z'), increment('c', 100));
  const rigs = [a, b, alone];
  const wires = new Wires(rigs).connectAll();
  wires.pass(20_000);
  for (const rig of rigs) {
    expect(rig.aside).toEqual([]);
    expect(rig.digest).toBe(a.digest);
    expect(rig.run(get('own'), get('goes'), count('c'))).toEqual(['z', undefined, 111]);
  }
});
