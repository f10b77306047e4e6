import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CausewayError } from './errors.js';
import { encodeFrame } from './frame.js';
import { decodePeerMessage, encodePeerMessage } from './peer-frame.js';
import { MEMBERSHIPS, type Member, type PeerMessage } from './peer-messages.js';
import { AP, EU, naturals, replicas, US, vectors } from './testing/arbitraries.js';
import { damaged } from './testing/damaged.js';
import { goldenBytes, readGolden, toHex } from './testing/golden.js';

const GOLDEN_1 = readGolden('peer-messages.v1.txt');
const GOLDEN_2 = readGolden('peer-messages.v2.txt');
const GOLDEN = readGolden('peer-messages.v3.txt');
const WALL = 1_790_000_000_123;

const members: readonly Member[] = [
  {
    replica: AP,
    region: 'ap-south',
    address: 'wss://ap.example:7500',
    state: 'removed',
    version: 3,
    finalSeq: 70_000,
  },
  {
    replica: EU,
    region: 'eu-west',
    address: 'ws://127.0.0.1:7500',
    state: 'joining',
    version: 1,
    finalSeq: 0,
  },
];

const samples: readonly PeerMessage[] = [
  {
    type: 'hello',
    version: 3,
    replica: EU,
    region: 'eu-west',
    start: 4_503_599_627_370_497,
    address: 'ws://127.0.0.1:7500',
    versionVector: new Map([
      [AP, 7],
      [EU, 5_000_000_000],
    ]),
    horizon: new Map([[AP, 3]]),
    members,
  },
  { type: 'heard', seq: 12, start: 99, versionVector: new Map([[US, 1]]) },
  { type: 'refuse', code: 'CAUSEWAY_AMNESIA', message: 'more than you have' },
  { type: 'subscribe', origin: US, after: 0 },
  { type: 'unsubscribe', origin: US },
  {
    type: 'chunks',
    origin: AP,
    durableAt: WALL + 0.5,
    chunks: [Uint8Array.of(1, 2, 3), new Uint8Array(300)],
  },
  { type: 'gap', origin: AP, after: 5, first: 70_000 },
  { type: 'credit', origin: AP, bytes: 262_144 },
  { type: 'ack', versionVector: new Map([[US, 300]]) },
  {
    type: 'gossip',
    versionVector: new Map([[EU, 1]]),
    reports: [
      {
        replica: US,
        versionVector: new Map([
          [EU, 1],
          [US, 2],
        ]),
        members: [AP, EU],
        retired: [AP],
        quietMs: 1_500,
      },
      { replica: AP, versionVector: new Map(), members: [EU], retired: [], quietMs: 0 },
    ],
    members,
    wall: WALL,
  },
  { type: 'ping', id: 4, wall: WALL },
  { type: 'pong', id: 4, wall: WALL, receivedAt: WALL + 41 },
  { type: 'bye' },
];

test.each(samples)('version 3 is written as ever and read the same: $type', (message) => {
  expect(toHex(encodePeerMessage(message))).toBe(toHex(goldenBytes(GOLDEN, message.type)));
  expect(decodePeerMessage(goldenBytes(GOLDEN, message.type))).toEqual(message);
});

test.each([
  { version: 1, golden: GOLDEN_1 },
  { version: 2, golden: GOLDEN_2 },
])('a node of version $version is told that the versions differ', ({ golden }) => {
  expect(() => decodePeerMessage(goldenBytes(golden, 'hello'))).toThrow(
    expect.objectContaining({ code: 'CAUSEWAY_BAD_VERSION' }),
  );
});

const memberLists: fc.Arbitrary<readonly Member[]> = fc.uniqueArray(replicas).map((list) =>
  list.sort().map((replica, index) => {
    const state = MEMBERSHIPS[index % MEMBERSHIPS.length]!;
    const finalSeq = index % MEMBERSHIPS.length > 2 ? index : 0;
    return { replica, region: 'eu', address: `ws://${replica}:1`, state, version: index, finalSeq };
  }),
);

const wallTimes = fc.double({ min: 0, max: 2 ** 53 - 1, noNaN: true }).map((wall) => wall + 0);

const messages: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc.constantFrom(...samples),
  fc.record({
    type: fc.constant('hello' as const),
    version: fc.constant(3),
    replica: replicas,
    region: fc.constant('eu'),
    start: naturals,
    address: fc.constant('wss://h:1/path?query=%20'),
    versionVector: vectors,
    horizon: vectors,
    members: memberLists,
  }),
  fc.record({
    type: fc.constant('heard' as const),
    seq: naturals,
    start: naturals,
    versionVector: vectors,
  }),
  fc.record({
    type: fc.constant('chunks' as const),
    origin: replicas,
    durableAt: wallTimes,
    chunks: fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 })),
  }),
  memberLists.chain((list) =>
    fc.record({
      type: fc.constant('gossip' as const),
      versionVector: vectors,
      reports: fc.array(
        fc.record({
          replica: replicas,
          versionVector: vectors,
          members: fc.constant(list.map(({ replica }) => replica)),
          retired: fc.subarray(list.map(({ replica }) => replica)),
          quietMs: naturals,
        }),
      ),
      members: fc.constant(list),
      wall: wallTimes,
    }),
  ),
);

test('no report is sent that speaks of members whom the gossip does not name', () => {
  const gossip = samples.find((message) => message.type === 'gossip')!;
  expect(() => encodePeerMessage({ ...gossip, members: [] })).toThrow('invariant');
});

test('every message comes back from its frame', () => {
  fc.assert(
    fc.property(messages, (message) => {
      expect(decodePeerMessage(encodePeerMessage(message))).toEqual(message);
    }),
  );
});

test('what the order of a vector or of members was leaves no trace', () => {
  const gossip = samples.find((message) => message.type === 'gossip')!;
  const turned = {
    ...gossip,
    members: [...gossip.members].reverse(),
    reports: gossip.reports.map((report) => ({
      ...report,
      members: [...report.members].reverse(),
      versionVector: new Map([...report.versionVector].reverse()),
    })),
  };
  expect(encodePeerMessage(turned)).toEqual(encodePeerMessage(gossip));
});

test('chunks are views of the frame, no Buffers', () => {
  const frame = Buffer.from(encodePeerMessage(samples.find(({ type }) => type === 'chunks')!));
  const message = decodePeerMessage(frame) as Extract<PeerMessage, { type: 'chunks' }>;
  expect(message.chunks[0]!.buffer).toBe(frame.buffer);
  expect(Object.getPrototypeOf(message.chunks[0])).toBe(Uint8Array.prototype);
});

describe('refused', () => {
  test('the hello of another version, whatever follows it', () => {
    expect(() => decodePeerMessage(encodeFrame([1, 4, { future: true }]))).toThrow(
      expect.objectContaining({ code: 'CAUSEWAY_BAD_VERSION' }),
    );
  });

  const hello: readonly unknown[] = [1, 3, EU, 'eu-west', 1, 'ws://h:1', [], [], []];
  const bad = expect.objectContaining({ code: 'CAUSEWAY_BAD_FRAME' });

  test('nothing is wrong with the hello that these begin with', () => {
    expect(decodePeerMessage(encodeFrame(hello)).type).toBe('hello');
  });

  test.each<{ name: string; fields: unknown }>([
    { name: 'no array', fields: { type: 1 } },
    { name: 'nothing', fields: [] },
    { name: 'an unknown type', fields: [99] },
    { name: 'a type that is no number', fields: ['hello'] },
    { name: 'a field too many', fields: [14, 1] },
    { name: 'a field too few', fields: [12, 1] },
    { name: 'a replica that is none', fields: hello.with(2, 'eu-west') },
    { name: 'a region that is none', fields: hello.with(3, 'EU') },
    { name: 'a start that is no number', fields: hello.with(4, '1') },
    { name: 'an address with a blank', fields: hello.with(5, 'ws://h:1 ') },
    { name: 'an empty address', fields: hello.with(5, '') },
    { name: 'an address that is too long', fields: hello.with(5, `ws://${'h'.repeat(2_000)}`) },
    { name: 'half a version vector', fields: hello.with(6, [EU]) },
    { name: 'a version vector out of order', fields: hello.with(6, [US, 1, EU, 1]) },
    { name: 'a version vector with a replica twice', fields: hello.with(6, [EU, 1, EU, 2]) },
    { name: 'a version vector with a zero', fields: hello.with(6, [EU, 0]) },
    { name: 'a version vector with a fraction', fields: hello.with(6, [EU, 1.5]) },
    { name: 'a version vector with a bigint', fields: hello.with(6, [EU, 1n]) },
    { name: 'a version vector of millions', fields: hello.with(6, new Array(10_000).fill(0)) },
    {
      name: 'members out of order',
      fields: hello.with(8, [US, 'us', 'ws://h:1', 1, 1, 0, EU, 'eu', 'ws://h:1', 1, 1, 0]),
    },
    { name: 'a member of no state', fields: hello.with(8, [US, 'us', 'ws://h:1', 7, 1, 0]) },
    { name: 'a final seq of a living member', fields: hello.with(8, [US, 'us', 'ws://h:1', 2, 1, 9]) },
    { name: 'members that are not whole', fields: hello.with(8, [US, 'us']) },
    { name: 'a negative seq', fields: [5, EU, -1] },
    { name: 'a seq beyond 2^53-1', fields: [5, EU, 2 ** 53] },
    { name: 'a wall time before 1970', fields: [12, 1, -1] },
    { name: 'a wall time that is none', fields: [12, 1, Number.NaN] },
    { name: 'a wall time without end', fields: [12, 1, Number.POSITIVE_INFINITY] },
    { name: 'chunks of nobody', fields: [7] },
    { name: 'a chunk that is text', fields: [7, EU, 0, 'chunk'] },
    { name: 'an empty chunk', fields: [7, EU, 0, new Uint8Array(0)] },
    { name: 'a chunk that is too large', fields: [7, EU, 0, new Uint8Array(16 * 1024 * 1024 + 1)] },
    { name: 'a refusal without end', fields: [4, 'CAUSEWAY_STALE', 'x'.repeat(5_000)] },
    { name: 'a report that is none', fields: [11, [], [1], [], 0] },
    { name: 'a report without its knowledge', fields: [11, [], [[EU, [], 0]], [], 0] },
    {
      name: 'a report that knows more members than there are',
      fields: [11, [], [[EU, [], 0, Uint8Array.of(1)]], [], 0],
    },
    {
      name: 'a report of an unknown knowledge',
      fields: [11, [], [[EU, [], 0, Uint8Array.of(3)]], [EU, 'eu', 'ws://h:1', 2, 1, 0], 0],
    },
  ])('$name', ({ fields }) => {
    expect(() => decodePeerMessage(encodeFrame(fields))).toThrow(bad);
  });

  test('a frame that is too large', () => {
    expect(() => decodePeerMessage(new Uint8Array(18 * 1024 * 1024))).toThrow(bad);
  });

  test('damaged frames, unless they are another message that can be sent', () => {
    let accepted = 0;
    const frames = samples.map(encodePeerMessage);
    for (const bytes of damaged(7, frames, 15_000)) {
      let message: PeerMessage;
      try {
        message = decodePeerMessage(bytes);
      } catch (error) {
        const code = error instanceof CausewayError ? error.code : error;
        if (code !== 'CAUSEWAY_BAD_FRAME' && code !== 'CAUSEWAY_BAD_VERSION') throw error;
        continue;
      }
      accepted++;
      expect(decodePeerMessage(encodePeerMessage(message))).toEqual(message);
    }
    expect(accepted).toBeGreaterThan(500);
  });
});
