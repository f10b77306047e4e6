import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { replicaId } from '@causeway/crdt';
import {
  encodePeerMessage,
  PEER_PROTOCOL_VERSION,
  PEER_SUBPROTOCOL,
  type PeerHello,
  type PeerMessage,
} from '@causeway/protocol';
import type { Event } from '@causeway/replica';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import { compress } from './frame-compression.js';
import { PeerLinks } from './peer-links.js';
import { type LogLine, memoryLog } from './testing/scratch.js';

interface TestLinks {
  readonly links: PeerLinks;
  readonly address: string;
  readonly port: number;
  readonly events: Event[];
  readonly log: LogLine[];
  /** The first event of this type, when it has come. */
  event<Type extends Event['type']>(type: Type): Promise<Extract<Event, { type: Type }>>;
}

async function start(allowOrigin: string[] = []): Promise<TestLinks> {
  const events: Event[] = [];
  const log: LogLine[] = [];
  const links = new PeerLinks({ step: (event) => events.push(event), allowOrigin, log: memoryLog(log) });
  const { port } = await links.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => links.stop('the test is over'));
  const event = async <Type extends Event['type']>(type: Type) => {
    const find = () => events.find((candidate) => candidate.type === type);
    await expect.poll(find, { interval: 2, timeout: 5000 }).toBeDefined();
    return find() as Extract<Event, { type: Type }>;
  };
  return { links, address: `ws://127.0.0.1:${port}`, port, events, log, event };
}

async function rawPeer(node: TestLinks, options: ClientOptions = {}): Promise<WebSocket> {
  const ws = new WebSocket(node.address, PEER_SUBPROTOCOL, options);
  ws.on('error', () => undefined);
  onTestFinished(() => ws.terminate());
  await new Promise((resolve) => ws.once('open', resolve));
  return ws;
}

const closeCode = (ws: WebSocket) => new Promise<number>((resolve) => ws.once('close', resolve));

const hello: PeerHello = {
  type: 'hello',
  version: PEER_PROTOCOL_VERSION,
  replica: replicaId('us.00000002'),
  region: 'us',
  start: 1,
  address: 'ws://us.example:7500',
  versionVector: new Map(),
  horizon: new Map(),
  members: [],
};

/** Some 140 kB that compress well. */
const likeChunks = () =>
  Buffer.from(Array.from({ length: 5_000 }, (_, index) => `eu-west.00000001 key:${index * 7919} `).join(''));

describe('PeerLinks', () => {
  test('carry messages both ways between a dialled and an accepted link', async () => {
    const eu = await start();
    const us = await start();

    us.links.dial(2, eu.address);
    const dialled = await us.event('link-opened');
    const accepted = await eu.event('link-opened');
    us.links.send(2, hello);
    eu.links.send(accepted.link, { ...hello, replica: replicaId('eu.00000001') });

    expect(dialled).toEqual({ type: 'link-opened', link: 2, address: eu.address });
    expect(accepted).toEqual({ type: 'link-opened', link: 1 });
    expect(await eu.event('link-message')).toEqual({ type: 'link-message', link: 1, message: hello });
    expect(await us.event('link-message')).toMatchObject({ link: 2, message: { replica: 'eu.00000001' } });
  });

  test('carry chunks that were asked for in fewer bytes, and what comes unasked in any size', async () => {
    const eu = await start();
    const us = await start();
    us.links.dial(2, eu.address);
    await us.event('link-opened');
    const { link } = await eu.event('link-opened');
    const versionVector = new Map(
      Array.from(
        { length: 500 },
        (_, index) => [replicaId(`eu.${String(index).padStart(8, '0')}`), index + 1] as const,
      ),
    );
    const unasked: readonly PeerMessage[] = [
      { ...hello, versionVector },
      {
        type: 'repair-open',
        session: 2,
        mode: 'catch-up',
        versionVector,
        horizon: versionVector,
        root: new Uint8Array(16),
      },
    ];
    const chunk = likeChunks();

    for (const message of unasked) us.links.send(2, message);
    await expect.poll(() => eu.events.length, { interval: 2 }).toBe(3);
    const before = eu.links.bytes().get(hello.replica)?.received ?? 0;
    eu.links.send(link, { type: 'subscribe', origin: hello.replica, after: 0 });
    us.links.send(2, { type: 'chunks', origin: hello.replica, durableAt: 0, chunks: [chunk] });

    await expect.poll(() => eu.events.length, { interval: 2 }).toBe(4);
    expect(unasked.map((message) => encodePeerMessage(message).length > 4 << 10)).toEqual([true, true]);
    expect(eu.events.slice(1, 3)).toEqual(
      unasked.map((message) => ({ type: 'link-message', link, message })),
    );
    expect(eu.events[3]).toMatchObject({ message: { type: 'chunks' } });
    expect((eu.links.bytes().get(hello.replica)?.received ?? 0) - before).toBeLessThan(chunk.length / 3);
  });

  test('that the replica closes end once on both sides, what was sent before having arrived', async () => {
    const eu = await start();
    const us = await start();
    us.links.dial(2, eu.address);
    await us.event('link-opened');

    us.links.send(2, hello);
    us.links.close(2, 'enough');
    us.links.close(2, 'enough');

    expect(await us.event('link-closed')).toEqual({
      type: 'link-closed',
      link: 2,
      address: eu.address,
      reason: 'enough',
    });
    expect(await eu.event('link-closed')).toMatchObject({
      link: 1,
      reason: expect.stringContaining('enough'),
    });
    expect(eu.events.map(({ type }) => type)).toEqual(['link-opened', 'link-message', 'link-closed']);
    expect(us.events.filter(({ type }) => type === 'link-closed')).toHaveLength(1);
  });

  test.each([
    { name: 'where nobody listens', address: async () => 'ws://127.0.0.1:1' },
    { name: 'that is no URL', address: async () => 'nonsense' },
    { name: 'where plain HTTP is spoken', address: plainHttp },
  ])('end a dial to an address $name in one link-closed', async ({ address }) => {
    const us = await start();
    const to = await address();

    us.links.dial(4, to);

    expect(await us.event('link-closed')).toMatchObject({ link: 4, address: to });
    expect(us.events).toHaveLength(1);
  });

  test('end a dial that the replica gives up in one link-closed', async () => {
    const us = await start();
    us.links.dial(4, us.address);
    us.links.close(4, 'too slow');

    expect(await us.event('link-closed')).toMatchObject({ link: 4, reason: 'too slow' });
    expect(us.events.filter((event) => 'link' in event && event.link === 4)).toHaveLength(1);
  });

  test.each([
    {
      name: 'bytes that are no message',
      frame: Buffer.from([0xc1]),
      closed: 1002,
      code: 'CAUSEWAY_BAD_FRAME',
    },
    { name: 'an empty frame', frame: Buffer.alloc(0), closed: 1002, code: 'CAUSEWAY_BAD_FRAME' },
    { name: 'text', frame: 'hello', closed: 1003, code: 'CAUSEWAY_BAD_FRAME' },
    {
      name: 'another message before the hello',
      frame: encodePeerMessage({ type: 'bye' }),
      closed: 1002,
      code: 'CAUSEWAY_BAD_FRAME',
    },
    {
      name: 'a frame over the limit',
      frame: Buffer.alloc((17 << 20) + 1),
      closed: 1009,
      code: 'CAUSEWAY_TOO_LARGE',
    },
  ])('that send $name are closed with a warning in one line, and others live', async (bad) => {
    const node = await start();
    const good = await rawPeer(node);
    const ws = await rawPeer(node);
    const closed = closeCode(ws);

    for (let i = 0; i < 3; i += 1) ws.send(bad.frame);

    expect(await closed).toBe(bad.closed);
    expect(await node.event('link-closed')).toMatchObject({ link: 3 });
    expect(node.log).toEqual([
      {
        level: 'warn',
        fields: { link: 3, code: bad.code, error: expect.any(String) },
        message: expect.stringContaining('protocol'),
      },
    ]);
    good.send(encodePeerMessage(hello));
    expect(await node.event('link-message')).toMatchObject({ link: 1 });
  });

  test('unpack nothing that was not asked for', async () => {
    const node = await start();
    const peer = await rawPeer(node);
    const closed = closeCode(peer);
    const message = encodePeerMessage({
      type: 'chunks',
      origin: hello.replica,
      durableAt: 0,
      chunks: [likeChunks()],
    });
    peer.send(encodePeerMessage(hello));
    await node.event('link-message');

    peer.send(compress(message));

    expect(await closed).toBe(1002);
    expect(node.events.filter(({ type }) => type === 'link-message')).toHaveLength(1);
  });

  test('warn of a known peer by its name, and of broken WebSocket frames', async () => {
    const node = await start();
    const peer = await rawPeer(node);
    peer.send(encodePeerMessage(hello));
    await node.event('link-message');

    (Reflect.get(peer, '_socket') as Socket).write(Buffer.from([0xff, 0xff]));
    await node.event('link-closed');

    expect(node.log).toMatchObject([
      { level: 'warn', fields: { code: 'CAUSEWAY_BAD_FRAME', link: 1, peer: hello.replica } },
    ]);
  });

  test('say nothing of a link that is merely lost', async () => {
    const node = await start();
    const peer = await rawPeer(node);
    peer.terminate();
    await node.event('link-closed');

    expect(node.log).toEqual([]);
  });

  test('that say no hello in time are closed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const node = await start();
    const silent = await rawPeer(node);
    const talking = await rawPeer(node);
    talking.send(encodePeerMessage(hello));
    await node.event('link-message');
    const closed = closeCode(silent);

    vi.advanceTimersByTime(5_000);

    expect(await closed).toBe(1002);
    expect(node.log).toMatchObject([{ level: 'warn', fields: { code: 'CAUSEWAY_BAD_FRAME', link: 1 } }]);
    expect(talking.readyState).toBe(WebSocket.OPEN);
  });

  test.each([
    { name: 'a browser', protocol: PEER_SUBPROTOCOL, origin: 'https://evil.example', want: 403 },
    { name: 'another version of the protocol', protocol: 'causeway.replication.v9', want: 400 },
    { name: 'no subprotocol', protocol: undefined, want: 400 },
  ])('refuse $name with $want', async ({ protocol, origin, want }) => {
    const node = await start(['https://good.example']);

    const ws = new WebSocket(node.address, protocol, origin === undefined ? {} : { origin });
    const status = await new Promise((resolve) => {
      ws.on('error', () => undefined);
      ws.on('unexpected-response', (_request, response) => resolve(response.statusCode));
    });

    expect(status).toBe(want);
    expect(node.events).toEqual([]);
  });

  test('answer plain HTTP with 404', async () => {
    const node = await start();

    expect((await fetch(`http://127.0.0.1:${node.port}/`)).status).toBe(404);
  });

  test('are cut when the peer does not read, at a bound', async () => {
    const node = await start();
    const peer = await rawPeer(node);
    (Reflect.get(peer, '_socket') as Socket).pause();
    const accepted = await node.event('link-opened');
    const chunk = randomBytes(1 << 20);
    const message = { type: 'chunks', origin: hello.replica, durableAt: 0, chunks: [chunk] } as const;

    for (let i = 0; i < 64; i += 1) node.links.send(accepted.link, message);

    expect(await node.event('link-closed')).toMatchObject({
      reason: expect.stringContaining('does not read'),
    });
    expect(node.events).toHaveLength(2);
  });

  test('hold the bytes of what waits for a peer that does not read, and not the buffers around them', async () => {
    const node = await start();
    const peer = await rawPeer(node);
    const { link } = await node.event('link-opened');
    (Reflect.get(peer, '_socket') as Socket).pause();
    const chunks = (bytes: number): PeerMessage => ({
      type: 'chunks',
      origin: hello.replica,
      durableAt: 0,
      chunks: [new Uint8Array(bytes)],
    });
    // First what fills the sockets, so that everything after it waits.
    node.links.send(link, {
      type: 'chunks',
      origin: hello.replica,
      durableAt: 0,
      chunks: [randomBytes(8 << 20)],
    });
    await new Promise((resolve) => setImmediate(resolve));
    const before = arrayBufferBytes();

    for (let i = 0; i < 1_000; i += 1) {
      // To another peer, say: the encoder goes on with what is left of the array that it took for it.
      encodePeerMessage(chunks(200 << 10));
      node.links.send(link, { ...hello, start: i });
      await new Promise((resolve) => setImmediate(resolve));
    }

    expect(node.events).toHaveLength(1);
    // Some 140 MiB with the buffers.
    expect(arrayBufferBytes() - before).toBeLessThan(32 << 20);
  });

  test('count the bytes of each peer, also of links that have ended', async () => {
    const node = await start();
    const peer = await rawPeer(node);
    peer.send(encodePeerMessage(hello));
    const { link } = await node.event('link-message');
    const first = node.links.bytes().get(hello.replica);
    node.links.close(link, 'done');
    await node.event('link-closed');
    const second = node.links.bytes().get(hello.replica);

    expect(first?.received).toBeGreaterThan(encodePeerMessage(hello).length);
    expect(second?.received).toBeGreaterThanOrEqual(first?.received ?? Infinity);
    expect(second?.sent).toBeGreaterThan(first?.sent ?? Infinity);
  });

  test('survive two thousand frames of noise', async () => {
    const node = await start();
    const random = seeded(7);
    const valid = encodePeerMessage(hello);
    for (let round = 0; round < 200; round += 1) {
      const ws = await rawPeer(node);
      const closed = closeCode(ws);
      for (let i = 0; i < 10; i += 1) ws.send(noise(random, valid));
      ws.close();
      await closed;
    }

    const opened = node.events.filter(({ type }) => type === 'link-opened').length;
    await expect
      .poll(() => node.events.filter(({ type }) => type === 'link-closed').length, { interval: 2 })
      .toBe(opened);
    const good = await rawPeer(node);
    good.send(encodePeerMessage({ ...hello, start: 4711 }));
    await expect.poll(() => JSON.stringify(node.events.at(-1)), { interval: 2 }).toContain('4711');
  });

  test('free the port when they stop, and end every link once', async () => {
    const eu = await start();
    const us = await start();
    us.links.dial(2, eu.address);
    await us.event('link-opened');
    const idle = connectTcp({ host: '127.0.0.1', port: eu.port });
    await new Promise((resolve) => idle.once('connect', resolve));

    await eu.links.stop('stopping');

    expect(eu.events.map(({ type }) => type)).toEqual(['link-opened', 'link-closed']);
    expect(await us.event('link-closed')).toMatchObject({ link: 2 });
    await expect(fetch(eu.address.replace('ws', 'http'))).rejects.toThrow();
  });
});

/** What is alive, without the garbage. */
function arrayBufferBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().arrayBuffers;
}

async function plainHttp(): Promise<string> {
  const server = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Half of it truncated or mutated messages, half random bytes. */
function noise(random: () => number, valid: Uint8Array): Uint8Array {
  if (random() < 0.5) return Uint8Array.from({ length: Math.floor(random() * 64) }, () => random() * 256);
  const frame = valid.slice(0, random() < 0.5 ? valid.length : Math.floor(random() * valid.length));
  for (let i = 0; i < 1 + random() * 4 && frame.length > 0; i += 1) {
    frame[Math.floor(random() * frame.length)] = random() * 256;
  }
  return frame;
}

/** mulberry32 */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
