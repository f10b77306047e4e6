import { describe, expect, test } from 'vitest';
import { WATCHES_PER_SESSION_MAX } from '../limits.js';
import { add, clear, del, increment, plain, put, remove, reset, update } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { adds, clears, increments, puts, removes, ScriptedPeer } from '../testing/scripted-peer.js';

type Watch = ReturnType<Rig['watch']>;

/** Changes, short. */
const told = ({ changes }: Watch) =>
  changes.map(({ type, key, value, count, added, removed, cleared, conflict }) => {
    const parts = [type, key];
    if (value !== undefined) parts.push(`=${plain(value)}`);
    if (count !== undefined) parts.push(`=${count}`);
    if (cleared) parts.push('cleared');
    for (const element of added ?? []) parts.push(`+${plain(element)}`);
    for (const element of removed ?? []) parts.push(`-${plain(element)}`);
    if (conflict) parts.push('conflict');
    return parts.join(' ');
  });

describe('a watcher is told', () => {
  test('each change of its own node, in order, one for each key of a transaction', () => {
    const node = new Rig();
    const watch = node.watch();
    node.run(
      put('r', 1),
      put('r', 2),
      add('s', 'x', 'y'),
      remove('s', 'y'),
      increment('c', 2),
      increment('c', 3),
    );
    node.run(del('r'), clear('s'), reset('c'));
    expect(told(watch)).toEqual([
      'register r =2',
      'counter c =5',
      'set s +x',
      'register r',
      'counter c =0',
      'set s cleared',
    ]);
    expect(watch.changes.map(({ origin, cursor }) => [origin, cursor])).toEqual([
      ...[1, 1, 1, 2, 2, 2].map((seq) => [node.id, `${node.id}:${seq}`]),
    ]);
  });

  test('the changes of peers, with whether they met something unseen', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.run(put('r', 'mine'));
    const watch = node.watch();
    peer.writes(puts('r', 'old', { physical: 1 }), puts('q', 1), adds('s', 'x'), increments('c', 4));
    expect(told(watch)).toEqual(['register r =mine conflict', 'register q =1', 'counter c =4', 'set s +x']);
    expect(watch.changes[0]?.origin).toBe(peer.id);
  });

  test('nothing of what changes nothing', () => {
    const node = new Rig();
    node.run(add('s', 'x'));
    const watch = node.watch();
    node.run(increment('c', 0), remove('s', 'absent'), clear('empty'));
    node.run(add('s', 'x'));
    node.run(update('s', { add: ['x'], remove: ['x'] }));
    expect(watch.changes.flatMap(({ added, removed }) => [...(added ?? []), ...(removed ?? [])])).toEqual([]);
  });

  test('nothing as removed that stays because of a concurrent add', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.run(add('s', 'x'));
    peer.catchesUp();
    node.run(add('s', 'x'));
    const watch = node.watch();
    peer.writes(removes('s', 'x', { replica: node.id, seq: 1 }));
    expect(told(watch)).toEqual(['set s conflict']);
  });

  test('of a clear that some elements may survive that it met a conflict', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.run(add('s', 'x'));
    const watch = node.watch();
    peer.writes(clears('s'));
    expect(told(watch)).toEqual(['set s cleared conflict']);
  });
});

describe('a filter', () => {
  test.each([
    { name: 'a prefix', filter: { prefix: 'a' }, want: ['register a =1', 'register ab =1', 'set a +1'] },
    { name: 'a key', filter: { key: 'a' }, want: ['register a =1', 'set a +1'] },
    { name: 'a key and a type', filter: { key: 'a', type: 'set' as const }, want: ['set a +1'] },
    {
      name: 'a type',
      filter: { type: 'register' as const },
      want: ['register a =1', 'register ab =1', 'register b =1'],
    },
  ])('by $name', ({ filter, want }) => {
    const node = new Rig();
    const watch = node.watch(filter);
    node.run(put('a', 1), put('ab', 1), put('b', 1), add('a', 1));
    expect(told(watch)).toEqual(want);
  });
});

test('each watch of many is told its own, and nothing once it has ended', () => {
  const node = new Rig();
  const keys = ['a', 'ab', 'abc', 'b', 'bc', 'é', ''];
  const filters = keys.flatMap((text) =>
    text === '' ? [{ prefix: '' }] : [{ prefix: text }, { key: text }],
  );
  const watches = [...filters, ...filters].map((filter) => ({ filter, watch: node.watch(filter) }));
  const written = ['a', 'abc', 'abd', 'b', 'é', 'z'];
  const check = (ended: number) => {
    const before = watches.map(({ watch }) => watch.changes.length);
    node.run(...written.map((key) => put(key, 1)));
    watches.forEach(({ filter, watch }, index) => {
      const want = written.filter((key) =>
        'key' in filter ? key === filter.key : key.startsWith(filter.prefix as string),
      );
      const told = watch.changes.slice(before[index]).map(({ key }) => key);
      expect(told).toEqual(index < ended ? [] : want);
    });
  };
  check(0);
  for (const { watch } of watches.slice(0, filters.length)) {
    node.step({ type: 'unwatch', session: watch.session, request: watch.request });
  }
  check(filters.length);
  for (const { watch } of watches) node.step({ type: 'session-closed', session: watch.session });
  check(watches.length);
});

describe('a watch ends', () => {
  test('with unwatch', () => {
    const node = new Rig();
    const watch = node.watch();
    const stays = node.watch();
    node.step({ type: 'unwatch', session: watch.session, request: watch.request });
    node.run(put('a', 1));
    expect([told(watch).length, told(stays).length]).toEqual([0, 1]);
  });

  test('with its session', () => {
    const node = new Rig();
    const watch = node.watch();
    node.step({ type: 'session-closed', session: watch.session });
    node.run(put('a', 1));
    expect(told(watch)).toEqual([]);
  });
});

test('a session has so many watches and no more', () => {
  const node = new Rig();
  for (let request = 0; request <= WATCHES_PER_SESSION_MAX; request++) {
    node.replica.step({ type: 'watch', session: 7, request, filter: { prefix: 'none' } }, node.now);
  }
  node.pump();
  const failures = node.sent.filter((send) => send.type === 'failure');
  expect(failures).toMatchObject([
    { request: WATCHES_PER_SESSION_MAX, error: { code: 'CAUSEWAY_OVERLOADED' } },
  ]);
});
