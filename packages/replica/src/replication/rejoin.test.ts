import { replicaId } from '@causeway/crdt';
import { ChunkWriter } from '@causeway/protocol';
import { describe, expect, test } from 'vitest';
import { KIND } from '../store/keyspace.js';
import { get, put } from '../testing/operations.js';
import { Rig, WALL } from '../testing/rig.js';
import { puts, ScriptedPeer } from '../testing/scripted-peer.js';

const reasonsOf = (node: Rig) => node.status.reasons;
const codesOf = (node: Rig) => node.aside.map(({ rejoin }) => rejoin.code);
const heard = (seq: number, start = 0, versionVector = new Map()) =>
  ({ type: 'heard', seq, start, versionVector }) as const;

/** A node that was ready and has written once, with a seed at `us` that has never answered in this process. */
function seeded(): { node: Rig; us: ScriptedPeer } {
  const node = new Rig({ seeds: ['ws://us'] });
  node.pass(6_000);
  node.run(put('a', 1));
  node.restart();
  return { node, us: new ScriptedPeer(node, 'us') };
}

/** The peer answers the newest dial, and says its hello: it has joined, and holds something. */
function greeted(node: Rig, us: ScriptedPeer, hello = {}): ScriptedPeer {
  const count = node.dials('ws://us').length;
  node.passUntil(() => node.dials('ws://us').length > count || node.dials('ws://us').length === 1);
  us.link = node.dials('ws://us').at(-1)!.link;
  node.accepts(us.link, 'ws://us');
  return us.greets({
    members: [us.member],
    versionVector: new Map([[us.id, Math.max(1, us.seq)]]),
    ...hello,
  });
}

/** A chunk of the node's own that another start of it has written. */
function forged(node: Rig, seq: number, start: number): Uint8Array {
  const writer = new ChunkWriter();
  writer.begin({ origin: node.id, start, firstSeq: seq, at: WALL, deps: new Map() });
  const stamp = { physical: WALL, logical: 0, replica: node.id };
  writer.transaction([{ type: 'register', key: 'other', stamp, value: Uint8Array.of(1) }]);
  return writer.finish().slice();
}

describe('a claim that this replica has forgotten something', () => {
  test('by a stranger who dials in changes nothing', () => {
    const node = new Rig();
    node.run(put('a', 1));
    const stranger = new ScriptedPeer(node, 'us');
    stranger.link = node.opens();
    stranger.greets().tells(heard(7, 9));
    expect(codesOf(node)).toEqual([]);
    expect(node.status).toMatchObject({ ready: true, writable: true });
    expect(node.logged.some(({ level, message }) => level === 'warn' && /not believed/.test(message))).toBe(
      true,
    );
  });

  test('in the name of a known member that dials in stops the writes, until that member has been asked', () => {
    const { node, us } = seeded();
    greeted(node, us).tells(heard(0));
    node.cuts(us.link);
    const liar = new ScriptedPeer(node, 'us', { start: 5 });
    liar.link = node.opens();
    liar.greets().tells(heard(7, 9));
    expect(reasonsOf(node)).toContain('amnesia');
    expect(codesOf(node)).toEqual([]);
    greeted(node, us).tells(heard(0));
    expect(reasonsOf(node)).toEqual([]);
  });

  test('by who was dialled has to be shown', () => {
    const { node, us } = seeded();
    greeted(node, us).tells(heard(7, 9));
    expect(us.subscriptions).toContain(`${node.id}>6`);
    node.pass(4_000);
    expect(codesOf(node)).toEqual([]);
    expect(node.isOpen(us.link)).toBe(false);
  });

  test('that is shown makes it begin anew, and keeps apart what it has written itself', () => {
    const { node, us } = seeded();
    const before = node.id;
    greeted(node, us).tells(heard(1, 9));
    us.sends(forged(node, 1, 9), node.id);
    // At the end of the only run, which is also its beginning.
    us.sends(forged(node, 1, 9), node.id);
    us.sends(forged(node, 1, 9), node.id);
    expect(codesOf(node)).toEqual(['CAUSEWAY_AMNESIA']);
    expect(node.id).not.toBe(before);
    expect(reasonsOf(node)).toContain('joining');
    expect(node.ask(1, get('a')).code).toBe('CAUSEWAY_NOT_READY');
  });

  test('of what others wrote does not hide that it has written over its own', () => {
    const { node, us } = seeded();
    greeted(node, us).tells(heard(1, 9, new Map([[replicaId('ap.00000001'), 3]])));
    expect(codesOf(node)).toEqual([]);
    expect(us.subscriptions).toContain(`${node.id}>0`);
    for (let shown = 0; shown < 3; shown++) us.sends(forged(node, 1, 9), node.id);
    expect(codesOf(node)).toEqual(['CAUSEWAY_AMNESIA']);
  });

  test.each([
    { name: 'is joining', state: 'joining', held: 0, want: ['CAUSEWAY_AMNESIA'] },
    { name: 'was rolled back as well', state: 'active', held: 1, want: [] },
  ] as const)('by who $name stops the writes, and makes it give up nothing', ({ state, held, want }) => {
    const { node, us } = seeded();
    greeted(node, us, { versionVector: new Map(held === 0 ? [] : [[us.id, held]]) }).tells(heard(0));
    node.cuts(us.link);
    const before = node.id;
    const members = [{ ...us.member, version: 1, state }];
    greeted(node, us, { members, versionVector: new Map() }).tells(
      heard(0, 0, new Map([[replicaId('ap.00000001'), 3]])),
    );
    node.pass(500);
    expect(reasonsOf(node)).toEqual(['rejoining']);
    expect(node.isOpen(us.link)).toBe(true);
    expect(node.id).toBe(before);
    // It has what is here by now, and has joined.
    us.catchesUp();
    us.gossips({ members: [{ ...us.member, version: 2 }] });
    node.pass(1_000);
    expect(codesOf(node)).toEqual(want);
  });

  test('of what it has once reported, by who was dialled, makes it begin anew', () => {
    const { node, us } = seeded();
    greeted(node, us).tells(heard(0, 0, new Map([[replicaId('ap.00000001'), 3]])));
    expect(codesOf(node)).toEqual(['CAUSEWAY_AMNESIA']);
  });
});

describe('a replica that was away for too long', () => {
  test('begins anew when a peer has compacted what it has not seen', () => {
    const { node, us } = seeded();
    greeted(node, us).tells(heard(0));
    us.writes(puts('b', 1));
    node.cuts(us.link);
    greeted(node, us, { horizon: new Map([[us.id, 5]]) }).tells(heard(0));
    expect(codesOf(node)).toEqual(['CAUSEWAY_STALE']);
  });

  test('that holds nothing of what was compacted goes on', () => {
    const { node, us } = seeded();
    greeted(node, us, { horizon: new Map([[us.id, 5]]) }).tells(heard(0));
    expect(codesOf(node)).toEqual([]);
  });

  test.each([
    { code: 'CAUSEWAY_EVICTED', begins: true },
    { code: 'CAUSEWAY_REMOVED', begins: false },
  ])('and is refused with $code', ({ code, begins }) => {
    const { node, us } = seeded();
    greeted(node, us).tells({ type: 'refuse', code, message: 'you were away' });
    expect(codesOf(node)).toEqual(begins ? [code] : []);
  });
});

describe('a copy', () => {
  const refusal = { type: 'refuse', code: 'CAUSEWAY_DUPLICATE_IDENTITY', message: 'two nodes' } as const;

  test('that is told so twice, and was never linked, begins anew', () => {
    const { node, us } = seeded();
    greeted(node, us).tells(refusal);
    expect(codesOf(node)).toEqual([]);
    expect(reasonsOf(node)).toContain('duplicate-identity');
    greeted(node, us).tells(refusal);
    expect(codesOf(node)).toEqual(['CAUSEWAY_DUPLICATE_IDENTITY']);
  });

  test('is not who has been linked before', () => {
    const { node, us } = seeded();
    greeted(node, us).tells(heard(0));
    node.cuts(us.link);
    for (let i = 0; i < 3; i++) greeted(node, us).tells(refusal);
    expect(codesOf(node)).toEqual([]);
  });
});

describe('an identity that the host wants left behind', () => {
  test('stays where there has never been a peer', () => {
    const node = new Rig();
    node.run(put('a', 1));
    node.leave = 'restored';
    node.restart();
    expect(node.status).toMatchObject({ ready: true, writable: true });
  });

  test('is used for reads only until a peer answers', () => {
    const { node, us } = seeded();
    node.leave = 'restored';
    node.restart();
    expect(node.ask(1, get('a')).results).toEqual([1]);
    expect(node.ask(1, put('a', 2)).code).toBe('CAUSEWAY_REJOINING');
    expect(reasonsOf(node)).toContain('rejoining');
    const members = [us.member];
    greeted(node, us, { members, versionVector: new Map() }).tells(heard(0));
    // It holds nothing.
    expect(codesOf(node)).toEqual([]);
    node.cuts(us.link);
    greeted(node, us, { members, versionVector: new Map([[us.id, 1]]) }).tells(heard(0));
    expect(codesOf(node)).toEqual(['CAUSEWAY_REJOINING']);
  });
});

test('takes along what only a member had that is gone', () => {
  const node = new Rig({ seeds: ['ws://us'], limits: { logFloorTransactions: 2 } });
  node.pass(6_000);
  for (let i = 0; i < 20; i++) node.run(put('a', i));
  const ap = new ScriptedPeer(node, 'ap').dials();
  ap.acks(new Map([[node.id, 20]]));
  node.step({ type: 'remove-member', replica: ap.id });
  node.leave = 'restored';
  node.restart();
  const us = new ScriptedPeer(node, 'us');
  greeted(node, us, { members: [us.member], versionVector: new Map([[us.id, 1]]) }).tells(heard(0));
  expect(codesOf(node)).toEqual(['CAUSEWAY_REJOINING']);
  expect(node.store.all(KIND.stash)).toHaveLength(20);
});

test('who waits when the identity is left gets one answer, and watches end', () => {
  const { node, us } = seeded();
  const watch = node.watch();
  greeted(node, us);
  node.holdWrites = true;
  const asked = node.ask(1, put('b', 1));
  us.tells(heard(0, 0, new Map([[replicaId('ap.00000001'), 3]])));
  const late = node.ask(1, put('c', 1));
  node.finishWrite();
  node.releaseAll();
  expect(codesOf(node)).toEqual(['CAUSEWAY_AMNESIA']);
  expect([asked.code, late.code].every((code) => code === undefined || /NOT_READY|AMNESIA/.test(code))).toBe(
    true,
  );
  expect(asked.answered && late.answered).toBe(true);
  expect(watch.failures).toEqual(['CAUSEWAY_WATCH_INTERRUPTED']);
});
