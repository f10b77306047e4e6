import { describe, expect, test } from 'vitest';
import { HOUSEKEEPING_INTERVAL_MS } from '../limits.js';
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
import { Rig, type RigOptions } from '../testing/rig.js';
import {
  adds,
  clears,
  deletes,
  increments,
  puts,
  putsUntil,
  removes,
  resets,
  ScriptedPeer,
} from '../testing/scripted-peer.js';
import { digestOf, logOf } from '../testing/stored.js';
import { elementRange, KIND } from './keyspace.js';

function pair(options: RigOptions = {}): { node: Rig; peer: ScriptedPeer } {
  const node = new Rig(options);
  return { node, peer: new ScriptedPeer(node, 'us').dials() };
}

/** The peer has everything and says so, until nothing is left to be done. */
function settle(node: Rig, ...peers: readonly ScriptedPeer[]): void {
  for (let round = 0; round < 6; round++) {
    for (const peer of peers) peer.catchesUp();
    node.pass(1_000);
  }
}

/** What is stored beside identity, members and log. */
function leftovers(node: Rig): Record<string, number> {
  const { i: _identity, m: _members, l: _log, ...rest } = node.store.census();
  return rest;
}

describe('purge of a cleared set', () => {
  test('the dead elements go in steps, and then the clear itself', () => {
    const { node, peer } = pair({ limits: { housekeepingRecords: 4 } });
    for (let i = 0; i < 10; i++) node.run(add('s', i));
    node.run(clear('s'));
    settle(node, peer);
    expect(leftovers(node)).toEqual({});
    expect(node.status.settled).toBe(true);
    expect(digestOf(node.store)).toBe(node.digest);
  });

  test('what is added behind the clear stays, whenever it comes', () => {
    const { node, peer } = pair({ limits: { housekeepingRecords: 2 } });
    for (let i = 0; i < 6; i++) node.run(add('s', i));
    node.holdScans = true;
    node.ask(1, clear('s'));
    const added: number[] = [];
    for (let i = 5; node.scans.length > 0; i--) {
      added.unshift(i);
      expect(node.ask(1, add('s', i)).results).toEqual([added.length]);
      node.answerScan(node.scans[0]!);
    }
    node.releaseAll();
    expect(added.length).toBeGreaterThan(3);
    expect(node.run(values('s'), size('s'))).toEqual([added, added.length]);
    settle(node, peer);
    expect(leftovers(node)).toEqual({ e: added.length, s: 1 });
  });

  test('the size is exact while a clear that met unseen adds is counted', () => {
    const { node, peer } = pair({ limits: { housekeepingRecords: 2 } });
    for (let i = 0; i < 6; i++) node.run(add('s', i));
    peer.seen.set(node.id, 3);
    node.holdScans = true;
    peer.writes(clears('s'));
    const waiting = node.ask(1, size('s'));
    const change = node.ask(2, [add('s', 0, 9), remove('s', 5)]);
    expect([waiting.answered, change.answered]).toEqual([false, false]);
    node.releaseAll();
    node.pass(HOUSEKEEPING_INTERVAL_MS);
    expect(waiting.results).toEqual([3]);
    expect(change.results).toEqual([5, 4]);
    expect(node.run(values('s'), size('s'))).toEqual([[0, 3, 4, 9], 4]);
    node.restart();
    expect(node.run(values('s'), size('s'))).toEqual([[0, 3, 4, 9], 4]);
  });

  test('elements that peers add and remove while it is counted are counted once', () => {
    const { node, peer } = pair({ limits: { housekeepingRecords: 2 } });
    const other = new ScriptedPeer(node, 'ap').dials();
    for (let i = 0; i < 6; i++) node.run(add('s', i));
    other.seen.set(node.id, 6);
    node.holdScans = true;
    peer.writes(clears('s'));
    for (let i = 0; node.scans.length > 0; i++) {
      if (i < 5) other.writes(adds('s', i * 2), removes('s', i, { replica: node.id, seq: i + 1 }));
      node.answerScan(node.scans[0]!);
    }
    node.releaseAll();
    node.pass(HOUSEKEEPING_INTERVAL_MS);
    const elements = node.one(values('s')) as unknown[];
    expect(node.one(size('s'))).toBe(elements.length);
    expect(elements).toEqual([0, 2, 4, 5, 6, 8]);
  });

  test('a purge goes on where it was after a restart', () => {
    const { node, peer } = pair({ limits: { housekeepingRecords: 2 } });
    for (let i = 0; i < 6; i++) node.run(add('s', i));
    peer.seen.set(node.id, 3);
    node.holdScans = true;
    peer.writes(clears('s'));
    node.answerScan(node.scans[0]!);
    expect(node.store.range(elementRange('s')).length).toBe(4);
    node.holdScans = false;
    node.restart();
    expect(node.run(values('s'), size('s'))).toEqual([[3, 4, 5], 3]);
    settle(node, peer.dials());
    expect(leftovers(node)).toEqual({ e: 3, s: 1 });
  });

  test('a clear in the very commit that ends the purge before leaves its purge entry', () => {
    const { node, peer } = pair();
    node.run(add('s', 'x'));
    node.holdScans = true;
    node.run(clear('s'));
    node.answerScan(node.scans[0]!);
    const last = node.scans[0]!;
    node.holdWrites = true;
    node.ask(2, put('other', 1));
    node.scans = [];
    node.replica.step({ type: 'scanned', id: last.id, entries: [] }, node.now);
    node.queue(1, add('s', 'y'));
    node.ask(1, clear('s'));
    node.releaseAll();
    settle(node, peer);
    expect(leftovers(node)).toEqual({ r: 1 });
  });

  test('a scan that failed is done again', () => {
    const { node, peer } = pair();
    node.run(add('s', 'x'));
    node.holdScans = true;
    node.ask(1, clear('s'));
    node.failRead(node.scans[0]!);
    node.holdScans = false;
    settle(node, peer);
    expect(leftovers(node)).toEqual({});
  });
});

describe('expiry', () => {
  test('an expired register is gone for readers at once, and from the digest by a timer', () => {
    const node = new Rig();
    const clean = node.digest;
    node.run(put('a', 1, 1_000));
    expect(node.digest).not.toBe(clean);
    node.pass(999);
    expect(node.one(get('a'))).toBe(1);
    node.pass(1);
    expect(node.one(get('a'))).toBeUndefined();
    node.pass(10);
    expect(node.digest).toBe(clean);
    expect(node.status.settled).toBe(true);
  });

  test('what has expired stays expired when the clock goes back', () => {
    const node = new Rig();
    node.run(put('a', 1, 1_000));
    const { wall } = node.now;
    node.pass(2_000);
    const { digest } = node;
    node.setWall(wall);
    expect(node.one(get('a'))).toBeUndefined();
    node.restart();
    expect(node.one(get('a'))).toBeUndefined();
    expect(node.digest).toBe(digest);
    expect(digestOf(node.store)).toBe(digest);
  });

  test('a later write does not expire with the one before it', () => {
    const node = new Rig();
    node.run(put('a', 1, 1_000), put('b', 1, 1_000));
    node.run(put('a', 2, 5_000), put('b', 2));
    node.pass(3_000);
    expect(node.run(get('a'), get('b'))).toEqual([2, 2]);
    node.pass(3_000);
    expect(node.run(get('a'), get('b'))).toEqual([undefined, 2]);
    expect(leftovers(node)).not.toMatchObject({ x: expect.anything() });
  });

  test('a node that was down when a register expired takes it out when it is up again', () => {
    const { node, peer } = pair();
    node.run(put('a', 1, 1_000));
    node.now = { monotonic: node.now.monotonic + 60_000, wall: node.now.wall + 60_000 };
    node.restart();
    expect(node.one(get('a'))).toBeUndefined();
    settle(node, peer.dials());
    expect(leftovers(node)).toEqual({});
  });

  test('what arrives expired is a tombstone', () => {
    const { node, peer } = pair();
    const clean = node.digest;
    peer.writes(putsUntil('a', 1, node.now.wall - 1));
    expect(node.one(get('a'))).toBeUndefined();
    expect(node.digest).toBe(clean);
    settle(node, peer);
    expect(leftovers(node)).toEqual({});
  });

  test('many that expire together go in steps', () => {
    const { node, peer } = pair({ limits: { housekeepingRecords: 4 } });
    for (let i = 0; i < 11; i++) node.run(put(`k${i}`, i, 1_000));
    settle(node, peer);
    expect(leftovers(node)).toEqual({});
  });

  test('a search for what is due that fails is done again', () => {
    const { node, peer } = pair();
    node.run(put('a', 1, 1_000));
    node.holdScans = true;
    node.pass(1_100);
    for (const scan of node.scans) node.failRead(scan);
    node.holdScans = false;
    settle(node, peer);
    node.pass(10_000);
    settle(node, peer);
    expect(leftovers(node)).toEqual({});
  });
});

describe('compaction', () => {
  test('nothing is left of what was removed once all have it: no record, no evidence', () => {
    const { node, peer } = pair();
    node.run(put('r', 1), add('s', 'x', 'y'), add('t', 'z'), increment('c', 5), put('ttl', 1, 500));
    peer.catchesUp();
    peer.writes(puts('p', 1), adds('s', 'p'), increments('c', 2));
    node.run(del('r'), remove('s', 'x', 'y'), clear('t'), reset('c'), del('absent'));
    peer.catchesUp();
    peer.writes(deletes('p'), removes('s', 'p', { replica: peer.id, seq: 1 }), clears('u'));
    settle(node, peer);
    expect(leftovers(node)).toEqual({});
    expect(node.digest).toBe('0'.repeat(32));
    expect(digestOf(node.store)).toBe(node.digest);
    expect(node.record.horizon.size).toBeGreaterThan(0);
  });

  test.each([
    { name: 'a tombstone', operations: [put('k', 1)], removal: del('k'), left: { r: 1, g: 1 } },
    {
      name: 'a removed element',
      operations: [add('k', 'x')],
      removal: remove('k', 'x'),
      left: { e: 1, g: 1 },
    },
    { name: 'a clear', operations: [add('k', 'x')], removal: clear('k'), left: { s: 1, g: 1 } },
    { name: 'a baseline', operations: [increment('k')], removal: reset('k'), left: { c: 1, g: 1 } },
  ])('$name stays until the member that has not reported has it', ({ operations, removal, left }) => {
    const { node, peer } = pair();
    const silent = new ScriptedPeer(node, 'ap').dials();
    node.run(...operations);
    node.run(removal);
    settle(node, peer);
    expect(leftovers(node)).toEqual(left);
    settle(node, peer, silent.dials());
    expect(leftovers(node)).toEqual({});
  });

  test('a node that has never met another drops nothing: one may still join', () => {
    const node = new Rig();
    node.run(put('k', 1));
    node.run(del('k'));
    node.pass(60_000);
    expect(leftovers(node)).toEqual({ r: 1, g: 1 });
  });

  test('a tombstone of a clock that is ahead waits for the own clock', () => {
    const { node, peer } = pair();
    peer.writes(deletes('k', { physical: node.now.wall + 60_000 }));
    settle(node, peer);
    expect(leftovers(node)).toEqual({ r: 1, g: 1 });
    node.pass(60_000);
    settle(node, peer.dials());
    expect(leftovers(node)).toEqual({});
  });

  test('evidence goes for every origin although one never stops writing', () => {
    const { node, peer } = pair();
    node.run(put('busy', 0));
    for (let i = 0; i < 5; i++) peer.writes(deletes(`k${i}`));
    for (let round = 1; round < 12; round++) {
      node.run(put('busy', round));
      peer.catchesUp();
      node.pass(1_000);
    }
    expect(leftovers(node)).toEqual({ r: 1 });
  });

  test('a counter that was reset and dropped starts again from nothing', () => {
    const { node, peer } = pair();
    node.run(increment('c', 5));
    peer.catchesUp();
    peer.writes(resets('c', { dot: { replica: node.id, seq: 1 }, bp: 5n, bn: 0n }));
    settle(node, peer);
    expect(leftovers(node)).toEqual({});
    expect(node.run(increment('c', 2), count('c'))).toEqual([2, 2]);
  });

  test('more evidence than one step touches goes in steps', () => {
    const { node, peer } = pair({ limits: { housekeepingRecords: 3 } });
    for (let i = 0; i < 10; i++) node.run(put(`k${i}`, i));
    for (let i = 0; i < 10; i++) node.run(del(`k${i}`));
    settle(node, peer);
    expect(leftovers(node)).toEqual({});
  });
});

describe('the log', () => {
  const limits = { logFloorTransactions: 10, housekeepingRecords: 4 };
  const firstOf = (node: Rig) => node.store.all(KIND.log).length;

  test('is cut behind what every member has, but for the newest transactions', () => {
    const { node, peer } = pair({ limits });
    for (let i = 0; i < 40; i++) node.run(put('a', i));
    settle(node, peer);
    expect(firstOf(node)).toBeGreaterThanOrEqual(10);
    expect(firstOf(node)).toBeLessThanOrEqual(12);
    expect(logOf(node.store, node.id)).toHaveLength(firstOf(node));
  });

  test('is not cut while a member has less, whether it is linked or not', () => {
    const { node, peer } = pair({ limits });
    const away = new ScriptedPeer(node, 'ap').dials();
    for (let i = 0; i < 40; i++) node.run(put('a', i));
    away.acks(new Map([[node.id, 5]]));
    node.cuts(away.link);
    settle(node, peer);
    expect(firstOf(node)).toBe(40);
  });

  test('is cut for every origin although one never stops writing, and as fast as it grows', () => {
    const { node, peer } = pair({ limits });
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 20; i++) node.run(put('a', i));
      for (let i = 0; i < 20; i++) peer.writes(puts('b', i));
      peer.catchesUp();
      node.pass(1_000);
    }
    settle(node, peer);
    expect(logOf(node.store, node.id).length).toBeLessThanOrEqual(12);
    expect(logOf(node.store, peer.id).length).toBeLessThanOrEqual(12);
  });

  test('is not cut before every seed has been met: one may want it from its beginning', () => {
    const { node, peer } = pair({ limits, seeds: ['ws://ap'] });
    // Ready by what it was before.
    expect(node.status.ready).toBe(false);
    for (let i = 0; i < 40; i++) peer.writes(puts('a', i));
    settle(node, peer);
    expect(firstOf(node)).toBe(40);
  });
});
