/**
 * What a replica had not handed on, issued again under another identity: to clients it is as if it had been handed
 * on in time.
 */
import type { Operation } from '@causeway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KIND } from '../store/keyspace.js';
import {
  add,
  clear,
  count,
  del,
  get,
  increment,
  put,
  remove,
  reset,
  update,
  values,
} from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { Wire } from '../testing/wire.js';

interface World {
  readonly eu: Rig;
  readonly us: Rig;
  readonly wire: Wire;
}

function world(limits = {}): World {
  const us = new Rig({ region: 'us', limits });
  const eu = new Rig({ region: 'eu', seeds: ['ws://us'], limits });
  const wire = new Wire(eu, us, 'ws://us');
  wire.runUntil(() => eu.status.ready, 10_000);
  return { eu, us, wire };
}

const REGISTERS = ['r1', 'r2'];
const SETS = ['s1', 's2'];
const COUNTERS = ['c1', 'c2'];

/** All that a client can read. */
function contents(rig: Rig): unknown {
  return [
    ...REGISTERS.map((key) => rig.one(get(key))),
    ...SETS.map((key) => rig.one(values(key))),
    ...COUNTERS.map((key) => rig.one(count(key))),
  ];
}

const same = ({ eu, us }: World) =>
  eu.digest === us.digest && JSON.stringify(contents(eu)) === JSON.stringify(contents(us));

/** The directory of eu is put back as it is: its identity is left behind with the next peer. */
function rejoin({ eu, wire }: World, each?: () => void): void {
  const before = eu.id;
  eu.leave = 'restored';
  eu.restart();
  wire.cut(false);
  wire.runUntil(() => eu.id !== before, 60_000, each);
  wire.runUntil(() => eu.status.ready, 60_000, each);
}

describe('writes that nobody had', () => {
  test('of every type come back under the new identity, once', () => {
    const pair = world();
    const { eu, us, wire } = pair;
    eu.run(put('r1', 'old'), add('s1', 'a', 'b'), increment('c1', 5));
    wire.runUntil(() => same(pair), 10_000);
    wire.cut(true);
    eu.run(put('r1', 'new'), update('s1', { add: ['c'], remove: ['a'] }), increment('c1', 2));
    eu.run(put('r2', 'only here'), increment('c2', 3));
    let hasWaited = false;
    rejoin(pair, () => {
      hasWaited ||= !eu.status.settled;
    });
    expect(hasWaited).toBe(true);
    expect(eu.aside).toHaveLength(1);
    wire.runUntil(() => same(pair), 10_000);
    expect(contents(us)).toEqual(['new', 'only here', ['b', 'c'], [], 7, 3]);
    expect(eu.status.settled).toBe(true);
  });

  test('leave nothing behind in the new store', () => {
    const pair = world();
    pair.wire.cut(true);
    for (let i = 0; i < 20; i++) pair.eu.run(increment('c1', 1));
    rejoin(pair);
    pair.wire.run(5_000);
    expect(pair.eu.store.all(KIND.stash)).toEqual([]);
    expect(pair.eu.store.all(KIND.identity)).toHaveLength(2);
    expect(pair.us.one(count('c1'))).toBe(20);
  });

  test('do not bring back what others deleted meanwhile', () => {
    const pair = world();
    const { eu, us, wire } = pair;
    eu.run(put('r1', 1), add('s1', 'a'), increment('c1', 5));
    wire.runUntil(() => same(pair), 10_000);
    wire.cut(true);
    eu.run(increment('c2', 1));
    us.run(del('r1'), remove('s1', 'a'), reset('c1'));
    rejoin(pair);
    wire.runUntil(() => same(pair), 10_000);
    expect(contents(eu)).toEqual([undefined, undefined, [], [], 0, 1]);
  });

  test('are in the answer that an idempotency key repeats, and not counted again', () => {
    const pair = world();
    const { eu, us, wire } = pair;
    wire.cut(true);
    const idempotency = { key: 'k', fingerprint: 'f' };
    expect(eu.ask(1, increment('c1', 4), idempotency).results).toEqual([4]);
    rejoin(pair);
    expect(eu.ask(2, increment('c1', 4), idempotency).results).toEqual([4]);
    wire.runUntil(() => same(pair), 10_000);
    expect(us.one(count('c1'))).toBe(4);
  });
});

// Random histories

type Step = { readonly at: 'eu' | 'us'; readonly operations: readonly Operation[] } | { readonly at: 'both' };

const element = fc.integer({ min: 0, max: 3 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.tuple(fc.constantFrom(...REGISTERS), fc.nat(99)).map(([key, value]) => put(key, value)),
  fc.constantFrom(...REGISTERS).map(del),
  fc
    .tuple(fc.constantFrom(...SETS), fc.array(element, { maxLength: 2 }), fc.array(element, { maxLength: 2 }))
    .map(([key, added, removed]) => update(key, { add: [...new Set(added)], remove: [...new Set(removed)] })),
  fc.constantFrom(...SETS).map(clear),
  fc
    .tuple(fc.constantFrom(...COUNTERS), fc.integer({ min: -5, max: 9 }))
    .map(([key, by]) => increment(key, by)),
  fc.constantFrom(...COUNTERS).map(reset),
);
const operations = fc.array(operation, { minLength: 1, maxLength: 4 });
const step = (at: 'eu' | 'us') => operations.map((list): Step => ({ at, operations: list }));
const together: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: step('eu') },
    { weight: 2, arbitrary: step('us') },
    { weight: 1, arbitrary: fc.constant<Step>({ at: 'both' }) },
  ),
  { maxLength: 12 },
);
const apart = fc.array(fc.oneof({ weight: 3, arbitrary: step('eu') }, { weight: 2, arbitrary: step('us') }), {
  maxLength: 12,
});

function play(pair: World, steps: readonly Step[]): void {
  for (const each of steps) {
    if (each.at === 'both') pair.wire.run(100);
    else pair[each.at].run(...each.operations);
  }
}

test('to clients it is as if the tail had been handed on in time, whatever was written', () => {
  fc.assert(
    fc.property(together, apart, fc.boolean(), fc.nat(40), (before, after, small, restartAt) => {
      // Chunks of one transaction, so that a restart in the middle finds half of it done.
      const limits = small ? { chunkTransactionsMax: 1 } : {};
      const worlds = [world(limits), world(limits)] as const;
      const [handedOn, left] = worlds;
      for (const pair of worlds) {
        play(pair, before);
        pair.wire.runUntil(() => same(pair), 20_000);
        pair.wire.cut(true);
        play(pair, after);
      }
      handedOn.wire.cut(false);
      handedOn.wire.runUntil(() => same(handedOn), 20_000);
      let steps = 0;
      rejoin(left, () => {
        if (++steps !== restartAt || left.eu.leave !== undefined) return;
        left.wire.drop();
        left.eu.restart();
      });
      left.wire.runUntil(() => same(left), 20_000);
      expect(contents(left.us)).toEqual(contents(handedOn.us));
      left.wire.run(3_000);
      expect(left.eu.store.all(KIND.stash)).toEqual([]);
    }),
    { numRuns: 150 },
  );
}, 120_000);
