import { describe, expect, test } from 'vitest';
import { CONFLICT_BYTES_MAX, CONFLICTS_MAX } from '../limits.js';
import { add, clear, del, get, increment, plain, put, remove, values } from '../testing/operations.js';
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
import { Conflicts } from './conflicts.js';

function trio(): { node: Rig; peer: ScriptedPeer; other: ScriptedPeer } {
  const node = new Rig();
  return { node, peer: new ScriptedPeer(node, 'us').dials(), other: new ScriptedPeer(node, 'ap').dials() };
}
const feed = (node: Rig) =>
  node.replica.conflicts(undefined, 100).conflicts.map(({ type, key, winner, loser }) => {
    const side = ({ value, replica }: typeof winner) =>
      `${replica.slice(0, 2)}:${value === undefined ? '-' : plain(value)}`;
    return `${type} ${key} ${side(winner)} beats ${side(loser)}`;
  });
const FUTURE = { physical: 1_800_000_000_000 };
const PAST = { physical: 1_000 };

describe('a register write that meets one its writer had not seen', () => {
  test.each([
    { name: 'and wins', write: puts('k', 'theirs', FUTURE), want: 'register k us:theirs beats eu:mine' },
    { name: 'and loses', write: puts('k', 'theirs', PAST), want: 'register k eu:mine beats us:theirs' },
    { name: 'as a delete', write: deletes('k', FUTURE), want: 'register k us:- beats eu:mine' },
  ])('$name is one conflict', ({ write, want }) => {
    const { node, peer } = trio();
    node.run(put('k', 'mine'));
    peer.writes(write);
    expect(feed(node)).toEqual([want]);
    expect(node.told.conflicts).toEqual(['register']);
    expect(node.status.conflicts).toEqual({ register: 1, set: 0, counter: 0 });
  });

  test('is none when the writer had seen it, or when it is its own', () => {
    const { node, peer } = trio();
    node.run(put('k', 'mine'));
    peer.catchesUp();
    peer.writes(puts('k', 1, FUTURE));
    peer.writes(puts('k', 2, FUTURE));
    expect(node.told.conflicts).toEqual([]);
    expect(node.one(get('k'))).toBe(2);
  });

  test('of which the region itself replaces it with its own eyes is none', () => {
    const { node, peer } = trio();
    peer.writes(puts('k', 1, FUTURE));
    node.run(put('k', 2), del('k'), put('k', 3));
    expect(node.told.conflicts).toEqual([]);
  });

  test('meets a tombstone too', () => {
    const { node, peer } = trio();
    node.run(put('k', 1));
    peer.catchesUp();
    node.run(del('k'));
    peer.writes(puts('k', 2, FUTURE));
    expect(feed(node)).toEqual(['register k us:2 beats eu:-']);
  });

  test('counts once for each record of a transaction, and once for a record that comes twice', () => {
    const { node, peer } = trio();
    node.run(put('k', 1), put('l', 1));
    const chunk = peer.chunk([[puts('k', 2, FUTURE), puts('l', 2, FUTURE), puts('m', 2)]]);
    peer.sends([chunk, chunk]);
    expect(node.told.conflicts).toEqual(['register', 'register']);
  });
});

describe('an add against a removal of one element', () => {
  /** x was added by eu:1, which everybody has seen. */
  function seen(): ReturnType<typeof trio> & { dot: { replica: Rig['id']; seq: number } } {
    const all = trio();
    all.node.run(add('s', 'x'));
    all.peer.catchesUp();
    all.other.catchesUp();
    return { ...all, dot: { replica: all.node.id, seq: 1 } };
  }

  test.each([
    { name: 'the add comes second', turn: 'add' },
    { name: 'the removal comes second', turn: 'remove' },
  ])('is one conflict, which the add wins, when $name', ({ turn }) => {
    const { node, peer, other, dot } = seen();
    if (turn === 'add') {
      peer.writes(removes('s', 'x', dot));
      other.writes(adds('s', 'x'));
    } else {
      other.writes(adds('s', 'x'));
      peer.writes(removes('s', 'x', dot));
    }
    expect(feed(node)).toEqual(['set s ap:x beats us:-']);
    expect(node.one(values('s'))).toEqual(['x']);
  });

  test('two adds, or two removals, are none', () => {
    const { node, peer, other, dot } = seen();
    peer.writes(adds('s', 'y'));
    other.writes(adds('s', 'y'));
    peer.writes(removes('s', 'x', dot));
    other.writes(removes('s', 'x', dot));
    expect(node.told.conflicts).toEqual([]);
    expect(node.one(values('s'))).toEqual(['y']);
  });

  test('an own removal that a peer’s add has not seen is one', () => {
    const { node, peer } = seen();
    node.run(remove('s', 'x'));
    peer.writes(adds('s', 'x'));
    expect(node.told.conflicts).toEqual(['set']);
  });

  test('of another element, or another set, is none', () => {
    const { node, peer, dot } = seen();
    node.run(add('s', 'y'), add('t', 'x'));
    peer.writes(removes('s', 'x', dot));
    expect(node.told.conflicts).toEqual([]);
  });
});

describe('a clear', () => {
  test('counts once for each element that survives it', () => {
    const { node, peer } = trio();
    node.run(add('s', 'a', 'b'));
    peer.catchesUp();
    node.run(add('s', 'b', 'c', 'd'));
    peer.writes(clears('s'));
    expect(node.told.conflicts).toEqual(['set', 'set', 'set']);
    expect(node.one(values('s'))).toEqual(['b', 'c', 'd']);
    expect(new Set(feed(node))).toEqual(
      new Set(['set s eu:b beats us:-', 'set s eu:c beats us:-', 'set s eu:d beats us:-']),
    );
  });

  test('and adds that come after it, unseen by and of it, count once each', () => {
    const { node, peer, other } = trio();
    peer.writes(clears('s'));
    other.writes(adds('s', 'a'), adds('s', 'b'));
    expect(node.told.conflicts).toEqual(['set', 'set']);
  });

  test('that everybody had seen before they added counts none', () => {
    const { node, peer, other } = trio();
    for (const operation of [add('s', 'a'), clear('s'), add('s', 'a')]) node.run(operation);
    peer.catchesUp();
    peer.writes(clears('s'), adds('s', 'z'));
    other.seen.set(peer.id, 1);
    other.seen.set(node.id, 3);
    other.writes(adds('s', 'b'));
    node.pass(2_500);
    expect(node.told.conflicts).toEqual([]);
    expect(node.one(values('s'))).toEqual(['b', 'z']);
  });

  test('of an element added again after it has come counts none for that', () => {
    const { node, peer, other } = trio();
    peer.writes(adds('s', 'z'));
    node.run(add('t', 'q'));
    node.holdScans = true;
    other.seen.set(peer.id, 1);
    other.writes(clears('s'));
    node.ask(1, add('s', 'y'));
    node.releaseAll();
    node.pass(2_500);
    expect(node.told.conflicts).toEqual([]);
  });
});

test('counters never conflict', () => {
  const { node, peer, other } = trio();
  node.run(increment('c', 1));
  other.catchesUp();
  peer.writes(increments('c', 2));
  other.writes(resets('c', { dot: { replica: node.id, seq: 1 }, bp: 1n, bn: 0n }));
  expect(node.told.conflicts).toEqual([]);
});

test('a conflict is told when it is durable', () => {
  const { node, peer } = trio();
  node.run(put('k', 1));
  node.holdWrites = true;
  peer.writes(puts('k', 2, FUTURE));
  expect([feed(node), node.told.conflicts]).toEqual([[], []]);
  node.finishWrite();
  expect(feed(node)).toHaveLength(1);
});

describe('the feed', () => {
  const telemetry = new Proxy({} as ConstructorParameters<typeof Conflicts>[0], {
    get: () => () => undefined,
  });
  const record = (key: string, value = new Uint8Array(1)) => ({
    type: 'register' as const,
    key,
    winner: { value, replica: new Rig().id },
    loser: { replica: new Rig().id },
    at: 0,
  });

  test('keeps the last ones, in number', () => {
    const conflicts = new Conflicts(telemetry);
    const one = record('k');
    for (let i = 0; i < CONFLICTS_MAX + 5; i++) conflicts.add({ ...one, key: `${i}` });
    const { conflicts: page, after } = conflicts.page(undefined, 5_000);
    expect([page.length, page[0]?.key, page.at(-1)?.key]).toEqual([
      CONFLICTS_MAX,
      '5',
      `${CONFLICTS_MAX + 4}`,
    ]);
    expect(conflicts.page(after, 10)).toEqual({ conflicts: [], after });
  });

  test('and in bytes, but for the newest', () => {
    const conflicts = new Conflicts(telemetry);
    const one = record('k', new Uint8Array(1 << 20));
    for (let i = 0; i < 40; i++) conflicts.add({ ...one, key: `${i}` });
    const kept = conflicts.page(undefined, 100).conflicts.length;
    expect(kept).toBeLessThanOrEqual(CONFLICT_BYTES_MAX >> 20);
    expect(kept).toBeGreaterThan((CONFLICT_BYTES_MAX >> 20) - 3);
    conflicts.add({ ...one, winner: { ...one.winner, value: new Uint8Array(CONFLICT_BYTES_MAX + 1) } });
    expect(conflicts.page(undefined, 100).conflicts).toHaveLength(1);
    expect(conflicts.counts.register).toBe(41);
  });

  test('comes in pages, each behind the one before', () => {
    const conflicts = new Conflicts(telemetry);
    const one = record('k');
    for (let i = 0; i < 5; i++) conflicts.add({ ...one, key: `${i}` });
    const first = conflicts.page(undefined, 3);
    expect(first.conflicts.map(({ key }) => key)).toEqual(['0', '1', '2']);
    expect(conflicts.page(first.after, 3).conflicts.map(({ key }) => key)).toEqual(['3', '4']);
  });

  test.each(['', ' ', '1e3', '0x10', '1.5', '-1', 'x'])('%j is no position of it', (after) => {
    expect(() => new Conflicts(telemetry).page(after, 10)).toThrow('position');
  });
});
