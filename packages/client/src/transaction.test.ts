import { CausewayError } from '@causeway/protocol';
import { expect, test } from 'vitest';
import { createDatabase } from './database.js';
import { FakeExecutor } from './testing/fake-executor.js';
import type { Transaction } from './transaction.js';

function setUp() {
  const executor = new FakeExecutor();
  return { executor, db: createDatabase(executor) };
}

test('a transaction sends everything its callback did as one', async () => {
  const { executor, db } = setUp();
  await db.transaction((tx) => {
    tx.counter('stock:7').decrement(1);
    tx.set('cart:42').add('7');
    tx.register('seen').set(true);
  });
  expect(executor.calls).toHaveLength(1);
  expect(executor.calls[0]!.map(({ op }) => op)).toEqual(['counter.increment', 'set.update', 'register.set']);
  expect(await db.counter('stock:7').value()).toBe(-1);
});

test('a transaction takes its place among the operations as they are called', async () => {
  const { executor, db } = setUp();
  const all = [
    db.counter('a').increment(),
    db.transaction((tx) => tx.counter('a').increment()),
    db.counter('a').increment(),
  ];
  expect(await Promise.all(all)).toEqual([1, 2, 3]);
  expect(executor.calls).toHaveLength(3);
});

test('reads see the earlier operations of their own transaction and resolve when it has been carried out', async () => {
  const { db } = setUp();
  await db.counter('a').increment(5);
  let inside: Promise<number> | undefined;
  await db.transaction((tx) => {
    tx.counter('a').increment(2);
    inside = tx.counter('a').value();
    tx.counter('a').increment(10);
  });
  expect(await inside).toBe(7);
});

test('a transaction resolves with what its callback returned, promises resolved', async () => {
  const { db } = setUp();
  await db.set<string>('s').add('x', 'y');
  expect(await db.transaction((tx) => tx.counter('a').increment(3))).toBe(3);
  const [count, name, elements, plain] = await db.transaction((tx) => [
    tx.counter('a').value(),
    tx.register<string>('name').get(),
    tx.set<string>('s').values(),
    'plain' as const,
  ]);
  expect([count, name, elements, plain]).toEqual([3, undefined, ['x', 'y'], 'plain']);
  expect(await db.transaction((tx) => tx.set<string>('s').values())).toEqual(['x', 'y']);
  expect(await db.transaction(async () => 'later')).toBe('later');
});

test('elements read in a transaction can be iterated over afterwards', async () => {
  const { executor, db } = setUp();
  await db.set<number>('s').add(3, 1, 2);
  const [elements] = await db.transaction((tx) => [{ values: tx.set<number>('s').values() }]);
  const seen: number[] = [];
  for await (const element of elements.values) seen.push(element);
  expect(seen).toEqual([1, 2, 3]);
  expect(executor.calls).toHaveLength(2);
});

test('an asynchronous callback may wait for writes and for anything else', async () => {
  const { executor, db } = setUp();
  await db.transaction(async (tx) => {
    await tx.register('a').set(1);
    await new Promise((resolve) => setImmediate(resolve));
    await tx.set('b').add('x');
    tx.counter('c').increment();
  });
  expect(executor.calls.map((operations) => operations.length)).toEqual([3]);
});

test.each<{ name: string; body: (tx: Transaction) => unknown }>([
  { name: 'awaits a read', body: async (tx) => (await tx.register('a').get()) === 1 },
  { name: 'awaits an increment', body: async (tx) => void (await tx.counter('a').increment()) },
  { name: 'awaits the elements of a set', body: async (tx) => await tx.set('a').values() },
  {
    name: 'iterates over a set',
    body: async (tx) => {
      for await (const _ of tx.set('a').values());
    },
  },
  {
    name: 'waits for several reads',
    body: (tx) => Promise.all([tx.register('a').get(), tx.register('b').get()]),
  },
  {
    name: 'awaits a read after something else',
    body: async (tx) => {
      await new Promise((resolve) => setImmediate(resolve));
      await tx.counter('a').value();
    },
  },
])('a callback that $name before it returns is refused, and nothing is sent', async ({ body }) => {
  const { executor, db } = setUp();
  let write: Promise<unknown> | undefined;
  const transaction = db.transaction((tx) => {
    write = tx.counter('w').increment();
    return body(tx);
  });
  await expect(transaction).rejects.toMatchObject({
    code: 'CAUSEWAY_BAD_REQUEST',
    message: expect.stringContaining('waits for a result of its own transaction'),
  });
  await expect(write).rejects.toMatchObject({ code: 'CAUSEWAY_BAD_REQUEST' });
  expect(executor.calls).toEqual([]);
});

test('a callback may prepare what is to be done with a result', async () => {
  const { db } = setUp();
  const double = await db.transaction(async (tx) => {
    const value = tx
      .counter('a')
      .increment(4)
      .then((n) => n * 2);
    await new Promise((resolve) => setImmediate(resolve));
    return [value];
  });
  expect(double).toEqual([8]);
});

test('nothing is sent when the callback throws or rejects', async () => {
  const { executor, db } = setUp();
  const mistake = new Error('mistake');
  let read: Promise<unknown> | undefined;
  const sync = db.transaction((tx) => {
    tx.register('a').set(1);
    read = tx.register('a').get();
    throw mistake;
  });
  await expect(sync).rejects.toBe(mistake);
  await expect(read).rejects.toBe(mistake);
  await expect(
    db.transaction(async (tx) => {
      tx.register('a').set(1);
      throw mistake;
    }),
  ).rejects.toBe(mistake);
  expect(executor.calls).toEqual([]);
});

test.each<{ name: string; body: (tx: Transaction) => unknown; code: string }>([
  {
    name: 'a value that cannot be stored',
    body: (tx) => tx.register('a').set(Number.NaN),
    code: 'CAUSEWAY_BAD_VALUE',
  },
  { name: 'a bad key', body: (tx) => tx.set('').add(1), code: 'CAUSEWAY_BAD_KEY' },
  { name: 'a bad amount', body: (tx) => tx.counter('a').increment(0.5), code: 'CAUSEWAY_BAD_AMOUNT' },
  { name: 'a bad TTL', body: (tx) => tx.register('a').set(1, { ttlMs: -1 }), code: 'CAUSEWAY_BAD_REQUEST' },
  {
    name: 'too many operations',
    body: (tx) => {
      for (let i = 0; i <= 1000; i++) tx.counter('a').increment();
    },
    code: 'CAUSEWAY_TOO_LARGE',
  },
])('$name fails the whole transaction, though nobody looks', async ({ body, code }) => {
  const { executor, db } = setUp();
  await expect(
    db.transaction((tx) => {
      tx.counter('before').increment();
      void body(tx);
    }),
  ).rejects.toMatchObject({ code });
  expect(executor.calls).toEqual([]);
});

test('what the node refuses rejects the transaction and its results', async () => {
  const { executor, db } = setUp();
  executor.failure = new CausewayError('CAUSEWAY_READ_ONLY', 'disk full');
  let read: Promise<unknown> | undefined;
  await expect(
    db.transaction((tx) => {
      read = tx.counter('a').increment();
    }),
  ).rejects.toBe(executor.failure);
  await expect(read).rejects.toBe(executor.failure);
});

test('an empty transaction resolves without asking anybody', async () => {
  const { executor, db } = setUp();
  await db.transaction(() => {});
  expect(executor.calls).toEqual([]);
});

test('handles of a transaction that is over refuse', async () => {
  const { executor, db } = setUp();
  let kept: Transaction | undefined;
  await db.transaction((tx) => {
    kept = tx;
  });
  await expect(kept!.counter('a').increment()).rejects.toMatchObject({ code: 'CAUSEWAY_BAD_REQUEST' });
  await expect(kept!.register('a').set(Number.NaN)).rejects.toMatchObject({ code: 'CAUSEWAY_BAD_REQUEST' });
  expect(executor.calls).toEqual([]);
});

test('a result that a number cannot hold rejects that promise, and the transaction stands', async () => {
  const { executor, db } = setUp();
  executor.store.counters.set('a', (2n ** 60n) as unknown as number);
  let value: Promise<number> | undefined;
  await db.transaction((tx) => {
    value = tx.counter('a').value();
    tx.register('b').set(1);
  });
  await expect(value).rejects.toMatchObject({ code: 'CAUSEWAY_OVERFLOW' });
  expect(await db.register('b').get()).toBe(1);
});
