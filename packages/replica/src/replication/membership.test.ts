/** Members that come, move and go: who counts, who is listened to, and what is told to whom. */
import { type ReplicaId, replicaId } from '@causeway/crdt';
import type { Member, Report } from '@causeway/protocol';
import { describe, expect, test } from 'vitest';
import { KIND } from '../store/keyspace.js';
import { del, get, put } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { puts, ScriptedPeer } from '../testing/scripted-peer.js';

const refusals = (peer: ScriptedPeer) => peer.of('refuse').map(({ code }) => code);
const memberOf = (node: Rig, replica: ReplicaId) =>
  node.status.members.find((member) => member.replica === replica);
const removed = (peer: ScriptedPeer, finalSeq = 0): Member => ({
  ...peer.member,
  state: 'removed',
  finalSeq,
});
const remove = (node: Rig, replica: ReplicaId) => node.step({ type: 'remove-member', replica });

/** A node with two peers, `us` and `ap`, and a tombstone of its own (seq 2). */
function three(): { node: Rig; us: ScriptedPeer; ap: ScriptedPeer; keepsEvidence: () => boolean } {
  const node = new Rig();
  const us = new ScriptedPeer(node, 'us').dials();
  const ap = new ScriptedPeer(node, 'ap').dials();
  node.run(put('gone', 1));
  node.run(del('gone'));
  return { node, us, ap, keepsEvidence: () => node.store.all(KIND.garbage).length > 0 };
}

/** A report of the peer, which knows of all that the node knows. */
function report(peer: ScriptedPeer, node: Rig, change: Partial<Report> = {}): Report {
  const members = node.status.members.map(({ replica }) => replica);
  return {
    replica: peer.id,
    versionVector: new Map([[node.id, 2]]),
    members,
    retired: [],
    quietMs: 0,
    ...change,
  };
}

describe('a register', () => {
  test('of this replica says joining until it is ready, then active', () => {
    const joining = new Rig({ seeds: ['ws://us'] });
    expect(memberOf(joining, joining.id)).toMatchObject({ state: 'joining', version: 1 });
    new ScriptedPeer(joining, 'us').answers();
    expect(memberOf(joining, joining.id)).toMatchObject({ state: 'active', version: 2 });
  });

  test('is told only when it is durable', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.holdWrites = true;
    node.step({ type: 'drain', byOperator: true });
    expect(peer.of('gossip').at(-1)?.members).toContainEqual(
      expect.objectContaining({ replica: node.id, state: 'active' }),
    );
    node.finishWrite();
    expect(peer.of('gossip').at(-1)?.members).toContainEqual(
      expect.objectContaining({ replica: node.id, state: 'draining' }),
    );
  });

  test('that moves is told by others too, and the newer one stands', () => {
    const { node, us, ap } = three();
    node.cuts(ap.link);
    us.gossips({ members: [{ ...ap.member, address: 'ws://moved', version: 2 }] });
    expect(memberOf(node, ap.id)?.address).toBe('ws://moved');
    node.pass(600);
    expect(node.dials('ws://moved')).not.toEqual([]);
    us.gossips({ members: [{ ...ap.member, address: 'ws://old', version: 1 }] });
    expect(memberOf(node, ap.id)?.address).toBe('ws://moved');
  });

  test('is what it was after a restart, and goes on counting', () => {
    const node = new Rig();
    node.step({ type: 'drain', byOperator: true });
    const { version } = memberOf(node, node.id)!;
    node.restart();
    expect(memberOf(node, node.id)).toMatchObject({ state: 'active', version: version + 1 });
  });
});

describe('a joiner', () => {
  test('counts as soon as it is heard of: nothing is compacted past it', () => {
    const { node, us, ap, keepsEvidence } = three();
    us.acks(new Map([[node.id, 2]]));
    const joiner = new ScriptedPeer(node, 'joiner');
    us.gossips({ versionVector: new Map([[node.id, 2]]), members: [joiner.member] });
    ap.acks(new Map([[node.id, 2]]));
    node.pass(2_100);
    expect(keepsEvidence()).toBe(true);
  });

  test('that a report names and that is not held here keeps the report from counting', () => {
    const { node, us, ap, keepsEvidence } = three();
    us.acks(new Map([[node.id, 2]]));
    const stranger = replicaId('stranger.00000001');
    us.gossips({
      versionVector: new Map([[node.id, 2]]),
      reports: [report(ap, node, { members: [ap.id, stranger] })],
    });
    node.pass(2_100);
    expect(keepsEvidence()).toBe(true);
    us.gossips({ versionVector: new Map([[node.id, 2]]), reports: [report(ap, node)] });
    node.pass(2_100);
    expect(keepsEvidence()).toBe(false);
  });

  test('is told of to the others before the next acknowledgement', () => {
    const { node, us } = three();
    node.pass(10);
    const joiner = new ScriptedPeer(node, 'joiner').dials();
    joiner.writes(puts('a', 1));
    node.pass(10);
    const since = us.received.map(({ type }) => type);
    const told = us.received.findIndex(
      (message) => message.type === 'gossip' && message.members.some(({ replica }) => replica === joiner.id),
    );
    expect(told).toBeGreaterThan(-1);
    const acked = us.received.findIndex(
      (message) => 'versionVector' in message && message.versionVector.has(joiner.id),
    );
    expect(acked).toBeGreaterThanOrEqual(told);
    expect(since.length).toBeGreaterThan(0);
  });
});

describe('a removed member', () => {
  test('is refused, with words that help, and is no peer any more', () => {
    const { node, us } = three();
    remove(node, us.id);
    expect(refusals(us)).toEqual(['CAUSEWAY_REMOVED']);
    expect(us.of('refuse')[0]?.message).toMatch(/new data directory/);
    expect(node.isOpen(us.link)).toBe(false);
    expect(node.status.peers.map(({ replica }) => replica)).not.toContain(us.id);
    us.dials();
    expect(refusals(us)).toEqual(['CAUSEWAY_REMOVED']);
    expect(us.of('heard')).toEqual([]);
    const dials = node.dials('ws://us').length;
    node.pass(5_000);
    expect(node.dials('ws://us')).toHaveLength(dials);
  });

  test('stays removed after a restart', () => {
    const { node, us } = three();
    remove(node, us.id);
    node.restart();
    expect(memberOf(node, us.id)).toMatchObject({ state: 'removed' });
    us.dials();
    expect(refusals(us)).toEqual(['CAUSEWAY_REMOVED']);
  });

  test('keeps the highest seq that anybody is known to have of it', () => {
    const { node, us, ap } = three();
    us.writes(puts('a', 1));
    us.acks(new Map([[us.id, 9]]));
    ap.acks(new Map([[us.id, 5]]));
    remove(node, us.id);
    expect(memberOf(node, us.id)?.finalSeq).toBe(9);
  });

  test('counts until the others are known to know, and covered', () => {
    const { node, us, ap, keepsEvidence } = three();
    ap.acks(new Map([[node.id, 2]]));
    remove(node, us.id);
    node.pass(2_100);
    expect(keepsEvidence()).toBe(true);
    // It knows, but what it has of the removed one is not here yet.
    ap.gossips({
      versionVector: new Map([
        [node.id, 2],
        [us.id, 1],
      ]),
      members: [removed(us)],
    });
    node.pass(2_100);
    expect(keepsEvidence()).toBe(true);
    ap.sends(us.chunk([[puts('gone', 'late', { physical: 1 })]]), us.id);
    node.pass(2_100);
    expect(keepsEvidence()).toBe(false);
    expect(memberOf(node, us.id)?.counts).toBe(false);
    expect(node.one(get('gone'))).toBeUndefined();
  });

  test('no longer counts after a restart when it did not before', () => {
    const { node, us, ap } = three();
    remove(node, us.id);
    ap.gossips({ versionVector: new Map([[node.id, 2]]), members: [removed(us)] });
    node.pass(2_100);
    node.restart();
    expect(memberOf(node, us.id)?.counts).toBe(false);
  });

  test('does not wait for another that was removed with it', () => {
    const { node, us, ap, keepsEvidence } = three();
    const third = new ScriptedPeer(node, 'third').dials();
    remove(node, us.id);
    remove(node, ap.id);
    node.pass(2_100);
    expect(keepsEvidence()).toBe(true);
    third.gossips({ versionVector: new Map([[node.id, 2]]), members: [removed(us), removed(ap)] });
    node.pass(2_100);
    expect(keepsEvidence()).toBe(false);
  });

  test('goes only together with another that does not know of it', () => {
    const { node, us, ap } = three();
    const third = new ScriptedPeer(node, 'third').dials();
    remove(node, us.id);
    remove(node, ap.id);
    // Its newest report shows one retirement: the other one might still be listened to.
    third.gossips({ versionVector: new Map([[node.id, 2]]), members: [removed(us)] });
    node.pass(2_100);
    expect([us, ap].map((peer) => memberOf(node, peer.id)?.counts)).toEqual([true, true]);
  });

  test('does not hold the log any more', () => {
    const node = new Rig({ limits: { logFloorTransactions: 0 } });
    const us = new ScriptedPeer(node, 'us').dials();
    const ap = new ScriptedPeer(node, 'ap').dials();
    node.run(put('a', 1));
    ap.acks(new Map([[node.id, 1]]));
    node.pass(2_100);
    expect(node.store.all(KIND.log)).toHaveLength(1);
    remove(node, us.id);
    node.pass(2_100);
    expect(node.store.all(KIND.log)).toHaveLength(0);
  });

  test('what it had beyond what anybody has is not waited for', () => {
    const { node, us, ap } = three();
    const lost = new Map([
      [node.id, 2],
      [us.id, 4],
    ]);
    // The other one has seen a write of `us` that it says it does not have any more: it was removed as well.
    const third = new ScriptedPeer(node, 'third').dials();
    third.sends(third.chunk([[puts('a', 'third')]], lost));
    expect(node.one(get('a'))).toBeUndefined();
    remove(node, us.id);
    for (const peer of [ap, third]) {
      peer.gossips({ versionVector: new Map([[node.id, 2]]), members: [removed(us)] });
    }
    node.pass(2_100);
    expect(node.one(get('a'))).toBe('third');
  });

  test('that says that this replica is removed is not believed', () => {
    const { node, us } = three();
    remove(node, us.id);
    us.link = node.opens();
    us.tells({ type: 'refuse', code: 'CAUSEWAY_REMOVED', message: 'you are' });
    const again = new ScriptedPeer(node, 'us').dials({
      members: [{ ...memberOf(node, node.id)!, state: 'removed' }],
    });
    expect(refusals(again)).toEqual(['CAUSEWAY_REMOVED']);
    expect(node.status.ready).toBe(true);
  });
});

describe('a stranger that has writes of a removed member', () => {
  function settled(): { node: Rig; us: ScriptedPeer; ap: ScriptedPeer; late: ScriptedPeer } {
    const { node, us, ap } = three();
    remove(node, us.id);
    return { node, us, ap, late: new ScriptedPeer(node, 'late') };
  }
  const has = (us: ScriptedPeer) => ({ versionVector: new Map([[us.id, 1]]) });

  test('waits while these may still come from others', () => {
    const { us, ap, late } = settled();
    late.dials(has(us));
    expect(refusals(late)).toEqual([]);
    expect(late.of('heard')).toEqual([]);
    ap.gossips(has(us));
    ap.sends(us.chunk([[puts('a', 1)]]), us.id);
    late.dials(has(us));
    expect(late.of('heard')).toHaveLength(1);
  });

  test('is refused for good when they may not', () => {
    const { node, us, ap, late } = settled();
    ap.gossips({ versionVector: new Map([[node.id, 2]]), members: [removed(us)] });
    node.pass(2_100);
    late.dials(has(us));
    expect(refusals(late)).toEqual(['CAUSEWAY_STALE']);
  });

  test('is not asked for them, but for what others have of them', () => {
    const { node, us, ap, late } = settled();
    late.dials();
    late.gossips({ versionVector: new Map([[us.id, 2]]) });
    node.pass(600);
    expect(late.subscriptions).not.toContain(`${us.id}>0`);
    node.cuts(ap.link);
    late.gossips({ versionVector: new Map([[us.id, 2]]), reports: [report(ap, node, has(us))] });
    node.pass(600);
    expect(late.subscriptions).toContain(`${us.id}>0`);
    const chunks = [us.chunk([[puts('a', 1)]]), us.chunk([[puts('a', 2)]])];
    late.sends(chunks, us.id);
    expect(node.status.versionVector.get(us.id)).toBe(1);
  });
});

describe('this replica, when others have retired it', () => {
  /** A node that has dialled `us`, and is linked. */
  function dialled(): { node: Rig; us: ScriptedPeer; retired: (state: 'removed' | 'evicted') => Member[] } {
    const node = new Rig({ seeds: ['ws://us'] });
    const us = new ScriptedPeer(node, 'us').answers();
    return { node, us, retired: (state) => [{ ...memberOf(node, node.id)!, state, finalSeq: 2 }] };
  }

  test('by an operator: it takes no writes, says so, and links with nobody, also after a restart', () => {
    const { node, us, retired } = dialled();
    us.gossips({ members: retired('removed') });
    expect(node.status).toMatchObject({ ready: false, reasons: ['removed'] });
    expect(node.ask(1, put('a', 1)).code).toBe('CAUSEWAY_REMOVED');
    expect(node.isOpen(us.link)).toBe(false);
    expect(node.errors).toHaveLength(1);
    node.restart();
    expect(node.status.reasons).toEqual(['removed']);
    const dials = node.dials().length;
    node.pass(5_000);
    expect(node.dials()).toHaveLength(dials);
  });

  test('because it was away for too long: it begins anew', () => {
    const { node, us, retired } = dialled();
    const before = node.id;
    us.gossips({ members: retired('evicted') });
    expect(node.id).not.toBe(before);
    expect(node.errors).toEqual([expect.stringContaining('was evicted')]);
  });

  test('is not taken in by who has dialled it and says so', () => {
    const { node, us } = three();
    us.gossips({ members: [{ ...memberOf(node, node.id)!, state: 'evicted', finalSeq: 2 }] });
    expect(node.status.ready).toBe(true);
  });
});

describe('leaving', () => {
  test('waits until the linked peers have everything, then tells them', () => {
    const { node, us, ap } = three();
    node.step({ type: 'leave' });
    expect(node.status.reasons).toEqual(['draining']);
    expect(node.ask(1, put('a', 1)).code).toBe('CAUSEWAY_DRAINING');
    us.acks(new Map([[node.id, 2]]));
    expect(memberOf(node, node.id)?.state).toBe('draining');
    ap.acks(new Map([[node.id, 2]]));
    expect(memberOf(node, node.id)).toMatchObject({ state: 'left', finalSeq: 2 });
    for (const peer of [us, ap]) {
      expect(peer.of('gossip').at(-1)?.members).toContainEqual(
        expect.objectContaining({ replica: node.id, state: 'left', finalSeq: 2 }),
      );
    }
    expect(node.errors).toEqual([]);
    node.restart();
    expect(node.ask(1, put('a', 1)).code).toBe('CAUSEWAY_REMOVED');
  });

  /** It has left, and the disk has lost that. */
  function lost() {
    const { node, us, ap } = three();
    for (const peer of [us, ap]) peer.acks(new Map([[node.id, 2]]));
    node.holdWrites = true;
    node.step({ type: 'leave' });
    expect(node.status.reasons).toContain('removed');
    node.failWrite();
    node.reopen();
    node.releaseAll();
    return { node, us, ap };
  }

  test('is done again when the disk has lost that it was done', () => {
    const { node, us, ap } = lost();
    expect(node.status.reasons).toEqual(['draining']);
    for (const peer of [us, ap]) peer.dials();
    for (const peer of [us, ap]) peer.acks(new Map([[node.id, 2]]));
    expect(memberOf(node, node.id)).toMatchObject({ state: 'left', finalSeq: 2 });
    expect(node.status.reasons).toEqual(['draining', 'removed']);
  });

  test('can still be taken back when the disk has lost that it was done', () => {
    const { node } = lost();
    node.step({ type: 'resume' });
    expect(memberOf(node, node.id)?.state).toBe('active');
    expect(node.run(put('a', 1))).toHaveLength(1);
  });

  test('takes nothing back, when the disk fails, of what peers say against the identity', () => {
    const { node, us } = three();
    node.cuts(us.link);
    node.passUntil(() => node.dials(us.address).length > 0);
    us.link = node.dials(us.address).at(-1)!.link;
    node.accepts(us.link, us.address);
    us.greets().tells({ type: 'refuse', code: 'CAUSEWAY_DUPLICATE_IDENTITY', message: 'two nodes' });
    expect(node.status.reasons).toContain('duplicate-identity');
    node.holdWrites = true;
    node.step({ type: 'leave' });
    node.failWrite();
    node.reopen();
    expect(node.status.reasons).toContain('duplicate-identity');
  });

  test('alone is not possible, and can be taken back', () => {
    const node = new Rig();
    node.step({ type: 'leave' });
    node.pass(5_000);
    expect(memberOf(node, node.id)?.state).toBe('draining');
    node.step({ type: 'resume' });
    expect(memberOf(node, node.id)?.state).toBe('active');
    expect(node.run(put('a', 1))).toHaveLength(1);
  });

  test('is heard by the others, who take nothing from it any more', () => {
    const { node, us } = three();
    us.gossips({ members: [{ ...us.member, state: 'left', version: 3, finalSeq: 0 }] });
    expect(refusals(us)).toEqual(['CAUSEWAY_REMOVED']);
    expect(memberOf(node, us.id)?.state).toBe('left');
  });
});

describe('a member of which nobody has heard for too long', () => {
  /** `ap` is silent; `others` go on, and say for how long nobody has heard of it. */
  function silent(...others: readonly string[]) {
    const node = new Rig({ limits: { maxOfflineMs: 10_000 } });
    const ap = new ScriptedPeer(node, 'ap').dials();
    const peers = others.map((region) => new ScriptedPeer(node, region).dials());
    node.cuts(ap.link);
    const wait = (ms: number, quietMs: (passed: number) => number = (passed) => passed) => {
      for (let passed = 0; passed < ms; passed += 500) {
        node.pass(500);
        for (const peer of peers) {
          if (node.isOpen(peer.link))
            peer.gossips({
              reports: [report(ap, node, { versionVector: new Map(), quietMs: quietMs(passed) })],
            });
        }
      }
    };
    return { node, ap, peers, wait, state: () => memberOf(node, ap.id)?.state };
  }

  test('is evicted by a majority, and told so when it is back', () => {
    const { node, ap, wait, state } = silent('us');
    wait(9_000);
    expect(state()).toBe('joining');
    wait(4_000, (passed) => 9_000 + passed);
    expect(state()).toBe('evicted');
    ap.dials();
    expect(refusals(ap)).toEqual(['CAUSEWAY_EVICTED']);
    expect(node.status.ready).toBe(true);
  });

  test('is not when others have heard of it', () => {
    const { wait, state } = silent('us');
    wait(30_000, () => 400);
    expect(state()).toBe('joining');
  });

  test('is not by one of two: the operator is told', () => {
    const { node, wait, state } = silent();
    wait(30_000);
    expect(state()).toBe('joining');
    expect(node.errors).toEqual([expect.stringMatching(/no majority/)]);
  });

  test('is not by half of the members', () => {
    const { node, peers, wait, state } = silent('us', 'gone');
    node.cuts(peers[1]!.link);
    wait(30_000);
    expect(state()).toBe('joining');
  });

  test('was not silent while this node stood still', () => {
    const { node, peers, state } = silent('us');
    node.now = { monotonic: node.now.monotonic + 60_000, wall: node.now.wall + 60_000 };
    peers[0]!.gossips({ reports: [] });
    node.pass(100);
    expect(state()).toBe('joining');
  });

  test('is silent for as long after a restart, as far as the node ran', () => {
    const { node, ap, wait } = silent('us');
    wait(6_000);
    node.now = { monotonic: 5, wall: node.now.wall + 3_600_000 };
    node.restart();
    const { quietMs } = memberOf(node, ap.id)!;
    expect(quietMs).toBeGreaterThan(4_000);
    expect(quietMs).toBeLessThanOrEqual(6_500);
  });
});
