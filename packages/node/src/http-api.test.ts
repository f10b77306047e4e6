import { describe, expect, test } from 'vitest';
import { call, type Port, startPort } from './testing/client-port.js';

type Step = {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly want: { readonly status: number; readonly body?: unknown };
};

async function follow({ port }: Port, steps: readonly Step[]): Promise<void> {
  for (const { method, path, body, headers, want } of steps) {
    const { status, body: answer } = await call(port, method, path, body, headers);
    expect({ method, path, status, body: answer }).toEqual({ method, path, ...want });
  }
}

const TIMESTAMP = expect.stringMatching(/^[0-9a-f]{20}-eu\.[0-9a-f]{8}$/);
const ok = (body: unknown) => ({ status: 200, body });
const absent = { status: 404, body: { error: { code: 'CAUSEWAY_NOT_FOUND', message: expect.any(String) } } };
const refused = (status: number, code: string) => ({
  status,
  body: { error: { code, message: expect.any(String) } },
});

describe('every call of the surface', () => {
  test.each<{ name: string; steps: Step[] }>([
    {
      name: 'a register',
      steps: [
        { method: 'GET', path: '/v1/registers/a', want: absent },
        { method: 'PUT', path: '/v1/registers/a', body: { value: null }, want: ok({ timestamp: TIMESTAMP }) },
        { method: 'GET', path: '/v1/registers/a', want: ok({ value: null, timestamp: TIMESTAMP }) },
        {
          method: 'PUT',
          path: '/v1/registers/a',
          body: { value: [1], ttlMs: 60_000 },
          want: ok({ timestamp: TIMESTAMP }),
        },
        { method: 'GET', path: '/v1/registers/a', want: ok({ value: [1], timestamp: TIMESTAMP }) },
        { method: 'DELETE', path: '/v1/registers/a', want: ok({}) },
        { method: 'DELETE', path: '/v1/registers/a', want: ok({}) },
        { method: 'GET', path: '/v1/registers/a', want: absent },
      ],
    },
    {
      name: 'a set',
      steps: [
        { method: 'GET', path: '/v1/sets/a', want: absent },
        { method: 'POST', path: '/v1/sets/a', body: { add: ['x', 'y', 'y'] }, want: ok({ size: 2 }) },
        { method: 'POST', path: '/v1/sets/a', body: {}, want: ok({ size: 2 }) },
        {
          method: 'POST',
          path: '/v1/sets/a',
          body: { add: ['x'], remove: ['x', 'y'] },
          want: ok({ size: 1 }),
        },
        { method: 'GET', path: '/v1/sets/a', want: ok({ values: ['x'] }) },
        {
          method: 'POST',
          path: '/v1/sets/a/has',
          body: { values: ['x', 'y'] },
          want: ok({ has: [true, false] }),
        },
        { method: 'POST', path: '/v1/sets/a/has', body: { values: [] }, want: ok({ has: [] }) },
        { method: 'DELETE', path: '/v1/sets/a', want: ok({}) },
        { method: 'GET', path: '/v1/sets/a', want: absent },
      ],
    },
    {
      name: 'a counter',
      steps: [
        { method: 'GET', path: '/v1/counters/a', want: ok({ value: 0 }) },
        { method: 'POST', path: '/v1/counters/a', body: { by: 5 }, want: ok({ value: 5 }) },
        { method: 'POST', path: '/v1/counters/a', body: { by: -7 }, want: ok({ value: -2 }) },
        { method: 'POST', path: '/v1/counters/a', body: { by: -0 }, want: ok({ value: -2 }) },
        { method: 'GET', path: '/v1/counters/a', want: ok({ value: -2 }) },
        { method: 'DELETE', path: '/v1/counters/a', want: ok({}) },
        { method: 'GET', path: '/v1/counters/a', want: ok({ value: 0 }) },
      ],
    },
    {
      name: 'a transaction, which reads its own writes',
      steps: [
        {
          method: 'POST',
          path: '/v1/transactions',
          body: {
            operations: [
              { type: 'register', key: 'r', op: 'get' },
              { type: 'register', key: 'r', op: 'set', value: 'v', ttlMs: 60_000 },
              { type: 'register', key: 'r', op: 'get' },
              { type: 'register', key: 'r', op: 'delete' },
              { type: 'set', key: 's', op: 'get' },
              { type: 'set', key: 's', op: 'add', values: [2, 1] },
              { type: 'set', key: 's', op: 'remove', values: [2] },
              { type: 'set', key: 's', op: 'get' },
              { type: 'set', key: 's', op: 'clear' },
              { type: 'counter', key: 'c', op: 'increment', by: 3 },
              { type: 'counter', key: 'c', op: 'get' },
              { type: 'counter', key: 'c', op: 'reset' },
            ],
          },
          want: ok({
            results: [
              null,
              { timestamp: TIMESTAMP },
              { value: 'v', timestamp: TIMESTAMP },
              {},
              null,
              { size: 2 },
              { size: 1 },
              { values: [1] },
              {},
              { value: 3 },
              { value: 3 },
              {},
            ],
          }),
        },
        { method: 'GET', path: '/v1/keys', want: ok({ keys: [] }) },
      ],
    },
    {
      name: 'the conflict feed',
      steps: [
        { method: 'GET', path: '/v1/conflicts?after=&limit=10', want: ok({ conflicts: [], after: '0' }) },
      ],
    },
  ])('$name', async ({ steps }) => {
    await follow(await startPort(), steps);
  });
});

test('the type is part of a key', async () => {
  await follow(await startPort(), [
    { method: 'PUT', path: '/v1/registers/a', body: { value: 1 }, want: ok({ timestamp: TIMESTAMP }) },
    { method: 'POST', path: '/v1/counters/a', body: { by: 2 }, want: ok({ value: 2 }) },
    { method: 'POST', path: '/v1/sets/a', body: { add: [3] }, want: ok({ size: 1 }) },
    { method: 'GET', path: '/v1/registers/a', want: ok({ value: 1, timestamp: TIMESTAMP }) },
    { method: 'GET', path: '/v1/counters/a', want: ok({ value: 2 }) },
    { method: 'GET', path: '/v1/sets/a', want: ok({ values: [3] }) },
  ]);
});

test('the timestamps of a register ascend as text', async () => {
  const { port } = await startPort();
  const stamps: string[] = [];
  for (let i = 0; i < 50; i++) {
    const { body } = await call(port, 'PUT', '/v1/registers/a', { value: i });
    stamps.push((body as { timestamp: string }).timestamp);
  }
  expect(new Set(stamps).size).toBe(50);
  expect([...stamps].sort()).toEqual(stamps);
});

describe('a key in a path', () => {
  test.each([
    { name: 'a slash', path: 'a%2Fb', want: 'a/b' },
    { name: 'a slash in lower case', path: 'a%2fb', want: 'a/b' },
    { name: 'NUL', path: 'a%00b', want: 'a\0b' },
    { name: 'a percent sign', path: '100%25', want: '100%' },
    { name: 'an escape as text', path: '%252F', want: '%2F' },
    { name: 'a question mark and a hash', path: '%3F%23', want: '?#' },
    { name: 'a plus, which is no space here', path: 'a+b', want: 'a+b' },
    { name: 'a space', path: 'a%20b', want: 'a b' },
    { name: 'what routers give a meaning', path: ':key(*)', want: ':key(*)' },
    { name: 'a semicolon', path: 'a;b=c', want: 'a;b=c' },
    { name: 'four bytes of UTF-8', path: '%F0%9F%8C%89', want: '🌉' },
    { name: 'a byte order mark', path: '%EF%BB%BFa', want: '\ufeffa' },
    { name: 'three dots', path: '...', want: '...' },
    { name: 'the name of a call', path: 'has', want: 'has' },
    { name: 'what reads as a call', path: 'a%2Fhas', want: 'a/has' },
    { name: 'a name of JavaScript', path: '__proto__', want: '__proto__' },
    { name: '1,024 bytes', path: '%C3%A9'.repeat(512), want: 'é'.repeat(512) },
  ])('may hold $name', async ({ path, want }) => {
    const { port } = await startPort();

    const { status } = await call(port, 'POST', `/v1/sets/${path}`, { add: [1] });

    const has = await call(port, 'POST', `/v1/sets/${path}/has`, { values: [1] });
    const keys = await call(port, 'GET', '/v1/keys');
    expect([status, has.body, keys.body]).toEqual([
      200,
      { has: [true] },
      { keys: [{ type: 'set', key: want }] },
    ]);
  });
});

describe('values', () => {
  test.each([
    { name: 'binary', json: { $bytes: 'AAEC/w==' } },
    { name: 'a date', json: { $date: '2026-11-20T12:00:00.123Z' } },
    { name: 'a big integer', json: { $bigint: '-123456789012345678901234567890' } },
    { name: 'a single key that starts with $', json: { $$bytes: 1 } },
    { name: 'several keys that start with $', json: { $bytes: 1, $date: 2 } },
    { name: 'a name of JavaScript', json: JSON.parse('{"__proto__":{"constructor":1}}') as unknown },
    { name: 'the largest exact integer', json: 9007199254740991 },
    { name: 'a very small number', json: 1.5e-300 },
    { name: 'the deepest nesting', json: JSON.parse('['.repeat(64) + ']'.repeat(64)) as unknown },
    { name: 'text outside of ASCII', json: 'naïve 🌉 \u0000' },
  ])('of $name come back as they were', async ({ json }) => {
    const { port } = await startPort();

    const put = await call(port, 'PUT', '/v1/registers/a', { value: json });

    const got = await call(port, 'GET', '/v1/registers/a');
    expect([put.status, got.status]).toEqual([200, 200]);
    expect(JSON.stringify((got.body as { value: unknown }).value)).toBe(JSON.stringify(json));
  });

  test('are the same element when their canonical encodings are', async () => {
    const { port } = await startPort();
    const body = '{"add": [1, 1.0, {"$bigint":"1"}, -0, 0, {"b":1,"a":2}, {"a":2,"b":1}, 10, 9]}';

    const added = await call(port, 'POST', '/v1/sets/a', body);

    expect(added.body).toEqual({ size: 6 });
    const { body: got } = await call(port, 'GET', '/v1/sets/a');
    expect(got).toEqual({ values: [0, 1, 9, 10, { a: 2, b: 1 }, { $bigint: '1' }] });
  });

  test('of 1 MiB fit, also as the cursor of a page', async () => {
    const { port } = await startPort();
    const long = (letter: string) => letter.repeat(1024 * 1024 - 5);

    const added = await call(port, 'POST', '/v1/sets/a', { add: [long('a'), long('b')] });

    const first = await call(port, 'GET', '/v1/sets/a?limit=1');
    const { values, after } = first.body as { values: string[]; after: string };
    const second = await call(port, 'GET', `/v1/sets/a?limit=1&after=${after}`);
    expect([added.status, first.status, second.status]).toEqual([200, 200, 200]);
    expect(values[0] === long('a')).toBe(true);
    expect((second.body as { values: string[] }).values[0] === long('b')).toBe(true);
    expect(second.body).not.toHaveProperty('after');
  });
});

describe('pages', () => {
  test('of a set hold every element once, in order', async () => {
    const { port } = await startPort();
    const elements = Array.from({ length: 25 }, (_, i) => `element ${String(i).padStart(2, '0')}`);
    await call(port, 'POST', '/v1/sets/a', { add: [...elements].reverse() });

    const seen: unknown[] = [];
    let pages = 0;
    for (let after: string | undefined = ''; after !== undefined; pages++) {
      const { body } = await call(port, 'GET', `/v1/sets/a?limit=10&after=${after}`);
      const page = body as { values: unknown[]; after?: string };
      seen.push(...page.values);
      after = page.after;
    }

    expect(seen).toEqual(elements);
    expect(pages).toBe(3);
  });

  test('of a set begin behind a cursor that is not an element any more, and end empty, not absent', async () => {
    const { port } = await startPort();
    await call(port, 'POST', '/v1/sets/a', { add: [1, 2, 3] });
    const { body } = await call(port, 'GET', '/v1/sets/a?limit=2');
    const { after } = body as { after: string };

    await call(port, 'POST', '/v1/sets/a', { remove: [2] });
    const behind = await call(port, 'GET', `/v1/sets/a?after=${after}`);
    await call(port, 'DELETE', '/v1/sets/a');
    const gone = await call(port, 'GET', `/v1/sets/a?after=${after}`);

    expect(behind.body).toEqual({ values: [3] });
    expect([gone.status, gone.body]).toEqual([200, { values: [] }]);
  });

  test('of keys go by type, then by bytes, and can be asked for by type and prefix', async () => {
    const { port } = await startPort();
    for (const key of ['b', 'a', '%F0%9F%8C%89', '%EF%BF%BF', 'a%2F1']) {
      await call(port, 'PUT', `/v1/registers/${key}`, { value: 1 });
      await call(port, 'POST', `/v1/counters/${key}`, { by: 1 });
    }
    const order = ['a', 'a/1', 'b', '\uffff', '🌉'];

    const seen: unknown[] = [];
    let after: string | undefined = '';
    while (after !== undefined) {
      const { body } = await call(port, 'GET', `/v1/keys?limit=3&after=${after}`);
      const page = body as { keys: unknown[]; after?: string };
      seen.push(...page.keys);
      after = page.after;
    }
    const some = await call(port, 'GET', '/v1/keys?type=counter&prefix=a');

    expect(seen).toEqual(['counter', 'register'].flatMap((type) => order.map((key) => ({ type, key }))));
    expect(some.body).toEqual({
      keys: [
        { type: 'counter', key: 'a' },
        { type: 'counter', key: 'a/1' },
      ],
    });
  });

  test('of keys leave out what holds nothing', async () => {
    const { port } = await startPort();
    await call(port, 'POST', '/v1/counters/zero', { by: 1 });
    await call(port, 'POST', '/v1/counters/zero', { by: -1 });
    await call(port, 'POST', '/v1/sets/empty', { add: [1] });
    await call(port, 'POST', '/v1/sets/empty', { remove: [1] });
    await call(port, 'PUT', '/v1/registers/deleted', { value: 1 });
    await call(port, 'DELETE', '/v1/registers/deleted');
    await call(port, 'PUT', '/v1/registers/expired', { value: 1, ttlMs: 1 });
    while ((await call(port, 'GET', '/v1/registers/expired')).status !== 404);

    expect((await call(port, 'GET', '/v1/keys')).body).toEqual({ keys: [] });
  });

  test('a set of more than 100,000 elements is read in pages only', async () => {
    const { port } = await startPort();
    const add = (from: number, count: number) =>
      call(port, 'POST', '/v1/sets/a', { add: Array.from({ length: count }, (_, i) => from + i) });
    await add(0, 60_000);
    await add(60_000, 40_000);
    const fits = await call(port, 'GET', '/v1/sets/a');
    await add(100_000, 1);

    const tooMany = await call(port, 'GET', '/v1/sets/a');
    const page = await call(port, 'GET', '/v1/sets/a?limit=100000');

    expect((fits.body as { values: unknown[] }).values).toHaveLength(100_000);
    expect(tooMany).toMatchObject(refused(413, 'CAUSEWAY_TOO_LARGE'));
    expect((page.body as { values: unknown[] }).values).toHaveLength(100_000);
    expect(page.body).toHaveProperty('after');
  });
});

describe('an Idempotency-Key', () => {
  const key = { 'idempotency-key': 'order 66' };

  test('makes the node repeat its first answer', async () => {
    await follow(await startPort(), [
      { method: 'POST', path: '/v1/counters/a', body: { by: 1 }, headers: key, want: ok({ value: 1 }) },
      { method: 'POST', path: '/v1/counters/a', body: { by: 1 }, want: ok({ value: 2 }) },
      { method: 'POST', path: '/v1/counters/a', body: '{"by": 1.0}', headers: key, want: ok({ value: 1 }) },
      { method: 'POST', path: '/v1/counters/%61', body: { by: 1 }, headers: key, want: ok({ value: 1 }) },
      { method: 'GET', path: '/v1/counters/a', headers: key, want: ok({ value: 2 }) },
    ]);
  });

  test.each([
    { name: 'another body', method: 'POST', path: '/v1/counters/a', body: { by: 2 } },
    { name: 'another key', method: 'POST', path: '/v1/counters/b', body: { by: 1 } },
    { name: 'another type', method: 'POST', path: '/v1/sets/a', body: {} },
    { name: 'another method', method: 'DELETE', path: '/v1/counters/a', body: undefined },
  ])('is refused for $name', async ({ method, path, body }) => {
    await follow(await startPort(), [
      { method: 'POST', path: '/v1/counters/a', body: { by: 1 }, headers: key, want: ok({ value: 1 }) },
      { method, path, body, headers: key, want: refused(422, 'CAUSEWAY_IDEMPOTENCY_MISMATCH') },
      { method: 'GET', path: '/v1/counters/a', want: ok({ value: 1 }) },
    ]);
  });

  test('does not keep errors', async () => {
    const max = Number.MAX_SAFE_INTEGER;
    await follow(await startPort(), [
      { method: 'POST', path: '/v1/counters/a', body: { by: max }, want: ok({ value: max }) },
      {
        method: 'POST',
        path: '/v1/counters/a',
        body: { by: 1 },
        headers: key,
        want: refused(400, 'CAUSEWAY_OVERFLOW'),
      },
      { method: 'POST', path: '/v1/counters/a', body: { by: -1 }, want: ok({ value: max - 1 }) },
      { method: 'POST', path: '/v1/counters/a', body: { by: 1 }, headers: key, want: ok({ value: max }) },
    ]);
  });

  test('counts once when both requests are under way at the same time', async () => {
    const { port } = await startPort();
    const increment = () => call(port, 'POST', '/v1/counters/a', { by: 1 }, key);

    const answers = await Promise.all([increment(), increment(), increment(), increment()]);

    expect(answers.map(({ body }) => body)).toEqual(Array(4).fill({ value: 1 }));
    expect((await call(port, 'GET', '/v1/counters/a')).body).toEqual({ value: 1 });
  });
});

test('operations are timed under their names', async () => {
  const { port, timed } = await startPort();
  await call(port, 'PUT', '/v1/registers/a', { value: 1 });
  await call(port, 'POST', '/v1/sets/a/has', { values: [] });
  await call(port, 'POST', '/v1/transactions', { operations: [{ type: 'counter', key: 'c', op: 'get' }] });
  await call(port, 'GET', '/v1/keys');
  await call(port, 'GET', '/v1/conflicts');

  expect(timed).toEqual(['register.set', 'set.has', 'transaction', 'keys', 'conflicts']);
});
