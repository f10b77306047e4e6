import { connect } from '@causeway/client';
import {
  BODY_BYTES_MAX,
  CausewayError,
  type ClientMessage,
  encodeFrame,
  type KeyChange,
  type Operation,
  type Result,
  SOFTWARE_VERSION,
} from '@causeway/protocol';
import type { Event } from '@causeway/replica';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  HELLO_TIMEOUT_MS,
  SOCKET_REQUESTS_MAX,
  UNREAD_BYTES_MAX,
  UNREAD_CHANGES_BYTES_MAX,
  UNREAD_TIMEOUT_MS,
} from './client-limits.js';
import { eventually, type FakePort, RawConnection, startFake, startPort } from './testing/client-port.js';
import { WsClient } from './testing/ws-client.js';

const get = (id: number, key = 'a'): ClientMessage => ({
  type: 'request',
  id,
  operations: [{ op: 'register.get', key }],
  transaction: false,
});
const count = (id: number, key = 'a'): ClientMessage => ({
  type: 'request',
  id,
  operations: [{ op: 'counter.get', key }],
  transaction: false,
});
const watch = (id: number, prefix = ''): ClientMessage => ({ type: 'watch', id, filter: { prefix } });
const failure = (id: number, code: string) => ({
  type: 'failure',
  id,
  error: expect.objectContaining({ code }),
});
const HELLO: ClientMessage = { type: 'hello', version: 1, name: 'test' };
const ABSENT: readonly Result[] = [{ op: 'register.get' }];

function absent(event: Event, port: FakePort): void {
  if (event.type === 'request') port.reply(event, ABSENT);
}

function change(key: string, bytes: number): KeyChange {
  const value = new Uint8Array(bytes);
  return { type: 'register', key, value, origin: 'eu.00000001', conflict: false, cursor: 'eu.00000001:1' };
}

/** Turns of the event loop: time for what should not happen. */
async function aWhile(): Promise<void> {
  for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** When the replica has been told of nothing new for some time. */
async function quiet({ events }: FakePort): Promise<void> {
  await eventually(() => events.length > 1);
  for (let before = 0; before < events.length; ) {
    before = events.length;
    await aWhile();
    await aWhile();
  }
}

afterEach(() => {
  vi.useRealTimers();
});

describe('the handshake', () => {
  test('tells who the node is', async () => {
    const { port } = await startFake();
    const client = await WsClient.dial(port);

    client.send(HELLO);

    expect(await client.take(1)).toEqual([
      { type: 'hello', version: 1, replica: 'eu.00000001', region: 'eu', software: SOFTWARE_VERSION },
    ]);
  });

  test('may come in one frame with the first requests', async () => {
    const { port } = await startFake(absent);
    const client = await WsClient.dial(port);

    client.send(HELLO, get(1));

    expect((await client.take(2)).map(({ type }) => type)).toEqual(['hello', 'reply']);
  });

  test.each([
    { name: 'another version', messages: [{ ...HELLO, version: 2 }], code: 'CAUSEWAY_BAD_VERSION' },
    { name: 'a request first', messages: [get(1)], code: 'CAUSEWAY_BAD_FRAME' },
    { name: 'a second hello', messages: [HELLO, HELLO], code: 'CAUSEWAY_BAD_FRAME' },
  ] as { name: string; messages: ClientMessage[]; code: string }[])(
    'is refused with $code for $name, and the connection ends with 1002',
    async ({ messages, code }) => {
      const fake = await startFake();
      const client = await WsClient.dial(fake.port);

      client.send(...messages, get(2));

      expect(await client.end()).toContain('1002');
      expect(client.messages.at(-1)).toMatchObject({ type: 'refused', error: { code } });
      expect(fake.told('request')).toEqual([]);
    },
  );

  test('must come in time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { port, hub } = await startFake();
    const client = await WsClient.dial(port);
    await eventually(() => hub.size === 1);

    vi.advanceTimersByTime(HELLO_TIMEOUT_MS);

    await client.end();
    expect(client.messages).toMatchObject([{ type: 'refused', error: { code: 'CAUSEWAY_BAD_FRAME' } }]);
  });

  test.each([
    { name: 'elsewhere', path: '/v1/registers/a', want: '404' },
    { name: 'with a query', path: '/v1/ws?token=a', want: '400' },
    { name: 'with another subprotocol', subprotocol: 'causeway.replication.v1', want: '400' },
  ])('of a WebSocket $name is refused', async ({ path, subprotocol, want }) => {
    const { port, hub } = await startFake();

    await expect(WsClient.dial(port, path, subprotocol)).rejects.toThrow(want);
    expect(hub.size).toBe(0);
  });

  test.each([
    {
      name: 'from a page',
      headers: 'Origin: https://example.com\r\n',
      want: /^HTTP\/1\.1 403 .*CAUSEWAY_ORIGIN_REFUSED/s,
    },
    {
      name: 'with a token',
      headers: 'Authorization: Bearer a\r\n',
      want: /^HTTP\/1\.1 501 .*CAUSEWAY_NOT_IMPLEMENTED/s,
    },
    { name: 'without its key', without: 'Key', want: /^HTTP\/1\.1 400 .*CAUSEWAY_BAD_REQUEST/s },
    {
      name: 'of another version',
      without: 'Version',
      headers: 'Sec-WebSocket-Version: 8\r\n',
      want: /^HTTP\/1\.1 426 .*sec-websocket-version: 13.*CAUSEWAY_BAD_REQUEST/s,
    },
    { name: 'of no subprotocol', without: 'Protocol', want: /^HTTP\/1\.1 400 .*CAUSEWAY_BAD_VERSION/s },
  ])('of a WebSocket $name is refused in JSON', async ({ headers = '', without = 'nothing', want }) => {
    const { port, hub } = await startFake();
    const connection = await RawConnection.open(port);
    const handshake = [
      'GET /v1/ws HTTP/1.1',
      'Host: x',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      'Sec-WebSocket-Protocol: causeway.client.v1',
    ].filter((line) => !line.startsWith(`Sec-WebSocket-${without}`));

    connection.send(`${handshake.join('\r\n')}\r\n${headers}\r\n`);

    expect(await connection.end()).toMatch(want);
    expect(hub.size).toBe(0);
  });
});

describe('requests', () => {
  test('of one frame are answered in one frame, under the ids of the client', async () => {
    const fake = await startFake();
    const client = await WsClient.open(fake.port);

    client.send(get(7, 'a'), get(4_294_967_295, 'b'), get(7, 'c'));
    await eventually(() => fake.events.length === 3);
    for (const request of fake.told('request')) fake.reply(request, ABSENT);

    expect((await client.take(3)).map((message) => (message as { id: number }).id)).toEqual([
      7, 4_294_967_295, 7,
    ]);
    expect(client.frames).toBe(1);
    expect(fake.told('request').map(({ operations }) => operations[0]!.key)).toEqual(['a', 'b', 'c']);
  });

  test('may be answered in any order, and numbers are used again', async () => {
    const fake = await startFake();
    const client = await WsClient.open(fake.port);
    const seen: number[] = [];
    for (let round = 0; round < 20; round++) {
      client.send(...Array.from({ length: 10 }, (_, i) => get(round * 10 + i + 1, `${round * 10 + i + 1}`)));
      await eventually(() => fake.events.length === 10);
      const requests = fake.told('request');
      fake.events.length = 0;
      for (const request of round % 2 === 0 ? requests : requests.reverse()) {
        fake.reply(request, [{ op: 'counter.get', value: Number(request.operations[0]!.key) }]);
      }
      for (const message of await client.take(10)) {
        expect(message).toMatchObject({
          type: 'reply',
          results: [{ value: (message as { id: number }).id }],
        });
        seen.push((message as { id: number }).id);
      }
    }
    expect(new Set(seen).size).toBe(200);
  });

  test('that are wrong get their own failure, and the others their answers', async () => {
    const fake = await startFake(absent);
    const client = await WsClient.open(fake.port);

    client.sendBytes(
      encodeFrame([
        [1, 1, 'a'],
        [2, 9, 'a', 0.5],
        [3, 20, []],
        [4, 1, 'a'.repeat(1025)],
        [5, 2, 'a', Uint8Array.of(0xc1)],
        [6, 1, 'a'],
      ]),
    );

    const messages = await client.take(6);
    expect(messages).toHaveLength(6);
    expect(messages).toEqual(
      expect.arrayContaining([
        { type: 'reply', id: 1, results: ABSENT },
        failure(2, 'CAUSEWAY_BAD_AMOUNT'),
        failure(3, 'CAUSEWAY_BAD_REQUEST'),
        failure(4, 'CAUSEWAY_BAD_KEY'),
        failure(5, 'CAUSEWAY_BAD_VALUE'),
        { type: 'reply', id: 6, results: ABSENT },
      ]),
    );
    expect(fake.told('request')).toHaveLength(2);
  });

  test('that the replica refuses fail with its code', async () => {
    const { port } = await startFake((event, fake) => {
      if (event.type === 'request')
        fake.fail(event, new CausewayError('CAUSEWAY_READ_ONLY', 'the disk is full'));
    });
    const client = await WsClient.open(port);

    client.send(get(1));

    expect(await client.take(1)).toEqual([
      {
        type: 'failure',
        id: 1,
        error: expect.objectContaining({ code: 'CAUSEWAY_READ_ONLY', message: 'the disk is full' }),
      },
    ]);
  });

  test('are timed under their names', async () => {
    const { port, timed } = await startFake(absent);
    const client = await WsClient.open(port);

    client.send(get(1), {
      type: 'request',
      id: 2,
      operations: [{ op: 'counter.get', key: 'a' }],
      transaction: true,
    });
    await client.take(2);

    expect(timed).toEqual(['register.get', 'transaction']);
  });

  test('beyond the bound wait in the socket, in order, and none is lost', async () => {
    const fake = await startFake();
    const client = await WsClient.open(fake.port);
    const total = 5 * SOCKET_REQUESTS_MAX;
    for (let id = 1; id <= total; id += 512) {
      client.send(...Array.from({ length: 512 }, (_, i) => count(id + i, `${id + i}`)));
    }

    await eventually(() => fake.events.length === SOCKET_REQUESTS_MAX);
    await aWhile();
    expect(fake.events).toHaveLength(SOCKET_REQUESTS_MAX);
    expect(fake.server.inFlight).toBe(SOCKET_REQUESTS_MAX);
    for (let answered = 0; answered < total; ) {
      await eventually(() => fake.events.length > answered);
      while (answered < fake.events.length) {
        fake.reply(fake.events[answered++] as Event & { type: 'request' }, ABSENT);
      }
    }

    const ids = (await client.take(total)).map((message) => (message as { id: number }).id);
    expect(ids).toEqual(Array.from({ length: total }, (_, i) => i + 1));
  });

  test('for large values are answered in turn, as the client reads', async () => {
    const value = new Uint8Array(1024 * 1024);
    const fake = await startFake((event, port) => {
      if (event.type === 'request') port.reply(event, [{ op: 'register.get', value }]);
    });
    const client = await WsClient.open(fake.port);

    client.send(...Array.from({ length: 400 }, (_, i) => get(i + 1)));
    let read = 0;
    while (read < 400 && client.ended === undefined) read += (await client.take(1)).length;

    expect([read, client.ended]).toEqual([400, undefined]);
  });

  test('for whole sets are few at a time', async () => {
    const fake = await startFake();
    const client = await WsClient.open(fake.port);
    const values: Operation = { op: 'set.values', key: 'a' };

    client.send(
      ...Array.from({ length: 100 }, (_, i) => ({
        type: 'request' as const,
        id: i + 1,
        operations: [values],
        transaction: false,
      })),
    );
    await eventually(() => fake.events.length > 0);
    await aWhile();

    expect(fake.events.length).toBeLessThan(8);
  });

  test('of a client that does not read are not taken any more, and go on when it reads', async () => {
    const value = new Uint8Array(64 * 1024);
    const fake = await startFake((event, port) => {
      if (event.type === 'request') port.reply(event, [{ op: 'register.get', value }]);
    });
    const client = await WsClient.open(fake.port);
    const count = 2_000;

    client.connection.pause();
    for (let id = 1; id <= count; id++) client.send(get(id));
    await quiet(fake);
    // What the system's buffers hold on the way, and UNREAD_BYTES_MAX here.
    expect(fake.events.length * value.length).toBeLessThan(UNREAD_BYTES_MAX + (32 << 20));
    client.connection.resume();

    expect(await client.take(count)).toHaveLength(count);
  });

  test('of a client that never reads end its connection', async () => {
    const value = new Uint8Array(1024 * 1024);
    const fake = await startFake((event, port) => {
      if (event.type === 'request') port.reply(event, [{ op: 'register.get', value }]);
    });
    const client = await WsClient.open(fake.port);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    client.connection.pause();
    for (let id = 1; id <= 100; id++) client.send(get(id));
    await quiet(fake);
    expect(fake.hub.size).toBe(1);

    vi.advanceTimersByTime(2 * UNREAD_TIMEOUT_MS);

    await eventually(() => fake.hub.size === 0);
    expect(fake.told('session-closed')).toHaveLength(1);
  });
});

describe('frames that are none', () => {
  test.each([
    { name: 'an empty one', bytes: [] },
    { name: 'a number', bytes: [1] },
    { name: 'a message that is no array', bytes: [0x91, 1] },
    { name: 'an empty message', bytes: [0x91, 0x90] },
    { name: 'an id that is no number', bytes: [0x91, 0x92, 0xa1, 0x61, 1] },
    { name: 'one that is cut short', bytes: [0x92, 0x93, 1, 1, 0xa1] },
    { name: 'one with bytes behind it', bytes: [0x91, 0x93, 1, 1, 0xa1, 0x61, 0] },
    { name: 'more messages than there are bytes', bytes: [0xdd, 0xff, 0xff, 0xff, 0xff] },
  ])(
    '($name) end the connection with an error and 1002, and nothing in them takes effect',
    async ({ bytes }) => {
      const fake = await startFake(absent);
      const client = await WsClient.open(fake.port);

      client.sendBytes(Uint8Array.from(bytes));

      expect(await client.end()).toContain('1002');
      expect(client.messages).toMatchObject([{ type: 'refused', error: { code: 'CAUSEWAY_BAD_FRAME' } }]);
      expect(fake.told('request')).toEqual([]);
      await eventually(() => fake.hub.size === 0);
    },
  );

  test('over 8 MiB end the connection with 1009', async () => {
    const fake = await startFake(absent);
    const client = await WsClient.open(fake.port);

    client.sendBytes(new Uint8Array(BODY_BYTES_MAX + 1));

    expect(await client.end()).toContain('1009');
    await eventually(() => fake.hub.size === 0);
  });

  test('do not keep the requests before them from taking effect', async () => {
    const fake = await startFake();
    const client = await WsClient.open(fake.port);

    client.send(get(1));
    client.sendBytes(Uint8Array.of(1));
    await client.end();

    expect(fake.events.map(({ type }) => type)).toEqual(['request', 'session-closed']);
  });
});

describe('watches', () => {
  test('are told of changes from the moment that they are open, until they end', async () => {
    const fake = await startFake();
    const client = await WsClient.open(fake.port);

    client.send(watch(5, 'cart:'));
    expect(await client.take(1)).toEqual([{ type: 'reply', id: 5, results: [] }]);
    const { session, request } = fake.told('watch')[0]!;
    expect(fake.told('watch')[0]!.filter).toEqual({ prefix: 'cart:' });
    fake.hub.dispatch([{ type: 'change', session, request, change: change('cart:1', 3) }]);
    expect(await client.take(1)).toEqual([{ type: 'change', id: 5, change: change('cart:1', 3) }]);

    client.send({ type: 'unwatch', id: 6, watch: 5 });
    expect(await client.take(1)).toEqual([{ type: 'reply', id: 6, results: [] }]);
    expect(fake.told('unwatch')).toMatchObject([{ session, request }]);
    fake.hub.dispatch([{ type: 'change', session, request, change: change('cart:2', 3) }]);
    await aWhile();
    expect(client.messages).toEqual([]);
  });

  test('are told that they are open before their first change', async () => {
    const fake = await startFake((event, port) => {
      if (event.type !== 'watch') return;
      const { session, request } = event;
      port.hub.dispatch([{ type: 'change', session, request, change: change('a', 1) }]);
    });
    const client = await WsClient.open(fake.port);

    client.send(watch(1));

    expect((await client.take(2)).map(({ type }) => type)).toEqual(['reply', 'change']);
  });

  test('end with the error of the replica', async () => {
    const fake = await startFake();
    const client = await WsClient.open(fake.port);
    client.send(watch(1));
    await client.take(1);

    fake.fail(fake.told('watch')[0]!, new CausewayError('CAUSEWAY_WATCH_INTERRUPTED', 'why'));

    expect(await client.take(1)).toMatchObject([
      { type: 'watch-end', id: 1, error: { code: 'CAUSEWAY_WATCH_INTERRUPTED' } },
    ]);
    client.send(watch(1));
    expect(await client.take(1)).toEqual([{ type: 'reply', id: 1, results: [] }]);
  });

  test('of one id are one at a time', async () => {
    const fake = await startFake();
    const client = await WsClient.open(fake.port);

    client.send(watch(1), watch(1));

    expect(await client.take(2)).toEqual([
      { type: 'reply', id: 1, results: [] },
      failure(1, 'CAUSEWAY_BAD_REQUEST'),
    ]);
    expect(fake.told('watch')).toHaveLength(1);
  });

  test('of a client that does not read end with an overflow, and the connection lives', async () => {
    const fake = await startFake(absent);
    const client = await WsClient.open(fake.port);
    client.send(watch(1), watch(2));
    await client.take(2);
    const watches = fake.told('watch');
    client.connection.pause();

    let told = 0;
    while (fake.told('unwatch').length < 2) {
      for (const { session, request } of watches) {
        fake.hub.dispatch([{ type: 'change', session, request, change: change('a', 64 * 1024) }]);
      }
      told++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(told * 2 * 64 * 1024).toBeLessThan(UNREAD_CHANGES_BYTES_MAX + (32 << 20));
    client.connection.resume();
    await client.until(() => client.messages.filter(({ type }) => type === 'watch-end').length === 2);
    client.send(get(3));
    await client.until(() => client.messages.at(-1)?.type === 'reply');

    expect(client.messages.filter(({ type }) => type === 'watch-end')).toEqual(
      [1, 2].map((id) => ({
        type: 'watch-end',
        id,
        error: expect.objectContaining({ code: 'CAUSEWAY_WATCH_OVERFLOW' }),
      })),
    );
    expect(client.messages.at(-1)).toEqual({ type: 'reply', id: 3, results: ABSENT });
  });
});

describe('a node that stops', () => {
  test('finishes what has arrived, refuses what follows, and says goodbye', async () => {
    const fake = await startFake();
    const client = await WsClient.open(fake.port);
    client.send(get(1));
    await eventually(() => fake.server.inFlight === 1);

    fake.server.stopAccepting();
    client.send(get(2));
    expect(await client.take(1)).toEqual([failure(2, 'CAUSEWAY_DRAINING')]);
    fake.reply(fake.told('request')[0]!, ABSENT);
    expect(await client.take(1)).toEqual([{ type: 'reply', id: 1, results: ABSENT }]);
    expect(fake.server.inFlight).toBe(0);
    await fake.server.close();

    expect(await client.end()).toContain('1001');
    expect(fake.hub.size).toBe(0);
    expect(fake.told('session-closed')).toHaveLength(1);
  });

  test('waits for no client that does not answer its goodbye', async () => {
    const fake = await startFake();
    const client = await WsClient.open(fake.port);
    client.connection.pause();

    await fake.server.close();

    expect(fake.hub.size).toBe(0);
  });
});

test('the end of a connection ends its session', async () => {
  const fake = await startFake();
  const client = await WsClient.open(fake.port);
  client.send(get(1), watch(2));
  await eventually(() => fake.events.length === 2);

  client.connection.cut('enough');

  await eventually(() => fake.hub.size === 0);
  expect(fake.told('session-closed')).toHaveLength(1);
  expect(fake.server.inFlight).toBe(0);
});

test('the client library and a real replica understand each other', async () => {
  const { port } = await startPort();
  const db = await connect({ endpoints: [`ws://127.0.0.1:${port}`] });
  const changes = db.watch({ prefix: 'a' });
  await changes.opened;

  await db.register('a').set({ name: 'Ada', at: new Date(5), bytes: Uint8Array.of(1) });
  await db.set('a').add('x', 1n, 2);
  await db.set('a').remove('x');
  const value = await db.counter('a').increment(5);
  const read = await db.transaction((tx) => [
    tx.counter('a').decrement(1),
    tx.register('b').get(),
    tx.set('a').values(),
  ]);

  expect(value).toBe(5);
  expect(read).toEqual([4, undefined, [2, 1n]]);
  expect(await db.register('a').get()).toEqual({ name: 'Ada', at: new Date(5), bytes: Uint8Array.of(1) });
  expect([await db.set('a').size(), await db.set('a').has(1n), await db.set('a').values()]).toEqual([
    2,
    true,
    [2, 1n],
  ]);
  const seen = [];
  for (let i = 0; i < 4; i++) seen.push((await changes.next()).value);
  expect(seen).toMatchObject([
    { type: 'register', key: 'a', value: { name: 'Ada' } },
    { type: 'set', key: 'a', added: expect.arrayContaining(['x', 1n, 2]) },
    { type: 'set', key: 'a', removed: ['x'] },
    { type: 'counter', key: 'a', value: 5 },
  ]);
  await db.close();
});
