import { CausewayError } from '@causeway/protocol';
import { describe, expect, test } from 'vitest';
import { REPLICA_KEY } from './store/keyspace.js';
import { MemoryStore } from './testing/memory-store.js';
import { add, get, put } from './testing/operations.js';
import { Rig } from './testing/rig.js';
import { adds, deletes, puts, removes, ScriptedPeer } from './testing/scripted-peer.js';

describe('a directory', () => {
  test('is a replica of its own, whatever its region is called', () => {
    const store = new MemoryStore();
    const node = new Rig({ store });
    expect(node.id).toMatch(/^eu\.[0-9a-f]{8}$/);
    expect(new Rig({ store }).id).toBe(node.id);
    expect(node.store.census()).toMatchObject({ i: 2 });
  });

  test('has another start each time it is opened', () => {
    const node = new Rig();
    const { start } = node.replica;
    node.restart();
    expect(node.replica.start).not.toBe(start);
    node.run(put('a', 1));
    expect(node.record.positions.get(node.id)?.start).toBe(node.replica.start);
  });

  test('that holds no replica record, or a damaged one, is not opened', () => {
    const node = new Rig();
    node.store.damage(REPLICA_KEY);
    expect(() => node.restart()).toThrow(CausewayError);
    node.store.delete(REPLICA_KEY);
    expect(() => node.restart()).toThrow(CausewayError);
  });

  test('goes on where it was: positions, clock, digest and records', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.writes(puts('p', 1));
    const stamp = node.one(put('a', 1)) as string;
    const { digest, status } = node;
    node.now = { monotonic: 5, wall: node.now.wall - 60_000 };
    node.restart();
    expect(node.digest).toBe(digest);
    expect(node.status.versionVector).toEqual(status.versionVector);
    expect((node.one(put('b', 1)) as string) > stamp).toBe(true);
    expect(node.run(get('p'), get('a'))).toEqual([1, 1]);
  });
});

describe('what peers have sent', () => {
  /** A commit has just begun, and ended. */
  function linked() {
    const node = new Rig({ limits: { peerCommitsApartMs: 5 } });
    const peer = new ScriptedPeer(node, 'us').dials();
    node.pass(10);
    const before = node.written.length;
    peer.writes(puts('a', 1));
    return { node, peer, begunAt: node.now.monotonic, commits: () => node.written.length - before };
  }

  test('is committed at once where the last commit began a while ago, and else waits for more', () => {
    const { node, peer, begunAt, commits } = linked();
    expect(commits()).toBe(1);
    // Past what is to be acknowledged, so that nothing else wakes the node.
    node.pass(3);
    peer.writes(puts('a', 2));
    peer.writes(puts('a', 3));
    expect(commits()).toBe(1);
    expect(node.replica.deadline()).toBe(begunAt + 5);
    node.pass(1);
    expect(commits()).toBe(1);
    node.pass(1);
    expect(commits()).toBe(2);
    expect(node.status.versionVector.get(peer.id)).toBe(3);
  });

  test('waits also where it removes', () => {
    const { node, peer, commits } = linked();
    peer.writes(deletes('a'));
    peer.writes(adds('s', 1));
    peer.writes(removes('s', 1, { replica: peer.id, seq: 3 }));
    expect(commits()).toBe(1);
    node.pass(5);
    expect(commits()).toBe(2);
  });

  test('goes along with a write of a client, which waits for nothing', () => {
    const { node, peer, commits } = linked();
    peer.writes(puts('a', 2));
    node.run(put('b', 1));
    expect(commits()).toBe(2);
    expect(node.status.versionVector).toEqual(
      new Map([
        [peer.id, 2],
        [node.id, 1],
      ]),
    );
  });

  test('is committed for a client who reads it, lists it or watches it', () => {
    const { node, peer, commits } = linked();
    peer.writes(puts('a', 2));
    expect(node.run(get('a'))).toEqual([2]);
    expect(commits()).toBe(2);
    peer.writes(puts('b', 1));
    expect(node.keys()).toEqual({ keys: ['register:a', 'register:b'] });
    expect(commits()).toBe(3);
    const watch = node.watch({ key: 'c' });
    peer.writes(puts('c', 1));
    expect(watch.changes).toHaveLength(1);
  });

  test('waits for nothing once it is much', () => {
    const node = new Rig({ limits: { peerCommitsApartMs: 5, commitBytesMax: 1_000 } });
    const peer = new ScriptedPeer(node, 'us').dials();
    node.pass(10);
    for (let i = 1; i <= 20; i++) peer.writes(puts('a', 'x'.repeat(100)));
    expect(node.status.versionVector.get(peer.id)).toBeGreaterThan(15);
  });
});

describe('a drain', () => {
  test('refuses what comes after it and answers what came before', () => {
    const node = new Rig();
    node.holdWrites = true;
    const before = node.ask(1, put('a', 1));
    node.step({ type: 'drain' });
    expect(node.ask(1, put('a', 2)).code).toBe('CAUSEWAY_DRAINING');
    expect(node.ask(1, get('a')).code).toBe('CAUSEWAY_DRAINING');
    expect(() => node.keys()).toThrow('stopping');
    expect(node.status).toMatchObject({ ready: false, reasons: ['draining'] });
    expect(node.replica.drained()).toBe(false);
    node.finishWrite();
    expect(before.results).toHaveLength(1);
    // What the next start reads is stored too.
    expect(node.replica.drained()).toBe(false);
    node.releaseAll();
    expect(node.replica.drained()).toBe(true);
  });

  test('is over when every linked peer has acknowledged everything', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    const other = new ScriptedPeer(node, 'ap').dials();
    node.run(put('a', 1));
    node.step({ type: 'drain' });
    expect(peer.received.at(-1)?.type).toBe('bye');
    peer.catchesUp();
    expect(node.replica.drained()).toBe(false);
    other.catchesUp();
    expect(node.replica.drained()).toBe(true);
  });

  test('waits for nobody who is not there', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.run(put('a', 1));
    node.cuts(peer.link);
    node.step({ type: 'drain' });
    expect(node.replica.drained()).toBe(true);
  });

  test('still takes what peers send, and serves them', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.run(put('a', 1));
    node.step({ type: 'drain' });
    peer.tells({ type: 'subscribe', origin: node.id, after: 0 });
    peer.writes(puts('b', 1));
    expect(peer.chunksOf(node.id)).toHaveLength(1);
    expect(node.status.versionVector.get(peer.id)).toBe(1);
  });
});

describe('the status', () => {
  test('tells of each member what it lacks, since when, and whether it is linked', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.run(put('a', 1));
    node.run(put('a', 2));
    node.pass(2_000);
    expect(node.status.peers).toMatchObject([
      { replica: peer.id, region: 'us', address: 'ws://us', state: 'connected', backlogTransactions: 2 },
    ]);
    expect(node.status.peers[0]?.unacknowledgedSeconds).toBeCloseTo(2, 1);
    peer.catchesUp();
    expect(node.status.peers[0]).toMatchObject({ backlogTransactions: 0, unacknowledgedSeconds: 0 });
    node.cuts(peer.link);
    expect(['connecting', 'down']).toContain(node.status.peers[0]?.state);
  });

  test('tells the age of the oldest write that is not known to be everywhere', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.run(put('a', 1));
    for (let i = 0; i < 10; i++) {
      node.pass(1_000);
      peer.gossips();
    }
    expect(node.status.oldestUnstableSeconds).toBeGreaterThan(7);
    peer.catchesUp();
    node.pass(2_100);
    expect(node.status.oldestUnstableSeconds).toBe(0);
  });

  test('times acknowledgement and convergence on this node’s clock', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    const other = new ScriptedPeer(node, 'ap').dials();
    peer.catchesUp();
    other.catchesUp();
    node.run(add('s', 1));
    node.pass(40);
    peer.catchesUp();
    node.pass(40);
    other.catchesUp();
    expect(node.told.acks.map(({ peer: who, seconds }) => [who, Math.round(seconds * 1e3)])).toEqual([
      [peer.id, 40],
      [other.id, 80],
    ]);
    expect(node.told.convergences.map((seconds) => Math.round(seconds * 1e3))).toEqual([80]);
  });
});

test('an idle node writes nothing and wakes only for gossip and housekeeping', () => {
  const node = new Rig();
  const peer = new ScriptedPeer(node, 'us').dials();
  node.run(put('a', 1));
  for (let i = 0; i < 10; i++) {
    peer.catchesUp();
    node.pass(1_000);
  }
  const batches = node.written.length;
  for (let i = 0; i < 60; i++) {
    peer.gossips();
    node.pass(1_000);
  }
  expect(node.written).toHaveLength(batches);
});
