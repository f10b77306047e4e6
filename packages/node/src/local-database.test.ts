import { CausewayError } from '@causeway/protocol';
import { describe, expect, test } from 'vitest';
import { createLocalDatabase } from './local-database.js';
import { call, eventually, startFake, startPort } from './testing/client-port.js';

describe('the database of an embedded node', () => {
  test('is the interface of the client library, on the same data as the port', async () => {
    const { port, hub, step } = await startPort();
    const { db, close } = createLocalDatabase({ hub, step });

    await db.register('a').set({ name: 'Ada' });
    await db.set('a').add('x', 'y');
    await db.set('a').remove('y');
    const value = await db.counter('a').increment(5);
    const read = await db.transaction((tx) => [tx.counter('a').decrement(2), tx.set('a').values()]);

    expect([value, read]).toEqual([5, [3, ['x']]]);
    expect((await call(port, 'GET', '/v1/registers/a')).body).toMatchObject({ value: { name: 'Ada' } });
    expect((await call(port, 'GET', '/v1/counters/a')).body).toEqual({ value: 3 });
    await call(port, 'DELETE', '/v1/registers/a');
    expect(await db.register('a').get()).toBeUndefined();
    await close();
    await eventually(() => hub.size === 0);
  });

  test('gives operations to the replica in the order of the calls', async () => {
    const { hub, step } = await startPort();
    const { db } = createLocalDatabase({ hub, step });

    const values = await Promise.all(Array.from({ length: 100 }, () => db.counter('a').increment()));

    expect(values).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  test('rejects with the error of the replica', async () => {
    const { hub, step } = await startPort();
    const { db } = createLocalDatabase({ hub, step });
    await db.counter('a').increment(Number.MAX_SAFE_INTEGER);

    await expect(db.counter('a').increment()).rejects.toMatchObject({
      code: 'CAUSEWAY_OVERFLOW',
      retryable: false,
    });
    await expect(db.counter('').value()).rejects.toMatchObject({ code: 'CAUSEWAY_BAD_KEY' });
  });

  test('watches', async () => {
    const { port, hub, step } = await startPort();
    const { db } = createLocalDatabase({ hub, step });
    const changes = db.watch({ prefix: 'cart:' });
    await changes.opened;

    await call(port, 'POST', '/v1/sets/other', { add: [1] });
    await call(port, 'POST', '/v1/sets/cart:1', { add: ['milk'] });

    expect((await changes.next()).value).toMatchObject({
      type: 'set',
      key: 'cart:1',
      added: ['milk'],
      conflict: false,
    });
    await changes.return();
    await call(port, 'POST', '/v1/sets/cart:1', { add: ['tea'] });
    expect(await changes.next()).toEqual({ done: true, value: undefined });
  });

  test('ends a watch with the error of the replica', async () => {
    const fake = await startFake();
    const { db } = createLocalDatabase(fake);
    const changes = db.watch();
    await changes.opened;

    fake.fail(fake.told('watch')[0]!, new CausewayError('CAUSEWAY_WATCH_INTERRUPTED', 'why'));

    await expect(changes.next()).rejects.toMatchObject({ code: 'CAUSEWAY_WATCH_INTERRUPTED' });
  });
});

describe('closing', () => {
  test('by the user waits for what is under way', async () => {
    const fake = await startFake();
    const { db } = createLocalDatabase(fake);
    const value = db.counter('a').increment();

    const closed = db.close();
    await expect(db.counter('a').value()).rejects.toMatchObject({ code: 'CAUSEWAY_CLOSED' });
    fake.reply(fake.told('request')[0]!, [{ op: 'counter.increment', value: 1 }]);

    expect(await value).toBe(1);
    await closed;
    expect(fake.hub.size).toBe(0);
  });

  test('by the node settles everything at once', async () => {
    const fake = await startFake();
    const { db, close } = createLocalDatabase(fake);
    const changes = db.watch();
    await changes.opened;
    const read = db.counter('a').value();
    const write = db.counter('a').increment();
    const settled = Promise.allSettled([read, write, changes.next()]);
    await eventually(() => fake.told('request').length === 2);

    await close();

    const codes = (await settled).map((outcome) => outcome.status === 'rejected' && outcome.reason.code);
    expect(codes).toEqual(['CAUSEWAY_CLOSED', 'CAUSEWAY_OUTCOME_UNKNOWN', 'CAUSEWAY_CLOSED']);
    await expect(db.register('a').get()).rejects.toMatchObject({ code: 'CAUSEWAY_CLOSED' });
    await expect(db.watch().next()).rejects.toMatchObject({ code: 'CAUSEWAY_CLOSED' });
    await db.close();
    expect(fake.told('session-closed')).toHaveLength(1);
  });
});
