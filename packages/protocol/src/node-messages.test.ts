import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeCanonical } from './canonical.js';
import { CausewayError } from './errors.js';
import { encodeFrame } from './frame.js';
import { decodeNodeFrame } from './node-frame-decoder.js';
import { NodeFrameWriter } from './node-frame-writer.js';
import type { NodeMessage } from './node-messages.js';
import type { KeyChange, Result } from './operations.js';
import { compact, EU, keys, naturals, replicas, stamps, values } from './testing/arbitraries.js';
import { damaged } from './testing/damaged.js';
import { goldenBytes, readGolden, toHex } from './testing/golden.js';

const GOLDEN = readGolden('node-messages.v1.txt');
const writer = new NodeFrameWriter();

function encode(messages: readonly NodeMessage[]): Uint8Array {
  for (const message of messages) writer.add(message);
  return writer.finish();
}

const milk = encodeCanonical('milk');
const stamp = { physical: 1_790_000_000_123, logical: 7, replica: EU };
const error = new CausewayError('CAUSEWAY_READ_ONLY', 'the disk is full');

const results: readonly Result[] = [
  { op: 'register.get' },
  { op: 'register.get', value: milk },
  { op: 'register.get', value: milk, stamp },
  { op: 'register.get', stamp },
  { op: 'register.set', stamp },
  { op: 'register.delete' },
  { op: 'set.update', size: 2 },
  { op: 'set.size', size: 1_000_000 },
  { op: 'set.clear' },
  { op: 'set.has', has: [true, false] },
  { op: 'set.values', values: [milk], more: true },
  { op: 'set.values', values: [], more: false },
  { op: 'counter.increment', value: -5 },
  { op: 'counter.get', value: Number.MAX_SAFE_INTEGER },
  { op: 'counter.get', value: -(2n ** 60n) },
  { op: 'counter.get', value: 2n ** 64n - 1n },
  { op: 'counter.get', value: -(2n ** 70n) },
  { op: 'counter.reset' },
];

const told = { origin: EU, conflict: false, cursor: `${EU}:7` } as const;
const changes: readonly KeyChange[] = [
  { type: 'register', key: 'user:42', value: milk, ...told },
  { type: 'register', key: 'user:42', ...told, conflict: true },
  { type: 'set', key: 'cart', added: [milk], removed: [], ...told },
  { type: 'set', key: 'cart', added: [], removed: [milk], cleared: true, ...told },
  { type: 'counter', key: 'likes', count: 5, ...told },
  { type: 'counter', key: 'likes', count: 2n ** 62n, ...told },
];

const frames: Record<string, readonly NodeMessage[]> = {
  hello: [{ type: 'hello', version: 1, replica: EU, region: 'eu-west', software: '0.1.0' }],
  refused: [
    { type: 'refused', error: new CausewayError('CAUSEWAY_BAD_VERSION', 'version 2 is not spoken here') },
  ],
  replies: results.map((result, i) => ({ type: 'reply', id: i + 1, results: [result] })),
  transaction: [{ type: 'reply', id: 70_000, results }],
  'being-counted': [{ type: 'reply', id: 7, results: [{ op: 'set.update' }] }],
  failure: [{ type: 'failure', id: 9, error }],
  changes: changes.map((change) => ({ type: 'change', id: 5, change })),
  watch: [
    { type: 'reply', id: 5, results: [] },
    { type: 'watch-end', id: 5, error: new CausewayError('CAUSEWAY_WATCH_OVERFLOW', 'too slow') },
  ],
};

test.each(Object.entries(frames))('version 1 is written as ever and read the same: %s', (name, messages) => {
  expect(toHex(encode(messages))).toBe(toHex(goldenBytes(GOLDEN, name)));
  expect(decodeNodeFrame(goldenBytes(GOLDEN, name))).toEqual(messages);
});

const lists = fc.array(values, { maxLength: 4 });
const counts = fc.oneof(
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }).map((count) => {
    const number = Number(count);
    return Number.isSafeInteger(number) ? number : count;
  }),
);
const anyResults: fc.Arbitrary<Result> = fc.oneof(
  fc.constantFrom<Result>(...results, { op: 'set.update' }),
  fc.record({ op: fc.constant('register.get' as const), value: values, stamp: stamps }),
  fc.record({ op: fc.constantFrom('set.update' as const, 'set.size' as const), size: naturals }),
  fc.record({ op: fc.constant('set.has' as const), has: fc.array(fc.boolean()) }),
  fc.record({ op: fc.constant('set.values' as const), values: lists, more: fc.boolean() }),
  fc.record({ op: fc.constantFrom('counter.increment' as const, 'counter.get' as const), value: counts }),
);
const about = { key: keys, origin: replicas, conflict: fc.boolean(), cursor: fc.constant('eu:7') };
const anyChanges: fc.Arbitrary<KeyChange> = fc.oneof(
  fc.record({ type: fc.constant('register' as const), ...about, value: values }),
  fc
    .record({
      type: fc.constant('set' as const),
      ...about,
      added: lists,
      removed: lists,
      cleared: fc.constantFrom(true as const, undefined),
    })
    .map((change) => compact(change) as KeyChange),
  fc.record({ type: fc.constant('counter' as const), ...about, count: counts }),
);
const ids = fc.integer({ min: 1, max: 0xffff_ffff });
const anyMessages: fc.Arbitrary<NodeMessage> = fc.oneof(
  fc.record({
    type: fc.constant('reply' as const),
    id: ids,
    results: fc.array(anyResults, { maxLength: 20 }),
  }),
  fc.record({ type: fc.constant('change' as const), id: ids, change: anyChanges }),
  fc.constantFrom(...Object.values(frames).flat()),
);

test('every frame comes back', () => {
  fc.assert(
    fc.property(fc.array(anyMessages), (messages) => {
      expect(decodeNodeFrame(encode(messages))).toEqual(messages);
    }),
  );
});

test('values are views of the frame, no Buffers', () => {
  const frame = Buffer.from(
    encode([{ type: 'reply', id: 1, results: [{ op: 'register.get', value: milk }] }]),
  );
  const [message] = decodeNodeFrame(frame);
  const [result] = (message as Extract<NodeMessage, { type: 'reply' }>).results;
  const { value } = result as Extract<Result, { op: 'register.get' }>;
  expect(value!.buffer).toBe(frame.buffer);
  expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype);
});

test('a code that this version does not know is kept', () => {
  const frame = encodeFrame([[3, 1, 'CAUSEWAY_FROM_THE_FUTURE', 'later']]);
  expect(decodeNodeFrame(frame)).toEqual([
    {
      type: 'failure',
      id: 3,
      error: expect.objectContaining({ code: 'CAUSEWAY_FROM_THE_FUTURE', message: 'later' }),
    },
  ]);
});

test('an error message of any length and text can be sent', () => {
  for (const message of [
    'x'.repeat(100_000),
    '漢'.repeat(5_000),
    `${'x'.repeat(1_364)}\u{1f600}`,
    '\ud800',
  ]) {
    const frame = encode([
      { type: 'failure', id: 1, error: new CausewayError('CAUSEWAY_INTERNAL', message) },
    ]);
    expect(decodeNodeFrame(frame)[0]).toMatchObject({
      type: 'failure',
      error: { code: 'CAUSEWAY_INTERNAL' },
    });
  }
});

describe('refused with CAUSEWAY_BAD_FRAME', () => {
  const bad = expect.objectContaining({ code: 'CAUSEWAY_BAD_FRAME' });
  test.each<{ name: string; messages: unknown }>([
    { name: 'no array', messages: 5 },
    { name: 'a message that is no array', messages: [5] },
    { name: 'a message without its kind', messages: [[1]] },
    { name: 'an unknown kind', messages: [[1, 4]] },
    { name: 'an id that is text', messages: [['1', 0]] },
    { name: 'an empty result', messages: [[1, 0, []]] },
    { name: 'a result of an unknown operation', messages: [[1, 0, [20]]] },
    { name: 'a size that is negative', messages: [[1, 0, [7, -1]]] },
    { name: 'a size too many', messages: [[1, 0, [7, 1, 1]]] },
    { name: 'half a stamp', messages: [[1, 0, [2, 1, 1]]] },
    { name: 'a stamp beyond 48 bits', messages: [[1, 0, [2, 2 ** 48, 1, EU]]] },
    { name: 'a stamp of no replica', messages: [[1, 0, [2, 1, 1, 'eu']]] },
    { name: 'a count with a fraction', messages: [[1, 0, [10, 0.5]]] },
    { name: 'a count that is no number', messages: [[1, 0, [10, '12x']]] },
    { name: 'a value that is text', messages: [[1, 0, [1, 'milk']]] },
    { name: 'an answer that is neither true nor false', messages: [[1, 0, [6, 1]]] },
    { name: 'an error without a message', messages: [[1, 1, 'CAUSEWAY_INTERNAL']] },
    { name: 'a change of an unknown type', messages: [[1, 2, 4, 'k', EU, false, 'c', null]] },
    { name: 'a change of no key', messages: [[1, 2, 1, '', EU, false, 'c', null]] },
    { name: 'a change too short', messages: [[1, 2, 2, 'k', EU, false, 'c', []]] },
    { name: 'a hello too short', messages: [[0, 1, EU]] },
    { name: 'a hello of no replica', messages: [[0, 1, 'eu', 'eu', '1']] },
  ])('$name', ({ messages }) => {
    expect(() => decodeNodeFrame(encodeFrame(messages))).toThrow(bad);
  });

  test('every cut', () => {
    for (const messages of Object.values(frames)) {
      const frame = encode(messages);
      for (let length = 0; length < frame.length; length++) {
        expect(() => decodeNodeFrame(frame.slice(0, length))).toThrow(bad);
      }
    }
  });

  test('damaged frames, unless they are other messages', () => {
    let accepted = 0;
    for (const bytes of damaged(17, Object.values(frames).map(encode), 15_000)) {
      let messages: NodeMessage[];
      try {
        messages = decodeNodeFrame(bytes);
      } catch (cause) {
        if (!(cause instanceof CausewayError) || cause.code !== 'CAUSEWAY_BAD_FRAME') throw cause;
        continue;
      }
      accepted++;
      expect(decodeNodeFrame(encode(messages))).toEqual(messages);
    }
    expect(accepted).toBeGreaterThan(1_000);
  });
});
