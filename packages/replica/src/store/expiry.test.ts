import { describe, expect, test } from 'vitest';
import { leftovers, pair, settle } from '../testing/cluster.js';
import { get, put } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { putsUntil } from '../testing/scripted-peer.js';
import { digestOf } from '../testing/stored.js';

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
