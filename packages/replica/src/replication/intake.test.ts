import { describe, expect, test } from 'vitest';
import { get, put } from '../testing/operations.js';
import { Rig, type RigOptions } from '../testing/rig.js';
import { puts, ScriptedPeer } from '../testing/scripted-peer.js';
import { logOf } from '../testing/stored.js';

/** `third` is a member that only the others reach. */
function trio(options: RigOptions = {}): {
  node: Rig;
  peer: ScriptedPeer;
  other: ScriptedPeer;
  third: ScriptedPeer;
} {
  const node = new Rig(options);
  const peer = new ScriptedPeer(node, 'us').dials();
  const other = new ScriptedPeer(node, 'ap').dials();
  const third = new ScriptedPeer(node, 'sa');
  return { node, peer, other, third };
}

/** `peer` says that it has everything of `third` up to `seq`. */
function reports(peer: ScriptedPeer, third: ScriptedPeer, seq: number): void {
  peer.seen.set(third.id, seq);
  peer.gossips({ members: [third.member] });
  peer.rig.pass(501);
}

/** `third` was linked, and is reached through `peer`, which has one more of it. */
function detour(): { node: Rig; peer: ScriptedPeer; third: ScriptedPeer } {
  const { node, peer, third } = trio();
  third.dials();
  third.writes(puts('a', 1));
  reports(peer, third, 3);
  node.cuts(third.link);
  expect(peer.subscriptions.at(-1)).toBe(`${third.id}>1`);
  peer.sends(third.chunk([[puts('a', 2)]]), third.id);
  return { node, peer, third };
}

describe('causal delivery', () => {
  test('a chunk waits for what its writer had seen', () => {
    const { node, peer, other } = trio();
    const cause = peer.chunk([[puts('a', 'cause')]]);
    other.seen.set(peer.id, 1);
    other.writes(puts('b', 'effect'));
    expect(node.run(get('a'), get('b'))).toEqual([undefined, undefined]);
    peer.sends(cause);
    expect(node.run(get('a'), get('b'))).toEqual(['cause', 'effect']);
  });

  test('of several that wait each is applied as soon as its own causes are there', () => {
    const { node, peer, other, third } = trio();
    third.dials();
    const first = peer.chunk([[puts('a', 1)]]);
    const second = peer.chunk([[puts('a', 2)]]);
    other.writes(puts('free', 1));
    other.seen.set(peer.id, 2);
    other.writes(puts('late', 1));
    third.seen.set(peer.id, 1);
    third.writes(puts('early', 1));
    expect(node.run(get('free'), get('early'), get('late'))).toEqual([1, undefined, undefined]);
    peer.sends(first);
    expect(node.run(get('free'), get('early'), get('late'))).toEqual([1, 1, undefined]);
    peer.sends(second);
    expect(node.run(get('late'))).toEqual([1]);
  });

  test('a transaction is applied whole', () => {
    const { node, peer } = trio();
    node.holdLoads = true;
    peer.writes(puts('a', 1), puts('b', 1));
    const reader = node.ask(1, [get('a'), get('b')]);
    for (const load of node.loads) node.answerLoad(load);
    node.releaseAll();
    expect(reader.results?.[0]).toBe(reader.results?.[1]);
    expect(node.run(get('a'), get('b'))).toEqual([1, 1]);
  });
});

describe('what comes twice, or not at all', () => {
  test('a chunk that is here already is counted and changes nothing', () => {
    const { node, peer } = trio();
    const chunk = peer.chunk([[puts('a', 1)]]);
    peer.sends([chunk, chunk]).sends(chunk);
    expect(node.told.duplicates).toEqual([peer.id, peer.id]);
    expect(logOf(node.store, peer.id)).toHaveLength(1);
  });

  test('a chunk that overlaps brings what is new in it', () => {
    const { node, peer } = trio();
    peer.writes(puts('a', 1));
    peer.seq = 0;
    peer.sends(peer.chunk([[puts('a', 'again')], [puts('b', 2)]]));
    expect(node.status.versionVector.get(peer.id)).toBe(2);
    expect(node.run(get('a'), get('b'))).toEqual([1, 2]);
  });

  test('a hole is asked for once, and what is behind it is passed over', () => {
    const { node, peer } = trio();
    peer.writes(puts('a', 1));
    const lost = peer.chunk([[puts('b', 2)]]);
    const behind = [peer.chunk([[puts('c', 3)]]), peer.chunk([[puts('d', 4)]])];
    peer.sends(behind[0]!).sends(behind[1]!);
    expect(peer.subscriptions).toEqual([`${peer.id}>0`, `${peer.id}>1`]);
    expect(node.one(get('c'))).toBeUndefined();
    peer.sends([lost, ...behind]);
    expect(node.run(get('b'), get('c'), get('d'))).toEqual([2, 3, 4]);
    peer.seq = 5;
    peer.sends(peer.chunk([[puts('e', 6)]]));
    expect(peer.subscriptions.at(-1)).toBe(`${peer.id}>4`);
  });

  test('a damaged chunk, or one of another origin, ends the link and is not applied', () => {
    for (const spoil of [
      (chunk: Uint8Array) => chunk.with(chunk.length - 1, chunk.at(-1)! ^ 1),
      (_: Uint8Array, other: ScriptedPeer) => other.chunk([[puts('b', 1)]]),
    ]) {
      const { node, peer, other } = trio();
      peer.sends(spoil(peer.chunk([[puts('a', 1)]]), other));
      expect(peer.of('refuse').map(({ code }) => code)).toEqual(['CAUSEWAY_BAD_CHUNK']);
      expect(node.run(get('a'), get('b'))).toEqual([undefined, undefined]);
    }
  });

  test('after a reconnect the stream goes on behind what has come', () => {
    const { node, peer } = trio();
    peer.writes(puts('a', 1));
    peer.writes(puts('a', 2));
    node.cuts(peer.link);
    peer.dials();
    expect(peer.subscriptions).toEqual([`${peer.id}>2`]);
  });

  test('after a failed write it goes on behind what is durable', () => {
    const { node, peer } = trio();
    peer.writes(puts('a', 1));
    node.holdWrites = true;
    peer.writes(puts('a', 2));
    peer.writes(puts('a', 3));
    node.failWrite();
    node.reopen();
    node.releaseAll();
    peer.dials();
    expect(peer.subscriptions[0]).toBe(`${peer.id}>1`);
  });
});

describe('from whom an origin is taken', () => {
  test('each origin from itself while its link is up', () => {
    const { peer, other } = trio();
    reports(peer, other, 5);
    expect(peer.subscriptions).toEqual([`${peer.id}>0`]);
    expect(other.subscriptions).toEqual([`${other.id}>0`]);
  });

  test('an origin that is not linked from one neighbour alone, the one whose report is furthest ahead', () => {
    const { node, peer, other, third } = trio();
    peer.seen.set(third.id, 2);
    other.seen.set(third.id, 3);
    peer.gossips({ members: [third.member], versionVector: new Map() });
    peer.gossips();
    other.gossips();
    node.pass(501);
    expect(peer.subscriptions).not.toContain(`${third.id}>0`);
    expect(other.subscriptions).toContain(`${third.id}>0`);
    other.sends(third.chunk([[puts('a', 1)]]), third.id);
    expect(node.one(get('a'))).toBe(1);
    peer.sends(third.chunk([[puts('a', 2)]]), third.id);
    expect(node.one(get('a'))).toBe(1);
  });

  test('when its link is cut a neighbour takes over, and when it is up again ends what it has on its way', () => {
    const { node, peer, third } = detour();
    third.dials();
    node.pass(501);
    expect(third.subscriptions).toEqual([]);
    peer.sends(third.chunk([[puts('a', 3)]]), third.id);
    node.pass(1);
    expect(third.subscriptions).toEqual([]);
    node.pass(501);
    expect(third.subscriptions).toEqual([`${third.id}>3`]);
    expect(peer.subscriptions.at(-1)).toBe(`-${third.id}`);
  });

  test('a neighbour that brings more than it has told of ends it as well', () => {
    const { node, peer, third } = detour();
    peer.sends(third.chunk([[puts('a', 3)]]), third.id);
    third.seq = 9;
    third.dials();
    expect(third.subscriptions).toEqual([]);
    node.pass(501);
    expect(third.subscriptions).toEqual([`${third.id}>3`]);
  });

  test('a neighbour that does not bring what it has is left a second after the link is up', () => {
    const { node, third } = detour();
    third.dials();
    node.pass(501);
    expect(third.subscriptions).toEqual([]);
    node.pass(1_000);
    expect(third.subscriptions).toEqual([`${third.id}>2`]);
  });

  test('a gap is answered by asking another neighbour, and then this one again', () => {
    const { node, peer, other, third } = trio();
    reports(peer, third, 5);
    expect(peer.subscriptions.at(-1)).toBe(`${third.id}>0`);
    reports(other, third, 5);
    peer.tells({ type: 'gap', origin: third.id, after: 0, first: 4 });
    expect(other.subscriptions.at(-1)).toBe(`${third.id}>0`);
    other.tells({ type: 'gap', origin: third.id, after: 0, first: 4 });
    const asked = peer.subscriptions.length;
    for (let i = 0; i < 6; i++) {
      node.pass(1_000);
      peer.gossips();
      other.gossips();
    }
    expect(peer.subscriptions.length + other.subscriptions.length).toBeGreaterThan(asked);
  });

  test('a cause that does not come for a second is taken from whoever sent what waits for it, for a while', () => {
    const { node, peer, other } = trio();
    peer.chunk([[puts('a', 'cause')]]);
    other.seen.set(peer.id, 1);
    other.writes(puts('b', 'effect'));
    const alive = () => {
      peer.gossips({ versionVector: new Map() });
      other.gossips();
    };
    node.pass(900);
    alive();
    expect(other.subscriptions).toEqual([`${other.id}>0`]);
    node.pass(700);
    expect(other.subscriptions.at(-1)).toBe(`${peer.id}>0`);
    expect(peer.subscriptions.at(-1)).toBe(`-${peer.id}`);
    peer.seq = 0;
    other.sends(peer.chunk([[puts('a', 'cause')]]), peer.id);
    expect(node.run(get('a'), get('b'))).toEqual(['cause', 'effect']);
    for (let i = 0; i < 6; i++) {
      alive();
      node.pass(1_000);
    }
    expect(peer.subscriptions.at(-1)).toBe(`${peer.id}>1`);
    expect(other.subscriptions.at(-1)).toBe(`-${peer.id}`);
  });
});

describe('credit', () => {
  test('goes back in portions, when the chunks are durable', () => {
    const node = new Rig({ limits: { creditPortionBytes: 1_000 } });
    const peer = new ScriptedPeer(node, 'us').dials();
    node.holdWrites = true;
    for (let i = 0; i < 4; i++) peer.writes(puts(`k${i}`, 'x'.repeat(600)));
    expect(peer.of('credit')).toEqual([]);
    node.releaseAll();
    const back = peer.of('credit').map(({ bytes }) => bytes);
    expect(back.every((bytes) => bytes >= 1_000)).toBe(true);
    expect(back.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(2_000);
  });

  test('the lag of a chunk is told when it is durable here, with the clock offset taken off', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    const { wall } = node.now;
    // The peer's clock is 1,000 ms ahead.
    peer.tells({ type: 'pong', id: 1, wall, receivedAt: wall + 1_000 });
    node.holdWrites = true;
    peer.sends(peer.chunk([[puts('a', 1)]]), peer.id, wall + 1_000);
    node.pass(30);
    expect(node.told.lags).toEqual([]);
    node.finishWrite();
    expect(node.told.lags).toEqual([{ origin: peer.id, seconds: 0.03 }]);
  });

  test('own writes go on while a peer’s chunk waits', () => {
    const { node, peer, other } = trio();
    peer.chunk([[puts('a', 1)]]);
    other.seen.set(peer.id, 1);
    other.writes(puts('a', 'waits'));
    expect(node.run(put('a', 'mine'), get('a'))[1]).toBe('mine');
  });
});

describe('what is no chunk', () => {
  const damaged = (chunk: Uint8Array): Uint8Array => {
    const bytes = chunk.slice();
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 0xff;
    return bytes;
  };

  test('behind one that is good in the same message costs the link, and the good one stays', () => {
    const { node, peer, other, third } = trio();
    reports(peer, third, 2);
    const good = third.chunk([[puts('a', 1)]]);
    peer.sends([good, Uint8Array.of(9, 9, 9)], third.id);
    expect(node.isOpen(peer.link)).toBe(false);
    expect(node.run(get('a'))).toEqual([1]);
    reports(other, third, 2);
    expect(other.subscriptions.at(-1)).toBe(`${third.id}>1`);
  });

  test.each([
    { name: 'a damaged one', claims: 1, overlaps: 0 },
    { name: 'one that claims to be a thousand', claims: 1_000, overlaps: 0 },
    { name: 'one that begins with what is here', claims: 2, overlaps: 1 },
  ])(
    'of a neighbour that is gone is asked of the next when its turn comes: $name',
    ({ claims, overlaps }) => {
      const { node, peer, other, third } = trio({ limits: { arrivalsOpenBytes: 1 } });
      reports(peer, third, 3);
      const cause = other.chunk([[puts('c', 1)]]);
      third.seen.set(other.id, 1);
      const first = third.chunk([[puts('a', 1)]]);
      const before = third.seq;
      third.seq -= overlaps;
      const bad = damaged(third.chunk(Array.from({ length: claims }, () => [puts('a', 9)])));
      third.seq = before;
      peer.sends([first, bad], third.id);
      node.cuts(peer.link);
      reports(other, third, 3);
      other.sends(cause);
      expect(other.subscriptions.at(-1)).toBe(`${third.id}>1`);
      other.sends(third.chunk([[puts('a', 2)]]), third.id);
      expect(node.run(get('a'))).toEqual([2]);
    },
  );
});
