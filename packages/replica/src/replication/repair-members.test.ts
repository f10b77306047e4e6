/** Repairs that meet members which came late, go, or do not keep to the bounds. */
import type { VersionVector } from '@causeway/crdt';
import { describe, expect, test } from 'vitest';
import { KIND } from '../store/keyspace.js';
import { add, count, del, get, increment, put, remove, reset, values } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { puts, ScriptedPeer } from '../testing/scripted-peer.js';
import { Wires } from '../testing/wires.js';

const limits = { compareIntervalMs: 5_000, indexBits: 6 };

function forgetLog(rig: Rig): void {
  for (const { key } of rig.store.all(KIND.log)) rig.store.delete(key);
}

function linked(...regions: readonly string[]): { rigs: Rig[]; wires: Wires } {
  const rigs = regions.map((region) => new Rig({ region, limits }));
  return { rigs, wires: new Wires(rigs).connectAll() };
}

describe('a repair', () => {
  test('who takes over a view knows no more of removals than its source', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    a.run(put('x', 1), put('y', 2));
    a.run(del('x'));
    wires.pass(10_000);
    expect(a.record.horizon.size).toBeGreaterThan(0);
    forgetLog(a);
    forgetLog(b);
    const j = new Rig({ region: 'j', seeds: ['ws://a'], limits });
    const more = new Wires([a, b, j]);
    more.connect(a, j);
    more.pass(10_000);
    expect(j.status.versionVector.get(a.id)).toBe(a.seq);
    expect([...j.record.horizon]).toEqual([...a.record.horizon]);
  });

  test('a source that is retired leaves no ceiling behind that nobody reaches', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    for (let i = 0; i < 50; i++) a.run(put(`k${i}`, i), add('s', `e${i}`), increment('c', i));
    wires.pass(3_000);
    wires.cut(a, b);
    a.run(put('last', 1));
    forgetLog(a);
    forgetLog(b);
    const j = new Rig({ region: 'j', seeds: ['ws://a', 'ws://b'], limits });
    const more = new Wires([a, b, j]);
    more.filter = (message, from) =>
      from === a && message.type === 'repair-mark' && message.what === 'walked' ? undefined : message;
    more.connect(a, j);
    more.pass(2_000);
    more.cut(a, j);
    more.connect(b, j);
    b.step({ type: 'remove-member', replica: a.id });
    more.passUntil(() => j.aside.length > 0);
    // What was begun is thrown away; it begins anew from who is left.
    more.connect(b, j);
    more.passUntil(() => j.status.reasons.length === 0);
    expect(j.digest).toBe(b.digest);
    expect(j.run(get('k1'), get('last'), count('c'))).toEqual([1, undefined, b.one(count('c'))]);
  });

  test('a source that floods with empty batches is cut off', () => {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    b.run(put('own', 1));
    wires.pass(2_000);
    wires.cut(a, b);
    for (let i = 0; i < 50; i++) a.run(put(`k${i}`, i));
    forgetLog(a);
    for (let i = 0; i < 60; i++) b.run(put(`b${i}`, i));
    let done = false;
    wires.filter = (message, from) => {
      if (from !== a || message.type !== 'repair-ids') return message;
      if (!done) {
        done = true;
        b.holdScans = true;
        const link = b.sent
          .flatMap((s) => (s.type === 'message' && s.message.type === 'repair-open' ? [s.link] : []))
          .at(-1)!;
        for (let i = 0; i < 200_000; i++)
          b.replica.step(
            {
              type: 'link-message',
              link,
              message: { ...message, batch: i + 1, ids: new Uint8Array(0), through: Uint8Array.of(1) },
            },
            b.now,
          );
      }
      return undefined;
    };
    wires.connect(a, b);
    wires.pass(1_000);
    const receiver = (b.replica as unknown as { repair: { receiver?: { match?: { batches: unknown[] } } } })
      .repair.receiver;
    expect(done).toBe(true);
    expect(receiver?.match?.batches.length ?? 0).toBeLessThan(10_000);
  });
});

describe('a joiner that has a write by a stream, and not yet the removal, which another peer has compacted', () => {
  /** What `b` wrote `a` has removed, and knows no longer; `b` still does, since nobody tells it what `a` has. */
  function compactedAtOne(): { rigs: Rig[]; a: Rig; b: Rig } {
    const { rigs, wires } = linked('a', 'b');
    const [a, b] = rigs as [Rig, Rig];
    wires.filter = (message, from) =>
      from === a && ['ack', 'gossip'].includes(message.type) ? undefined : message;
    b.run(increment('c', 5), add('s', 'x'), put('r', 1));
    wires.pass(1_000);
    a.run(reset('c'), remove('s', 'x'), del('r'));
    wires.pass(1_500);
    expect([a.record.horizon.get(a.id), b.record.horizon.size]).toEqual([a.seq, 0]);
    return { rigs, a, b };
  }

  test('gets the removal by a stream too, and takes over no version vector', () => {
    const { rigs, a, b } = compactedAtOne();

    const j = new Rig({ region: 'j', seeds: ['ws://a', 'ws://b'], limits });
    const more = new Wires([a, b, j]);
    more.filter = (message, from) =>
      from === b && message.type === 'chunks' && message.origin === a.id ? undefined : message;
    more.connect(b, j);
    more.pass(200);
    expect([...j.status.versionVector.keys()]).toEqual([b.id]);
    more.filter = (message) => message;
    more.connect(a, j);
    more.pass(5_000);
    expect(j.status.versionVector).toEqual(a.status.versionVector);
    // Comparisons have been made meanwhile: what came back to the joiner would be everywhere.
    for (const rig of rigs) expect(rig.run(count('c'), values('s'), get('r'))).toEqual([0, [], undefined]);
    expect(j.digest).toBe(a.digest);
    expect(j.told.repairs.filter(({ outcome }) => outcome !== 'equal')).toEqual([]);
  });

  test('makes nobody whole who takes over what it has', () => {
    const { rigs, a, b } = compactedAtOne();

    const j = new Rig({ region: 'j', seeds: ['ws://a', 'ws://b'], limits });
    const k = new Rig({ region: 'k', seeds: ['ws://j'], limits: { ...limits, logFloorTransactions: 0 } });
    const more = new Wires([a, b, j, k]);
    more.filter = (message, from) =>
      from !== a && message.type === 'chunks' && message.origin === a.id ? undefined : message;
    more.connect(b, j);
    more.pass(200);
    more.connect(j, k);
    more.pass(300);
    expect([...k.status.versionVector.keys()]).toEqual([b.id]);
    expect(k.told.repairs).toMatchObject([{ outcome: 'done' }]);
    more.filter = (message) => message;
    more.connect(a, k);
    more.pass(2_000);
    more.connect(a, j);
    more.connect(b, k);
    more.pass(20_000);
    for (const rig of rigs) expect(rig.run(count('c'), values('s'), get('r'))).toEqual([0, [], undefined]);
    expect([j.digest, k.digest]).toEqual([a.digest, a.digest]);
  });

  /** One that has what `b` wrote, and of `a` nothing, which has removed that and knows it no longer. */
  function partial(): { j: Rig; a: ScriptedPeer; versionVector: VersionVector } {
    const j = new Rig({ region: 'j', seeds: ['ws://a', 'ws://b'], limits });
    const b = new ScriptedPeer(j, 'b').answers().writes(puts('x', 1));
    j.cuts(b.link);
    const a = new ScriptedPeer(j, 'a');
    a.seq = 1;
    a.seen.set(b.id, 1);
    const { versionVector } = a;
    a.answers({ horizon: versionVector, members: [a.member] });
    return { j, a, versionVector };
  }

  test('begins anew when no log reaches back to the removal', () => {
    const { j, a, versionVector } = partial();
    expect(a.subscriptions).toContain(`${a.id}>0`);
    expect(a.of('repair-open')).toEqual([]);
    a.tells({ type: 'gap', origin: a.id, after: 0, first: 2 });
    const [open] = a.of('repair-open');
    expect(open).toMatchObject({ mode: 'catch-up' });
    a.tells({
      type: 'repair-view',
      session: open!.session,
      versionVector,
      starts: [1, 1],
      ceiling: new Map(),
      horizon: versionVector,
      clock: { physical: 0, logical: 0 },
      bits: 0,
      count: 0,
      root: new Uint8Array(16),
      level: 0,
      digests: new Uint8Array(0),
    });
    expect(j.aside.map(({ rejoin }) => rejoin.code)).toEqual(['CAUSEWAY_STALE']);
  });

  test('is no source of a catch-up for that peer, to which it would hand back what was removed', () => {
    const { a, versionVector } = partial();
    const root = new Uint8Array(16);
    a.tells({
      type: 'repair-open',
      session: 2,
      mode: 'catch-up',
      versionVector,
      horizon: versionVector,
      root,
    });
    expect(a.of('repair-end')).toMatchObject([{ session: 2, outcome: 'stale' }]);
  });
});
