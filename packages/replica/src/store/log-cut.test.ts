import { describe, expect, test } from 'vitest';
import { pair, settle } from '../testing/cluster.js';
import { put } from '../testing/operations.js';
import type { Rig } from '../testing/rig.js';
import { puts, ScriptedPeer } from '../testing/scripted-peer.js';
import { logOf } from '../testing/stored.js';
import { KIND } from './keyspace.js';

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
