/** Whom a replica that is to leave its identity behind begins anew from, and when it does not. */
import { describe, expect, test } from 'vitest';
import { count, get, increment, put } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { Wire } from '../testing/wire.js';

/** The log holds the last few transactions only: what is thrown away here nobody issues again. */
const limits = { logFloorTransactions: 2 };

function world(): { eu: Rig; us: Rig; wire: Wire } {
  const us = new Rig({ region: 'us', limits });
  const eu = new Rig({ region: 'eu', seeds: ['ws://us'], limits });
  const wire = new Wire(eu, us, 'ws://us');
  wire.runUntil(() => eu.status.ready, 10_000);
  for (let i = 0; i < 20; i++) eu.run(put(`k${i}`, i), increment('c', 1));
  us.run(put('u', 1));
  wire.run(10_000);
  return { eu, us, wire };
}

function restart(rig: Rig, leave?: string): void {
  rig.leave = leave;
  rig.restart();
}

describe('two that are both to leave their identities', () => {
  test('keep them, since together they hold all that there is', () => {
    const { eu, us, wire } = world();
    const ids = [eu.id, us.id];
    wire.drop();
    restart(eu, 'restored');
    restart(us, 'restored');
    expect(eu.status.reasons).toEqual(['rejoining']);
    wire.run(30_000);
    expect([eu.id, us.id]).toEqual(ids);
    for (const rig of [eu, us]) {
      expect(rig.status).toMatchObject({ ready: true, writable: true });
      expect(rig.aside).toEqual([]);
      expect(rig.run(get('k1'), get('u'), count('c'))).toEqual([1, 1, 20]);
      expect(rig.status.members.map(({ state }) => state)).toEqual(['active', 'active']);
    }
    eu.run(put('after', 1));
    wire.run(1_000);
    expect(us.one(get('after'))).toBe(1);
  });

  test('wait while another member is away, which may hold more', () => {
    const { eu, us, wire } = world();
    const ap = new Rig({ region: 'ap', seeds: ['ws://us'], limits });
    const other = new Wire(ap, us, 'ws://us');
    other.runUntil(() => ap.status.ready, 10_000);
    wire.run(2_000);
    other.cut(true);
    wire.drop();
    restart(eu, 'restored');
    restart(us, 'restored');
    wire.run(30_000);
    for (const rig of [eu, us]) expect(rig.status.reasons).toEqual(['rejoining']);
    const before = us.id;
    other.cut(false);
    for (let i = 0; i < 600; i++) {
      other.run(50);
      wire.run(50);
    }
    expect(us.id).not.toBe(before);
    expect(eu.id).not.toBe(before);
    for (const rig of [eu, us]) {
      expect(rig.status.reasons).toEqual([]);
      expect(rig.run(get('k1'), get('u'), count('c'))).toEqual([1, 1, 20]);
    }
  });
});

describe('one that is to leave its identity', () => {
  test('does not begin anew from a peer that has nothing yet', () => {
    const { eu, wire } = world();
    wire.drop();
    const empty = new Rig({ region: 'ap', limits });
    const again = new Wire(eu, empty, 'ws://us');
    restart(eu, 'restored');
    const before = eu.id;
    again.runUntil(() => eu.status.reasons.length === 0, 60_000);
    again.run(20_000);
    expect(eu.id).not.toBe(before);
    for (const rig of [eu, empty]) expect(rig.run(get('k1'), get('u'), count('c'))).toEqual([1, 1, 20]);
  });
});

describe('one that was rolled back', () => {
  test('gives up nothing for a peer that has nothing yet: it serves it first', () => {
    const { eu, us, wire } = world();
    const backup = eu.store.snapshot();
    eu.run(put('later', 1));
    wire.run(1_000);
    wire.drop();
    // It begins anew, and hears what is at the other, but gets nothing of it.
    eu.holdScans = true;
    const old = us.id;
    restart(us, 'restored');
    wire.runUntil(() => us.id !== old && us.status.peers.some(({ state }) => state === 'connected'), 30_000);
    expect(us.status.versionVector.size).toBe(0);
    wire.drop();
    eu.store = backup;
    eu.holdScans = false;
    const [before, joiner] = [eu.id, us.id];
    restart(eu);
    wire.runUntil(() => eu.status.reasons.includes('rejoining'), 10_000);
    expect([eu.id, eu.run(get('k1'))]).toEqual([before, [1]]);
    wire.run(60_000);
    expect(eu.id).not.toBe(before);
    expect(us.id).toBe(joiner);
    for (const rig of [eu, us]) {
      expect(rig.status.reasons).toEqual([]);
      expect(rig.run(get('k1'), get('u'), count('c'))).toEqual([1, 1, 20]);
    }
    expect(eu.digest).toBe(us.digest);
  });
});
