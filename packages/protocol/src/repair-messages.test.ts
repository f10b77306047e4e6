import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CausewayError } from './errors.js';
import { encodeFrame } from './frame.js';
import { decodePeerMessage, encodePeerMessage } from './peer-frame.js';
import type { PeerMessage } from './peer-messages.js';
import { REPAIR_OUTCOMES, type RepairMessage } from './repair-messages.js';
import { AP, EU, naturals, US, vectors } from './testing/arbitraries.js';
import { damaged } from './testing/damaged.js';
import { goldenBytes, readGolden, toHex } from './testing/golden.js';

const GOLDEN = readGolden('repair-messages.v1.txt');

const samples: readonly RepairMessage[] = [
  {
    type: 'repair-open',
    session: 6,
    mode: 'catch-up',
    versionVector: new Map([
      [AP, 7],
      [EU, 5_000_000_000],
    ]),
    horizon: new Map([[AP, 3]]),
    root: new Uint8Array(16).fill(0xab),
  },
  {
    type: 'repair-view',
    session: 6,
    versionVector: new Map([
      [AP, 70_000],
      [US, 9],
    ]),
    starts: [4_503_599_627_370_495, 12],
    ceiling: new Map([[US, 11]]),
    horizon: new Map(),
    clock: { physical: 1_790_000_000_123, logical: 4 },
    bits: 18,
    count: 1_000_000,
    root: new Uint8Array(16).fill(0xcd),
    level: 1,
    digests: Uint8Array.from({ length: 16 }, (_, index) => index),
  },
  {
    type: 'repair-states',
    session: 6,
    records: [
      { key: Uint8Array.of(0x72, 0x61), state: Uint8Array.of(1, 2, 3) },
      { key: Uint8Array.of(0x63, 0x62), state: new Uint8Array(300) },
    ],
  },
  { type: 'repair-mark', session: 6, what: 'walked' },
  { type: 'repair-compare', session: 6, level: 10, nodes: [0, 1, 500, 1023], depth: 4 },
  { type: 'repair-digests', session: 6, digests: new Uint8Array(24).fill(1) },
  {
    type: 'repair-walk',
    session: 6,
    level: 18,
    ceiling: new Map([[EU, 1]]),
    byId: [5, 200_000],
    whole: [262_143],
  },
  {
    type: 'repair-ids',
    session: 6,
    batch: 2,
    ids: new Uint8Array(32).fill(9),
    through: Uint8Array.of(0x72, 0x7a),
  },
  { type: 'repair-want', session: 6, batch: 2, indices: [1] },
  { type: 'repair-credit', session: 6, bytes: 262_144 },
  { type: 'repair-end', session: 6, outcome: 'stale' },
];

test.each(samples)('version 1 is written as ever and read the same: $type', (message) => {
  expect(toHex(encodePeerMessage(message))).toBe(toHex(goldenBytes(GOLDEN, message.type)));
  expect(decodePeerMessage(goldenBytes(GOLDEN, message.type))).toEqual(message);
});

const binaries = (least: number, most: number) => fc.uint8Array({ minLength: least, maxLength: most });
const roots = binaries(16, 16);
const ascending = (end: number) =>
  fc.uniqueArray(fc.nat(end - 1), { maxLength: 50 }).map((list) => list.sort((a, b) => a - b));

const messages: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc.constantFrom(...samples),
  fc.record({
    type: fc.constant('repair-open' as const),
    session: naturals,
    mode: fc.constantFrom('compare', 'catch-up', 'bootstrap', 'restore'),
    versionVector: vectors,
    horizon: vectors,
    root: roots,
  }),
  fc.record({
    type: fc.constant('repair-states' as const),
    session: naturals,
    records: fc.array(fc.record({ key: binaries(2, 20), state: binaries(1, 300) })),
  }),
  fc.record({
    type: fc.constant('repair-walk' as const),
    session: naturals,
    level: fc.constant(20),
    ceiling: vectors,
    byId: ascending(2 ** 20),
    whole: ascending(2 ** 20),
  }),
  fc.record({
    type: fc.constant('repair-ids' as const),
    session: naturals,
    batch: naturals,
    ids: binaries(0, 20).map((bytes) => new Uint8Array(bytes.length * 16)),
    through: fc.option(binaries(1, 30), { nil: undefined }),
  }),
  fc.record({
    type: fc.constant('repair-end' as const),
    session: naturals,
    outcome: fc.constantFrom(...REPAIR_OUTCOMES),
  }),
);

test('every message comes back from its frame', () => {
  fc.assert(
    fc.property(messages, (message) => {
      expect(decodePeerMessage(encodePeerMessage(message))).toEqual(message);
    }),
  );
});

test('a comparison of two equal nodes takes little beside its version vectors', () => {
  const open = samples[0] as RepairMessage & { type: 'repair-open' };
  const bare = encodePeerMessage({ ...open, versionVector: new Map(), horizon: new Map() });
  const end = encodePeerMessage({ type: 'repair-end', session: 6, outcome: 'equal' });
  expect(bare.length + end.length).toBeLessThan(40);
});

describe('refused', () => {
  const root = new Uint8Array(16);
  const open: readonly unknown[] = [15, 1, 0, [], [], root];
  const view: readonly unknown[] = [16, 1, [EU, 4], [], [], [], 1, 0, 18, 9, root, 1, new Uint8Array(16)];
  const bad = expect.objectContaining({ code: 'CAUSEWAY_BAD_FRAME' });

  test('nothing is wrong with what these begin with', () => {
    expect(decodePeerMessage(encodeFrame(open)).type).toBe('repair-open');
    expect(decodePeerMessage(encodeFrame(view)).type).toBe('repair-view');
  });

  test.each<{ name: string; fields: unknown }>([
    { name: 'an unknown mode', fields: open.with(2, 4) },
    { name: 'a root of another length', fields: open.with(5, new Uint8Array(15)) },
    { name: 'a field too many', fields: [...open, 1] },
    { name: 'starts of other replicas', fields: view.with(3, [1, 2]) },
    { name: 'a start that is no number', fields: view.with(3, ['1']) },
    { name: 'a level without end', fields: view.with(11, 60) },
    { name: 'digests of part of a level', fields: view.with(12, new Uint8Array(8)) },
    { name: 'a record without a state', fields: [17, 1, Uint8Array.of(1, 2)] },
    { name: 'a record whose key is text', fields: [17, 1, 'key', Uint8Array.of(1)] },
    { name: 'an unknown mark', fields: [18, 1, 2] },
    { name: 'nodes beyond their level', fields: [19, 1, 2, Uint8Array.of(4), 1] },
    { name: 'more digests than a tree has', fields: [19, 1, 22, Uint8Array.of(0), 22] },
    { name: 'half a number of a node', fields: [19, 1, 20, Uint8Array.of(0x80), 1] },
    { name: 'half a digest', fields: [20, 1, new Uint8Array(12)] },
    { name: 'half an id', fields: [22, 1, 1, new Uint8Array(8), null] },
    { name: 'an empty key to go through', fields: [22, 1, 1, root, new Uint8Array(0)] },
    { name: 'an unknown outcome', fields: [25, 1, 99] },
    { name: 'a negative session', fields: [25, -1, 0] },
  ])('$name', ({ fields }) => {
    expect(() => decodePeerMessage(encodeFrame(fields))).toThrow(bad);
  });

  test('damaged frames, unless they are another message that can be sent', () => {
    let accepted = 0;
    for (const bytes of damaged(11, samples.map(encodePeerMessage), 15_000)) {
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
