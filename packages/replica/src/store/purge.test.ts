import type { Operation } from '@causeway/protocol';
import { describe, expect, test } from 'vitest';
import { HOUSEKEEPING_INTERVAL_MS } from '../limits.js';
import { leftovers, pair, settle } from '../testing/cluster.js';
import { add, clear, put, remove, size, values } from '../testing/operations.js';
import { adds, clears, removes, ScriptedPeer } from '../testing/scripted-peer.js';
import { digestOf } from '../testing/stored.js';
import { elementRange } from './keyspace.js';

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

  test('who has to tell the size waits while a clear that met unseen adds is counted, and nobody else', () => {
    const { node, peer } = pair({ limits: { countRecords: 2 } });
    for (let i = 0; i < 6; i++) node.run(add('s', i));
    peer.seen.set(node.id, 3);
    node.holdScans = true;
    peer.writes(clears('s'));
    const waiting = node.ask(1, size('s'));
    const told = node.ask(2, { ...remove('s', 5), sized: true } as Operation);
    const change = node.ask(3, [add('s', 0, 9), remove('s', 4)]);
    expect([waiting.answered, told.answered]).toEqual([false, false]);
    expect(change.raw).toEqual([{ op: 'set.update' }, { op: 'set.update' }]);
    node.releaseAll();
    expect(waiting.results).toEqual([4]);
    expect(told.results).toEqual([3]);
    expect(node.run(values('s'), size('s'))).toEqual([[0, 3, 9], 3]);
    node.restart();
    expect(node.run(values('s'), size('s'))).toEqual([[0, 3, 9], 3]);
  });

  test('a set is counted without a write of its elements, and before it is purged', () => {
    const { node, peer } = pair({ limits: { countRecords: 10, housekeepingRecords: 1 } });
    for (let i = 0; i < 40; i++) node.run(add('s', i));
    peer.seen.set(node.id, 30);
    const { length } = node.written;
    node.holdScans = true;
    peer.writes(clears('s'));
    const waiting = node.ask(1, size('s'));
    for (let scan = 1; scan <= 5; scan++) {
      expect(waiting.answered).toBe(false);
      node.answerScan(node.scans[0]!);
    }
    expect(waiting.results).toEqual([10]);
    expect(node.store.range(elementRange('s')).length).toBe(40);
    expect(node.written.length - length).toBeLessThanOrEqual(6);
    node.releaseAll();
    settle(node, peer);
    expect(leftovers(node)).toEqual({ e: 10, s: 1 });
  });

  test('counting goes on where it was after a restart, and starts over after another clear', () => {
    const { node, peer } = pair({ limits: { countRecords: 2 } });
    for (let i = 0; i < 8; i++) node.run(add('s', i));
    peer.seen.set(node.id, 4);
    node.holdScans = true;
    peer.writes(clears('s'));
    node.answerScan(node.scans[0]!);
    node.run(add('s', 0));
    node.restart();
    peer.dials();
    node.answerScan(node.scans[0]!);
    node.run(remove('s', 7));
    peer.seen.set(node.id, 6);
    peer.writes(clears('s'));
    node.run(add('s', 3));
    node.releaseAll();
    expect(node.run(values('s'), size('s'))).toEqual([[0, 3, 6], 3]);
    settle(node, peer);
    expect(leftovers(node)).toEqual({ e: 3, s: 1 });
  });

  test('a count that cannot be read is taken up again', () => {
    const { node, peer } = pair();
    for (let i = 0; i < 4; i++) node.run(add('s', i));
    peer.seen.set(node.id, 2);
    node.holdScans = true;
    peer.writes(clears('s'));
    const waiting = node.ask(1, size('s'));
    node.failRead(node.scans[0]!);
    node.holdScans = false;
    node.pass(HOUSEKEEPING_INTERVAL_MS);
    expect(waiting.results).toEqual([2]);
  });

  test('each element that a clear had not seen is one conflict', () => {
    const { node, peer } = pair({ limits: { countRecords: 2 } });
    for (let i = 0; i < 6; i++) node.run(add('s', i));
    peer.seen.set(node.id, 3);
    peer.writes(clears('s'));
    expect(node.told.conflicts).toEqual(['set', 'set', 'set']);
  });

  test('elements that peers add and remove while it is counted are counted once', () => {
    const { node, peer } = pair({ limits: { housekeepingRecords: 2, countRecords: 2 } });
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
    // Twice to count them, and once to purge the first.
    for (let scan = 1; scan <= 3; scan++) node.answerScan(node.scans[0]!);
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
