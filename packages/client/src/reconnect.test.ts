import { CausewayError, NodeFrameWriter } from '@causeway/protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { connect, connectWith, type Database } from './index.js';
import type { Surroundings } from './surroundings.js';
import { FakeNode, type FakeOptions } from './testing/fake-node.js';
import { FakeStore } from './testing/fake-store.js';
import { hurried, VirtualTime } from './testing/virtual-time.js';

const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

async function listen(options?: FakeOptions): Promise<FakeNode> {
  const node = await FakeNode.listen(options);
  opened.push(node);
  return node;
}

async function open(
  nodes: readonly { readonly url: string }[],
  time?: Surroundings,
  operationTimeoutMs = 30_000,
): Promise<Database> {
  const options = { endpoints: nodes.map(({ url }) => url), operationTimeoutMs };
  const db = await (time === undefined ? connect(options) : connectWith(options, time));
  opened.push(db);
  return db;
}

/** On a machine that is busy with other tests frames take their time. */
const patiently = (check: () => void) => vi.waitFor(check, { timeout: 10_000 });
const frameArrived = (node: FakeNode) => patiently(() => expect(node.frames.length).toBeGreaterThan(0));

test('operations called while there is no connection are carried out, in order, on the next one', async () => {
  const node = await listen();
  const time = new VirtualTime();
  const db = await open([node], time);
  await db.register('r').set('first');
  node.cut();
  await patiently(() => expect(time.closed).toBe(1));
  const results = Promise.all([
    db.counter('c').increment(),
    db.register('r').get(),
    db.register('r').set('second'),
    db.register('r').get(),
    db.counter('c').increment(),
  ]);
  time.advance(1000);
  expect(await results).toEqual([1, 'first', undefined, 'second', 2]);
});

test('reads in flight are asked again, mutations in flight are of unknown outcome and never sent twice', async () => {
  const node = await listen();
  const db = await open([node]);
  await db.register('r').set('there');
  node.silent = true;
  const read = db.register('r').get();
  const write = db.counter('c').increment();
  const reads = db.transaction((tx) => [tx.register('r').get(), tx.counter('c').value()]);
  const mixed = db.transaction((tx) => [tx.register('r').get(), tx.counter('c').increment()]);
  const settled = Promise.allSettled([read, write, reads, mixed]);
  await patiently(() => expect(node.operations.length).toBe(7));
  node.silent = false;
  node.cut();
  const unknown = { status: 'rejected', reason: { code: 'CAUSEWAY_OUTCOME_UNKNOWN', retryable: false } };
  expect(await settled).toMatchObject([
    { status: 'fulfilled', value: 'there' },
    unknown,
    { status: 'fulfilled', value: ['there', 2] },
    unknown,
  ]);
  // Both had taken effect before the cut.
  expect(await db.counter('c').value()).toBe(2);
});

test('order on a key is kept over many cuts, and no acknowledged write is lost', async () => {
  const node = await listen();
  const db = await open([node]);
  const outcomes: Promise<unknown>[] = [];
  const acknowledged: number[] = [];
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < 200; i++) {
      const n = round * 200 + i;
      outcomes.push(
        db
          .transaction((tx) => {
            tx.register('last').set(n);
            tx.set<number>('all').add(n);
          })
          .then(
            () => acknowledged.push(n),
            (error) => expect(error.code).toBe('CAUSEWAY_OUTCOME_UNKNOWN'),
          ),
      );
    }
    await outcomes[round * 200 + 50];
    node.cut();
  }
  await Promise.all(outcomes);
  expect(acknowledged).toEqual([...acknowledged].sort((a, b) => a - b));
  const carriedOut = node.operations.flatMap((operation) =>
    operation.op === 'register.set' ? [Buffer.from(operation.value).toString('hex')] : [],
  );
  expect(new Set(carriedOut).size).toBe(carriedOut.length);
  const there = new Set(await db.set<number>('all').values());
  expect(acknowledged.every((n) => there.has(n))).toBe(true);
  const last = await db.register<number>('last').get();
  expect(last).toBe(Math.max(...there));
});

test('when a node is gone the next endpoint is used, and the first again when the second goes', async () => {
  const [one, two] = [await listen(), await listen()];
  const db = await open([one, two]);
  await db.register('at').set('one');
  const { port, store } = one;
  await one.close();
  expect(await db.register('at').get()).toBeUndefined();
  expect(two.operations).toHaveLength(1);
  await listen({ port, store });
  await two.close();
  expect(await db.register('at').get()).toBe('one');
});

test('what a node that is stopping turns away goes to the next one, in order and once', async () => {
  const store = new FakeStore();
  const [one, two] = [await listen({ store }), await listen({ store })];
  const db = await open([one, two]);
  one.before = (operation) => {
    if (operation.key === 'n250') one.draining = true;
  };
  const outcomes: Promise<number>[] = [];
  for (let i = 0; i < 500; i++) {
    outcomes.push(
      db.transaction((tx) => {
        tx.register(`n${i}`).set(i);
        return tx.counter('c').increment();
      }),
    );
  }
  const watch = db.watch({ prefix: 'late' });
  void db.register('late').set(1);
  expect(await Promise.all(outcomes)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
  expect((await watch.next()).value).toMatchObject({ key: 'late', value: 1 });
  expect(two.operations[0]).toMatchObject({ op: 'register.set', key: 'n251' });
  expect(one.connections).toBe(0);
});

test('what is turned away waits for the node to come back, if there is no other', async () => {
  const node = await listen();
  const db = await open([node], hurried(10));
  node.draining = true;
  const write = db.counter('c').increment();
  await frameArrived(node);
  node.draining = false;
  expect(await write).toBe(1);
});

test('a watch is told that it was interrupted, and a new one works', async () => {
  const node = await listen();
  const db = await open([node]);
  const watch = db.watch();
  await watch.opened;
  await db.register('a').set(1);
  node.cut();
  const seen: unknown[] = [];
  const loop = async () => {
    for await (const change of watch) seen.push(change.value);
  };
  await expect(loop()).rejects.toMatchObject({ code: 'CAUSEWAY_WATCH_INTERRUPTED', retryable: true });
  expect(seen).toEqual([1]);
  const again = db.watch();
  void db.register('a').set(2);
  expect((await again.next()).value).toMatchObject({ value: 2 });
});

test('a watch that was ended just before a loss does not end another on the next connection', async () => {
  const node = await listen();
  const time = new VirtualTime();
  const db = await open([node], time);
  const old = db.watch();
  await old.opened;
  void old.return();
  node.cut();
  await patiently(() => expect(time.closed).toBe(1));
  const fresh = db.watch();
  time.advance(1000);
  await fresh.opened;
  await db.register('a').set(1);
  expect((await fresh.next()).value).toMatchObject({ value: 1 });
  expect(node.frames.flat().some(({ type }) => type === 'unwatch')).toBe(false);
});

test('the node may end a watch', async () => {
  const node = await listen();
  const db = await open([node]);
  const watch = db.watch();
  await watch.opened;
  const [message] = node.frames.flat();
  const writer = new NodeFrameWriter();
  writer.add({
    type: 'watch-end',
    id: (message as { id: number }).id,
    error: new CausewayError('CAUSEWAY_WATCH_OVERFLOW', 'too slow'),
  });
  node.say(writer.finish());
  await expect(watch.next()).rejects.toMatchObject({ code: 'CAUSEWAY_WATCH_OVERFLOW', message: 'too slow' });
  expect(await db.counter('c').increment()).toBe(1);
});

test.each<{ name: string; bytes: Uint8Array | string }>([
  { name: 'bytes that are no frame', bytes: new Uint8Array([0xc1, 0xff, 0x00]) },
  { name: 'an empty message', bytes: new Uint8Array() },
  { name: 'text', bytes: 'hello' },
  { name: 'a frame cut short', bytes: new Uint8Array([0x92, 0x93, 0x01, 0x00]) },
  { name: 'an answer to nothing', bytes: new Uint8Array([0x91, 0x93, 0x7f, 0x00, 0x91, 0x03]) },
  { name: 'a failure of nothing', bytes: new Uint8Array([0x91, 0x94, 0x7f, 0x01, 0xa1, 0x61, 0xa1, 0x61]) },
  { name: 'a second greeting', bytes: new Uint8Array([0x91, 0x94, 0x00, 0x00, 0xa1, 0x61, 0xa1, 0x61]) },
  {
    name: 'a reply with too many results',
    bytes: new Uint8Array([0x91, 0x94, 0x01, 0x00, 0x91, 0x03, 0x91, 0x03]),
  },
])('$name from the node ends the connection and nothing else', async ({ bytes }) => {
  const node = await listen();
  const db = await open([node]);
  node.silent = true;
  const write = db.register('r').set(1);
  const unknown = expect(write).rejects.toMatchObject({ code: 'CAUSEWAY_OUTCOME_UNKNOWN' });
  await frameArrived(node);
  node.silent = false;
  node.say(bytes);
  await unknown;
  expect(await db.register('r').get()).toBe(1);
});

test('seeded nonsense from the node never does more than end connections', async () => {
  const node = await listen();
  const db = await open([node], hurried(20));
  let seed = 42;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let i = 0; i < 60; i++) {
    const nonsense = Uint8Array.from({ length: random(40) }, () => random(256));
    if (nonsense.length > 0) nonsense[0] = 0x90 | random(4);
    await db.counter('alive').value();
    node.say(nonsense);
    expect(await db.register('r').get()).toBeUndefined();
  }
}, 60_000);

test('a result of another operation is an error of that operation', async () => {
  const node = await listen();
  const db = await open([node]);
  node.silent = true;
  const read = db.register('r').get();
  await frameArrived(node);
  node.say(new Uint8Array([0x91, 0x93, 0x01, 0x00, 0x91, 0x03]));
  await expect(read).rejects.toMatchObject({ code: 'CAUSEWAY_INTERNAL' });
});

test('connect goes on to the endpoint that answers', async () => {
  const [gone, node] = [await FakeNode.listen(), await listen()];
  await gone.close();
  const db = await open([gone.url, node.url].map((url) => ({ url })));
  expect(await db.counter('c').increment()).toBe(1);
});

test('connect gives up after its time-out and says why', async () => {
  const gone = await FakeNode.listen();
  const { url } = gone;
  await gone.close();
  await expect(connect({ endpoints: [url], connectTimeoutMs: 200 })).rejects.toMatchObject({
    code: 'CAUSEWAY_UNREACHABLE',
    retryable: true,
    message: expect.stringContaining('ECONNREFUSED'),
    cause: { code: 'CAUSEWAY_CONNECTION_LOST' },
  });
});

test('a node that never greets is passed over', async () => {
  const [mute, node] = [await listen({ mute: true }), await listen()];
  const time = new VirtualTime();
  const db = connectWith({ endpoints: [mute.url, node.url] }, time);
  await patiently(() => expect(mute.connections).toBe(1));
  time.advance(3000);
  await patiently(() => {
    time.advance(0);
    expect(node.connections).toBe(1);
  });
  opened.push(await db);
});

test('connect gives up on nodes that never greet', async () => {
  const mute = await listen({ mute: true });
  const time = new VirtualTime();
  const connecting = connectWith({ endpoints: [mute.url], connectTimeoutMs: 2000 }, time);
  const refused = expect(connecting).rejects.toMatchObject({ code: 'CAUSEWAY_UNREACHABLE' });
  time.advance(2000);
  await refused;
  expect(time.pending).toBe(0);
});

test('connect fails at once when every node speaks another version', async () => {
  const nodes = [await listen({ version: 2 }), await listen({ version: 2 })];
  await expect(connect({ endpoints: nodes.map(({ url }) => url) })).rejects.toMatchObject({
    code: 'CAUSEWAY_BAD_VERSION',
    message: 'another version',
  });
});

test('one node of another version is no hindrance', async () => {
  const nodes = [await listen({ version: 2 }), await listen()];
  const db = await open(nodes);
  expect(await db.counter('c').increment()).toBe(1);
});

test.each<{ name: string; options: Parameters<typeof connect>[0] }>([
  { name: 'no endpoint', options: { endpoints: [] } },
  { name: 'no list', options: {} as { endpoints: string[] } },
  { name: 'no URL', options: { endpoints: ['127.0.0.1:7400'] } },
  { name: 'http', options: { endpoints: ['http://127.0.0.1:7400'] } },
  { name: 'a time-out of zero', options: { endpoints: ['ws://127.0.0.1:1'], connectTimeoutMs: 0 } },
  { name: 'a name that is none', options: { endpoints: ['ws://127.0.0.1:1'], name: '\ud800' } },
])('$name is a wrong configuration', async ({ options }) => {
  await expect(connect(options)).rejects.toMatchObject({ code: 'CAUSEWAY_BAD_CONFIG' });
});

test('what cannot be sent in time is unreachable, and surely had no effect', async () => {
  const node = await listen();
  const time = new VirtualTime();
  const db = await open([node], time, 1000);
  const { port, store } = node;
  await node.close();
  await patiently(() => expect(time.closed).toBe(1));
  const refused = expect(db.counter('c').increment()).rejects.toMatchObject({
    code: 'CAUSEWAY_UNREACHABLE',
    retryable: true,
  });
  await patiently(() => {
    time.advance(500);
    expect(time.dials.length).toBeGreaterThan(3);
  });
  await refused;
  const back = await listen({ port, store });
  await patiently(() => {
    time.advance(500);
    expect(back.connections).toBe(1);
  });
  expect(await db.counter('c').value()).toBe(0);
});

test('a node that falls silent is taken for gone', async () => {
  const [node, other] = [await listen(), await listen()];
  const time = new VirtualTime();
  const db = await open([node, other], time);
  node.deaf = true;
  const read = db.counter('c').value();
  const write = db.counter('c').increment();
  const unknown = expect(write).rejects.toMatchObject({ code: 'CAUSEWAY_OUTCOME_UNKNOWN' });
  await Promise.resolve();
  time.advance(2_400);
  expect(time.dials).toHaveLength(1);
  time.advance(600);
  await unknown;
  expect(await read).toBe(0);
  expect(other.operations).toHaveLength(1);
});

test('a node is not blamed for the silence of a process that stood still', async () => {
  const node = await listen();
  const time = new VirtualTime();
  const db = await open([node], time);
  const write = db.counter('c').increment();
  await frameArrived(node);
  time.stall(60_000);
  expect(await write).toBe(1);
  expect(time.closed).toBe(0);
});

test('a request that is not answered while others are is given up alone', async () => {
  const node = await listen();
  const time = new VirtualTime();
  const db = await open([node], time, 8000);
  node.silent = true;
  const read = expect(db.register('r').get()).rejects.toMatchObject({ code: 'CAUSEWAY_TIMEOUT' });
  const write = expect(db.register('r').set(1)).rejects.toMatchObject({ code: 'CAUSEWAY_OUTCOME_UNKNOWN' });
  await frameArrived(node);
  node.silent = false;
  for (let i = 0; i < 10; i++) {
    time.advance(1000);
    await db.counter('c').increment();
  }
  await Promise.all([read, write]);
  expect(time.dials).toHaveLength(1);
});

test('a silent node is found out by a client that only watches', async () => {
  const [node, other] = [await listen(), await listen()];
  const time = new VirtualTime();
  const db = await open([node, other], time);
  const watch = db.watch();
  await watch.opened;
  for (let probes = 1; probes <= 5; probes++) {
    const { received } = time;
    time.advance(1500);
    await patiently(() => expect(time.received).toBe(received + 1));
    expect(node.frames).toHaveLength(1 + probes);
  }
  expect(time.dials).toHaveLength(1);
  node.deaf = true;
  const ended = expect(watch.next()).rejects.toMatchObject({ code: 'CAUSEWAY_WATCH_INTERRUPTED' });
  time.advance(3000);
  await ended;
});

test('a node that takes its time over an operation, but answers otherwise, is not left', async () => {
  const node = await listen();
  const time = new VirtualTime();
  const db = await open([node, await listen()], time);
  node.slow = true;
  const write = expect(db.counter('c').increment()).rejects.toMatchObject({
    code: 'CAUSEWAY_OUTCOME_UNKNOWN',
  });
  await frameArrived(node);
  for (let seconds = 0; seconds < 20; seconds += 2) {
    const { received } = time;
    time.advance(2000);
    await patiently(() => expect(time.received).toBe(received + 1));
  }
  expect(time.dials).toHaveLength(1);
  node.cut();
  await write;
});

test.each<{ name: string; ask: (db: Database) => Promise<unknown> }>([
  { name: 'the answer may be large', ask: async (db) => await db.set('s').values() },
  { name: 'much is being sent', ask: (db) => db.register('r').set(new Uint8Array(1_000_000).fill(1)) },
  {
    name: 'many requests are under way',
    ask: (db) => Promise.all(Array.from({ length: 3000 }, () => db.counter('c').value())),
  },
])('a silent node is given ten seconds where $name', async ({ ask }) => {
  const node = await listen();
  const time = new VirtualTime();
  const db = await open([node, await listen()], time);
  node.deaf = true;
  const settled = Promise.allSettled([ask(db), ask(db)]);
  await Promise.resolve();
  time.advance(9000);
  expect(time.closed + time.dials.length).toBe(1);
  time.advance(2000);
  await settled;
  expect(time.dials).toHaveLength(2);
});

test('an idle client keeps no timer', async () => {
  const node = await listen();
  const time = new VirtualTime();
  const db = await open([node], time);
  await db.counter('c').increment();
  time.advance(1000);
  expect(time.pending).toBe(0);
});

test('close does not wait for a node that is gone', async () => {
  const node = await listen();
  const time = new VirtualTime();
  const db = await open([node], time);
  node.cut();
  await patiently(() => expect(time.closed).toBe(1));
  const write = expect(db.counter('c').increment()).rejects.toMatchObject({ code: 'CAUSEWAY_CLOSED' });
  await db.close();
  await write;
  expect(time.pending).toBe(0);
});

test('close waits no longer than five seconds for a node that does not answer', async () => {
  const node = await listen();
  const time = new VirtualTime();
  const db = await open([node], time);
  node.slow = true;
  const write = expect(db.counter('c').increment()).rejects.toMatchObject({
    code: 'CAUSEWAY_OUTCOME_UNKNOWN',
  });
  const read = expect(db.counter('c').value()).rejects.toMatchObject({ code: 'CAUSEWAY_CLOSED' });
  await frameArrived(node);
  const closed = db.close();
  for (let seconds = 0; seconds < 4; seconds += 2) {
    const { received } = time;
    time.advance(2000);
    await patiently(() => expect(time.received).toBe(received + 1));
  }
  expect(time.closed).toBe(0);
  time.advance(1000);
  await Promise.all([write, read, closed]);
  expect(time.pending).toBe(0);
});

test('what waits to be sent is bounded', async () => {
  const node = await listen();
  const db = await open([node], hurried(10));
  node.silent = true;
  const value = new Uint8Array(1_000_000);
  const writes = Array.from({ length: 200 }, () => db.register('r').set(value));
  const outcomes = Promise.allSettled(writes);
  const codes = new Map<string, number>();
  await patiently(() => expect(node.operations.length).toBeGreaterThan(10));
  await db.close();
  for (const outcome of await outcomes) {
    const code = outcome.status === 'rejected' ? outcome.reason.code : 'fulfilled';
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  expect(codes.get('CAUSEWAY_OVERLOADED')).toBeGreaterThan(20);
});
