/**
 * What may come to the peer port of a node from one who does not keep to the protocol: the node lives, its other
 * peers notice nothing, nothing is written, and the log says what was wrong.
 *
 * CAUSEWAY_BAD_PEER_SEED repeats a failing run; the failure prints it.
 */
import { request } from 'node:http';
import { type ReplicaId, replicaId } from '@causeway/crdt';
import {
  PEER_FRAME_BYTES_MAX,
  PEER_PROTOCOL_VERSION,
  PEER_SUBPROTOCOL,
  type PeerMessage,
} from '@causeway/protocol';
import { expect, test } from 'vitest';
import { Scrape } from '../bench/suites/prometheus.js';
import { seeded } from '../bench/suites/random.js';
import { badFrames, chunkOf } from './support/bad-frames.js';
import { until } from './support/cluster.js';
import { FakePeer } from './support/fake-peer.js';
import { startTarget } from './support/target-node.js';

const SEED = Number(process.env['CAUSEWAY_BAD_PEER_SEED'] ?? Math.floor(Math.random() * 1e9));
const FRAMES = 10_000;
/** Strangers at the door at the same time, each under a name of its own. */
const LANES = 8;
const TIMEOUT_MS = 20_000;
const RSS_GROWTH_BYTES_MAX = 200 << 20;

test('10,000 truncated, mutated and random frames, before and after the handshake, end their links and nothing else', async ({
  onTestFailed,
}) => {
  onTestFailed(() => console.error(`CAUSEWAY_BAD_PEER_SEED=${SEED}`));
  const target = await startTarget();
  const before = await Scrape.of(target.admin);
  const frames = badFrames(seeded(SEED));
  const codes = new Map<number, number>();
  let sent = 0;
  const lane = async (index: number) => {
    while (sent < FRAMES) {
      const greeted = sent++ % 2 === 0;
      const peer = await FakePeer.connect(target.address, replicaId(`stranger-${index}.0000000${index}`));
      if (greeted) await peer.shakeHands();
      peer.send(frames.next().value);
      const code = await peer.closed;
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  };
  await target.writingDuring(Promise.all(Array.from({ length: LANES }, (_, index) => lane(index))));

  expect([...codes]).toEqual([[1002, FRAMES]]);
  expect(['CAUSEWAY_BAD_FRAME', 'CAUSEWAY_BAD_VERSION']).toEqual(
    expect.arrayContaining([...target.loggedCodes()]),
  );
  await target.expectUnharmed();
  const after = await Scrape.of(target.admin);
  expect(after.since(before, 'process_resident_memory_bytes')).toBeLessThan(RSS_GROWTH_BYTES_MAX);
}, 180_000);

const STRANGER = replicaId('stranger.00000001');
const NOBODY = replicaId('nobody.0000000f');

/** A value of the largest size: a head for binary, then zeros. */
const MEBIBYTE = new Uint8Array(1 << 20).with(0, 0xc6).with(2, 0x0f).with(3, 0xff).with(4, 0xfb);

interface Nonsense {
  readonly name: string;
  /** The handshake is done before it. */
  readonly greeted: boolean;
  readonly say: readonly (PeerMessage | Uint8Array | string)[];
  /** Code that the WebSocket is closed with; absent when it stays open. */
  readonly closed?: number;
  /** Code that the log names. */
  readonly code?: string;
}

const hello = (more: object = {}): PeerMessage => ({
  type: 'hello',
  version: PEER_PROTOCOL_VERSION,
  replica: STRANGER,
  region: 'stranger',
  start: 1,
  address: 'ws://127.0.0.1:1',
  versionVector: new Map(),
  horizon: new Map(),
  members: [],
  ...more,
});
const heard: PeerMessage = { type: 'heard', seq: 0, start: 0, versionVector: new Map() };
const subscribe: PeerMessage = { type: 'subscribe', origin: STRANGER, after: 0 };
const chunks = (origin: ReplicaId, ...list: Uint8Array[]): PeerMessage => ({
  type: 'chunks',
  origin,
  durableAt: 0,
  chunks: list,
});

const NONSENSE: readonly Nonsense[] = [
  { name: 'text', greeted: true, say: ['hello'], closed: 1003 },
  {
    name: 'a frame over the limit',
    greeted: true,
    say: [new Uint8Array(PEER_FRAME_BYTES_MAX + 1)],
    closed: 1009,
  },
  { name: 'another message first', greeted: false, say: [{ type: 'bye' }], closed: 1002 },
  {
    name: 'the hello of another version',
    greeted: false,
    say: [hello({ version: PEER_PROTOCOL_VERSION + 1 })],
    closed: 1002,
    code: 'CAUSEWAY_BAD_VERSION',
  },
  {
    name: 'a subscription before the handshake is done',
    greeted: false,
    say: [hello(), subscribe],
    closed: 1000,
    code: 'CAUSEWAY_BAD_FRAME',
  },
  { name: 'a second hello', greeted: true, say: [hello()], closed: 1000, code: 'CAUSEWAY_BAD_FRAME' },
  { name: 'a second heard', greeted: true, say: [heard], closed: 1000, code: 'CAUSEWAY_BAD_FRAME' },
  {
    name: 'a chunk with a flipped bit',
    greeted: true,
    say: [chunks(STRANGER, flip(chunkOf(STRANGER, 1)))],
    closed: 1000,
    code: 'CAUSEWAY_BAD_CHUNK',
  },
  {
    name: 'a chunk of another origin than it is said to be',
    greeted: true,
    say: [chunks(STRANGER, chunkOf(NOBODY, 1))],
    closed: 1000,
    code: 'CAUSEWAY_BAD_CHUNK',
  },
  { name: 'chunks that nobody asked for', greeted: true, say: [chunks(NOBODY, chunkOf(NOBODY, 1))] },
  { name: 'a chunk behind a hole', greeted: true, say: [chunks(STRANGER, chunkOf(STRANGER, 7))] },
  {
    name: 'a chunk whose causes nobody has',
    greeted: true,
    say: [chunks(STRANGER, chunkOf(STRANGER, 1, new Map([[NOBODY, 9]])))],
  },
  {
    name: 'credit for nothing',
    greeted: true,
    say: [{ type: 'credit', origin: NOBODY, bytes: 2 ** 53 - 1 }],
  },
  {
    name: 'subscriptions to nothing, and beyond all there is',
    greeted: true,
    say: [
      subscribe,
      { type: 'subscribe', origin: NOBODY, after: 2 ** 53 - 2 },
      { type: 'unsubscribe', origin: NOBODY },
    ],
  },
  {
    name: 'a gap that nobody met',
    greeted: true,
    say: [{ type: 'gap', origin: NOBODY, after: 3, first: 9 }],
  },
  {
    name: 'answers to pings that nobody sent',
    greeted: true,
    say: [{ type: 'pong', id: 0, wall: 0, receivedAt: 0 }],
  },
];

const ROUNDS = 50;
/** Each, said for ROUNDS rounds, would take hundreds of megabytes if it were kept. */
const TOO_MUCH: readonly ((round: number) => PeerMessage[])[] = [
  // Chunks that wait for what nobody has, without regard to the window.
  (round) =>
    Array.from({ length: 5 }, (_, index) =>
      chunks(STRANGER, chunkOf(STRANGER, 5 * round + index + 1, new Map([[NOBODY, 9]]), MEBIBYTE)),
    ),
  // Reports about origins that there are not.
  (round) => [{ type: 'ack', versionVector: new Map(origins(round).map((origin) => [origin, 1])) }],
  (round) => origins(round).map((origin) => ({ type: 'subscribe', origin, after: 0 })),
];

/** 4,000 names that are different in each round. */
function origins(round: number): ReplicaId[] {
  return Array.from({ length: 4_000 }, (_, index) =>
    replicaId(`x.${(4_000 * round + index).toString(16).padStart(8, '0')}`),
  );
}

test('messages out of place get what is documented, and do nothing', async () => {
  const target = await startTarget();
  const before = await target.status();
  for (const [index, { name, greeted, say, closed, code }] of NONSENSE.entries()) {
    const logged = target.logged.length;
    const peer = await FakePeer.connect(target.address, STRANGER);
    if (greeted) await peer.shakeHands();
    for (const what of say) peer.send(what);
    if (closed === undefined) {
      // It is answered, so all before it was taken in.
      peer.send({ type: 'ping', id: 1_000 + index, wall: 0 });
      await peer.next('pong');
      await peer.drop();
    } else {
      expect({ name, closed: await peer.closed }).toEqual({ name, closed });
    }
    const isLogged = () => target.logged.slice(logged).some((line) => line.includes(`"code":"${code}"`));
    if (code !== undefined) await until(`${code} in the log, for ${name}`, isLogged);
  }
  const after = await target.status();
  expect([after.versionVector, after.digest]).toEqual([before.versionVector, before.digest]);
  await target.expectUnharmed();
});

test('a peer that says more than it may costs bounded memory, and the honest one nothing', async () => {
  const target = await startTarget();
  const before = await Scrape.of(target.admin);
  for (const say of TOO_MUCH) {
    const peer = await FakePeer.connect(target.address, STRANGER);
    await peer.shakeHands();
    for (let round = 0; round < ROUNDS && !peer.isClosed; round++) {
      for (const message of say(round)) peer.send(message);
      peer.send({ type: 'ping', id: 1 + round, wall: 0 });
      await peer.next('pong').catch(() => undefined);
    }
    await peer.drop();
  }
  await target.expectUnharmed();
  const after = await Scrape.of(target.admin);
  expect(after.since(before, 'process_resident_memory_bytes')).toBeLessThan(RSS_GROWTH_BYTES_MAX);
}, 60_000);

test('who comes in the name of the node or of its peer is refused, and they go on', async () => {
  const target = await startTarget();
  const { replica, peers } = await target.status();
  const honest = replicaId(peers.find(({ region }) => region === 'us')!.replica);
  for (const name of [honest, replicaId(replica)]) {
    // The first knock may only have the honest one asked whether it lives.
    const refused = async () => {
      const peer = await FakePeer.connect(target.address, name);
      peer.send(peer.hello);
      const refusal = await peer.next('refuse').catch(() => undefined);
      await peer.drop();
      return refusal?.code;
    };
    expect(await until(`${name} to be refused`, refused)).toBe('CAUSEWAY_DUPLICATE_IDENTITY');
  }
  expect(target.loggedCodes()).toEqual(new Set(['CAUSEWAY_DUPLICATE_IDENTITY']));
  await until('the node to find itself the original', async () => (await target.status()).ready);
  await target.expectUnharmed();
});

test('who does not ask for the protocol is answered why, and let in nowhere', async () => {
  const target = await startTarget();
  const asked: readonly (readonly [headers: Record<string, string>, status: number, code: string])[] = [
    [{}, 404, 'CAUSEWAY_NOT_FOUND'],
    [upgrade('causeway.client.v1'), 400, 'CAUSEWAY_BAD_VERSION'],
    [upgrade('causeway.replication.v2'), 400, 'CAUSEWAY_BAD_VERSION'],
    [{ ...upgrade(PEER_SUBPROTOCOL), origin: 'http://page.example' }, 403, 'CAUSEWAY_ORIGIN_REFUSED'],
  ];
  for (const [headers, status, code] of asked) {
    expect(await knock(target.address, headers)).toMatchObject({ status, body: { error: { code } } });
  }
  await target.expectUnharmed();
});

test('bytes that are no WebSocket frames end their connection and nothing else', async ({ onTestFailed }) => {
  onTestFailed(() => console.error(`CAUSEWAY_BAD_PEER_SEED=${SEED}`));
  const target = await startTarget();
  const random = seeded(SEED);
  for (let round = 0; round < 200; round++) {
    const noise = Uint8Array.from({ length: 1 + Math.floor(random() * 200) }, () =>
      Math.floor(random() * 256),
    );
    await throwBytes(target.address, noise);
  }
  await target.expectUnharmed();
});

function upgrade(subprotocol: string): Record<string, string> {
  return {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'sec-websocket-protocol': subprotocol,
  };
}

/** What a request to the peer port is answered with. */
function knock(address: string, headers: Record<string, string>): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const sent = request(address.replace('ws:', 'http:'), { headers, agent: false, timeout: TIMEOUT_MS });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('upgrade', (_, socket) => {
      socket.destroy();
      reject(new Error('it was let in'));
    });
    sent.on('response', async (response) => {
      const body = JSON.parse(Buffer.concat(await response.toArray()).toString());
      resolve({ status: response.statusCode ?? 0, body });
    });
    sent.end();
  });
}

/** Opens a WebSocket in good order, sends these bytes instead of frames, then all it has to say is said. */
function throwBytes(address: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = upgrade(PEER_SUBPROTOCOL);
    const sent = request(address.replace('ws:', 'http:'), { headers, agent: false, timeout: TIMEOUT_MS });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('upgrade', (_, socket) => {
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
      socket.resume();
      // Half of a frame would wait for the rest.
      socket.end(bytes);
    });
    sent.end();
  });
}

/** The last byte is part of the checksum. */
function flip(bytes: Uint8Array): Uint8Array {
  return bytes.with(-1, bytes.at(-1)! ^ 1);
}
