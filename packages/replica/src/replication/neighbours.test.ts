import { replicaId } from '@causeway/crdt';
import { describe, expect, test } from 'vitest';
import { LINKS_MAX } from '../limits.js';
import { KIND } from '../store/keyspace.js';
import { get, put } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { puts, ScriptedPeer } from '../testing/scripted-peer.js';

const refusals = (peer: ScriptedPeer) => peer.of('refuse').map(({ code }) => code);
const stateOf = (node: Rig, peer: ScriptedPeer) =>
  node.status.peers.find(({ replica }) => replica === peer.id)?.state;

describe('the handshake', () => {
  test('goes hello, heard, and then gossip and subscriptions', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    expect(peer.received.map(({ type }) => type)).toEqual(['hello', 'heard', 'subscribe', 'gossip', 'ping']);
    expect(stateOf(node, peer)).toBe('connected');
  });

  test('nothing but the hello is said before the peer is stored as a member', () => {
    const node = new Rig();
    node.holdWrites = true;
    const peer = new ScriptedPeer(node, 'us').dials();
    expect(peer.received.map(({ type }) => type)).toEqual(['hello']);
    node.finishWrite();
    // Itself and the peer.
    expect(node.store.all(KIND.member)).toHaveLength(2);
    expect(peer.received.map(({ type }) => type)).toContain('heard');
  });

  test('what this side has and has heard of the other is told', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.writes(puts('a', 1));
    peer.catchesUp();
    node.cuts(peer.link);
    peer.dials();
    expect(peer.of('heard')).toEqual([
      { type: 'heard', seq: 1, start: 77, versionVector: new Map([[peer.id, 1]]) },
    ]);
  });

  test('anything else before it is done ends the link', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us');
    peer.link = node.opens();
    peer.tells({ type: 'subscribe', origin: node.id, after: 0 });
    expect(refusals(peer)).toEqual(['CAUSEWAY_BAD_FRAME']);
    expect(node.isOpen(peer.link)).toBe(false);
  });

  test('a second hello ends the link', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.greets();
    expect(refusals(peer)).toEqual(['CAUSEWAY_BAD_FRAME']);
  });

  test('what comes over a link that this side has closed is passed over', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.greets();
    const before = node.logged.length;
    peer.tells({ type: 'bye' });
    expect(node.logged).toHaveLength(before);
  });

  test('a peer that never says hello is closed', () => {
    const node = new Rig();
    const link = node.opens();
    node.pass(4_000);
    expect(node.closings(link)).toEqual(['no handshake']);
  });

  test('a node that has dialled itself says so and does not do it again', () => {
    const node = new Rig({ seeds: ['ws://eu'] });
    const [dial] = node.dials();
    node.accepts(dial!.link, dial!.address);
    const self = new ScriptedPeer(node, 'eu', { id: node.id, start: node.replica.start });
    self.link = dial!.link;
    self.greets();
    expect(node.closings(dial!.link)).toEqual(['dialled itself']);
    node.pass(10_000);
    expect(node.dials()).toHaveLength(1);
    expect(node.errors).toEqual([]);
  });

  test('no more links are held than there may be', () => {
    const node = new Rig();
    for (let i = 0; i < LINKS_MAX; i++) node.opens();
    const link = node.opens();
    expect(node.closings(link)).toEqual(['too many links']);
  });
});

describe('amnesia', () => {
  test.each([
    { name: 'a write that it no longer has', heard: { seq: 2, start: 0 } },
    { name: 'another start of the same seq', heard: { seq: 1, start: 123 } },
  ])('a peer that knows of $name stops the node from writing', ({ heard }) => {
    const node = new Rig();
    node.run(put('a', 1));
    const peer = new ScriptedPeer(node, 'us').dials();
    node.cuts(peer.link);
    peer.link = node.opens();
    peer.greets().tells({ type: 'heard', ...heard, versionVector: new Map() });
    expect(refusals(peer)).toEqual(['CAUSEWAY_AMNESIA']);
    expect(node.status).toMatchObject({ ready: false, writable: false, reasons: ['amnesia'] });
    expect(node.ask(1, put('a', 2)).code).toBe('CAUSEWAY_AMNESIA');
    expect(node.ask(1, get('a')).results).toEqual([1]);
  });

  test('a report above what it has, of any origin, is amnesia too', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us');
    peer.link = node.opens();
    const reported = new Map([[replicaId('ap.00000001'), 3]]);
    peer.greets().tells({ type: 'heard', seq: 0, start: 0, versionVector: reported });
    expect(refusals(peer)).toEqual(['CAUSEWAY_AMNESIA']);
  });

  test.each([
    { name: 'what it has', heard: (node: Rig) => ({ seq: 1, start: node.replica.start }) },
    { name: 'less', heard: () => ({ seq: 0, start: 0 }) },
    { name: 'a seq without its start', heard: () => ({ seq: 1, start: 0 }) },
  ])('a peer that knows of $name finds nothing wrong', ({ heard }) => {
    const node = new Rig();
    node.run(put('a', 1));
    const peer = new ScriptedPeer(node, 'us');
    peer.link = node.opens();
    peer.greets().tells({ type: 'heard', ...heard(node), versionVector: new Map() });
    expect(stateOf(node, peer)).toBe('connected');
  });

  test('what a member once reported is remembered across restarts', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.writes(puts('a', 1));
    peer.catchesUp();
    node.pass(2_500);
    node.restart();
    peer.dials();
    expect(peer.of('heard')[0]).toMatchObject({ seq: 1, versionVector: new Map([[peer.id, 1]]) });
  });

  test('a peer that refuses this node is asked again only now and then, and shown as refused', () => {
    const node = new Rig({ seeds: ['ws://us'] });
    const peer = new ScriptedPeer(node, 'us');
    let answered = 0;
    for (let passed = 0; passed < 20_000; passed += 100) {
      if (node.dials().length > answered) {
        answered = node.dials().length;
        peer.link = node.dials().at(-1)!.link;
        node.accepts(peer.link, 'ws://us');
        peer.greets().tells({ type: 'refuse', code: 'CAUSEWAY_AMNESIA', message: 'no' });
        expect(stateOf(node, peer)).toBe('refused');
      }
      node.pass(100);
    }
    expect(answered).toBeGreaterThan(2);
    expect(answered).toBeLessThan(8);
    expect(node.errors).toHaveLength(1);
  });
});

describe('one identity, two nodes', () => {
  function linked(): { node: Rig; peer: ScriptedPeer; copy: ScriptedPeer } {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    return { node, peer, copy: new ScriptedPeer(node, 'us', { start: 78 }) };
  }
  const challengeOf = (peer: ScriptedPeer) => peer.of('ping').at(-1)!;

  test('a second start is not refused at once: the first is asked whether it lives', () => {
    const { node, peer, copy } = linked();
    const pings = peer.of('ping').length;
    copy.dials();
    expect(peer.of('ping')).toHaveLength(pings + 1);
    expect(refusals(copy)).toEqual([]);
    expect(node.isOpen(copy.link)).toBe(false);
    expect(node.isOpen(peer.link)).toBe(true);
    expect(node.errors).toEqual([]);
  });

  test('when the first does not answer it was the dead one, and the second is linked', () => {
    const { node, peer, copy } = linked();
    copy.dials();
    node.pass(1_600);
    expect(node.closings(peer.link)).toEqual(['its process has ended']);
    copy.dials();
    expect(stateOf(node, copy)).toBe('connected');
    expect(node.errors).toEqual([]);
  });

  test('when the first answers, the second is a copy and is refused, loudly', () => {
    const { node, peer, copy } = linked();
    copy.dials();
    const { id, wall } = challengeOf(peer);
    peer.tells({ type: 'pong', id, wall, receivedAt: wall });
    copy.dials();
    expect(refusals(copy)).toEqual(['CAUSEWAY_DUPLICATE_IDENTITY']);
    expect(node.errors).toHaveLength(1);
    expect(stateOf(node, peer)).toBe('connected');
  });

  test('a peer with this node’s own identity and another start stops it from writing', () => {
    const node = new Rig();
    const copy = new ScriptedPeer(node, 'eu', { id: node.id, start: node.replica.start + 1 });
    copy.link = node.opens();
    copy.greets();
    expect(refusals(copy)).toEqual(['CAUSEWAY_DUPLICATE_IDENTITY']);
    expect(node.ask(1, put('a', 1)).code).toBe('CAUSEWAY_DUPLICATE_IDENTITY');
    expect(node.errors).not.toEqual([]);
  });
});

describe('of two links to one replica', () => {
  const cases = [
    // The node decides: the first stays.
    { region: 'us', turns: ['theirs', 'mine'], want: 'theirs' },
    { region: 'us', turns: ['mine', 'theirs'], want: 'mine' },
    // The peer does: it says heard on the second because it has lost the first.
    { region: 'ap', turns: ['theirs', 'mine'], want: 'mine' },
    { region: 'ap', turns: ['mine', 'theirs'], want: 'theirs' },
  ] as const;
  test.each(cases)('peer $region, opened in the order $turns: $want stays', ({ region, turns, want }) => {
    const node = new Rig({ seeds: [`ws://${region}`] });
    const links = { mine: 0, theirs: 0 };
    const peer = new ScriptedPeer(node, region);
    const open = {
      mine: () => {
        links.mine = peer.answers().link;
      },
      theirs: () => {
        links.theirs = peer.dials().link;
      },
    };
    for (const turn of turns) open[turn]();
    expect([node.isOpen(links.mine), node.isOpen(links.theirs)]).toEqual([
      want === 'mine',
      want === 'theirs',
    ]);
    expect(stateOf(node, peer)).toBe('connected');
    const dials = node.dials().length;
    for (let i = 0; i < 5; i++) {
      node.pass(400);
      peer.link = links[want];
      peer.gossips();
    }
    expect(node.dials()).toHaveLength(dials);
  });

  const bothGreet = (region: string) => {
    const node = new Rig({ seeds: [`ws://${region}`] });
    const dial = node.dials()[0]!;
    const peer = new ScriptedPeer(node, region);
    const theirs = node.opens();
    node.accepts(dial.link, dial.address);
    peer.link = theirs;
    peer.greets();
    peer.link = dial.link;
    peer.greets();
    return { node, peer, theirs, mine: dial.link };
  };

  test('both in their handshake, and the node has the smaller id: the second is closed', () => {
    const { node, theirs, mine } = bothGreet('us');
    expect([node.isOpen(theirs), node.isOpen(mine)]).toEqual([true, false]);
  });

  test('both in their handshake, and the peer has the smaller id: it goes on with which it likes', () => {
    const { node, peer, theirs, mine } = bothGreet('ap');
    expect([node.isOpen(theirs), node.isOpen(mine)]).toEqual([true, true]);
    expect(stateOf(node, peer)).not.toBe('connected');
    peer.link = mine;
    peer.tells({ type: 'heard', seq: 0, start: 0, versionVector: new Map() });
    expect(stateOf(node, peer)).toBe('connected');
    node.cuts(theirs);
    expect(stateOf(node, peer)).toBe('connected');
  });

  test('a new one from the same side takes the place of the old one, which its dialler knows for dead', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    const old = peer.link;
    peer.dials();
    expect(node.closings(old)).toEqual(['replaced by another link']);
    expect(stateOf(node, peer)).toBe('connected');
    expect(peer.subscriptions).toEqual([`${peer.id}>0`]);
  });
});

describe('life of a link', () => {
  test('a link that has gone silent is closed within three seconds, and not before 2.5', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.pass(2_400);
    expect(node.isOpen(peer.link)).toBe(true);
    node.pass(600);
    expect(node.closings(peer.link)).toEqual(['silent']);
    expect(stateOf(node, peer)).not.toBe('connected');
  });

  test('any message keeps it alive', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    for (let i = 0; i < 10; i++) {
      node.pass(2_000);
      peer.tells({ type: 'ping', id: i, wall: node.now.wall });
    }
    expect(node.isOpen(peer.link)).toBe(true);
    expect(peer.of('pong').map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('gossip goes out twice a second', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    const before = peer.of('gossip').length;
    for (let i = 0; i < 10; i++) {
      node.pass(1_000);
      peer.gossips();
    }
    const count = peer.of('gossip').length - before;
    expect(count).toBeGreaterThanOrEqual(19);
    expect(count).toBeLessThanOrEqual(21);
  });

  describe('acknowledgements tell of what has become durable, each once', () => {
    const told = (peer: ScriptedPeer) => peer.of('ack').map(({ versionVector }) => versionVector);

    test('within milliseconds, and no more often than every 20 ms', () => {
      const node = new Rig();
      const peer = new ScriptedPeer(node, 'us').dials();
      peer.writes(puts('a', 1));
      peer.writes(puts('a', 2));
      node.pass(3);
      expect(told(peer)).toEqual([new Map([[peer.id, 2]])]);
      peer.writes(puts('a', 3));
      node.pass(16);
      expect(told(peer)).toHaveLength(1);
      node.pass(4);
      expect(told(peer)).toEqual([new Map([[peer.id, 2]]), new Map([[peer.id, 3]])]);
    });

    test('along with chunks of this node, if the last is 10 ms ago', () => {
      const node = new Rig();
      const peer = new ScriptedPeer(node, 'us').dials();
      peer.tells({ type: 'subscribe', origin: node.id, after: 0 });
      peer.writes(puts('a', 1));
      node.pass(3);
      peer.writes(puts('a', 2));
      node.run(put('b', 1));
      expect(told(peer)).toHaveLength(1);
      node.pass(10);
      node.run(put('b', 2));
      expect(told(peer).at(-1)).toEqual(
        new Map([
          [peer.id, 2],
          [node.id, 2],
        ]),
      );
      expect(peer.received.slice(-2).map(({ type }) => type)).toEqual(['chunks', 'ack']);
    });
  });

  test('the clock offset is measured by pings, on the monotonic clock, once each', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    const { id, wall } = peer.of('ping').at(-1)!;
    node.pass(20);
    const receivedAt = node.now.wall - 10 + 50;
    node.setWall(node.now.wall + 1_000);
    const pong = { type: 'pong' as const, id, wall, receivedAt };
    peer.tells({ ...pong, id: 9_999, receivedAt: 0 });
    expect(node.status.peers[0]?.clockOffsetMs).toBeNull();
    peer.tells(pong, { ...pong, receivedAt: receivedAt + 5_000 });
    expect(node.status.peers[0]?.clockOffsetMs).toBe(50 - 1_000);
    node.cuts(peer.link);
    expect(node.status.peers[0]?.clockOffsetMs).toBe(50 - 1_000);
  });

  test('members that a neighbour names are met and dialled, at the address that they say themselves', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    const third = new ScriptedPeer(node, 'ap');
    peer.gossips({ members: [third.member] });
    expect(node.dials().map(({ address }) => address)).toContain('ws://ap');
    expect(node.status.peers.map(({ replica }) => replica)).toEqual([peer.id, third.id]);
    peer.gossips({ members: [{ ...third.member, address: 'ws://elsewhere' }] });
    expect(node.status.peers.find(({ replica }) => replica === third.id)?.address).toBe('ws://ap');
    third.dials({ address: 'ws://moved' });
    expect(node.status.peers.find(({ replica }) => replica === third.id)?.address).toBe('ws://moved');
  });
});
