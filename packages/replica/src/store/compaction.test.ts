import { describe, expect, test } from 'vitest';
import { leftovers, pair, settle } from '../testing/cluster.js';
import { add, clear, count, del, increment, put, remove, reset } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import {
  adds,
  clears,
  deletes,
  increments,
  puts,
  removes,
  resets,
  ScriptedPeer,
} from '../testing/scripted-peer.js';
import { digestOf } from '../testing/stored.js';

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

  test('two clears go together, although a member comes when the first of them is stable', () => {
    const { node, peer } = pair();
    const away = new ScriptedPeer(node, 'ap').dials();
    node.run(add('k', 'x'));
    node.run(clear('k'));
    peer.writes(clears('k'));
    peer.catchesUp();
    away.acks(new Map([[node.id, 2]]));
    node.pass(5_000);
    const late = new ScriptedPeer(node, 'sa').dials();
    away.dials().catchesUp();
    late.acks(new Map([[peer.id, 1]]));
    node.pass(5_000);
    expect(leftovers(node)).toMatchObject({ s: 1 });
    settle(node, peer.dials(), away.dials(), late.dials());
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
