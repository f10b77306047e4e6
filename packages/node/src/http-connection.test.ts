import { CausewayError, encodeCanonical } from '@causeway/protocol';
import type { Event, RequestEvent } from '@causeway/replica';
import { describe, expect, test } from 'vitest';
import { PIPELINE_MAX } from './client-limits.js';
import {
  call,
  eventually,
  type FakePort,
  RawConnection,
  startFake,
  startPort,
} from './testing/client-port.js';

const HOST = 'Host: x\r\n';
const get = (path: string) => `GET ${path} HTTP/1.1\r\n${HOST}\r\n`;
const put = (path: string, body: string) =>
  `PUT ${path} HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`;

/** Statuses and bodies in the order in which they came. */
function answers(received: string): string[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n(\{.*?\}(?=HTTP|$))?/g)].map(
    ([, status, body]) => `${status} ${body}`,
  );
}

function keysOf(events: readonly Event[]): string[] {
  return events.map((event) =>
    event.type === 'request' ? `${event.operations[0]!.op} ${event.operations[0]!.key}` : event.type,
  );
}

/** A stand-in that answers reads of registers as absent, and everything else with an error. */
function absent(event: Event, port: FakePort): void {
  if (event.type === 'request') port.reply(event, [{ op: 'register.get' }]);
}

describe('requests of one connection', () => {
  test('reach the replica in their order, also when a body is slow', async () => {
    const fake = await startFake();
    const connection = await RawConnection.open(fake.port);
    const [head, body] = put('/v1/registers/a', '{"value": 1}').split('"value"') as [string, string];

    connection.send(head);
    await eventually(() => fake.server.inFlight === 1);
    connection.send(`"value"${body}${get('/v1/registers/b')}${get('/v1/registers/c')}`);
    await eventually(() => fake.events.length === 3);

    expect(keysOf(fake.events)).toEqual(['register.set a', 'register.get b', 'register.get c']);
    expect(new Set(fake.told('request').map(({ session }) => session)).size).toBe(1);
  });

  test('are answered in their order, whatever the order of the replies', async () => {
    const fake = await startFake();
    const connection = await RawConnection.open(fake.port);
    connection.send(
      get('/v1/counters/a') + get('/v1/counters/b') + get('/v1/no/such/path') + get('/v1/counters/c'),
    );
    await eventually(() => fake.events.length === 3);

    const [a, b, c] = fake.told('request');
    fake.reply(c!, [{ op: 'counter.get', value: 3 }]);
    fake.fail(b!, new CausewayError('CAUSEWAY_OVERLOADED', 'later'));
    await eventually(() => fake.server.inFlight === 1);
    fake.reply(a!, [{ op: 'counter.get', value: 1 }]);

    const received = await connection.until((text) => text.includes('{"value":3}'));
    expect(answers(received)).toEqual([
      '200 {"value":1}',
      '503 {"error":{"code":"CAUSEWAY_OVERLOADED","message":"later"}}',
      '404 {"error":{"code":"CAUSEWAY_NOT_FOUND","message":"there is no such path"}}',
      '200 {"value":3}',
    ]);
  });

  test('have a listing see the writes before it, and none after it', async () => {
    const fake = await startFake();
    const connection = await RawConnection.open(fake.port);
    connection.send(
      put('/v1/registers/a', '{"value":1}') + get('/v1/keys') + put('/v1/registers/b', '{"value":1}'),
    );
    await eventually(() => fake.server.inFlight === 3);
    expect(keysOf(fake.events)).toEqual(['register.set a']);

    const { session, request } = fake.told('request')[0]!;
    fake.fail({ session, request }, new CausewayError('CAUSEWAY_READ_ONLY', 'the disk is full'));
    await eventually(() => fake.events.length === 2);
    const listing = fake.told('list-keys')[0]!;
    fake.hub.dispatch([{ type: 'keys', session, request: listing.request, keys: [], after: 'register:a' }]);
    await eventually(() => fake.events.length === 3);

    expect(keysOf(fake.events)).toEqual(['register.set a', 'list-keys', 'register.set b']);
    expect(answers(await connection.until((text) => text.includes('"after"')))).toEqual([
      '503 {"error":{"code":"CAUSEWAY_READ_ONLY","message":"the disk is full"}}',
      '200 {"keys":[],"after":"cmVnaXN0ZXI6YQ"}',
    ]);
  });

  test('give one last state to many writes of one key', async () => {
    const { port } = await startPort();
    const connection = await RawConnection.open(port);
    let requests = '';
    for (let i = 0; i < 500; i++) requests += put('/v1/registers/a', `{"value":${i}}`);

    connection.send(requests + get('/v1/registers/a'));

    const received = await connection.until((text) => text.includes('"value":'));
    expect(received).toContain('{"value":499,');
  });

  test('are held back when too many are under way, and none is lost', async () => {
    const fake = await startFake();
    const connection = await RawConnection.open(fake.port);
    const count = 20_000;

    connection.send(get('/v1/registers/a').repeat(count));
    await eventually(() => fake.server.inFlight >= PIPELINE_MAX);
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
    const held = fake.events.length;
    for (let answered = 0; answered < count; answered++) {
      await eventually(() => fake.events.length > answered);
      fake.reply(fake.events[answered] as RequestEvent, [{ op: 'register.get' }]);
      if (answered % 500 === 0) expect(fake.server.inFlight).toBeLessThan(5_000);
    }

    const received = await connection.until((text) => text.split('HTTP/1.1 404').length === count + 1);
    expect(received.split('HTTP/1.1 404')).toHaveLength(count + 1);
    expect(held).toBeLessThan(5_000);
  });

  test('of a client that does not read are not started any more, and go on when it reads', async () => {
    const value = encodeCanonical('x'.repeat(512 * 1024));
    const fake = await startFake((event, port) => {
      if (event.type === 'request') port.reply(event, [{ op: 'register.get', value }]);
    });
    const connection = await RawConnection.open(fake.port);
    const total = 200;

    connection.socket.pause();
    connection.send(get('/v1/registers/a').repeat(total));
    await eventually(() => fake.events.length > 1);
    for (let before = 0; before < fake.events.length; ) {
      before = fake.events.length;
      for (let i = 0; i < 300; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(fake.events.length).toBeLessThan(total);
    connection.socket.resume();

    await connection.until((text) => text.length > total * 512 * 1024);
    expect(fake.events).toHaveLength(total);
  });

  test('for whole sets are carried out one at a time', async () => {
    const fake = await startFake();
    const connection = await RawConnection.open(fake.port);

    connection.send(get('/v1/sets/a') + get('/v1/sets/b') + get('/v1/registers/c'));
    for (let i = 0; i < 3; i++) {
      await eventually(() => fake.events.length > i);
      expect(fake.events).toHaveLength(i + 1);
      fake.reply(
        fake.told('request')[i]!,
        i < 2 ? [{ op: 'set.values', values: [], more: false }] : [{ op: 'register.get' }],
      );
    }

    await connection.until((text) => text.split('HTTP/1.1 404').length === 4);
  });

  test('end with it: the replica is told, and what it answers later goes nowhere', async () => {
    const fake = await startFake();
    const connection = await RawConnection.open(fake.port);
    connection.send(get('/v1/registers/a') + put('/v1/registers/b', '{"value":1}').slice(0, -1));
    await eventually(() => fake.server.inFlight === 2);

    connection.socket.destroy();
    await eventually(() => fake.events.length === 2);
    fake.reply(fake.told('request')[0]!, [{ op: 'register.get' }]);

    expect(keysOf(fake.events)).toEqual(['register.get a', 'session-closed']);
    expect(fake.server.inFlight).toBe(0);
  });
});

test.each([
  { code: 'CAUSEWAY_OVERLOADED', status: 503, retryAfter: '1' },
  { code: 'CAUSEWAY_NOT_READY', status: 503, retryAfter: '1' },
  { code: 'CAUSEWAY_READ_ONLY', status: 503, retryAfter: '1' },
  { code: 'CAUSEWAY_CLOCK_SKEW', status: 503, retryAfter: '1' },
  { code: 'CAUSEWAY_DRAINING', status: 503, retryAfter: '1' },
  { code: 'CAUSEWAY_OUTCOME_UNKNOWN', status: 503, retryAfter: '1' },
  { code: 'CAUSEWAY_IDEMPOTENCY_FULL', status: 429, retryAfter: '1' },
  { code: 'CAUSEWAY_IDEMPOTENCY_MISMATCH', status: 422, retryAfter: undefined },
  { code: 'CAUSEWAY_OVERFLOW', status: 400, retryAfter: undefined },
  { code: 'CAUSEWAY_CORRUPT', status: 500, retryAfter: undefined },
] as const)(
  'what the replica refuses with $code is answered $status',
  async ({ code, status, retryAfter }) => {
    const { port } = await startFake((event, fake) => {
      if (event.type === 'request') fake.fail(event, new CausewayError(code, 'why'));
    });

    const answer = await call(port, 'POST', '/v1/counters/a', { by: 1 });

    expect(answer).toMatchObject({ status, body: { error: { code, message: 'why' } } });
    expect(answer.headers['retry-after']).toBe(retryAfter);
  },
);

test('a fault of ours is an internal error, told without details and logged', async () => {
  const { port, logged } = await startFake((event, fake) => {
    if (event.type === 'request') fake.reply(event, []);
  });

  const answer = await call(port, 'GET', '/v1/registers/a');

  expect(answer).toMatchObject({ status: 500, body: { error: { code: 'CAUSEWAY_INTERNAL' } } });
  expect(JSON.stringify(answer.body)).not.toContain('undefined');
  expect(logged.map(({ level }) => level)).toEqual(['error']);
});

test('a stored value that is none is corrupt, not a mistake of the client', async () => {
  const { port } = await startFake((event, fake) => {
    if (event.type === 'request') fake.reply(event, [{ op: 'register.get', value: Uint8Array.of(0xc1) }]);
  });

  const answer = await call(port, 'GET', '/v1/registers/a');

  expect(answer).toMatchObject({ status: 500, body: { error: { code: 'CAUSEWAY_CORRUPT' } } });
});

describe('a node that stops', () => {
  test('finishes what has arrived, refuses what follows, and takes no new connection', async () => {
    const fake = await startFake();
    const busy = await RawConnection.open(fake.port);
    const idle = await RawConnection.open(fake.port);
    const [head, tail] = put('/v1/registers/b', '{"value":1}').split('1}') as [string, string];
    idle.send(get('/v1/no'));
    await idle.until((text) => text.includes('}}'));
    busy.send(get('/v1/registers/a') + head);
    await eventually(() => fake.server.inFlight === 2);

    fake.server.stopAccepting();
    expect(await idle.end()).toMatch(/404/);
    busy.send(`1}${tail}${get('/v1/registers/c')}`);
    await eventually(() => fake.events.length === 2);
    const [a, b] = fake.told('request');
    fake.reply(a!, [{ op: 'register.get' }]);
    fake.fail(b!, new CausewayError('CAUSEWAY_READ_ONLY', 'no'));

    const received = await busy.end();
    expect(answers(received).map((answer) => answer.slice(0, 40))).toEqual([
      expect.stringMatching(/^404/),
      expect.stringMatching(/^503 .*READ_ONLY/),
      expect.stringMatching(/^503 .*DRAINING/),
    ]);
    expect(fake.server.inFlight).toBe(0);
    await expect(RawConnection.open(fake.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('closes at once, whatever is under way', async () => {
    const fake = await startFake();
    const connection = await RawConnection.open(fake.port);
    connection.send(get('/v1/registers/a'));
    await eventually(() => fake.events.length === 1);

    await fake.server.close();

    expect(await connection.end()).toBe('');
    expect(keysOf(fake.events)).toEqual(['register.get a', 'session-closed']);
  });
});

describe('a browser', () => {
  const origin = 'https://console.example';

  test('of an allowed Origin may read the answers', async () => {
    const { port } = await startFake(absent, { allowOrigin: [origin] });

    const answer = await call(port, 'GET', '/v1/registers/a', undefined, { origin });

    expect(answer.status).toBe(404);
    expect(answer.headers).toMatchObject({ 'access-control-allow-origin': origin, vary: 'Origin' });
  });

  test('of an allowed Origin may ask before it writes', async () => {
    const { port } = await startFake(absent, { allowOrigin: [origin] });

    const answer = await call(port, 'OPTIONS', '/v1/registers/a', undefined, {
      origin,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'content-type',
    });

    expect(answer).toMatchObject({ status: 204, body: undefined });
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, PUT, DELETE',
      'access-control-allow-headers': 'content-type, idempotency-key',
    });
  });

  test('of any other Origin learns nothing', async () => {
    const { port, events } = await startFake(absent, { allowOrigin: [origin] });

    const answer = await call(port, 'OPTIONS', '/v1/registers/a', undefined, {
      origin: 'https://evil.example',
      'access-control-request-method': 'PUT',
    });

    expect(answer).toMatchObject({ status: 403, body: { error: { code: 'CAUSEWAY_ORIGIN_REFUSED' } } });
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    expect(events).toEqual([]);
  });
});

test('the absolute form of a target is the same as its path', async () => {
  const fake = await startFake(absent);
  const connection = await RawConnection.open(fake.port);

  connection.send(get('http://node.example:7400/v1/registers/a'));

  expect(await connection.until((text) => text.includes('}}'))).toMatch(/404.*nothing under this key/s);
});

test('a client that waits for 100 Continue gets it', async () => {
  const fake = await startFake((event, port) => {
    if (event.type === 'request') port.reply(event, [{ op: 'set.update', size: 1 }]);
  });
  const connection = await RawConnection.open(fake.port);

  connection.send(`POST /v1/sets/a HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`);
  await connection.until((text) => text.includes('100 Continue'));
  connection.send('{}');

  expect(await connection.until((text) => text.includes('{"size":1}'))).toMatch(/200 OK/);
});

test('a client that would rather speak another protocol is served all the same', async () => {
  const fake = await startFake((event, port) => {
    if (event.type === 'request') port.reply(event, [{ op: 'set.update', size: 1 }]);
  });
  const connection = await RawConnection.open(fake.port);
  const upgrade =
    'Connection: Upgrade, HTTP2-Settings, keep-alive\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
  const post = `POST /v1/sets/a HTTP/1.1\r\n${HOST}${upgrade}Content-Length: 11\r\n\r\n{"add":`;

  for (let i = 1; i <= 20; i++) {
    connection.send(post);
    await eventually(() => fake.server.inFlight === 1);
    connection.send('[1]}');
    await connection.until((text) => text.split('{"size":1}').length === i + 1);
  }

  expect(fake.told('request')).toHaveLength(20);
  connection.socket.end();
  await eventually(() => fake.hub.size === 0);
  expect(fake.told('session-closed')).toHaveLength(1);
});
