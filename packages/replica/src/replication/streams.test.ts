import { describe, expect, test } from 'vitest';
import { KIND, logKey } from '../store/keyspace.js';
import { put } from '../testing/operations.js';
import { Rig, type RigOptions } from '../testing/rig.js';
import { puts, ScriptedPeer } from '../testing/scripted-peer.js';
import { logOf } from '../testing/stored.js';

function pair(options: RigOptions = {}): { node: Rig; peer: ScriptedPeer } {
  const node = new Rig(options);
  return { node, peer: new ScriptedPeer(node, 'us').dials() };
}
const seqsOf = (peer: ScriptedPeer) => peer.chunksOf(peer.rig.id).map(({ firstSeq }) => firstSeq);
const subscribe = (peer: ScriptedPeer, after: number, origin = peer.rig.id) =>
  peer.tells({ type: 'subscribe', origin, after });

describe('a subscriber', () => {
  test('that is up to date gets each commit as it becomes durable, with no read of the disk', () => {
    const { node, peer } = pair();
    subscribe(peer, 0);
    node.holdScans = true;
    node.scans = [];
    for (let i = 0; i < 3; i++) node.run(put('a', i));
    expect(seqsOf(peer)).toEqual([1, 2, 3]);
    expect(peer.of('chunks').every(({ durableAt }) => durableAt === node.now.wall)).toBe(true);
    expect(node.scans).toEqual([]);
  });

  test('gets the very bytes that were written', () => {
    const { node, peer } = pair();
    subscribe(peer, 0);
    node.run(put('a', 1));
    expect(peer.of('chunks')[0]?.chunks).toEqual(logOf(node.store, node.id));
  });

  test('that is behind is served from the log, then live, each once', () => {
    const { node, peer } = pair({ limits: { logReadBytes: 300 } });
    for (let i = 0; i < 10; i++) node.run(put('a', i));
    subscribe(peer, 3);
    for (let i = 0; i < 3; i++) node.run(put('a', i));
    expect(seqsOf(peer)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  });

  test('misses nothing of what becomes durable while the log is read', () => {
    const { node, peer } = pair();
    for (let i = 0; i < 3; i++) node.run(put('a', i));
    node.holdScans = true;
    subscribe(peer, 0);
    node.run(put('a', 3));
    node.answerScan(node.scans[0]!);
    node.run(put('a', 4));
    node.releaseAll();
    expect(seqsOf(peer)).toEqual([1, 2, 3, 4, 5]);
  });

  test('that has part of a chunk gets the chunk', () => {
    const { node, peer } = pair();
    node.holdWrites = true;
    node.ask(1, put('warm', 1));
    for (let i = 0; i < 5; i++) node.ask(1, put('a', i));
    node.releaseAll();
    expect(logOf(node.store, node.id)).toHaveLength(2);
    subscribe(peer, 4);
    expect(seqsOf(peer)).toEqual([2]);
    node.run(put('b', 1));
    expect(seqsOf(peer)).toEqual([2, 7]);
  });

  test('gets no more than its window until it gives credit', () => {
    const { node, peer } = pair({ limits: { subscriptionWindowBytes: 3_000, logReadBytes: 1_000 } });
    subscribe(peer, 0);
    for (let i = 0; i < 20; i++) node.run(put('a', 'x'.repeat(500)));
    const first = seqsOf(peer).length;
    expect(first).toBeGreaterThan(3);
    expect(first).toBeLessThan(9);
    node.pass(1_000);
    peer.gossips();
    expect(seqsOf(peer)).toHaveLength(first);
    for (let i = 0; i < 20; i++) peer.tells({ type: 'credit', origin: node.id, bytes: 1_000 });
    expect(seqsOf(peer)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  test('that gives more credit than it got has no more than the window', () => {
    const { node, peer } = pair({ limits: { subscriptionWindowBytes: 3_000, logReadBytes: 1_000 } });
    subscribe(peer, 0);
    peer.tells({ type: 'credit', origin: node.id, bytes: 1_000_000 });
    for (let i = 0; i < 20; i++) node.run(put('a', 'x'.repeat(500)));
    expect(seqsOf(peer).length).toBeLessThan(9);
  });

  test('that has ended its subscription gets nothing more, also of a read under way', () => {
    const { node, peer } = pair();
    node.run(put('a', 1));
    node.holdScans = true;
    subscribe(peer, 0);
    peer.tells({ type: 'unsubscribe', origin: node.id });
    node.releaseAll();
    node.run(put('a', 2));
    expect(seqsOf(peer)).toEqual([]);
  });

  test('that subscribes again goes on from where it says', () => {
    const { node, peer } = pair();
    for (let i = 0; i < 3; i++) node.run(put('a', i));
    node.holdScans = true;
    subscribe(peer, 0);
    subscribe(peer, 2);
    node.releaseAll();
    expect(seqsOf(peer)).toEqual([3]);
  });

  test('of another origin gets its chunks through this node', () => {
    const { node, peer } = pair();
    const other = new ScriptedPeer(node, 'ap').dials();
    subscribe(peer, 0, other.id);
    other.writes(puts('a', 1));
    expect(peer.chunksOf(other.id).map(({ firstSeq }) => firstSeq)).toEqual([1]);
  });

  test('of an origin that is no member is not listened to', () => {
    const { node, peer } = pair();
    subscribe(peer, 0, new ScriptedPeer(node, 'nobody').id);
    expect(peer.of('gap')).toEqual([]);
  });

  test('behind the beginning of the log is told of the gap', () => {
    const { node, peer } = pair();
    for (let i = 0; i < 5; i++) node.run(put('a', i));
    for (const seq of [1, 2, 3]) node.store.delete(logKey(node.id, seq));
    subscribe(peer, 1);
    expect(peer.of('gap')).toEqual([{ type: 'gap', origin: node.id, after: 1, first: 4 }]);
    subscribe(peer, 3);
    expect(seqsOf(peer)).toEqual([4, 5]);
  });

  test('that is behind like another is served out of the same read of the log', () => {
    const { node, peer } = pair();
    const other = new ScriptedPeer(node, 'ap').dials();
    for (let i = 0; i < 3; i++) node.run(put('a', i));
    node.holdScans = true;
    subscribe(peer, 0);
    subscribe(other, 0);
    expect(node.scans).toHaveLength(1);
    node.releaseAll();
    node.holdScans = true;
    const late = new ScriptedPeer(node, 'sa').dials();
    subscribe(late, 0);
    expect(node.scans).toHaveLength(0);
    const [first, second, third] = [peer, other, late].map((subscriber) => subscriber.of('chunks').at(-1));
    expect(first?.chunks).toHaveLength(3);
    expect(second).toEqual(first);
    expect(third).toEqual(first);
  });

  test('is served again after a read of the log that failed', () => {
    const { node, peer } = pair();
    node.run(put('a', 1));
    node.holdScans = true;
    subscribe(peer, 0);
    node.failRead(node.scans[0]!);
    node.releaseAll();
    node.pass(600);
    expect(seqsOf(peer)).toEqual([1]);
  });

  test.each([0, -1])('of a log with a damaged chunk is told of a gap and not sent it (byte %i)', (at) => {
    const { node, peer } = pair();
    for (let i = 0; i < 3; i++) node.run(put('a', i));
    node.store.damage(logKey(node.id, 2), at);
    subscribe(peer, 0);
    expect(seqsOf(peer)).toEqual([1]);
    subscribe(peer, 1);
    expect(seqsOf(peer)).toEqual([1]);
    expect(peer.of('gap').length).toBeGreaterThan(0);
    subscribe(peer, 2);
    expect(seqsOf(peer)).toEqual([1, 3]);
    expect(node.store.all(KIND.log)).toHaveLength(3);
  });
});
