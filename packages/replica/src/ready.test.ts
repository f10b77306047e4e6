import { decodeChunk } from '@causeway/protocol';
import { describe, expect, test } from 'vitest';
import { KIND, REPLICA_KEY } from './store/keyspace.js';
import { nameOf } from './testing/memory-store.js';
import { add, count, get, has, increment, put, size, values } from './testing/operations.js';
import { Rig } from './testing/rig.js';
import { adds, puts, ScriptedPeer } from './testing/scripted-peer.js';

function holding(): Rig {
  const node = new Rig();
  node.holdWrites = true;
  return node;
}

describe('1. no dot leaves before the batch that holds it is durable', () => {
  test('a subscriber gets the chunk of a write after the write, not before', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.tells({ type: 'subscribe', origin: node.id, after: 0 });
    node.holdWrites = true;
    node.ask(1, put('a', 1));
    expect(peer.chunksOf(node.id)).toEqual([]);
    node.finishWrite();
    expect(peer.chunksOf(node.id)).toHaveLength(1);
  });

  test('gossip and acknowledgements tell of nothing that is in flight', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.holdWrites = true;
    node.ask(1, put('a', 1));
    peer.writes(puts('b', 2));
    node.pass(1_200);
    for (const { versionVector } of peer.of('gossip')) expect([...versionVector]).toEqual([]);
    expect(peer.of('ack')).toEqual([]);
    node.releaseAll();
    node.pass(600);
    expect(peer.of('gossip').at(-1)?.versionVector).toEqual(
      new Map([
        [node.id, 1],
        [peer.id, 1],
      ]),
    );
    expect(peer.of('ack')).not.toEqual([]);
  });

  test('a hello that is said while a write is in flight tells of what was durable before', () => {
    const node = new Rig();
    node.run(put('a', 1));
    node.holdWrites = true;
    node.ask(1, put('a', 2));
    const peer = new ScriptedPeer(node, 'us').dials();
    expect(peer.of('hello')[0]?.versionVector).toEqual(new Map([[node.id, 1]]));
  });

  test('what a reader of the log finds on disk is not sent before the replica knows that it is durable', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.run(put('a', 0));
    node.holdWrites = true;
    node.ask(1, put('a', 1));
    // The bytes have reached the disk, and its answer is still under way.
    for (const { key, value } of node.inFlight!.puts) {
      if (key[0] === KIND.log) node.store.put(key, value);
    }
    peer.tells({ type: 'subscribe', origin: node.id, after: 0 });
    expect(peer.chunksOf(node.id).map(({ lastSeq }) => lastSeq)).toEqual([1]);
    node.finishWrite();
    expect(peer.chunksOf(node.id).map(({ lastSeq }) => lastSeq)).toEqual([1, 2]);
  });

  test('a subscriber that has all that is durable is told of no gap while a write is in flight', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.holdWrites = true;
    node.ask(1, put('a', 1));
    peer.tells({ type: 'subscribe', origin: node.id, after: 0 });
    expect(node.scans).toEqual([]);
    expect(peer.of('gap')).toEqual([]);
  });
});

describe('2. one commit is one batch', () => {
  test('states, chunk, digest and replica record stand in it together', () => {
    const node = holding();
    const clean = node.digest;
    node.ask(1, [put('r', 1), add('s', 'x'), increment('c')]);
    const kinds = node.inFlight!.puts.map(({ key }) => String.fromCharCode(key[0]!)).sort();
    expect(kinds).toEqual(['c', 'e', 'i', 'j', 'l', 'r', 's']);
    node.finishWrite();
    expect(node.digest).not.toBe(clean);
    expect(node.record.root.toHex()).toBe(node.digest);
    expect(node.record.positions.get(node.id)).toEqual({ seq: 1, start: node.replica.start });
  });

  test('a chunk of a peer is stored as it came, with what it changes', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    const chunk = peer.chunk([[puts('r', 1)], [adds('s', 'x')]]);
    node.holdWrites = true;
    peer.sends(chunk);
    const batch = node.inFlight!;
    expect(batch.puts.map(({ key }) => String.fromCharCode(key[0]!)).sort()).toEqual([
      'e',
      'i',
      'j',
      'l',
      'r',
      's',
    ]);
    expect(batch.puts.find(({ key }) => key[0] === KIND.log)?.value).toEqual(chunk);
  });

  test('every batch carries the replica record, and names no key twice', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    for (let round = 0; round < 20; round++) {
      node.run(put('a', round, 50), add('s', round), increment('c'));
      peer.writes(puts('a', -round), adds('s', -round));
      peer.catchesUp();
      node.pass(700);
    }
    expect(node.written.length).toBeGreaterThan(20);
    for (const { puts: written, deletes } of node.written) {
      expect(written.filter(({ key }) => nameOf(key) === nameOf(REPLICA_KEY))).toHaveLength(1);
      const records = written.filter(({ key }) => key[0] !== KIND.garbage).map(({ key }) => nameOf(key));
      const names = [...records, ...deletes.map(nameOf)];
      expect(new Set(names).size).toBe(names.length);
    }
  });
});

describe('3. nothing tells of what is not durable', () => {
  test('a write is answered when it is durable', () => {
    const node = holding();
    const write = node.ask(1, put('a', 1));
    expect(write.answered).toBe(false);
    node.finishWrite();
    expect(write.results).toHaveLength(1);
  });

  test.each([
    { name: 'a register', write: put('k', 1), read: get('k'), want: 1 },
    { name: 'an element', write: add('k', 'x'), read: has('k', 'x'), want: [true] },
    { name: 'a size', write: add('k', 'x', 'y'), read: size('k'), want: 2 },
    { name: 'all elements', write: add('k', 'x', 'y'), read: values('k'), want: ['x', 'y'] },
    { name: 'a counter', write: increment('k', 7), read: count('k'), want: 7 },
  ])('$name that a batch in flight changes is read when the batch is durable', ({ write, read, want }) => {
    const node = holding();
    node.ask(1, write);
    const reader = node.ask(2, read);
    expect(reader.answered).toBe(false);
    node.finishWrite();
    expect(reader.results).toEqual([want]);
  });

  test('a read of something else waits for no batch', () => {
    const node = new Rig();
    node.run(put('b', 2));
    node.holdWrites = true;
    node.ask(1, put('a', 1));
    expect(node.ask(2, get('b')).results).toEqual([2]);
  });

  test('a read of what the forming commit changes waits for that commit, not for the one in flight', () => {
    const node = holding();
    node.ask(1, put('a', 1));
    node.ask(2, put('a', 2));
    const reader = node.ask(3, get('a'));
    node.finishWrite();
    expect(reader.answered).toBe(false);
    node.finishWrite();
    expect(reader.results).toEqual([2]);
  });

  test('a write that changes nothing waits for what it has seen', () => {
    const node = holding();
    node.ask(1, increment('c', 5));
    const nothing = node.ask(2, increment('c', 0));
    expect(nothing.answered).toBe(false);
    node.finishWrite();
    expect(nothing.results).toEqual([5]);
    expect(node.inFlight).toBeUndefined();
  });

  test('a watcher is told when the commit is durable', () => {
    const node = new Rig();
    const watch = node.watch();
    node.holdWrites = true;
    node.ask(1, put('a', 1));
    expect(watch.changes).toEqual([]);
    node.finishWrite();
    expect(watch.changes.map(({ key }) => key)).toEqual(['a']);
  });

  test('digest and version vector of the status are those of the disk', () => {
    const node = holding();
    const clean = node.digest;
    node.ask(1, put('a', 1));
    expect(node.digest).toBe(clean);
    expect([...node.status.versionVector]).toEqual([]);
    node.finishWrite();
    expect(node.digest).not.toBe(clean);
    expect(node.status.versionVector).toEqual(new Map([[node.id, 1]]));
  });

  test('a listing waits for what was executed before it, and shows it', () => {
    const node = new Rig();
    node.run(put('a', 1));
    node.holdWrites = true;
    node.ask(1, put('b', 2));
    const { session, request } = node.listKeys();
    expect(node.answersTo(session, request)).toEqual([]);
    node.finishWrite();
    expect(node.answersTo(session, request)).toMatchObject([{ keys: [{ key: 'a' }, { key: 'b' }] }]);
  });
});

describe('4. one batch in flight', () => {
  test('what arrives meanwhile forms the next one: group commit', () => {
    const node = holding();
    node.ask(1, put('a', 1));
    const first = node.inFlight;
    const later = [2, 3, 4, 5].map((session) => node.ask(session, put(`k${session}`, session)));
    expect(node.inFlight).toBe(first);
    node.finishWrite();
    expect(later.some(({ answered }) => answered)).toBe(false);
    const chunks = node.inFlight!.puts.filter(({ key }) => key[0] === KIND.log);
    expect(chunks.map(({ value }) => decodeChunk(value).transactions.length)).toEqual([4]);
    node.finishWrite();
    expect(later.every(({ answered }) => answered)).toBe(true);
    expect(node.written).toHaveLength(2 + 1);
  });

  test('a commit that is large enough is not made larger: the rest waits for the next', () => {
    const node = holding();
    node.ask(1, put('a', 1));
    for (let i = 0; i < 30; i++) node.ask(2 + i, put(`k${i}`, new Uint8Array(100_000)));
    node.finishWrite();
    const sizes: number[] = [];
    while (node.inFlight !== undefined) {
      sizes.push(node.inFlight.puts.reduce((sum, { value }) => sum + value.length, 0));
      node.finishWrite();
    }
    expect(Math.max(...sizes)).toBeLessThan(3 << 20);
    expect(sizes.length).toBeGreaterThan(1);
    for (let i = 0; i < 30; i++) expect(node.one(get(`k${i}`))).toHaveLength(100_000);
  });

  test('a peer’s chunk between two local writes closes the chunk, so that deps stay exact', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.holdWrites = true;
    node.ask(1, put('first', 1));
    node.ask(1, put('a', 1));
    peer.writes(puts('p', 1));
    node.ask(1, put('b', 1));
    node.finishWrite();
    const chunks = node
      .inFlight!.puts.filter(({ key }) => key[0] === KIND.log)
      .map(({ value }) => decodeChunk(value));
    const own = chunks.filter(({ origin }) => origin === node.id);
    expect(own.map(({ firstSeq, deps }) => [firstSeq, deps.get(peer.id) ?? 0])).toEqual([
      [2, 0],
      [3, 1],
    ]);
  });

  test('in one turn chunks of peers come before the requests of clients', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    const chunk = peer.chunk([[puts('a', 'theirs')]]);
    const request = node.queue(1, put('a', 'mine'));
    peer.sends(chunk);
    expect(request.answered).toBe(true);
    const own = node.written.flatMap(({ puts: written }) =>
      written.filter(({ key }) => key[0] === KIND.log).map(({ value }) => decodeChunk(value)),
    );
    expect(own.find(({ origin }) => origin === node.id)?.deps).toEqual(new Map([[peer.id, 1]]));
    expect(node.one(get('a'))).toBe('mine');
  });
});

describe('5. a failed write acknowledges nothing and leaves nothing', () => {
  function failing(): { node: Rig; before: { digest: string; seq: number } } {
    const node = new Rig();
    node.run(put('a', 'old'), add('s', 'x'), increment('c', 3));
    return { node, before: { digest: node.digest, seq: node.seq } };
  }

  test('what was in flight has an unknown outcome, what waited behind it was not done', () => {
    const { node } = failing();
    node.holdWrites = true;
    const inFlight = node.ask(1, put('a', 'new'));
    const behind = node.ask(2, put('a', 'newer'));
    node.failWrite();
    expect(inFlight.code).toBe('CAUSEWAY_OUTCOME_UNKNOWN');
    expect(behind.code).toBe('CAUSEWAY_OUTCOME_UNKNOWN');
  });

  test('a read of what was in flight is to be read again: its outcome is known', () => {
    const { node } = failing();
    node.holdWrites = true;
    node.ask(1, put('a', 'new'));
    const read = node.ask(2, [get('a'), has('s', 'x')]);
    const written = node.ask(3, [get('a'), increment('c')]);
    node.failWrite();
    expect(read.code).toBe('CAUSEWAY_READ_FAILED');
    expect(written.code).toBe('CAUSEWAY_OUTCOME_UNKNOWN');
  });

  test('what a reopened store brings back is as old as the reopening, what was there before as it was', () => {
    const { node } = failing();
    const peer = new ScriptedPeer(node, 'us').dials();
    const age = () => node.status.peers[0]?.unacknowledgedSeconds;
    node.restart();
    peer.dials();
    node.pass(50_000);
    node.holdWrites = true;
    node.ask(1, put('a', 'new'));
    node.failWrite(true);
    node.reopen();
    node.releaseAll();
    peer.dials();
    node.pass(1_000);
    expect(age()).toBeCloseTo(51, 0);
    peer.acks(new Map([[node.id, 1]]));
    expect(age()).toBeCloseTo(1, 0);
  });

  test('while the disk is away writes are refused and reads answered, with what is durable', () => {
    const { node, before } = failing();
    node.holdWrites = true;
    node.ask(1, [put('a', 'new'), add('s', 'y'), increment('c', 4)]);
    node.failWrite();
    expect(node.ask(2, put('a', 1)).code).toBe('CAUSEWAY_READ_ONLY');
    expect(node.status).toMatchObject({ writable: false, ready: false, reasons: ['read-only'] });
    expect(node.digest).toBe(before.digest);
    const reader = node.ask(3, [get('a'), size('s'), count('c'), has('s', 'y')]);
    node.loads.forEach((load) => {
      node.answerLoad(load);
    });
    expect(reader.results).toEqual(['old', 1, 3, [false]]);
  });

  test('after the reopen everything is as it was, and the seq is used again for another write', () => {
    const { node, before } = failing();
    node.holdWrites = true;
    node.ask(1, [put('a', 'new'), add('s', 'y'), increment('c', 4)]);
    node.ask(2, put('b', 1));
    node.failWrite();
    node.reopen();
    node.releaseAll();
    expect(node.seq).toBe(before.seq);
    expect(node.digest).toBe(before.digest);
    expect(node.run(get('a'), get('b'), values('s'), count('c'))).toEqual(['old', undefined, ['x'], 3]);
    node.run(put('b', 2));
    expect(node.seq).toBe(before.seq + 1);
    expect(node.status).toMatchObject({ writable: true, ready: true });
  });

  test('a batch that is found after all is there in one piece', () => {
    const { node } = failing();
    node.holdWrites = true;
    node.ask(1, [put('a', 'new'), add('s', 'y'), increment('c', 4)]);
    node.failWrite(true);
    node.reopen();
    node.releaseAll();
    expect(node.seq).toBe(2);
    expect(node.run(get('a'), values('s'), count('c'))).toEqual(['new', ['x', 'y'], 7]);
    expect(node.record.root.toHex()).toBe(node.digest);
  });

  test('reads that waited for the disk are answered from what it brought back', () => {
    const { node } = failing();
    node.holdWrites = true;
    node.ask(1, put('a', 'new'));
    node.failWrite(true);
    const reader = node.ask(3, get('a'));
    expect(reader.answered).toBe(false);
    node.reopen();
    node.releaseAll();
    expect(reader.results).toEqual(['new']);
  });

  test('links end at once, and none is told of the lost write', () => {
    const { node } = failing();
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.tells({ type: 'subscribe', origin: node.id, after: 1 });
    node.holdWrites = true;
    node.ask(1, put('a', 'new'));
    node.failWrite();
    expect(node.closings(peer.link)).toEqual(['the store failed']);
    expect(peer.chunksOf(node.id)).toEqual([]);
  });

  test('watchers are told that they missed something', () => {
    const { node } = failing();
    const watch = node.watch();
    node.holdWrites = true;
    node.ask(1, put('a', 'new'));
    node.failWrite();
    expect(watch.failures).toEqual(['CAUSEWAY_WATCH_INTERRUPTED']);
    expect(watch.changes).toEqual([]);
  });

  test('a second failure before the reopen changes nothing', () => {
    const { node, before } = failing();
    node.holdWrites = true;
    node.ask(1, put('a', 'new'));
    node.failWrite();
    node.step({ type: 'write-failed', error: new Error('still full') });
    node.reopen();
    node.releaseAll();
    expect(node.digest).toBe(before.digest);
    expect(node.one(get('a'))).toBe('old');
  });
});
