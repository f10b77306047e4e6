/** A node whose clock is off: what it refuses, what it says, and when it is right again. */
import { expect, test } from 'vitest';
import { get, increment, put } from './testing/operations.js';
import { Rig } from './testing/rig.js';
import { puts, ScriptedPeer } from './testing/scripted-peer.js';

/** A node with peers that have answered its pings; `aheadMs`: by how much their clocks are ahead. */
function measured(...aheadMs: readonly number[]): { node: Rig; peers: ScriptedPeer[] } {
  const node = new Rig();
  const peers = aheadMs.map((ahead, index) => {
    const peer = new ScriptedPeer(node, `r${index}`).dials();
    const { id, wall } = peer.of('ping').at(-1)!;
    return peer.tells({ type: 'pong', id, wall, receivedAt: wall + ahead });
  });
  return { node, peers };
}

test('register writes are refused until the clock is set, and nothing else', () => {
  const { node } = measured(0, 0);
  node.run(put('a', 1));
  node.setWall(node.now.wall + 600_000);
  expect(node.ask(1, put('a', 2)).code).toBe('CAUSEWAY_CLOCK_SKEW');
  expect(node.ask(1, [increment('n', 1), put('a', 2)]).code).toBe('CAUSEWAY_CLOCK_SKEW');
  expect(node.one(get('a'))).toBe(1);
  expect(node.one(increment('n', 1))).toBe(1);
  expect(node.status).toMatchObject({ ready: false, reasons: ['clock-skew'] });
  expect(node.errors).toEqual([expect.stringMatching(/off: 600\.0 s ahead of what a majority/)]);
  node.setWall(node.now.wall - 600_000);
  expect(node.status.ready).toBe(true);
  node.run(put('a', 3));
  expect(node.errors).toHaveLength(1);
});

test('two members both only warn', () => {
  const { node } = measured(600_000);
  node.pass(2_000);
  node.run(put('a', 1));
  expect(node.status.ready).toBe(true);
  const warnings = node.logged.filter(({ level }) => level === 'warn').map(({ message }) => message);
  expect(warnings).toEqual([expect.stringMatching(/clocks .* differ/)]);
});

test('a peer that is retired has no say any more', () => {
  const { node, peers } = measured(600_000, 600_000);
  expect(node.status.reasons).toEqual(['clock-skew']);
  node.step({ type: 'remove-member', replica: peers[0]!.id });
  node.pass(1_100);
  expect(node.status.ready).toBe(true);
});

test('a stamp from far ahead is joined, and drags this clock nowhere', () => {
  const { node, peers } = measured(0, 0);
  const ahead = node.now.wall + 600_000;
  peers[0]!.writes(puts('theirs', 1, { physical: ahead }));
  expect(node.one(get('theirs'))).toBe(1);
  node.run(put('mine', 1));
  expect(node.record.clock.physical).toBeLessThan(ahead);
  // Who has seen a value beats it all the same.
  node.run(put('theirs', 2));
  expect(node.one(get('theirs'))).toBe(2);
  expect(node.record.clock.physical).toBeLessThan(ahead);
});
