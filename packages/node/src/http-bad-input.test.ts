/** What is refused, with which code, and that none of it reaches the replica. */
import { BODY_BYTES_MAX } from '@causeway/protocol';
import { describe, expect, test } from 'vitest';
import { call, eventually, RawConnection, startFake } from './testing/client-port.js';

interface Case {
  readonly name: string;
  readonly method?: string;
  readonly path?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string | string[]>;
  readonly status?: number;
  readonly code: string;
}

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const operations = (...list: unknown[]) => ({ operations: list });

const PATHS: Case[] = [
  { name: 'no such path', path: '/', status: 404, code: 'CAUSEWAY_NOT_FOUND' },
  { name: 'another version', path: '/v2/registers/a', status: 404, code: 'CAUSEWAY_NOT_FOUND' },
  { name: 'a trailing slash', path: '/v1/registers/a/', status: 404, code: 'CAUSEWAY_NOT_FOUND' },
  { name: 'a key in two segments', path: '/v1/registers/a/b', status: 404, code: 'CAUSEWAY_NOT_FOUND' },
  { name: 'no key', path: '/v1/registers', status: 404, code: 'CAUSEWAY_NOT_FOUND' },
  { name: 'another case', path: '/v1/Registers/a', status: 404, code: 'CAUSEWAY_NOT_FOUND' },
  { name: 'an empty key', path: '/v1/registers/', code: 'CAUSEWAY_BAD_KEY' },
  { name: 'the key .', path: '/v1/registers/.', code: 'CAUSEWAY_BAD_KEY' },
  { name: 'the key ..', path: '/v1/registers/..', code: 'CAUSEWAY_BAD_KEY' },
  { name: 'the key . escaped', path: '/v1/registers/%2e', code: 'CAUSEWAY_BAD_KEY' },
  { name: 'the key .. escaped', path: '/v1/registers/%2E.', code: 'CAUSEWAY_BAD_KEY' },
  {
    name: 'the key .. of has',
    method: 'POST',
    path: '/v1/sets/../has',
    body: { values: [] },
    code: 'CAUSEWAY_BAD_KEY',
  },
  { name: 'half an escape', path: '/v1/registers/a%2', code: 'CAUSEWAY_BAD_KEY' },
  { name: 'an escape without digits', path: '/v1/registers/%zz', code: 'CAUSEWAY_BAD_KEY' },
  { name: 'a bare percent sign', path: '/v1/registers/100%', code: 'CAUSEWAY_BAD_KEY' },
  { name: 'Latin-1 escaped', path: '/v1/registers/%E9', code: 'CAUSEWAY_BAD_KEY' },
  { name: 'overlong UTF-8', path: '/v1/registers/%C0%AF', code: 'CAUSEWAY_BAD_KEY' },
  { name: 'a surrogate in UTF-8', path: '/v1/registers/%ED%A0%80', code: 'CAUSEWAY_BAD_KEY' },
  { name: 'a key of 1,025 bytes', path: `/v1/registers/${'a'.repeat(1025)}`, code: 'CAUSEWAY_BAD_KEY' },
  {
    name: 'a key of 513 two-byte characters',
    path: `/v1/registers/${'%C3%A9'.repeat(513)}`,
    code: 'CAUSEWAY_BAD_KEY',
  },
  { name: 'a key of 100,000 bytes', path: `/v1/registers/${'a'.repeat(100_000)}`, code: 'CAUSEWAY_BAD_KEY' },
];

const QUERIES: Case[] = [
  { name: 'a parameter where there is none', path: '/v1/registers/a?b=1', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'an unknown parameter', path: '/v1/keys?perfix=a', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a parameter twice', path: '/v1/keys?prefix=a&prefix=b', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a malformed escape', path: '/v1/keys?prefix=%', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'ill-formed UTF-8', path: '/v1/keys?prefix=%FF', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'an unknown type', path: '/v1/keys?type=registers', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a prefix that no key has', path: `/v1/keys?prefix=${'a'.repeat(1025)}`, code: 'CAUSEWAY_BAD_KEY' },
  { name: 'limit 0', path: '/v1/keys?limit=0', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a limit over 1,000', path: '/v1/keys?limit=1001', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a negative limit', path: '/v1/keys?limit=-1', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a limit that is no integer', path: '/v1/keys?limit=1.5', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a limit with an exponent', path: '/v1/keys?limit=1e2', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a cursor that is no base64url', path: '/v1/keys?after=*', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a cursor that is no text', path: '/v1/keys?after=_w', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a limit of a set over 100,000', path: '/v1/sets/a?limit=100001', code: 'CAUSEWAY_BAD_REQUEST' },
  {
    name: 'a cursor of a set that is no base64url',
    path: '/v1/sets/a?after=a',
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  { name: 'a cursor of a set that is no element', path: '/v1/sets/a?after=wQ', code: 'CAUSEWAY_BAD_REQUEST' },
  { name: 'a limit of conflicts over 1,000', path: '/v1/conflicts?limit=1001', code: 'CAUSEWAY_BAD_REQUEST' },
];

const put = { method: 'PUT', path: '/v1/registers/a' };
const BODIES: Case[] = [
  { ...put, name: 'no body', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'an empty body', body: '', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'half an object', body: '{"value":', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'two values', body: '{"value":1}{"value":2}', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'a trailing comma', body: '{"value":1,}', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'a comment', body: '{"value":1} // one', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'NaN', body: '{"value":NaN}', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'a byte order mark', body: '\ufeff{"value":1}', code: 'CAUSEWAY_BAD_REQUEST' },
  {
    ...put,
    name: 'ill-formed UTF-8',
    body: Buffer.from('7b2276616c7565223a22ff227d', 'hex'),
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  { ...put, name: 'UTF-16', body: Buffer.from('{"value":1}', 'utf16le'), code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'an array', body: [], code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'null', body: 'null', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'a text', body: '"value"', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'an unknown field', body: { value: 1, ttl: 5 }, code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'a field of JavaScript', body: '{"value":1,"__proto__":{}}', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'an inherited field', body: '{"constructor":1}', code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'no value', body: {}, code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'a field twice', body: '{"value":1,"value":2}', code: 'CAUSEWAY_BAD_REQUEST' },
  {
    ...put,
    name: 'a field twice, once escaped',
    body: '{"value":1,"\\u0076alue":2}',
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...put,
    name: 'a name twice within the value',
    body: '{"value":[{"a":1,"b":{"c":"}"},"a":2}]}',
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...put,
    name: 'a compressed body',
    body: { value: 1 },
    headers: { 'content-encoding': 'gzip' },
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  { ...put, name: 'ttlMs 0', body: { value: 1, ttlMs: 0 }, code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'ttlMs as text', body: { value: 1, ttlMs: '5' }, code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'ttlMs null', body: { value: 1, ttlMs: null }, code: 'CAUSEWAY_BAD_REQUEST' },
  { ...put, name: 'ttlMs beyond every clock', body: { value: 1, ttlMs: 1e15 }, code: 'CAUSEWAY_BAD_REQUEST' },
  {
    ...put,
    name: 'an integer that JSON readers round',
    body: '{"value":9007199254740993}',
    code: 'CAUSEWAY_BAD_VALUE',
  },
  { ...put, name: 'an infinite number', body: '{"value":1e999}', code: 'CAUSEWAY_BAD_VALUE' },
  { ...put, name: 'a lone surrogate', body: '{"value":"\\ud800"}', code: 'CAUSEWAY_BAD_VALUE' },
  { ...put, name: 'an unknown $ form', body: { value: { $regex: 'a' } }, code: 'CAUSEWAY_BAD_VALUE' },
  { ...put, name: 'malformed base64', body: { value: { $bytes: '*' } }, code: 'CAUSEWAY_BAD_VALUE' },
  { ...put, name: 'a date that is none', body: { value: { $date: 'tomorrow' } }, code: 'CAUSEWAY_BAD_VALUE' },
  {
    ...put,
    name: 'a big integer that is none',
    body: { value: { $bigint: '1.5' } },
    code: 'CAUSEWAY_BAD_VALUE',
  },
  { ...put, name: 'nesting of 65', body: `{"value":${nested(65)}}`, code: 'CAUSEWAY_BAD_VALUE' },
  {
    ...put,
    name: 'nesting of a million',
    body: `{"value":${nested(1_000_000)}}`,
    code: 'CAUSEWAY_BAD_VALUE',
  },
  {
    ...put,
    name: 'a value over 1 MiB',
    body: { value: 'a'.repeat(1024 * 1024) },
    status: 413,
    code: 'CAUSEWAY_TOO_LARGE',
  },
  {
    ...put,
    name: 'a body over 8 MiB',
    body: Buffer.alloc(BODY_BYTES_MAX + 1, ' '),
    status: 413,
    code: 'CAUSEWAY_TOO_LARGE',
  },
  {
    name: 'a body of a GET',
    method: 'GET',
    path: '/v1/registers/a',
    body: {},
    headers: { 'content-length': '2' },
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    name: 'a body of a DELETE',
    method: 'DELETE',
    path: '/v1/registers/a',
    body: {},
    headers: { 'content-length': '2' },
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    name: 'add that is no array',
    method: 'POST',
    path: '/v1/sets/a',
    body: { add: 'x' },
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  { name: 'add null', method: 'POST', path: '/v1/sets/a', body: { add: null }, code: 'CAUSEWAY_BAD_REQUEST' },
  {
    name: 'a field of another call',
    method: 'POST',
    path: '/v1/sets/a',
    body: { values: [] },
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    name: 'an element over 1 MiB',
    method: 'POST',
    path: '/v1/sets/a',
    body: { remove: ['a'.repeat(1024 * 1024)] },
    status: 413,
    code: 'CAUSEWAY_TOO_LARGE',
  },
  {
    name: 'over 100,000 elements',
    method: 'POST',
    path: '/v1/sets/a',
    body: { add: Array(60_000).fill(1), remove: Array(40_001).fill(1) },
    status: 413,
    code: 'CAUSEWAY_TOO_LARGE',
  },
  {
    name: 'has without values',
    method: 'POST',
    path: '/v1/sets/a/has',
    body: {},
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  { name: 'no amount', method: 'POST', path: '/v1/counters/a', body: {}, code: 'CAUSEWAY_BAD_REQUEST' },
  ...[1.5, '1', null, true, [1], { $bigint: '1' }, 2 ** 53, -(2 ** 53)].map((by) => ({
    name: `an amount of ${JSON.stringify(by)}`,
    method: 'POST',
    path: '/v1/counters/a',
    body: { by },
    code: 'CAUSEWAY_BAD_AMOUNT',
  })),
  {
    name: 'an infinite amount',
    method: 'POST',
    path: '/v1/counters/a',
    body: '{"by":1e999}',
    code: 'CAUSEWAY_BAD_AMOUNT',
  },
];

const tx = { method: 'POST', path: '/v1/transactions' };
const TRANSACTIONS: Case[] = [
  { ...tx, name: 'no operations', body: {}, code: 'CAUSEWAY_BAD_REQUEST' },
  { ...tx, name: 'an empty list', body: operations(), code: 'CAUSEWAY_BAD_REQUEST' },
  { ...tx, name: 'operations that are no array', body: { operations: {} }, code: 'CAUSEWAY_BAD_REQUEST' },
  { ...tx, name: 'an operation that is no object', body: operations(null), code: 'CAUSEWAY_BAD_REQUEST' },
  {
    ...tx,
    name: 'an unknown type',
    body: operations({ type: 'list', key: 'a', op: 'get' }),
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...tx,
    name: 'an operation of another type',
    body: operations({ type: 'counter', key: 'a', op: 'set', value: 1 }),
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...tx,
    name: 'an operation of JavaScript',
    body: operations({ type: 'constructor', key: 'a', op: 'name' }),
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...tx,
    name: 'an unknown field',
    body: operations({ type: 'counter', key: 'a', op: 'get', by: 1 }),
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  { ...tx, name: 'no key', body: operations({ type: 'counter', op: 'get' }), code: 'CAUSEWAY_BAD_REQUEST' },
  {
    ...tx,
    name: 'a key that is no text',
    body: operations({ type: 'counter', key: 1, op: 'get' }),
    code: 'CAUSEWAY_BAD_KEY',
  },
  {
    ...tx,
    name: 'an empty key',
    body: operations({ type: 'counter', key: '', op: 'get' }),
    code: 'CAUSEWAY_BAD_KEY',
  },
  {
    ...tx,
    name: 'a key with a lone surrogate',
    body: '{"operations":[{"type":"counter","key":"\\ud800","op":"get"}]}',
    code: 'CAUSEWAY_BAD_KEY',
  },
  {
    ...tx,
    name: 'a key over its limit',
    body: operations({ type: 'counter', key: 'é'.repeat(513), op: 'get' }),
    code: 'CAUSEWAY_BAD_KEY',
  },
  {
    ...tx,
    name: 'no value',
    body: operations({ type: 'register', key: 'a', op: 'set' }),
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...tx,
    name: 'a wrong amount',
    body: operations({ type: 'counter', key: 'a', op: 'increment', by: 0.5 }),
    code: 'CAUSEWAY_BAD_AMOUNT',
  },
  {
    ...tx,
    name: 'a wrong last operation',
    body: operations(
      { type: 'counter', key: 'a', op: 'increment', by: 1 },
      { type: 'set', key: 'a', op: 'add' },
    ),
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...tx,
    name: '1,001 operations',
    body: operations(...Array(1001).fill({ type: 'counter', key: 'a', op: 'get' })),
    status: 413,
    code: 'CAUSEWAY_TOO_LARGE',
  },
  {
    ...tx,
    name: 'over 100,000 elements',
    body: operations(
      ...['a', 'b'].map((key) => ({ type: 'set', key, op: 'add', values: Array(50_001).fill(1) })),
    ),
    status: 413,
    code: 'CAUSEWAY_TOO_LARGE',
  },
];

const inc = { method: 'POST', path: '/v1/counters/a', body: { by: 1 } };
const HEADERS: Case[] = [
  ...[
    'Causeway-Session',
    'Causeway-Write-Concern',
    'Causeway-Timeout',
    'Authorization',
    'Causeway-Anything',
  ].map((name) => ({
    ...inc,
    name,
    headers: { [name]: 'local' },
    status: 501,
    code: 'CAUSEWAY_NOT_IMPLEMENTED',
  })),
  {
    ...inc,
    name: 'an Origin',
    headers: { origin: 'https://example.com' },
    status: 403,
    code: 'CAUSEWAY_ORIGIN_REFUSED',
  },
  {
    ...inc,
    name: 'the Origin of a file',
    headers: { origin: 'null' },
    status: 403,
    code: 'CAUSEWAY_ORIGIN_REFUSED',
  },
  {
    ...inc,
    name: 'an empty Idempotency-Key',
    headers: { 'idempotency-key': '' },
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...inc,
    name: 'an Idempotency-Key of 256 characters',
    headers: { 'idempotency-key': 'k'.repeat(256) },
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...inc,
    name: 'an Idempotency-Key outside of ASCII',
    headers: { 'idempotency-key': 'caf\u00e9' },
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...inc,
    name: 'an Idempotency-Key with a tab',
    headers: { 'idempotency-key': 'a\tb' },
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...inc,
    name: 'two Idempotency-Keys',
    headers: { 'idempotency-key': ['a', 'b'] },
    code: 'CAUSEWAY_BAD_REQUEST',
  },
  {
    ...inc,
    name: 'an expectation that nobody knows',
    headers: { expect: 'miracles' },
    status: 417,
    code: 'CAUSEWAY_BAD_REQUEST',
  },
];

describe.each([
  { of: 'paths', cases: PATHS },
  { of: 'queries', cases: QUERIES },
  { of: 'bodies', cases: BODIES },
  { of: 'transactions', cases: TRANSACTIONS },
  { of: 'headers', cases: HEADERS },
])('$of', ({ cases }) => {
  test.each(cases)(
    '$name: $code',
    async ({ method = 'GET', path = '/', body, headers, status = 400, code }) => {
      const { port, events, logged } = await startFake();

      const answer = await call(port, method, path, body, headers);

      expect(answer).toMatchObject({ status, body: { error: { code, message: expect.any(String) } } });
      expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
      expect(events).toEqual([]);
      expect(logged).toEqual([]);
    },
  );
});

describe('methods', () => {
  test.each([
    { path: '/v1/registers/a', want: 'GET, PUT, DELETE' },
    { path: '/v1/sets/a', want: 'GET, POST, DELETE' },
    { path: '/v1/sets/a/has', want: 'POST' },
    { path: '/v1/counters/a', want: 'GET, POST, DELETE' },
    { path: '/v1/transactions', want: 'POST' },
    { path: '/v1/keys', want: 'GET' },
    { path: '/v1/conflicts', want: 'GET' },
  ])('of $path are $want, and no others', async ({ path, want }) => {
    const { port, events } = await startFake();
    for (const method of ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']) {
      if (want.includes(method)) continue;

      const answer = await call(port, method, path);

      expect(answer).toMatchObject({ status: 405, body: { error: { code: 'CAUSEWAY_METHOD_NOT_ALLOWED' } } });
      expect(answer.headers.allow).toBe(want);
    }
    expect(events).toEqual([]);
  });

  test('a path of the WebSocket asks for an upgrade', async () => {
    const { port } = await startFake();

    const answer = await call(port, 'GET', '/v1/ws');

    expect(answer).toMatchObject({ status: 426, body: { error: { code: 'CAUSEWAY_BAD_REQUEST' } } });
    expect(answer.headers.upgrade).toBe('websocket');
  });
});

describe('bytes that are no request', () => {
  test.each([
    { name: 'no HTTP at all', bytes: 'hello\r\n\r\n', want: /^HTTP\/1\.1 400 .*CAUSEWAY_BAD_REQUEST/s },
    { name: 'TLS', bytes: '\x16\x03\x01\x02\x00\x01', want: /^HTTP\/1\.1 400 .*CAUSEWAY_BAD_REQUEST/s },
    {
      name: 'no Host',
      bytes: 'GET /v1/keys HTTP/1.1\r\n\r\n',
      want: /^HTTP\/1\.1 400 .*CAUSEWAY_BAD_REQUEST.*Host/s,
    },
    {
      name: 'two lengths of a body',
      bytes: 'PUT /v1/registers/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      want: /^HTTP\/1\.1 400 .*CAUSEWAY_BAD_REQUEST/s,
    },
    {
      name: 'a length and chunks',
      bytes:
        'PUT /v1/registers/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      want: /^HTTP\/1\.1 400 .*CAUSEWAY_BAD_REQUEST/s,
    },
    {
      name: 'a malformed chunk',
      bytes: 'PUT /v1/registers/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      want: /^HTTP\/1\.1 400 .*CAUSEWAY_BAD_REQUEST/s,
    },
    {
      name: 'a hash in the target',
      bytes: 'GET /v1/registers/a#b HTTP/1.1\r\nHost: x\r\n\r\n',
      want: /^HTTP\/1\.1 400 .*CAUSEWAY_BAD_REQUEST/s,
    },
    {
      name: 'raw bytes in the target',
      bytes: 'GET /v1/registers/\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n',
      want: /^HTTP\/1\.1 400 .*CAUSEWAY_BAD_/s,
    },
    {
      name: 'headers over their limit',
      bytes: `GET /v1/keys HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(2_000_000)}\r\n\r\n`,
      want: /^HTTP\/1\.1 431 .*CAUSEWAY_TOO_LARGE/s,
    },
  ])('$name are answered with an error', async ({ bytes, want }) => {
    const { port, events } = await startFake();
    const connection = await RawConnection.open(port);

    connection.send(bytes);

    expect(await connection.until((text) => want.test(text))).toMatch(want);
    expect(events).toEqual([]);
  });

  test('do not cost the requests before them their answers', async () => {
    const fake = await startFake();
    const connection = await RawConnection.open(fake.port);

    connection.send('DELETE /v1/registers/a HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n');
    await eventually(() => fake.told('request').length === 1);
    fake.reply(fake.told('request')[0]!, [{ op: 'register.delete' }]);

    expect(await connection.end()).toMatch(
      /^HTTP\/1\.1 200 OK.*\{\}HTTP\/1\.1 400 Bad Request.*CAUSEWAY_BAD_REQUEST/s,
    );
  });
});

describe('a body over the limit', () => {
  test('is refused as soon as its length is known, and the connection lives', async () => {
    const fake = await startFake((event, port) => {
      if (event.type === 'request') port.reply(event, [{ op: 'register.delete' }]);
    });
    const connection = await RawConnection.open(fake.port);

    connection.send(
      `PUT /v1/registers/a HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY_BYTES_MAX + 1}\r\n\r\n`,
    );
    expect(await connection.until((text) => text.includes('}}'))).toMatch(
      /^HTTP\/1\.1 413 .*CAUSEWAY_TOO_LARGE/s,
    );
    connection.send(Buffer.alloc(BODY_BYTES_MAX + 1));
    connection.send('DELETE /v1/registers/a HTTP/1.1\r\nHost: x\r\n\r\n');

    expect(await connection.until((text) => text.endsWith('\r\n\r\n{}'))).toMatch(
      /}}HTTP\/1\.1 200 OK.*\{\}$/s,
    );
  });

  test('is refused when it comes in chunks, without an end in sight', async () => {
    const { port, events } = await startFake();
    const connection = await RawConnection.open(port);
    const chunk = Buffer.alloc(1024 * 1024, ' ');

    connection.send('PUT /v1/registers/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (let i = 0; i < 9; i++) {
      connection.send(`${chunk.length.toString(16)}\r\n`);
      connection.send(chunk);
      connection.send('\r\n');
    }

    expect(await connection.until((text) => text.includes('}}'))).toMatch(
      /^HTTP\/1\.1 413 .*CAUSEWAY_TOO_LARGE/s,
    );
    expect(events).toEqual([]);
  });

  test('is refused before it is sent to who asks first', async () => {
    const { port } = await startFake();
    const connection = await RawConnection.open(port);

    connection.send(
      'PUT /v1/registers/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n' +
        `Content-Length: ${BODY_BYTES_MAX + 1}\r\n\r\n`,
    );

    expect(await connection.end()).toMatch(/^HTTP\/1\.1 413 .*connection: close.*CAUSEWAY_TOO_LARGE/is);
  });

  test('of exactly 8 MiB is none', async () => {
    const fake = await startFake((event, port) => {
      if (event.type === 'request') port.reply(event, [{ op: 'set.update', size: 0 }]);
    });
    const body = Buffer.alloc(BODY_BYTES_MAX, ' ');
    body.write('{}');

    const answer = await call(fake.port, 'POST', '/v1/sets/a', body);

    expect(answer).toMatchObject({ status: 200, body: { size: 0 } });
  });
});
