import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect, type Database } from './index.js';
import { FakeNode } from './testing/fake-node.js';

let node: FakeNode;
let db: Database;

beforeEach(async () => {
  node = await FakeNode.listen();
  db = await connect({ endpoints: [node.url], name: 'a test' });
});

afterEach(async () => {
  await db.close();
  await node.close();
});

test('the node learns the name of the client', () => {
  expect(node.names).toEqual(['a test']);
});

test('the example of the documentation works as it stands', async () => {
  interface User {
    name: string;
  }
  await db.register<User>('user:42').set({ name: 'Ada' });
  await db.set<string>('cart:42').add('milk', 'tea');
  await db.counter('likes:42').increment(5);
  await db.transaction((tx) => {
    tx.counter('stock:7').decrement(1);
    tx.set('cart:42').add('7');
  });
  const user: User | undefined = await db.register<User>('user:42').get();
  const cart: string[] = await db.set<string>('cart:42').values();
  expect([user, cart, await db.counter('stock:7').value()]).toEqual([
    { name: 'Ada' },
    ['7', 'tea', 'milk'],
    -1,
  ]);
});

test.each<{ name: string; value: unknown }>([
  { name: 'an object', value: { name: 'Ada', tags: ['a', 'b'], nested: { n: null } } },
  { name: 'a text', value: 'grüße \u{1f600}' },
  { name: 'a fraction', value: 1.5 },
  { name: 'null', value: null },
  { name: 'a big integer', value: 12345678901234567890n },
  { name: 'bytes', value: new Uint8Array([1, 2, 3]) },
  { name: 'a date', value: new Date('2024-02-29T12:00:00.123Z') },
])('a register holds $name', async ({ value }) => {
  const register = db.register('r');
  expect(await register.get()).toBeUndefined();
  expect(await register.set(value)).toBeUndefined();
  expect(await register.get()).toEqual(value);
  await register.delete();
  expect(await register.get()).toBeUndefined();
});

test('the time to live is sent along', async () => {
  await db.register('r').set(1, { ttlMs: 5000 });
  expect(node.operations).toMatchObject([{ op: 'register.set', key: 'r', ttlMs: 5000 }]);
});

test('a set adds, removes, tells what it has, and clears', async () => {
  const cart = db.set<string>('cart:42');
  await cart.add('milk', 'tea', 'milk');
  expect(await cart.size()).toBe(2);
  expect(await cart.has('milk')).toBe(true);
  expect(await cart.has('salt')).toBe(false);
  await cart.remove('milk');
  expect(await cart.values()).toEqual(['tea']);
  await cart.clear();
  expect(await cart.values()).toEqual([]);
});

test('adding or removing nothing asks nobody', async () => {
  await db.set('s').add();
  await db.set('s').remove();
  expect(node.operations).toEqual([]);
});

test('the elements of a large set come in pages, by await and by iteration alike', async () => {
  const numbers = Array.from({ length: 2500 }, (_, i) => i);
  await db.set<number>('s').add(...numbers);
  const values = db.set<number>('s').values();
  expect(await values).toEqual(numbers);
  const seen: number[] = [];
  for await (const value of values) seen.push(value);
  expect(seen).toEqual(numbers);
  const pages = node.operations.filter(({ op }) => op === 'set.values');
  expect(pages).toHaveLength(6);
  expect(pages.every((page) => page.op === 'set.values' && page.limit === 1000)).toBe(true);
});

test('leaving the iteration early asks for no further page', async () => {
  await db.set<number>('s').add(...Array.from({ length: 2500 }, (_, i) => i));
  for await (const value of db.set<number>('s').values()) if (value === 10) break;
  expect(node.operations.filter(({ op }) => op === 'set.values')).toHaveLength(1);
});

test('elements are read where values() was called, also when they are looked at later', async () => {
  const set = db.set<string>('s');
  await set.add('a');
  const before = set.values();
  await set.add('b');
  expect(await before).toEqual(['a']);
  expect(await before).toEqual(['a', 'b']);
});

test('a counter counts up, down and from zero again', async () => {
  const likes = db.counter('likes:42');
  expect(await likes.increment()).toBe(1);
  expect(await likes.increment(5)).toBe(6);
  expect(await likes.decrement()).toBe(5);
  expect(await likes.decrement(10)).toBe(-5);
  expect(await likes.value()).toBe(-5);
  expect(await likes.reset()).toBeUndefined();
  expect(await likes.value()).toBe(0);
});

test('what is called in one tick travels in one frame', async () => {
  const results = await Promise.all(Array.from({ length: 50 }, () => db.counter('c').increment()));
  expect(results).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  expect(node.frames).toHaveLength(1);
});

test('what answers set going travels in one frame again', async () => {
  const chain = async () => {
    for (let i = 0; i < 5; i++) await db.counter('c').increment();
  };
  await Promise.all(Array.from({ length: 40 }, chain));
  expect(await db.counter('c').value()).toBe(200);
  expect(node.frames).toHaveLength(6);
});

test('many operations go out in several frames, in order', async () => {
  const writes = Array.from({ length: 5000 }, (_, i) => db.register('r').set(i));
  await Promise.all(writes);
  expect(await db.register('r').get()).toBe(4999);
  expect(node.frames.length).toBeGreaterThan(30);
});

test('values as large as they may be go through, though a frame holds few of them', async () => {
  const value = new Uint8Array(1024 * 1024 - 5).fill(7);
  await Promise.all(Array.from({ length: 20 }, (_, i) => db.register(`r${i}`).set(value)));
  const read = await Promise.all(
    Array.from({ length: 20 }, (_, i) => db.register<Uint8Array>(`r${i}`).get()),
  );
  for (const bytes of read) expect(Buffer.compare(bytes!, value)).toBe(0);
});

test.each<{ name: string; act: () => Promise<unknown>; code: string }>([
  { name: 'an empty key', act: () => db.register('').get(), code: 'CAUSEWAY_BAD_KEY' },
  { name: 'a long key', act: () => db.set('ä'.repeat(513)).add(1), code: 'CAUSEWAY_BAD_KEY' },
  { name: 'a lone surrogate', act: () => db.counter('\ud800').value(), code: 'CAUSEWAY_BAD_KEY' },
  {
    name: 'a key that is no text',
    act: () => db.counter(7 as unknown as string).value(),
    code: 'CAUSEWAY_BAD_KEY',
  },
  { name: 'undefined', act: () => db.register('r').set(undefined), code: 'CAUSEWAY_BAD_VALUE' },
  { name: 'NaN', act: () => db.set('s').has(Number.NaN), code: 'CAUSEWAY_BAD_VALUE' },
  { name: 'a function', act: () => db.set('s').add(1, () => {}), code: 'CAUSEWAY_BAD_VALUE' },
  {
    name: 'a value over the limit',
    act: () => db.register('r').set('x'.repeat(1024 * 1024)),
    code: 'CAUSEWAY_TOO_LARGE',
  },
  {
    name: 'elements that no frame can hold',
    act: () => db.set('s').add(...Array.from({ length: 9 }, (_, i) => String(i).repeat(1_000_000))),
    code: 'CAUSEWAY_TOO_LARGE',
  },
  {
    name: 'an amount with a fraction',
    act: () => db.counter('c').increment(1.5),
    code: 'CAUSEWAY_BAD_AMOUNT',
  },
  {
    name: 'an amount beyond 2^53',
    act: () => db.counter('c').decrement(2 ** 53),
    code: 'CAUSEWAY_BAD_AMOUNT',
  },
  { name: 'a TTL of zero', act: () => db.register('r').set(1, { ttlMs: 0 }), code: 'CAUSEWAY_BAD_REQUEST' },
])('$name is refused, and what is asked with it goes through', async ({ act, code }) => {
  const [refused, other] = await Promise.allSettled([act(), db.counter('other').increment()]);
  expect(refused).toMatchObject({ status: 'rejected', reason: { name: 'CausewayError', code } });
  expect(other).toEqual({ status: 'fulfilled', value: 1 });
});

test('an error of the node rejects that operation alone', async () => {
  await db.counter('c').increment(Number.MAX_SAFE_INTEGER);
  const results = await Promise.allSettled([db.counter('c').increment(), db.counter('d').increment()]);
  expect(results).toMatchObject([
    { status: 'rejected', reason: { code: 'CAUSEWAY_OVERFLOW', retryable: false } },
    { status: 'fulfilled', value: 1 },
  ]);
});

test('a transaction is one message and all or nothing', async () => {
  await db.counter('full').increment(Number.MAX_SAFE_INTEGER);
  await expect(
    db.transaction((tx) => {
      tx.register('r').set(1);
      tx.counter('full').increment();
    }),
  ).rejects.toMatchObject({ code: 'CAUSEWAY_OVERFLOW' });
  expect(await db.register('r').get()).toBeUndefined();
  expect(await db.transaction((tx) => [tx.register('r').set(2), tx.register('r').get()])).toEqual([
    undefined,
    2,
  ]);
});

test('a watch tells of what matches its prefix, from its place among the operations on', async () => {
  void db.register('cart:0').set('before');
  const watch = db.watch({ prefix: 'cart:' });
  void db.register('cart:1').set('after');
  void db.register('other').set('else');
  void db.set('cart:2').add('milk');
  await watch.opened;
  const seen: unknown[] = [];
  for await (const change of watch) {
    seen.push([change.type, change.key, change.value ?? change.added]);
    if (seen.length === 2) break;
  }
  expect(seen).toEqual([
    ['register', 'cart:1', 'after'],
    ['set', 'cart:2', ['milk']],
  ]);
  await db.register('cart:3').set(1);
  await db.register('cart:4').set(1);
  expect(node.frames.flat().filter(({ type }) => type === 'unwatch')).toHaveLength(1);
});

test('a watch that is ended before it was sent is never sent', async () => {
  await db.watch().return();
  await db.counter('c').value();
  expect(node.frames.flat().map(({ type }) => type)).toEqual(['request']);
});

test('close waits for what is under way, and refuses what comes after', async () => {
  const watch = db.watch({ key: 'other' });
  const write = db.register('r').set(1);
  const closed = db.close();
  await expect(db.register('r').get()).rejects.toMatchObject({ code: 'CAUSEWAY_CLOSED' });
  await write;
  await closed;
  await expect(watch.next()).rejects.toMatchObject({ code: 'CAUSEWAY_CLOSED' });
  await expect(db.watch().next()).rejects.toMatchObject({ code: 'CAUSEWAY_CLOSED' });
  await expect(db.transaction((tx) => tx.register('r').get())).rejects.toMatchObject({
    code: 'CAUSEWAY_CLOSED',
  });
  await db.close();
});
