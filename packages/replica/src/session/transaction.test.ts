import { stampFromText } from '@causeway/crdt';
import { decodeChunk, type Operation, type RecordDelta } from '@causeway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  add,
  clear,
  count,
  del,
  get,
  has,
  increment,
  plain,
  put,
  remove,
  reset,
  size,
  update,
  values,
} from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { adds, clears, increments, puts, ScriptedPeer } from '../testing/scripted-peer.js';
import { digestOf, logOf } from '../testing/stored.js';

/** Deltas of the newest transaction, short: what a peer will be told. */
function folded(node: Rig): string[] {
  const chunk = decodeChunk(logOf(node.store, node.id).at(-1)!);
  return chunk.transactions.at(-1)!.map(shortly);
}

function shortly(record: RecordDelta): string {
  const { key } = record;
  switch (record.type) {
    case 'register':
      return record.value === undefined ? `delete ${key}` : `set ${key}=${plain(record.value)}`;
    case 'element': {
      const removed = record.removed.map(({ replica, seq }) => `${replica.slice(0, 2)}${seq}`);
      return `${record.add ? 'add' : ''}${removed.length > 0 ? `remove(${removed})` : ''} ${key}/${plain(record.element)}`;
    }
    case 'clear':
      return `clear ${key}`;
    case 'increment':
      return `increment ${key}@${record.first} +${record.p} -${record.n}`;
    default:
      return `reset ${key} ${record.entries.map(({ dot, bp, bn }) => `${dot.seq}:+${bp} -${bn}`)}`;
  }
}

/** A node that holds x and y (added by seq 1) in `s`, 5 (entry 1) in `c`, and 'old' in `r`. */
function before(): Rig {
  const node = new Rig();
  node.run(put('r', 'old'), add('s', 'x', 'y'), increment('c', 5));
  return node;
}

describe('operations on one record fold to one delta', () => {
  test.each<{ name: string; operations: Operation[]; want: string[] }>([
    { name: 'the last write of a register', operations: [put('r', 1), put('r', 2)], want: ['set r=2'] },
    { name: 'a register written and deleted', operations: [put('r', 1), del('r')], want: ['delete r'] },
    { name: 'a register deleted and written', operations: [del('r'), put('r', 1)], want: ['set r=1'] },
    {
      name: 'add, remove, add of something new',
      operations: [add('s', 'n'), remove('s', 'n'), add('s', 'n')],
      want: ['add s/n'],
    },
    {
      name: 'add and remove of something new',
      operations: [put('r', 1), add('s', 'n'), remove('s', 'n')],
      want: ['set r=1'],
    },
    {
      name: 'remove, add of what was there',
      operations: [remove('s', 'x'), add('s', 'x')],
      want: ['addremove(eu1) s/x'],
    },
    {
      name: 'add, remove of what was there',
      operations: [add('s', 'x'), remove('s', 'x')],
      want: ['remove(eu1) s/x'],
    },
    {
      name: 'remove, add, remove of what was there',
      operations: [remove('s', 'x'), add('s', 'x'), remove('s', 'x')],
      want: ['remove(eu1) s/x'],
    },
    {
      name: 'removes apply before adds',
      operations: [update('s', { add: ['x', 'n'], remove: ['x', 'y', 'absent'] })],
      want: ['addremove(eu1) s/x', 'remove(eu1) s/y', 'add s/n'],
    },
    {
      name: 'one element named twice',
      operations: [update('s', { add: ['n', 'n'], remove: ['x', 'x'] })],
      want: ['remove(eu1) s/x', 'add s/n'],
    },
    {
      name: 'a clear forgets what came before it',
      operations: [add('s', 'n'), remove('s', 'x'), clear('s')],
      want: ['clear s'],
    },
    {
      name: 'what follows a clear stays',
      operations: [add('s', 'm'), clear('s'), add('s', 'x', 'n'), remove('s', 'n', 'y')],
      want: ['clear s', 'add s/x'],
    },
    { name: 'two clears are one', operations: [clear('s'), add('s', 'n'), clear('s')], want: ['clear s'] },
    {
      name: 'increments add up in the open entry',
      operations: [increment('c', 2), increment('c', -3)],
      want: ['increment c@1 +7 -3'],
    },
    {
      name: 'increment, reset, increment',
      operations: [increment('c', 2), reset('c'), increment('c', 3)],
      want: ['reset c 1:+5 -0', 'increment c@2 +3 -0'],
    },
    {
      name: 'a reset of its own increments alone',
      operations: [put('r', 1), increment('new', 2), reset('new')],
      want: ['set r=1'],
    },
    {
      name: 'two resets are one',
      operations: [reset('c'), increment('c', 2), reset('c')],
      want: ['reset c 1:+5 -0'],
    },
    { name: 'an increment by nothing', operations: [put('r', 1), increment('c', 0)], want: ['set r=1'] },
    {
      name: 'reads leave nothing',
      operations: [get('r'), put('r', 1), size('s'), count('c')],
      want: ['set r=1'],
    },
  ])('$name', ({ operations, want }) => {
    const node = before();
    node.run(...operations);
    expect(folded(node)).toEqual(want);
  });

  test.each<{ name: string; operations: Operation[] }>([
    { name: 'a removal of what is not there', operations: [remove('s', 'absent')] },
    { name: 'an add that is taken back', operations: [add('s', 'n'), remove('s', 'n')] },
    { name: 'a clear of an empty set', operations: [clear('empty')] },
    { name: 'a clear of what was added just now', operations: [add('empty', 'x'), clear('empty')] },
    { name: 'a reset of nothing', operations: [reset('empty')] },
    { name: 'an increment by nothing', operations: [increment('c', 0)] },
    { name: 'reads', operations: [get('r'), has('s', 'x'), values('s')] },
  ])('$name makes no transaction and no write', ({ operations }) => {
    const node = before();
    const { written } = node;
    const batches = written.length;
    node.run(...operations);
    expect(node.seq).toBe(1);
    expect(written).toHaveLength(batches);
    expect(digestOf(node.store)).toBe(node.digest);
  });

  test('the own dot is never among those that are removed', () => {
    const node = before();
    node.run(add('s', 'x'));
    node.run(remove('s', 'x'), add('s', 'x'), remove('s', 'x'), add('s', 'x'));
    expect(folded(node)).toEqual(['addremove(eu2) s/x']);
  });
});

describe('a transaction sees what it has done so far, and nobody else does', () => {
  test('reads follow the writes before them', () => {
    const node = before();
    expect(
      node.run(
        get('r'),
        del('r'),
        get('r'),
        add('s', 'n'),
        has('s', 'n', 'x', 'absent'),
        size('s'),
        values('s'),
        clear('s'),
        size('s'),
        values('s'),
        has('s', 'x'),
        add('s', 'x'),
        values('s'),
        increment('c', 1),
        reset('c'),
        count('c'),
        increment('c', 2),
      ),
    ).toEqual([
      'old',
      null,
      undefined,
      3,
      [true, true, false],
      3,
      ['n', 'x', 'y'],
      null,
      0,
      [],
      [false],
      1,
      ['x'],
      6,
      null,
      0,
      2,
    ]);
  });

  test('pages within a transaction show what it has added and removed', () => {
    const node = new Rig();
    node.run(add('s', 'b', 'd', 'f'));
    expect(node.run(add('s', 'c'), remove('s', 'd'), values('s', { limit: 2 }))[2]).toEqual([
      'b',
      'c',
      'more',
    ]);
    expect(node.run(add('s', 'e'), values('s', { limit: 2, after: 'c' }))[1]).toEqual(['e', 'f']);
  });

  test('each write of a register gets a stamp above the one that it replaces', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.writes(puts('r', 'theirs', { physical: node.now.wall + 3_600_000 }));
    const [stamp, later] = node.run(put('r', 1), put('r', 2)) as string[];
    expect(stampFromText(stamp!).physical).toBeGreaterThanOrEqual(node.now.wall + 3_600_000);
    expect(later! > stamp!).toBe(true);
    expect(node.one(get('r'))).toBe(2);
    // Another register is not dragged along.
    const other = stampFromText(node.one(put('q', 1)) as string);
    expect(other.physical).toBeLessThan(node.now.wall + 1_000);
  });

  test('a size counts what is visible: an element of two writers is one', () => {
    const node = before();
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.writes(adds('s', 'x'));
    expect(node.run(size('s'), add('s', 'x'), remove('s', 'x'), size('s'))).toEqual([2, 2, 1, 1]);
    expect(folded(node)).toEqual(['remove(eu1,us1) s/x']);
  });
});

describe('a refused operation refuses the transaction', () => {
  test('nothing is changed, told or counted', () => {
    const node = before();
    node.run(increment('full', Number.MAX_SAFE_INTEGER));
    const watch = node.watch();
    const { digest, seq } = node;
    const batches = node.written.length;
    const ask = node.ask(1, [
      put('r', 'new'),
      add('s', 'n'),
      clear('s'),
      increment('c', 1),
      increment('full', 1),
    ]);
    expect(ask.code).toBe('CAUSEWAY_OVERFLOW');
    expect([node.digest, node.seq, node.written.length]).toEqual([digest, seq, batches]);
    expect(watch.changes).toEqual([]);
    expect(node.run(get('r'), values('s'), count('c'))).toEqual(['old', ['x', 'y'], 5]);
    // The drafts are gone: the next transaction begins with what is there.
    expect(node.run(increment('c', 1), size('s'))).toEqual([6, 2]);
  });

  test.each([
    { name: 'above', by: [Number.MAX_SAFE_INTEGER, 1] },
    { name: 'below', by: [-Number.MAX_SAFE_INTEGER, -1] },
  ])(
    'a counter may not be counted $name the safe integers, and may be counted back',
    ({ by: [most, one] }) => {
      const node = new Rig();
      expect(node.one(increment('c', most))).toBe(most);
      expect(node.ask(1, increment('c', one)).code).toBe('CAUSEWAY_OVERFLOW');
      expect(node.one(increment('c', -one!))).toBe(most! - one!);
    },
  );

  test('increments made apart may sum higher, which is read and not refused', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.writes(increments('c', Number.MAX_SAFE_INTEGER));
    peer.writes(increments('c', Number.MAX_SAFE_INTEGER));
    expect(node.one(count('c'))).toBe(2n * BigInt(Number.MAX_SAFE_INTEGER));
    expect(node.one(increment('c', 0))).toBe(2n * BigInt(Number.MAX_SAFE_INTEGER));
    expect(node.ask(1, increment('c', -1)).code).toBe('CAUSEWAY_OVERFLOW');
    expect(node.run(reset('c'), count('c'))).toEqual([null, 0]);
  });

  test('a thousand increments of the largest amount up and down fit one transaction', () => {
    const node = new Rig();
    const amounts = Array.from({ length: 1_000 }, (_, i) => (i % 2 === 0 ? 1 : -1) * Number.MAX_SAFE_INTEGER);
    expect(node.run(...amounts.map((by) => increment('c', by))).at(-1)).toBe(0);
    node.restart();
    expect(node.one(count('c'))).toBe(0);
  });
});

// A transaction is the same as its operations one after another, here and at a peer.

interface Model {
  readonly registers: Map<string, unknown>;
  readonly sets: Map<string, Set<unknown>>;
  readonly counters: Map<string, number>;
}

const keyOf = fc.constantFrom('k', 'l');
const elements = fc.array(fc.constantFrom('x', 'y', 'z'), { maxLength: 2 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.tuple(keyOf, fc.nat(9)).map(([key, value]) => put(key, value)),
  keyOf.map(del),
  keyOf.map(get),
  fc
    .tuple(keyOf, elements, elements)
    .map(([key, added, removed]) => update(key, { add: added, remove: removed })),
  keyOf.map(clear),
  keyOf.map((key) => has(key, 'x', 'y')),
  keyOf.map(size),
  keyOf.map((key) => values(key)),
  fc.tuple(keyOf, fc.integer({ min: -3, max: 3 })).map(([key, by]) => increment(key, by)),
  keyOf.map(count),
  keyOf.map(reset),
);

function runModel({ registers, sets, counters }: Model, asked: Operation): unknown {
  const { key } = asked;
  const set = sets.get(key) ?? new Set();
  sets.set(key, set);
  switch (asked.op) {
    case 'register.set':
      registers.set(key, plain(asked.value));
      return 'stamp';
    case 'register.delete':
      registers.delete(key);
      return null;
    case 'register.get':
      return registers.get(key);
    case 'set.update':
      for (const element of asked.remove) set.delete(plain(element));
      for (const element of asked.add) set.add(plain(element));
      return set.size;
    case 'set.clear':
      set.clear();
      return null;
    case 'set.has':
      return asked.values.map((element) => set.has(plain(element)));
    case 'set.size':
      return set.size;
    case 'set.values':
      return [...set].sort();
    case 'counter.increment':
      counters.set(key, (counters.get(key) ?? 0) + asked.by);
      return counters.get(key);
    case 'counter.get':
      return counters.get(key) ?? 0;
    case 'counter.reset':
      counters.set(key, 0);
      return null;
  }
}

const everything = ['k', 'l'].flatMap((key) => [get(key), size(key), values(key), count(key)]);

test('any transaction does what its operations do one after another, and the same at a peer', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(operation, { minLength: 1, maxLength: 8 }), { maxLength: 12 }),
      (history) => {
        const node = new Rig();
        const mirror = new Rig({ region: 'us' });
        const model: Model = { registers: new Map(), sets: new Map(), counters: new Map() };
        for (const operations of history) {
          const want = operations.map((each) => runModel(model, each));
          const got = node
            .run(...operations)
            .map((result, i) => (operations[i]!.op === 'register.set' ? 'stamp' : result));
          expect(got).toEqual(want);
        }
        const want = everything.map((each) => runModel(model, each));
        expect(node.run(...everything)).toEqual(want);
        expect(digestOf(node.store)).toBe(node.digest);
        const origin = new ScriptedPeer(mirror, 'eu', { id: node.id }).dials();
        origin.sends(logOf(node.store, node.id));
        expect(mirror.run(...everything)).toEqual(want);
        expect(mirror.digest).toBe(node.digest);
        expect(digestOf(mirror.store)).toBe(node.digest);
        node.restart();
        expect(node.run(...everything)).toEqual(want);
      },
    ),
    { numRuns: 100 },
  );
});

test('a clear that a peer sends removes what the peer had seen, within its transaction too', () => {
  const node = before();
  const peer = new ScriptedPeer(node, 'us').dials();
  peer.seen.set(node.id, 1);
  peer.writes(clears('s'), adds('s', 'x'), adds('s', 'p'));
  expect(node.run(values('s'), size('s'))).toEqual([['p', 'x'], 2]);
});
