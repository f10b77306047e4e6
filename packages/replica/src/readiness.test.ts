import { replicaId } from '@causeway/crdt';
import type { Member } from '@causeway/protocol';
import { describe, expect, test } from 'vitest';
import { FIRST_NODE_MS } from './limits.js';
import { Readiness } from './readiness.js';
import { get, put } from './testing/operations.js';
import { Rig } from './testing/rig.js';
import { puts, ScriptedPeer } from './testing/scripted-peer.js';

const isReady = (node: Rig) => node.status.ready;

describe('an empty node', () => {
  test('without seeds is ready at once', () => {
    expect(isReady(new Rig())).toBe(true);
  });

  test('with seeds is joining, and serves nobody', () => {
    const node = new Rig({ seeds: ['ws://us'] });
    expect(node.status).toMatchObject({ ready: false, reasons: ['joining'] });
    expect(node.ask(1, get('a')).code).toBe('CAUSEWAY_NOT_READY');
    expect(node.ask(1, put('a', 1)).code).toBe('CAUSEWAY_NOT_READY');
    expect(() => node.keys()).toThrow('joining');
  });

  test('is ready when every seed has answered and it holds what they held then', () => {
    const node = new Rig({ seeds: ['ws://us', 'ws://ap'] });
    const us = new ScriptedPeer(node, 'us');
    const ap = new ScriptedPeer(node, 'ap');
    const chunks = [us.chunk([[puts('a', 1)]]), us.chunk([[puts('b', 2)]])];
    us.answers();
    expect(isReady(node)).toBe(false);
    ap.answers();
    expect(isReady(node)).toBe(false);
    us.sends(chunks[0]!);
    expect(isReady(node)).toBe(false);
    node.holdWrites = true;
    us.sends(chunks[1]!);
    expect(isReady(node)).toBe(false);
    node.finishWrite();
    expect(isReady(node)).toBe(true);
    node.releaseAll();
    expect(node.one(get('b'))).toBe(2);
  });

  test('does not wait for what a seed got after it had answered', () => {
    const node = new Rig({ seeds: ['ws://us'] });
    const us = new ScriptedPeer(node, 'us');
    const chunk = us.chunk([[puts('a', 1)]]);
    us.answers();
    us.chunk([[puts('b', 2)]]);
    us.gossips();
    us.sends(chunk);
    expect(isReady(node)).toBe(true);
  });

  test('counts seeds that are empty themselves as answered', () => {
    const node = new Rig({ seeds: ['ws://us', 'ws://ap'] });
    new ScriptedPeer(node, 'us').answers();
    new ScriptedPeer(node, 'ap').answers();
    expect(isReady(node)).toBe(true);
  });

  test('whose seeds are not up yet is the first of its cluster: ready after five seconds, not before', () => {
    const node = new Rig({ seeds: ['ws://us', 'ws://ap'] });
    node.pass(FIRST_NODE_MS - 10);
    expect(isReady(node)).toBe(false);
    node.pass(20);
    expect(isReady(node)).toBe(true);
    expect(node.run(put('a', 1), get('a'))[1]).toBe(1);
  });

  test('of which one seed has answered is not the first: it waits for the others', () => {
    const node = new Rig({ seeds: ['ws://us', 'ws://ap'] });
    const us = new ScriptedPeer(node, 'us').answers();
    for (let i = 0; i < 30; i++) {
      node.pass(1_000);
      us.gossips();
    }
    expect(node.status.reasons).toEqual(['joining']);
    new ScriptedPeer(node, 'ap').answers();
    expect(isReady(node)).toBe(true);
  });

  test('a dial that opens and says nothing is no answer', () => {
    const node = new Rig({ seeds: ['ws://us'] });
    const dial = node.dials()[0]!;
    node.accepts(dial.link, dial.address);
    node.pass(FIRST_NODE_MS);
    expect(isReady(node)).toBe(true);
  });

  test('that is among its own seeds needs the others only', () => {
    const node = new Rig({ seeds: ['ws://eu', 'ws://us'] });
    const own = node.dials('ws://eu')[0]!;
    const self = new ScriptedPeer(node, 'eu', { id: node.id, start: node.replica.start });
    node.accepts(own.link, own.address);
    self.link = own.link;
    self.greets();
    expect(isReady(node)).toBe(false);
    new ScriptedPeer(node, 'us').answers();
    expect(isReady(node)).toBe(true);
  });

  test('that was still joining when it stopped does not become ready without its seeds', () => {
    const node = new Rig({ seeds: ['ws://us'] });
    const us = new ScriptedPeer(node, 'us');
    const chunks = [us.chunk([[puts('a', 1)]]), us.chunk([[puts('b', 2)]])];
    us.answers().sends(chunks[0]!);
    node.restart();
    node.pass(60_000);
    expect(node.status.reasons).toEqual(['joining']);
    us.answers().sends(chunks[1]!);
    expect(isReady(node)).toBe(true);
  });

  test('whose seeds can no longer give it everything says that it repairs itself', () => {
    const node = new Rig({ seeds: ['ws://us'] });
    const us = new ScriptedPeer(node, 'us');
    us.chunk([[puts('a', 1)]]);
    us.answers();
    us.tells({ type: 'gap', origin: us.id, after: 0, first: 9 });
    expect(node.status.reasons).toEqual(['joining', 'repairing']);
  });
});

describe('a node that was ready once', () => {
  test('is ready again at once after a restart while it is cut off, and takes writes', () => {
    const node = new Rig({ seeds: ['ws://us'] });
    new ScriptedPeer(node, 'us').answers();
    expect(isReady(node)).toBe(true);
    node.restart();
    expect(isReady(node)).toBe(true);
    expect(node.run(put('a', 1), get('a'))[1]).toBe(1);
  });

  test('stays ready when its seeds go away, or have more', () => {
    const node = new Rig({ seeds: ['ws://us'] });
    const us = new ScriptedPeer(node, 'us').answers();
    node.cuts(us.link);
    node.pass(10_000);
    us.chunk([[puts('a', 1)]]);
    us.answers();
    expect(isReady(node)).toBe(true);
  });

  test('was ready only if that is durable', () => {
    const node = new Rig({ seeds: ['ws://us'] });
    node.holdWrites = true;
    node.pass(FIRST_NODE_MS + 100);
    node.restart();
    node.pass(1_000);
    expect(isReady(node)).toBe(false);
  });
});

describe('a seed that does not answer', () => {
  const id = replicaId('us-east.00000001');
  const at = (address: string, state: 'active' | 'removed') =>
    ({ replica: id, region: 'us-east', address, state }) as unknown as Member;
  const answeredByUs = () => {
    const readiness = new Readiness(['ws://us', 'ws://ap'], 0, false, true);
    readiness.answered('ws://us', { replica: id, versionVector: new Map() }, 0);
    return readiness;
  };

  test('has been met when a member stands at its address, which may be gone for good', () => {
    const readiness = answeredByUs();
    expect(readiness.haveAllBeenMet([])).toBe(false);
    expect(readiness.haveAllBeenMet([{ address: 'ws://us' }])).toBe(false);
    expect(readiness.haveAllBeenMet([{ address: 'ws://ap' }])).toBe(true);
  });

  test('is not waited for when it was removed, and nobody else is at its address', () => {
    const readiness = answeredByUs();
    const isReadyWith = (...members: Member[]) => {
      readiness.forgetRetired(members);
      return readiness.check(new Map(), 1);
    };
    expect(isReadyWith()).toBe(false);
    expect(isReadyWith(at('ws://ap', 'removed'), at('ws://ap', 'active'))).toBe(false);
    expect(isReadyWith(at('ws://ap', 'removed'))).toBe(true);
  });
});

describe('who answers again', () => {
  const id = replicaId('us-east.00000001');
  const seen = (seq: number) => new Map(seq === 0 ? [] : [[id, seq] as const]);
  const again = (before?: number, ...answers: number[]) => {
    const readiness = new Readiness(
      ['ws://us'],
      0,
      false,
      false,
      before === undefined ? undefined : seen(before),
    );
    for (const seq of answers) readiness.answered('ws://us', { replica: id, versionVector: seen(seq) }, 0);
    return readiness;
  };

  test.each([
    {
      name: 'with less was rolled back: what it had then is nowhere',
      before: undefined,
      answers: [9, 5],
      want: 5,
    },
    { name: 'with more is not run after', before: undefined, answers: [5, 9], want: 5 },
    {
      name: 'with less was rolled back, and one that begins anew sees it',
      before: 9,
      answers: [9, 5],
      want: 5,
    },
    {
      name: 'with something had held it back from one that begins anew',
      before: 9,
      answers: [0, 5],
      want: 5,
    },
  ])('$name', ({ before, answers, want }) => {
    expect(again(before, ...answers).check(seen(want - 1), 1)).toBe(false);
    expect(again(before, ...answers).check(seen(want), 1)).toBe(true);
  });

  test('later on the same link has what it had held back', () => {
    const readiness = again(9, 0);
    expect(readiness.check(seen(5), 4_000)).toBe(false);
    readiness.holds(id, seen(5));
    readiness.holds(id, seen(7));
    expect(readiness.check(seen(5), 4_001)).toBe(true);
  });

  test('is not waited for beyond what can still come', () => {
    const readiness = new Readiness(['ws://us'], 0, false, false, undefined, (origin) => origin === id);
    readiness.answered('ws://us', { replica: id, versionVector: seen(9) }, 0);
    expect(readiness.check(seen(5), 1)).toBe(true);
  });
});
