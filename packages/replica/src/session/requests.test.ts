import { ByteWriter, type Operation, type Result } from '@causeway/protocol';
import { describe, expect, test } from 'vitest';
import { REQUEST_BYTES_MAX, REQUESTS_MAX, RESULT_BYTES_MAX } from '../limits.js';
import { KIND, REPLICA_KEY, textKey } from '../store/keyspace.js';
import { encodeReplicaRecord } from '../store/replica-record.js';
import {
  add,
  bytes,
  clear,
  count,
  del,
  get,
  has,
  increment,
  put,
  remove,
  reset,
  size,
  values,
} from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { puts, ScriptedPeer } from '../testing/scripted-peer.js';

/** A node whose records are all on disk and none in memory; reads are held back. */
function cold(...operations: readonly Operation[]): Rig {
  const node = new Rig();
  for (const operation of operations) node.run(operation);
  node.restart();
  node.holdLoads = true;
  return node;
}

function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}

describe('order', () => {
  test('requests of one session take effect in the order in which they came, whatever is loaded first', () => {
    const node = cold(put('a', 'old'), put('b', 'old'), put('slow', 'old'));
    node.ask(9, [get('a'), get('b')]);
    const first = node.ask(1, [put('a', 1), get('b'), get('slow')]);
    const second = node.ask(1, [put('b', 2), get('a')]);
    node.answerLoad(node.loads[0]!);
    expect([first.answered, second.answered]).toEqual([false, false]);
    node.releaseAll();
    expect(first.results?.[1]).toBe('old');
    expect(second.results?.[1]).toBe(1);
  });

  test('a late load of one session holds up no other', () => {
    const node = cold(put('slow', 1), put('quick', 2));
    const slow = node.ask(1, get('slow'));
    const behind = node.ask(1, get('quick'));
    const other = node.ask(2, get('quick'));
    node.answerLoad(node.loads.at(-1)!);
    expect(slow.answered).toBe(false);
    expect(behind.answered).toBe(false);
    expect(other.results).toEqual([2]);
    node.releaseAll();
    expect([slow.results, behind.results]).toEqual([[1], [2]]);
  });

  test('one record that several requests want is read once', () => {
    const node = cold(put('a', 1));
    const asks = [1, 2, 3].map((session) => node.ask(session, get('a')));
    expect(node.loads.flatMap(({ keys }) => keys)).toEqual([textKey(KIND.register, 'a')]);
    node.answerLoad(node.loads[0]!);
    expect(asks.map(({ results }) => results)).toEqual([[1], [1], [1]]);
  });

  test('records at hand hold up nobody: all of one turn goes into one commit', () => {
    const node = cold(put('a', 1), increment('c', 5), add('s', 'x'));
    node.readsNow = true;
    const written = node.written.length;
    const asks = [
      node.queue(1, put('a', 2)),
      node.queue(1, put('new', 3)),
      node.queue(2, increment('c', 1)),
      node.queue(3, [add('s', 'y'), size('s'), has('s', 'x')]),
    ];
    const last = node.ask(4, get('a'));
    expect(node.loads).toEqual([]);
    expect(node.written.length).toBe(written + 1);
    expect(asks.map(({ answered }) => answered)).toEqual([true, true, true, true]);
    expect(asks.slice(2).map(({ results }) => results)).toEqual([[6], [2, 2, [true]]]);
    expect(last.results).toEqual([2]);
  });

  /** Commits take so long, and the disk is idle for so long between them. */
  function inRhythm(commitMs: number, idleMs: number): Rig {
    const node = new Rig({ limits: { halvedFrom: 10 } });
    node.holdWrites = true;
    for (let i = 0; i < 2; i++) {
      node.ask(1, put('a', i));
      node.pass(commitMs);
      node.finishWrite();
      if (i === 0) node.pass(idleMs);
    }
    return node;
  }

  test('of many requests half are a commit where clients and disk take turns, and the rest are executed meanwhile', () => {
    const node = inRhythm(1, 2);
    const asks = Array.from({ length: 9 }, (_, i) => node.queue(1, put(`k${i}`, i)));
    asks.push(node.ask(1, increment('c')));
    node.finishWrite();
    expect(asks.map(({ answered }) => answered)).toEqual([...times(5, true), ...times(5, false)]);
    expect(node.inFlight).toBeDefined();
    node.finishWrite();
    expect(asks.every(({ answered }) => answered)).toBe(true);
    expect([node.seq, node.inFlight]).toEqual([12, undefined]);
  });

  test.each([
    { disk: 'slow', commitMs: 5, idleMs: 1 },
    { disk: 'hardly used', commitMs: 1, idleMs: 100 },
  ])('many requests are one commit where the disk is $disk', ({ commitMs, idleMs }) => {
    const node = inRhythm(commitMs, idleMs);
    const asks = Array.from({ length: 9 }, (_, i) => node.queue(1, put(`k${i}`, i)));
    asks.push(node.ask(1, increment('c')));
    node.finishWrite();
    expect(asks.every(({ answered }) => answered)).toBe(true);
  });

  test('many requests are executed at once when the first half of them gives the disk nothing to do', () => {
    const node = inRhythm(1, 2);
    const asks = Array.from({ length: 15 }, () => node.queue(1, get('a')));
    asks.push(node.ask(1, put('a', 2)));
    expect(asks.map(({ answered }) => answered)).toEqual([...times(15, true), false]);
    node.finishWrite();
    expect(asks.at(-1)?.answered).toBe(true);
  });

  test('a read that comes late does not undo what was written meanwhile', () => {
    const node = cold(increment('c', 5));
    const write = node.ask(1, increment('c', 1));
    const { id, keys } = node.loads[0]!;
    const before = keys.map((each) => node.store.get(each));
    node.answerLoad(node.loads[0]!);
    expect(write.results).toEqual([6]);
    // The answer comes again, as from a confused host.
    node.step({ type: 'loaded', id, values: before });
    expect(node.ask(1, count('c')).results).toEqual([6]);
  });

  test('a request of a session that is gone is executed all the same', () => {
    const node = cold(put('a', 1));
    node.ask(1, put('a', 2));
    node.step({ type: 'session-closed', session: 1 });
    node.releaseAll();
    expect(node.one(get('a'))).toBe(2);
  });

  test('a listing shows what its session has written before', () => {
    const node = cold(put('a', 1));
    node.ask(1, put('b', 1));
    const { session, request } = node.listKeys({}, 1);
    expect(node.answersTo(session, request)).toEqual([]);
    node.releaseAll();
    expect(node.answersTo(session, request)).toMatchObject([{ keys: [{ key: 'a' }, { key: 'b' }] }]);
  });

  test('a request without operations is answered with no results', () => {
    expect(new Rig().run()).toEqual([]);
  });
});

describe('trouble', () => {
  test('records whose read failed are asked for again', () => {
    const node = cold(put('a', 1), add('s', 'x'));
    const ask = node.ask(1, [get('a'), has('s', 'x')]);
    node.failRead(node.loads[0]!);
    expect(ask.answered).toBe(false);
    node.releaseAll();
    expect(ask.results).toEqual([1, [true]]);
  });

  test('a record that cannot be read is asked for as long as somebody waits for it', () => {
    const node = cold(put('a', 1));
    const ask = node.ask(1, get('a'));
    node.failRead(node.loads[0]!);
    expect(ask.code).toBe('CAUSEWAY_READ_FAILED');
    node.pass(10_000);
    expect(node.loads).toEqual([]);
    const again = node.ask(1, get('a'));
    expect(again.answered).toBe(false);
    node.releaseAll();
    expect(again.results).toEqual([1]);
  });

  test('elements that cannot be read fail the request, and the next one reads anew', () => {
    const node = new Rig();
    node.run(add('s', 'x'));
    node.holdScans = true;
    const ask = node.ask(1, values('s'));
    node.failRead(node.scans[0]!);
    expect(ask.code).toBe('CAUSEWAY_READ_FAILED');
    node.releaseAll();
    expect(node.one(values('s'))).toEqual(['x']);
  });

  test.each([false, true])(
    'a damaged record is not answered from as if it were empty (at hand: %s)',
    (readsNow) => {
      const node = new Rig();
      node.readsNow = readsNow;
      node.run(put('a', 1), increment('c', 5), add('s', 'x'));
      for (const { key } of node.store.all()) {
        if ('rce'.includes(String.fromCharCode(key[0]!))) node.store.damage(key);
      }
      node.restart();
      for (const operation of [get('a'), put('a', 2), count('c'), increment('c'), has('s', 'x')]) {
        expect(node.ask(1, operation).code).toBe('CAUSEWAY_CORRUPT');
      }
      expect(node.ask(1, values('s')).code).toBe('CAUSEWAY_READ_FAILED');
      expect(node.seq).toBe(1);
      expect(node.run(put('b', 1), get('b'))[1]).toBe(1);
    },
  );

  test.each([false, true])(
    'a damaged record stays refused when a peer has written over it, since what was lost is unknown (at hand: %s)',
    (readsNow) => {
      const node = new Rig();
      node.readsNow = readsNow;
      node.run(put('a', 1));
      node.store.damage(textKey(KIND.register, 'a'));
      node.restart();
      expect(node.ask(1, get('a')).code).toBe('CAUSEWAY_CORRUPT');
      new ScriptedPeer(node, 'us').dials().writes(puts('a', 2));
      expect(node.ask(1, get('a')).code).toBe('CAUSEWAY_CORRUPT');
      node.restart();
      expect(node.ask(1, get('a')).code).toBe('CAUSEWAY_CORRUPT');
    },
  );

  test('many records whose read failed are asked for again, whatever their number', () => {
    const node = cold();
    const elements = Array.from({ length: 65_000 }, (_, i) => bytes(i));
    node.queue(1, { op: 'set.has', key: 's', values: elements });
    node.ask(1, { op: 'set.has', key: 't', values: elements });
    node.failRead(node.loads[0]!);
    expect(node.loads.length).toBeGreaterThan(0);
  });

  test('more requests than may wait are turned away, and those that wait are served', () => {
    const node = cold(put('a', 1));
    const asks = Array.from({ length: REQUESTS_MAX }, () => node.queue(1, get('a')));
    expect(node.ask(2, get('a')).code).toBe('CAUSEWAY_OVERLOADED');
    // Looking for an answer walks all that was sent: some stand for the others.
    node.releaseAll();
    expect([asks[0], asks.at(-1)].map((ask) => ask?.results)).toEqual([[1], [1]]);
    expect(node.ask(3, get('a')).results).toEqual([1]);
  });

  test('more bytes than may wait are turned away', () => {
    const node = cold(put('a', 1));
    const value = new Uint8Array(1_000_000);
    const most = Math.floor(REQUEST_BYTES_MAX / (value.length + 1_000));
    for (let i = 0; i < most; i++) node.queue(i, put('a', value));
    expect(node.ask(100, put('a', value)).code).toBe('CAUSEWAY_OVERLOADED');
    expect(node.ask(100, get('a')).code).toBeUndefined();
    node.releaseAll();
    expect(node.ask(100, put('a', value)).code).toBeUndefined();
  });

  test('every operation is counted once, by type, and none that was refused', () => {
    const node = new Rig();
    node.run(put('a', 1), del('b'), add('s', 1), clear('s'), increment('c', 1), reset('c'));
    node.run(get('a'), has('s', 1), size('s'), values('s'), count('c'));
    expect(node.told.writes).toEqual(['register', 'register', 'set', 'set', 'counter', 'counter']);
    expect(node.told.reads).toEqual(['register', 'set', 'set', 'set', 'counter']);
    node.run(put('n', 1), increment('big', Number.MAX_SAFE_INTEGER));
    const before = node.told.writes.length;
    expect(node.ask(1, [put('n', 2), increment('big', 1)]).code).toBe('CAUSEWAY_OVERFLOW');
    expect(node.told.writes).toHaveLength(before);
  });
});

describe('idempotency keys', () => {
  const key = (name: string, fingerprint = 'f') => ({ key: name, fingerprint });

  test('a request that comes again is answered again and not done again', () => {
    const node = new Rig();
    const first = node.ask(1, increment('c', 5), key('k'));
    const again = node.ask(2, increment('c', 5), key('k'));
    expect([first.results, again.results]).toEqual([[5], [5]]);
    expect(node.one(count('c'))).toBe(5);
  });

  test('another request under the same key is refused, and changes nothing', () => {
    const node = new Rig();
    node.ask(1, increment('c', 5), key('k', 'five'));
    const other = node.ask(1, increment('c', 6), key('k', 'six'));
    expect(other.code).toBe('CAUSEWAY_IDEMPOTENCY_MISMATCH');
    expect(node.one(count('c'))).toBe(5);
  });

  test('a duplicate of what is in flight waits for it', () => {
    const node = new Rig();
    node.holdWrites = true;
    const first = node.ask(1, increment('c', 5), key('k'));
    const again = node.ask(2, increment('c', 5), key('k'));
    expect([first.answered, again.answered]).toEqual([false, false]);
    node.finishWrite();
    expect([first.results, again.results]).toEqual([[5], [5]]);
    expect(node.inFlight).toBeUndefined();
  });

  test('a duplicate of what is still being read waits for it too', () => {
    const node = cold(increment('c', 1));
    const first = node.ask(1, increment('c', 5), key('k'));
    const again = node.ask(2, increment('c', 5), key('k'));
    node.releaseAll();
    expect([first.results, again.results]).toEqual([[6], [6]]);
    expect(node.ask(3, count('c')).results).toEqual([6]);
  });

  test('answers of every kind survive the process, to the byte', () => {
    const node = new Rig();
    const peer = new ScriptedPeer(node, 'us').dials();
    node.run(increment('big', Number.MAX_SAFE_INTEGER), put('r', { deep: [1n, new Uint8Array(3)] }));
    const { id } = node;
    peer.seen.set(id, 1);
    peer.writes(() => ({ type: 'increment', key: 'big', first: 1, p: 5n, n: 0n }));
    const operations = [
      get('r'),
      get('absent'),
      put('a', 1),
      del('a'),
      add('s', 'x', 'y'),
      has('s', 'x', 'z'),
      size('s'),
      values('s', { limit: 1 }),
      clear('s'),
      increment('c', -3),
      count('big'),
      reset('c'),
    ];
    const first = node.ask(1, operations, key('k'));
    expect(first.results?.[10]).toBe(2n ** 53n - 1n + 5n);
    node.restart();
    const again = node.ask(2, operations, key('k'));
    expect(again.raw).toEqual(first.raw as Result[]);
    expect(node.seq).toBe(2);
  });

  test('a read under a key is kept as well', () => {
    const node = new Rig();
    node.run(put('a', 1));
    node.ask(1, get('a'), key('k'));
    node.run(put('a', 2));
    expect(node.ask(1, get('a'), key('k')).results).toEqual([1]);
  });

  test('a refusal is not kept: the same request may come again', () => {
    const node = new Rig();
    node.run(increment('c', Number.MAX_SAFE_INTEGER));
    expect(node.ask(1, increment('c', 1), key('k')).code).toBe('CAUSEWAY_OVERFLOW');
    node.run(reset('c'));
    expect(node.ask(1, increment('c', 1), key('k')).results).toEqual([1]);
  });

  test('an answer that the disk has lost is not repeated: the request is done', () => {
    const node = new Rig();
    node.run(increment('c', 1));
    node.holdWrites = true;
    const lost = node.ask(1, increment('c', 5), key('k'));
    node.failWrite();
    node.reopen();
    node.releaseAll();
    expect(lost.code).toBe('CAUSEWAY_OUTCOME_UNKNOWN');
    expect(node.ask(1, increment('c', 5), key('k')).results).toEqual([6]);
  });

  test('an answer that the disk has kept after all is repeated', () => {
    const node = new Rig();
    node.run(increment('c', 1));
    node.holdWrites = true;
    node.ask(1, increment('c', 5), key('k'));
    node.failWrite(true);
    node.reopen();
    node.releaseAll();
    expect(node.ask(1, increment('c', 5), key('k')).results).toEqual([6]);
    expect(node.one(count('c'))).toBe(6);
  });

  test('an answer is kept for a day, and then leaves nothing behind', () => {
    const node = new Rig();
    node.ask(1, increment('c', 5), key('k'));
    node.pass(24 * 3_600_000);
    expect(node.ask(1, increment('c', 5), key('k')).results).toEqual([5]);
    expect(node.record.resultBytes).toBeGreaterThan(0);
    node.pass(2 * 3_600_000);
    expect(node.store.census()).not.toMatchObject({ o: expect.anything() });
    expect(node.store.census()).not.toMatchObject({ q: expect.anything() });
    expect(node.record.resultBytes).toBe(0);
    expect(node.ask(1, increment('c', 5), key('k')).results).toEqual([10]);
  }, 20_000);

  test('an answer outlives a clock that jumps, and time that passes over a restart counts', () => {
    const limits = { resultRetentionMs: 4 * 3_600_000 };
    const node = new Rig({ limits });
    node.ask(1, increment('c', 5), key('k'));
    node.setWall(node.now.wall + 1_000 * 3_600_000);
    node.pass(3 * 3_600_000);
    expect(node.ask(1, increment('c', 5), key('k')).results).toEqual([5]);
    // Another process, whose monotonic clock begins anew.
    node.now = { monotonic: 17, wall: node.now.wall };
    node.restart();
    node.pass(1_000);
    expect(node.ask(1, increment('c', 5), key('k')).results).toEqual([5]);
    node.setWall(node.now.wall - 2_000 * 3_600_000);
    node.pass(1.3 * 3_600_000);
    expect(node.store.census()).not.toMatchObject({ o: expect.anything() });
    expect(node.ask(1, increment('c', 5), key('k')).results).toEqual([10]);
  }, 20_000);

  test('many answers that are due go in steps', () => {
    const node = new Rig({ limits: { resultRetentionMs: 10_000, housekeepingRecords: 4 } });
    for (let i = 0; i < 10; i++) node.ask(1, increment('c', 1), key(`k${i}`));
    node.pass(9_000);
    expect(node.store.census()).toMatchObject({ o: 10, q: 10 });
    node.pass(12_000);
    expect(node.store.census()).not.toMatchObject({ o: expect.anything() });
  });

  test('when no more may be kept, requests with a key are refused and others are not', () => {
    const node = new Rig();
    node.run(put('a', 1));
    const record = { ...node.record, resultBytes: RESULT_BYTES_MAX };
    node.store.put(REPLICA_KEY, encodeReplicaRecord(new ByteWriter(256), record));
    node.restart();
    expect(node.ask(1, increment('c'), key('k')).code).toBe('CAUSEWAY_IDEMPOTENCY_FULL');
    expect(node.ask(1, increment('c')).results).toEqual([1]);
  });

  test('keys of any printable text are apart from keys of records', () => {
    const node = new Rig();
    node.run(put('k', 'record'));
    node.ask(1, remove('k', 'x'), key('k'));
    node.ask(1, increment('k', 1), key('rk'));
    expect(node.run(get('k'), count('k'))).toEqual(['record', 1]);
    expect(bytes('k')).not.toEqual(textKey(KIND.result, 'k'));
  });
});
