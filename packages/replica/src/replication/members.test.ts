import { replicaId } from '@causeway/crdt';
import { describe, expect, test } from 'vitest';
import { MEMBERS_MAX } from '../limits.js';
import { KIND } from '../store/keyspace.js';
import { del, put } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { puts, ScriptedPeer } from '../testing/scripted-peer.js';

/** Whether the tombstone of `gone` is still kept. */
const keepsEvidence = (node: Rig) => node.store.all(KIND.garbage).length > 0;

/** A node with a tombstone of its own (seq 2), and a peer that has it. */
function evidence(): { node: Rig; peer: ScriptedPeer } {
  const node = new Rig();
  const peer = new ScriptedPeer(node, 'us').dials();
  node.run(put('gone', 1));
  node.run(del('gone'));
  return { node, peer };
}

describe('a dot is stable', () => {
  test('when every member has given a report that covers it', () => {
    const { node, peer } = evidence();
    peer.acks(new Map([[node.id, 1]]));
    node.pass(2_100);
    expect(keepsEvidence(node)).toBe(true);
    peer.acks(new Map([[node.id, 2]]));
    node.pass(2_100);
    expect(keepsEvidence(node)).toBe(false);
  });

  test('only when this replica covers the whole report: what the member wrote before may still be on its way', () => {
    const { node, peer } = evidence();
    const behind = peer.chunk([[puts('gone', 'older', { physical: 1 })]]);
    peer.acks(
      new Map([
        [node.id, 2],
        [peer.id, 1],
      ]),
    );
    node.pass(2_100);
    expect(keepsEvidence(node)).toBe(true);
    peer.sends(behind);
    node.pass(2_100);
    expect(keepsEvidence(node)).toBe(false);
    expect(node.keys().keys).toEqual([]);
  });

  test('also when newer reports, not covered yet, never stop coming', () => {
    const { node, peer } = evidence();
    let late = peer.chunk([[puts('a', 0)]]);
    for (let round = 1; round < 8; round++) {
      peer.acks(
        new Map([
          [node.id, 2],
          [peer.id, round],
        ]),
      );
      const next = peer.chunk([[puts('a', round)]]);
      peer.acks(new Map([[peer.id, round + 1]]));
      // What the report before spoke of comes only now.
      peer.sends(late);
      late = next;
      node.pass(700);
    }
    expect(keepsEvidence(node)).toBe(false);
  });

  test('by what others relay of a member that is not linked', () => {
    const { node, peer } = evidence();
    const third = new ScriptedPeer(node, 'ap');
    peer.catchesUp();
    peer.gossips({ members: [third.member] });
    node.pass(2_100);
    expect(keepsEvidence(node)).toBe(true);
    const report = {
      replica: third.id,
      versionVector: new Map([[node.id, 2]]),
      members: [],
      retired: [],
      quietMs: 0,
    };
    peer.gossips({ reports: [report] });
    node.pass(2_100);
    expect(keepsEvidence(node)).toBe(false);
  });

  test('never on the word of a member about itself that was taken back', () => {
    const { node, peer } = evidence();
    peer.acks(new Map([[node.id, 1]]));
    peer.tells({ type: 'ack', versionVector: new Map() });
    expect(node.status.peers[0]?.backlogTransactions).toBe(1);
  });
});

test('members and what they reported are known again after a restart', () => {
  const { node, peer } = evidence();
  peer.catchesUp();
  node.pass(2_500);
  node.restart();
  expect(node.status.peers).toMatchObject([{ replica: peer.id, region: 'us', backlogTransactions: 0 }]);
  expect(node.dials().at(-1)?.address).toBe('ws://us');
});

test('there are no more members than there may be, and who comes too late is told', () => {
  const node = new Rig();
  const peer = new ScriptedPeer(node, 'us').dials();
  const members = Array.from({ length: MEMBERS_MAX + 10 }, (_, i) => ({
    replica: replicaId(`r${i}.0000000a`),
    region: `r${i}`,
    address: `ws://r${i}`,
    state: 'active' as const,
    version: 0,
    finalSeq: 0,
  })).sort((a, b) => (a.replica < b.replica ? -1 : 1));
  peer.gossips({ members });
  expect(node.status.peers).toHaveLength(MEMBERS_MAX);
  const late = new ScriptedPeer(node, 'late').dials();
  expect(late.of('refuse').map(({ code }) => code)).toContain('CAUSEWAY_OVERLOADED');
  expect(late.of('chunks')).toEqual([]);
});

test('origins that are no members are in no report', () => {
  const node = new Rig();
  const peer = new ScriptedPeer(node, 'us').dials();
  peer.gossips({ versionVector: new Map([[replicaId('nobody.00000001'), 5]]) });
  node.pass(501);
  expect(peer.subscriptions).toEqual([`${peer.id}>0`]);
});
