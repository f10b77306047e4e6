import { CausewayError, encodeCanonical, type KeyChange } from '@causeway/protocol';
import { expect, test } from 'vitest';
import { createDatabase } from './database.js';
import { FakeExecutor } from './testing/fake-executor.js';

function setUp() {
  const executor = new FakeExecutor();
  return { executor, db: createDatabase(executor) };
}

function registerChange(value: unknown): KeyChange {
  return {
    type: 'register',
    key: 'k',
    value: encodeCanonical(value),
    origin: 'eu.00000001',
    conflict: true,
    cursor: 'eu.00000001:7',
  };
}

test('changes of every type are told with their values', async () => {
  const { executor, db } = setUp();
  const watch = db.watch({ prefix: 'a' });
  expect(executor.filters).toEqual([{ prefix: 'a' }]);
  await db.register('a').set({ x: 1 });
  await db.register('a').delete();
  await db.set('a').add('m', 'n');
  await db.set('a').remove('m');
  await db.set('a').clear();
  await db.counter('a').increment(4);
  const seen: unknown[] = [];
  for await (const { origin, conflict, cursor, ...change } of watch) {
    expect([origin, conflict, typeof cursor]).toEqual(['fake.00000001', false, 'string']);
    seen.push(change);
    if (seen.length === 6) break;
  }
  expect(seen).toEqual([
    { type: 'register', key: 'a', value: { x: 1 } },
    { type: 'register', key: 'a' },
    { type: 'set', key: 'a', added: ['m', 'n'] },
    { type: 'set', key: 'a', removed: ['m'] },
    { type: 'set', key: 'a', cleared: true },
    { type: 'counter', key: 'a', value: 4 },
  ]);
  expect(executor.stopped).toBe(1);
  expect(await watch.next()).toEqual({ done: true, value: undefined });
});

test('a change that comes while somebody waits is handed over at once, in turn', async () => {
  const { executor, db } = setUp();
  const watch = db.watch();
  const first = watch.next();
  const second = watch.next();
  executor.sinks[0]!.changed(registerChange(1));
  executor.sinks[0]!.changed(registerChange(2));
  expect((await first).value).toMatchObject({ value: 1, conflict: true, cursor: 'eu.00000001:7' });
  expect((await second).value).toMatchObject({ value: 2 });
});

test('a watch that is not read ends with an overflow, after what it had taken in', async () => {
  const { executor, db } = setUp();
  const watch = db.watch({ bufferChangesMax: 3 });
  for (let i = 0; i < 10; i++) executor.sinks[0]!.changed(registerChange(i));
  expect(executor.stopped).toBe(1);
  const seen: unknown[] = [];
  const loop = async () => {
    for await (const change of watch) seen.push(change.value);
  };
  await expect(loop()).rejects.toMatchObject({ code: 'CAUSEWAY_WATCH_OVERFLOW', retryable: true });
  expect(seen).toEqual([0, 1, 2]);
  expect(await watch.next()).toEqual({ done: true, value: undefined });
});

test('large changes overflow by their bytes', async () => {
  const { executor, db } = setUp();
  const watch = db.watch();
  const change = registerChange(new Uint8Array(1_000_000));
  for (let i = 0; i < 100; i++) executor.sinks[0]!.changed(change);
  expect(executor.stopped).toBe(1);
  let count = 0;
  const loop = async () => {
    for await (const _ of watch) count += 1;
  };
  await expect(loop()).rejects.toMatchObject({ code: 'CAUSEWAY_WATCH_OVERFLOW' });
  expect(count).toBeLessThan(70);
});

test('one reader learns why the watch ended, the others that it has', async () => {
  const { executor, db } = setUp();
  const watch = db.watch();
  const waiting = [watch.next(), watch.next()];
  const error = new CausewayError('CAUSEWAY_WATCH_INTERRUPTED', 'gone');
  executor.sinks[0]!.ended(error);
  await expect(waiting[0]).rejects.toBe(error);
  expect(await waiting[1]).toEqual({ done: true, value: undefined });
  await expect(watch.opened).rejects.toBe(error);
  executor.sinks[0]!.changed(registerChange(1));
  expect(await watch.next()).toEqual({ done: true, value: undefined });
});

test('a watch that is ended wakes who waits for it', async () => {
  const { executor, db } = setUp();
  const watch = db.watch();
  executor.sinks[0]!.opened();
  await watch.opened;
  const waiting = watch.next();
  await watch.return();
  await watch.return();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(executor.stopped).toBe(1);
});

test('a change that cannot be read ends the watch', async () => {
  const { executor, db } = setUp();
  const watch = db.watch();
  executor.sinks[0]!.changed({ ...registerChange(1), value: new Uint8Array([0xc1]) });
  await expect(watch.next()).rejects.toMatchObject({ code: 'CAUSEWAY_BAD_VALUE' });
});

test.each([
  { name: 'key', options: { key: '' }, code: 'CAUSEWAY_BAD_KEY' },
  { name: 'prefix', options: { prefix: 'x'.repeat(2000) }, code: 'CAUSEWAY_BAD_KEY' },
  { name: 'type', options: { type: 'flag' as 'set' }, code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'buffer', options: { bufferChangesMax: 0 }, code: 'CAUSEWAY_BAD_REQUEST' },
])('a wrong $name is refused at once', ({ options, code }) => {
  const { db } = setUp();
  expect(() => db.watch(options)).toThrowError(expect.objectContaining({ code }));
});
