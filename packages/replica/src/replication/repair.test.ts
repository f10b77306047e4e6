import {
  decodePeerMessage,
  encodePeerMessage,
  type PeerMessage,
  type RepairMessage,
} from '@causeway/protocol';
import { describe, expect, test } from 'vitest';
import { KIND, textKey } from '../store/keyspace.js';
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
  size,
  values,
} from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { digestOf, logOf } from '../testing/stored.js';
import { Wire } from '../testing/wire.js';
import { Wires } from '../testing/wires.js';

const limits = { compareIntervalMs: 5_000, indexBits: 6, logFloorTransactions: 100_000 };

function linked(...regions: readonly string[]): { rigs: Rig[]; wires: Wires } {
  const rigs = regions.map((region) => new Rig({ region, limits }));
  const wires = new Wires(rigs).connectAll();
  wires.pass(1_000);
  return { rigs, wires };
}

/** The log of `rig` reaches back to nothing any more, as after a cap. */
function forgetLog(rig: Rig): void {
  for (const { key } of rig.store.all(KIND.log)) rig.store.delete(key);
}

function expectEqual(...rigs: readonly Rig[]): void {
  const [first, ...others] = rigs as [Rig, ...Rig[]];
  for (const rig of others) {
    expect(rig.status.versionVector).toEqual(first.status.versionVector);
    expect(rig.digest).toBe(first.digest);
  }
  for (const rig of rigs) {
    expect(digestOf(rig.store)).toBe(rig.digest);
    expect(rig.record.ceiling.size).toBe(0);
  }
}

const isRepair = ({ type }: PeerMessage): boolean => type.startsWith('repair');
const outcomes = (rig: Rig): string[] => rig.told.repairs.map(({ outcome }) => outcome);

describe('a gap', () => {
  test('is repaired: deletes on both sides stay deleted, and what was written alone survives', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    a.run(put('both', 1), put('goes', 1), add('s', 'x', 'y'), add('cleared', 1, 2), increment('c', 5));
    a.run(increment('reset', 7));
    wires.pass(1_000);
    wires.cut(a, b);
    for (let i = 0; i < 50; i++) a.run(put(`k${i}`, i), add('s', `e${i}`), increment('c', 1));
    a.run(del('goes'), remove('s', 'x'), clear('cleared'), reset('reset'));
    b.run(put('own', 'b'), add('s', 'of b'), increment('c', 100), del('both'));
    forgetLog(a);
    wires.connect(a, b);
    wires.pass(5_000);
    expectEqual(a, b);
    expect(outcomes(b)).toContain('done');
    for (const rig of [a, b]) {
      expect(rig.run(get('both'), get('goes'), get('own'), get('k49'))).toEqual([
        undefined,
        undefined,
        'b',
        49,
      ]);
      expect(rig.run(size('s'), size('cleared'), count('c'), count('reset'))).toEqual([52, 0, 155, 0]);
    }
  });

  test('of a set with a clear record is counted right', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    a.run(add('s', 1, 2, 3));
    wires.pass(1_000);
    wires.cut(a, b);
    a.run(clear('s'));
    a.run(add('s', 4));
    b.run(add('s', 5));
    forgetLog(a);
    wires.connect(a, b);
    wires.pass(5_000);
    expectEqual(a, b);
    expect(b.run(size('s'), values('s'))).toEqual([2, [4, 5]]);
  });

  test('is streamed on from where the repair has brought it, and others are told of the hole', () => {
    const { rigs, wires } = linked('a', 'b', 'c');
    const [a, b, c] = rigs as [Rig, Rig, Rig];
    a.run(put('x', 1));
    wires.pass(1_000);
    wires.cut(a, b);
    wires.cut(b, c);
    for (let i = 0; i < 9; i++) a.run(put('x', i));
    wires.pass(1_000);
    forgetLog(a);
    forgetLog(c);
    wires.connect(a, b);
    wires.pass(1_000);
    a.run(put('x', 'last'));
    wires.connect(b, c);
    wires.pass(5_000);
    expectEqual(a, b, c);
    expect(logOf(b.store, a.id)).toHaveLength(2);
    expect(b.one(get('x'))).toBe('last');
  });

  test('shows until it is repaired, and not longer', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    wires.cut(a, b);
    a.run(put('x', 1));
    forgetLog(a);
    wires.filter = (message, from) => (from === a && isRepair(message) ? undefined : message);
    wires.connect(a, b);
    wires.pass(1_000);
    expect(b.status.reasons).toEqual(['repairing']);
    wires.filter = (message) => message;
    wires.pass(30_000);
    expect(b.status.reasons).toEqual([]);
    expectEqual(a, b);
  });
});

describe('while a repair is under way', () => {
  /** b lacks what a has, and takes it in only so far: `stopAt` and what follows is lost. */
  function halfRepaired(stopAt: RepairMessage['type']): { a: Rig; b: Rig; wires: Wires } {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    a.run(add('s', 1, 2), put('x', 'old'));
    wires.pass(1_000);
    wires.cut(a, b);
    a.run(remove('s', 1), add('s', 3));
    a.run(put('x', 'new'), add('far', 9));
    forgetLog(a);
    let stopped = false;
    wires.filter = (message, from) => {
      stopped ||= from === a && message.type === stopAt;
      return stopped && isRepair(message) ? undefined : message;
    };
    wires.connect(a, b);
    wires.pass(1_000);
    return { a, b, wires };
  }

  test('the ceiling is above the version vector, and survives a crash', () => {
    const { a, b, wires } = halfRepaired('repair-ids');
    expect(b.status.versionVector.get(a.id)).toBe(1);
    expect(b.status.ceiling.get(a.id)).toBe(3);
    wires.restart(b);
    expect(b.status.ceiling.get(a.id)).toBe(3);
    expect(b.status.reasons).toEqual(['repairing']);
    wires.filter = (message) => message;
    wires.connect(a, b);
    wires.pass(5_000);
    expectEqual(a, b);
  });

  test('what is written depends on the ceiling', () => {
    const { a, b, wires } = halfRepaired('repair-ids');
    b.run(put('mine', 1));
    wires.filter = (message) => message;
    wires.cut(a, b);
    wires.connect(a, b);
    wires.pass(5_000);
    expectEqual(a, b);
    expect(a.one(get('mine'))).toBe(1);
  });

  test('a clear removes what is seen, and nothing that has not come', () => {
    const { a, b, wires } = halfRepaired('repair-ids');
    b.run(clear('s'));
    b.run(clear('far'));
    expect(b.one(size('s'))).toBe(0);
    wires.filter = (message) => message;
    wires.cut(a, b);
    wires.connect(a, b);
    wires.pass(10_000);
    expectEqual(a, b);
    expect(a.run(values('s'), values('far'))).toEqual([[3], [9]]);
  });

  test('a clear also removes what its own transaction has added', () => {
    const { b } = halfRepaired('repair-ids');
    b.run(add('s', 'mine'), add('new', 1, 2), clear('s'), clear('new'), add('new', 3));
    expect(b.run(values('s'), values('new'), size('s'), size('new'))).toEqual([[], [3], 0, 1]);
  });

  test('nothing is compacted on either side', () => {
    const { a, b, wires } = halfRepaired('repair-ids');
    const evidence = (rig: Rig): number => rig.store.all(KIND.garbage).length;
    const before = [evidence(a), evidence(b)];
    wires.pass(5_000);
    expect([evidence(a), evidence(b)]).toEqual(before);
    expect(before[0]).toBeGreaterThan(0);
  });

  test('a crash of the source ends it, and the next one begins where it stands', () => {
    const { a, b, wires } = halfRepaired('repair-mark');
    wires.restart(a);
    wires.filter = (message) => message;
    wires.connect(a, b);
    wires.pass(5_000);
    expectEqual(a, b);
  });

  test('a failed write ends it, and leaves nothing of it behind', () => {
    const { a, b, wires } = halfRepaired('repair-ids');
    b.holdWrites = true;
    wires.filter = (message) => message;
    wires.cut(a, b);
    wires.connect(a, b);
    if (b.inFlight !== undefined) b.failWrite();
    b.holdWrites = false;
    b.reopen();
    wires.carry();
    wires.connect(a, b);
    wires.pass(5_000);
    expectEqual(a, b);
  });
});

describe('a comparison', () => {
  test('of two that are equal takes two messages and few bytes', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    for (let i = 0; i < 20; i++) a.run(put(`k${i}`, i));
    wires.pass(1_000);
    wires.carried.length = 0;
    wires.passUntil(() => outcomes(b).length > 0);
    const sessions = new Set<number>();
    const sent = wires.carried.flatMap(({ message, bytes }) => {
      if (!message.type.startsWith('repair')) return [];
      sessions.add((message as RepairMessage).session);
      return [bytes];
    });
    expect(sent).toHaveLength(2 * sessions.size);
    // The version vector of one replica takes 14 bytes.
    expect(sent.reduce((sum, bytes) => sum + bytes, 0) / sessions.size).toBeLessThan(100);
    expect(outcomes(b)).toEqual(['equal']);
  });

  test('gives back a record that was lost, in whichever direction', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    a.run(put('lost', 'here'), put('other', 1), add('s', 1), increment('c', 3));
    wires.pass(1_000);
    for (const rig of [a, b]) {
      const target = rig === a ? b : a;
      for (const key of [textKey(KIND.register, 'lost'), textKey(KIND.counter, 'c')])
        target.store.delete(key);
      wires.restart(target);
      wires.connect(a, b);
      (
        target.replica as unknown as { housekeeping: { scrub: { request(): void } } }
      ).housekeeping.scrub.request();
      wires.pass(15_000);
      expect(target.run(get('lost'), count('c'))).toEqual(['here', 3]);
      expectEqual(a, b);
    }
  });

  test('adopts nothing of a write that its streams have not brought', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    a.run(put('x', 1), increment('c', 1));
    wires.pass(1_000);
    wires.filter = (message) => (message.type === 'chunks' ? undefined : message);
    a.run(put('x', 2), increment('c', 1));
    wires.pass(20_000);
    expect(b.run(get('x'), count('c'))).toEqual([1, 1]);
    expect(outcomes(b)).toContain('behind');
    expect(b.status.ceiling).toEqual(b.status.versionVector);
  });
});

describe('an empty node', () => {
  test('begins with a copy where its neighbours have compacted what it has never seen', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    a.run(add('s', 1, 2), put('x', 1));
    a.run(remove('s', 1));
    wires.pass(10_000);
    expect(a.record.horizon.size).toBeGreaterThan(0);
    const c = new Rig({ region: 'c', seeds: ['ws://a'], limits });
    const joined = new Wires([a, b, c]);
    joined.connect(a, c);
    joined.connect(b, c);
    joined.pass(3_000);
    const modes = joined.carried.flatMap(({ message }) =>
      message.type === 'repair-open' ? [message.mode] : [],
    );
    expect(modes[0]).toBe('bootstrap');
    expect(c.digest).toBe(a.digest);
    expect(c.status.versionVector).toEqual(a.status.versionVector);
    expect(logOf(c.store, a.id)).toHaveLength(0);
  });
});

describe('the commit that moves the version vector', () => {
  /** `c` has taken over what `a` has, and the commit that says so is being written. */
  function moving(): { a: Rig; c: Rig; wires: Wires } {
    const { rigs, wires: before } = linked('a', 'b');
    const [a] = rigs as [Rig];
    a.run(add('s', 1, 2), put('x', 1));
    a.run(remove('s', 1));
    before.pass(10_000);
    const c = new Rig({ region: 'c', seeds: ['ws://a'], limits });
    const wires = new Wires([a, c]);
    c.holdWrites = true;
    wires.connect(a, c);
    const moves = () => c.internals.store.executed.size > 0;
    for (let i = 0; i < 1_000 && !(moves() && c.inFlight !== undefined); i++) {
      if (c.inFlight !== undefined) c.finishWrite();
      wires.pass(1);
    }
    expect(c.record.positions.size).toBe(0);
    expect(moves()).toBe(true);
    wires.cut(a, c);
    return { a, c, wires };
  }

  test('ends the repair, also when the link is lost meanwhile', () => {
    const { a, c, wires } = moving();
    c.releaseAll();
    wires.connect(a, c);
    wires.pass(5_000);
    expect(outcomes(c)).toEqual(['done']);
    expectEqual(a, c);
  });

  test('has moved nothing when it fails', () => {
    const { a, c, wires } = moving();
    c.failWrite();
    c.pass(100);
    c.releaseAll();
    c.reopen();
    expect(c.record.positions.size).toBe(0);
    wires.connect(a, c);
    wires.pass(5_000);
    expect(outcomes(c)).toEqual(['failed', 'done']);
    expectEqual(a, c);
  });
});

describe('a peer that lies', () => {
  test('makes nobody stumble, whatever it changes of a repair', () => {
    let changed = 0;
    for (let seed = 0; seed < 60; seed++) {
      const { rigs, wires } = linked('a', 'b');
      const [a, b] = rigs as [Rig, Rig];
      a.run(add('s', 1, 2, 3), put('x', 'old'), increment('c', 4));
      wires.pass(1_000);
      wires.cut(a, b);
      a.run(remove('s', 1), put('x', 'new'), reset('c'));
      for (let i = 0; i < 10; i++) a.run(put(`k${i}`, i), add('s', i));
      b.run(put('mine', 1));
      forgetLog(a);
      let at = 0;
      wires.filter = (message) => {
        if (!isRepair(message) || ++at % 4 !== seed % 4) return message;
        const bytes = encodePeerMessage(message).slice();
        bytes[(seed * 31 + at * 7) % bytes.length]! ^= 1 << (seed % 8);
        try {
          const other = decodePeerMessage(bytes);
          changed++;
          return other;
        } catch {
          return undefined;
        }
      };
      wires.connect(a, b);
      wires.pass(2_000);
      expect(a.status.writable && b.status.writable).toBe(true);
      b.run(put('still', seed));
      a.run(put('still', seed));
    }
    expect(changed).toBeGreaterThan(50);
  });

  test('cannot end a session that it is no part of, nor feed one that there is not', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    wires.pass(100);
    const link = [...a.sent].reverse().find((send) => send.type === 'message')!;
    if (link.type !== 'message') throw new Error('unreachable');
    const record = { key: textKey(KIND.register, 'x'), state: Uint8Array.of(1, 0) };
    const messages: RepairMessage[] = [
      { type: 'repair-states', session: 77, records: [record] },
      { type: 'repair-want', session: 77, batch: 1, indices: [] },
      { type: 'repair-end', session: 77, outcome: 'done' },
    ];
    for (const message of messages) a.step({ type: 'link-message', link: link.link, message });
    const ends = a.messages(link.link).filter(({ type }) => type === 'repair-end');
    expect(ends).toHaveLength(2);
    expect(a.one(get('x'))).toBeUndefined();
    void b;
  });
});

test('what begins from a clock that is ahead writes above what has gone there, also after a restart', () => {
  const { rigs, wires } = linked('a', 'b');
  const [a, b] = rigs as [Rig, Rig];
  const wall = a.now.wall;
  a.setWall(wall + 240_000);
  a.run(put('k', 1));
  a.run(del('k'));
  wires.pass(5_000);
  // Its clock is at the stamp of the tombstone; the clock of `b` is not.
  expect(a.store.get(textKey(KIND.register, 'k'))).toBeUndefined();
  expect(b.store.get(textKey(KIND.register, 'k'))).toBeDefined();

  const c = new Rig({ region: 'c', seeds: ['ws://a'], limits });
  const wire = new Wire(c, a, 'ws://a');
  wire.runUntil(() => c.status.ready, 10_000);
  wire.drop();
  c.restart();
  const joined = new Wires([a, b, c]);
  joined.connect(a, c);
  joined.connect(b, c);
  joined.connect(a, b);
  joined.pass(5_000);
  c.run(put('k', 2));
  joined.pass(1_000);

  for (const rig of [a, b, c]) expect(rig.one(get('k'))).toBe(2);
  expectEqual(a, b, c);
  // It has not followed that clock.
  expect(c.record.clock.physical).toBeLessThan(wall + 100_000);
});
