import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeCanonical } from './canonical.js';
import { decodeClientFrame } from './client-frame-decoder.js';
import { ClientFrameWriter } from './client-frame-writer.js';
import {
  type ClientMessage,
  FRAME_ITEMS_MAX,
  REQUEST_ID_MAX,
  type ReceivedMessage,
} from './client-messages.js';
import { CausewayError } from './errors.js';
import { encodeFrame } from './frame.js';
import type { Operation, WatchFilter } from './operations.js';
import { compact, keys, operations, texts } from './testing/arbitraries.js';
import { damaged } from './testing/damaged.js';
import { goldenBytes, readGolden, toHex } from './testing/golden.js';

const GOLDEN = readGolden('client-messages.v1.txt');
const writer = new ClientFrameWriter();

function encode(messages: readonly ClientMessage[]): Uint8Array {
  for (const message of messages) expect(writer.add(message)).toBe(true);
  return writer.finish();
}

function request(id: number, operation: Operation): ClientMessage {
  return { type: 'request', id, operations: [operation], transaction: false };
}

const milk = encodeCanonical('milk');
const tea = encodeCanonical('tea');

const all: readonly Operation[] = [
  { op: 'register.get', key: 'user:42' },
  { op: 'register.set', key: 'user:42', value: encodeCanonical({ name: 'Ada' }) },
  { op: 'register.set', key: 'user:42', value: milk, ttlMs: 60_000 },
  { op: 'register.delete', key: 'ключ' },
  { op: 'set.update', key: 'cart', add: [milk, tea], remove: [] },
  { op: 'set.clear', key: 'cart' },
  { op: 'set.has', key: 'cart', values: [milk] },
  { op: 'set.size', key: 'cart' },
  { op: 'set.values', key: 'cart' },
  { op: 'set.values', key: 'cart', limit: 100 },
  { op: 'set.values', key: 'cart', limit: 100_000, after: tea },
  { op: 'set.values', key: 'cart', after: tea },
  { op: 'counter.increment', key: 'likes', by: 5 },
  { op: 'counter.increment', key: 'likes', by: Number.MIN_SAFE_INTEGER },
  { op: 'counter.get', key: 'likes' },
  { op: 'counter.reset', key: 'likes' },
];

const frames: Record<string, readonly ClientMessage[]> = {
  hello: [{ type: 'hello', version: 1, name: 'a client' }],
  requests: all.map((operation, i) => request(i + 1, operation)),
  transaction: [{ type: 'request', id: REQUEST_ID_MAX, operations: all, transaction: true }],
  watches: [
    { type: 'watch', id: 1, filter: { prefix: '' } },
    { type: 'watch', id: 2, filter: { prefix: 'cart:', type: 'set' } },
    { type: 'watch', id: 3, filter: { prefix: '', key: 'likes', type: 'counter' } },
    { type: 'watch', id: 300, filter: { prefix: '', key: 'user:42' } },
    { type: 'unwatch', id: 301, watch: 300 },
  ],
};

test.each(Object.entries(frames))('version 1 is written as ever and read the same: %s', (name, messages) => {
  expect(toHex(encode(messages))).toBe(toHex(goldenBytes(GOLDEN, name)));
  expect(decodeClientFrame(goldenBytes(GOLDEN, name))).toEqual(messages);
});

const ids = fc.integer({ min: 1, max: REQUEST_ID_MAX });
const filters: fc.Arbitrary<WatchFilter> = fc
  .record({
    prefix: texts,
    key: fc.option(keys, { nil: undefined }),
    type: fc.option(fc.constantFrom('register' as const, 'set' as const, 'counter' as const), {
      nil: undefined,
    }),
  })
  .map(compact) as fc.Arbitrary<WatchFilter>;

const messages: fc.Arbitrary<ClientMessage> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), version: fc.constant(1), name: texts }),
  fc.tuple(ids, operations).map(([id, operation]) => request(id, operation)),
  fc.record({
    type: fc.constant('request' as const),
    id: ids,
    operations: fc.array(operations, { minLength: 1, maxLength: 6 }),
    transaction: fc.constant(true),
  }),
  fc.record({ type: fc.constant('watch' as const), id: ids, filter: filters }),
  fc.record({ type: fc.constant('unwatch' as const), id: ids, watch: ids }),
);

test('every frame comes back', () => {
  fc.assert(
    fc.property(fc.array(messages), (list) => {
      expect(decodeClientFrame(encode(list))).toEqual(list);
    }),
  );
});

test('values are views of the frame, no Buffers', () => {
  const frame = Buffer.from(encode([request(1, { op: 'register.set', key: 'k', value: milk })]));
  const [message] = decodeClientFrame(frame);
  const [operation] = (message as Extract<ClientMessage, { type: 'request' }>).operations;
  const { value } = operation as Extract<Operation, { op: 'register.set' }>;
  expect(value.buffer).toBe(frame.buffer);
  expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype);
});

test('other encoders are understood: long forms, floats, nil for what may be missing', () => {
  const long = Uint8Array.of(
    ...[0xdd, 0, 0, 0, 1, 0xdc, 0, 5, 0xcb, 0x40, 0, 0, 0, 0, 0, 0, 0, 0xcd, 0, 2],
    ...[0xdb, 0, 0, 0, 1, 0x6b, 0xc6, 0, 0, 0, 1, 0xc0, 0xca, 0x40, 0x40, 0, 0],
  );
  const set = { op: 'register.set', key: 'k', value: Uint8Array.of(0xc0) } as const;
  expect(decodeClientFrame(long)).toEqual([request(2, { ...set, ttlMs: 3 })]);
  const frame = encodeFrame([
    [1, 2, 'k', Uint8Array.of(0xc0), null],
    [2, 8, 'k', null, null],
    [3, 30, 'p', null],
    [4, 9, 'k', -0],
    [5, 9, 'k', -5_000_000_000],
  ]);
  expect(decodeClientFrame(frame)).toEqual([
    request(1, set),
    request(2, { op: 'set.values', key: 'k' }),
    { type: 'watch', id: 3, filter: { prefix: 'p' } },
    request(4, { op: 'counter.increment', key: 'k', by: 0 }),
    request(5, { op: 'counter.increment', key: 'k', by: -5_000_000_000 }),
  ]);
});

test('a hello of another version is told as such, whatever follows', () => {
  expect(
    decodeClientFrame(
      encodeFrame([
        [0, 2, { name: 'new' }, []],
        [1, 1, 'k'],
      ]),
    ),
  ).toEqual([{ type: 'hello', version: 2, name: '' }, request(1, { op: 'register.get', key: 'k' })]);
});

describe('a request that is wrong in itself is refused alone', () => {
  const value = Uint8Array.of(0xc0);
  test.each<{ name: string; fields: readonly unknown[]; want: string }>([
    { name: 'no opcode', fields: [7], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'an unknown opcode', fields: [7, 99, 'k'], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'an opcode that is text', fields: [7, 'get', 'k'], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'an argument too few', fields: [7, 2, 'k'], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'an argument too many', fields: [7, 1, 'k', 1], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'a key that is a number', fields: [7, 1, 5], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'an empty key', fields: [7, 1, ''], want: 'CAUSEWAY_BAD_KEY' },
    { name: 'a key of 1,025 bytes', fields: [7, 1, 'k'.repeat(1_025)], want: 'CAUSEWAY_BAD_KEY' },
    { name: 'a key of 1,026 bytes, half as long', fields: [7, 1, 'ü'.repeat(513)], want: 'CAUSEWAY_BAD_KEY' },
    {
      name: 'a value that is not canonical',
      fields: [7, 2, 'k', Uint8Array.of(0xcc, 1)],
      want: 'CAUSEWAY_BAD_VALUE',
    },
    { name: 'an empty value', fields: [7, 2, 'k', new Uint8Array(0)], want: 'CAUSEWAY_BAD_VALUE' },
    {
      name: 'a value that is no binary',
      fields: [7, 2, 'k', { a: [1, { b: 2 }] }],
      want: 'CAUSEWAY_BAD_REQUEST',
    },
    {
      name: 'a value of a megabyte and more',
      fields: [7, 2, 'k', new Uint8Array(2 ** 20 + 1)],
      want: 'CAUSEWAY_TOO_LARGE',
    },
    { name: 'a ttl of 0', fields: [7, 2, 'k', value, 0], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'a ttl with a fraction', fields: [7, 2, 'k', value, 1.5], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'elements that are no list', fields: [7, 4, 'k', value, []], want: 'CAUSEWAY_BAD_REQUEST' },
    {
      name: 'a damaged element',
      fields: [7, 6, 'k', [value, Uint8Array.of(0x91)]],
      want: 'CAUSEWAY_BAD_VALUE',
    },
    { name: 'a limit of 0', fields: [7, 8, 'k', 0], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'a limit beyond a page', fields: [7, 8, 'k', 100_001], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'an amount with a fraction', fields: [7, 9, 'k', 0.5], want: 'CAUSEWAY_BAD_AMOUNT' },
    { name: 'an amount beyond 2^53-1', fields: [7, 9, 'k', 2 ** 53], want: 'CAUSEWAY_BAD_AMOUNT' },
    { name: 'an amount of 64 bits', fields: [7, 9, 'k', 2n ** 63n], want: 'CAUSEWAY_BAD_AMOUNT' },
    { name: 'an amount that is none', fields: [7, 9, 'k', Number.NaN], want: 'CAUSEWAY_BAD_AMOUNT' },
    { name: 'an amount that is text', fields: [7, 9, 'k', '1'], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'an empty transaction', fields: [7, 20, []], want: 'CAUSEWAY_BAD_REQUEST' },
    {
      name: 'a transaction of 1,001',
      fields: [7, 20, new Array(1_001).fill([1, 'k'])],
      want: 'CAUSEWAY_TOO_LARGE',
    },
    { name: 'a transaction within one', fields: [7, 20, [[20, [[1, 'k']]]]], want: 'CAUSEWAY_BAD_REQUEST' },
    {
      name: 'a transaction with a wrong key',
      fields: [
        7,
        20,
        [
          [1, 'k'],
          [1, ''],
        ],
      ],
      want: 'CAUSEWAY_BAD_KEY',
    },
    { name: 'a watch with a wrong key', fields: [7, 30, '', ''], want: 'CAUSEWAY_BAD_KEY' },
    { name: 'a watch of an unknown type', fields: [7, 30, '', null, 4], want: 'CAUSEWAY_BAD_REQUEST' },
    { name: 'the end of no watch', fields: [7, 31, 0], want: 'CAUSEWAY_BAD_REQUEST' },
    {
      name: 'too many elements',
      fields: [7, 6, 'k', new Array(100_001).fill(value)],
      want: 'CAUSEWAY_TOO_LARGE',
    },
  ])('$name: $want', ({ fields, want }) => {
    const frame = encodeFrame([[6, 1, 'a'], fields, [8, 1, 'b']]);
    expect(decodeClientFrame(frame)).toEqual([
      request(6, { op: 'register.get', key: 'a' }),
      { type: 'invalid', id: 7, error: expect.objectContaining({ code: want }) },
      request(8, { op: 'register.get', key: 'b' }),
    ]);
  });

  test('ill-formed UTF-8 in a key', () => {
    expect(decodeClientFrame(Uint8Array.of(0x91, 0x93, 7, 1, 0xa1, 0xff))).toEqual([
      { type: 'invalid', id: 7, error: expect.objectContaining({ code: 'CAUSEWAY_BAD_REQUEST' }) },
    ]);
  });

  test('keys of 1,024 bytes are none of these', () => {
    for (const key of ['k'.repeat(1_024), 'ü'.repeat(512), '\u{1f600}'.repeat(256), '\0']) {
      expect(decodeClientFrame(encodeFrame([[1, 1, key]]))).toEqual([
        request(1, { op: 'register.get', key }),
      ]);
    }
  });
});

describe('a frame in which messages cannot be told apart is refused whole', () => {
  const bad = expect.objectContaining({ code: 'CAUSEWAY_BAD_FRAME' });
  test.each<{ name: string; frame: Uint8Array }>([
    { name: 'nothing', frame: new Uint8Array(0) },
    { name: 'no array', frame: encodeFrame({ id: 1 }) },
    { name: 'a message that is no array', frame: encodeFrame([5]) },
    { name: 'an empty message', frame: encodeFrame([[]]) },
    { name: 'an id that is text', frame: encodeFrame([['1', 1, 'k']]) },
    { name: 'an id with a fraction', frame: encodeFrame([[1.5, 1, 'k']]) },
    { name: 'a negative id', frame: encodeFrame([[-1, 1, 'k']]) },
    { name: 'an id beyond 32 bits', frame: encodeFrame([[2 ** 32, 1, 'k']]) },
    { name: 'a hello without a version', frame: encodeFrame([[0]]) },
    { name: 'a hello without a name', frame: encodeFrame([[0, 1]]) },
    { name: 'a hello whose name is a number', frame: encodeFrame([[0, 1, 5]]) },
    { name: 'bytes after the end', frame: Uint8Array.of(0x90, 0xc0) },
    { name: 'fewer messages than promised', frame: Uint8Array.of(0x92, 0x93, 1, 1, 0xa1, 0x6b) },
    { name: 'a promise of billions', frame: Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff) },
    {
      name: 'a wrong request that does not end',
      frame: Uint8Array.of(0x91, 0x93, 1, 1, 0xdf, 0xff, 0xff, 0xff, 0xff),
    },
    { name: 'a wrong request with a byte of no meaning', frame: Uint8Array.of(0x91, 0x93, 1, 1, 0xc1) },
  ])('$name', ({ frame }) => {
    expect(() => decodeClientFrame(frame)).toThrow(bad);
  });

  test('every cut', () => {
    for (const messages of Object.values(frames)) {
      const frame = encode(messages);
      for (let length = 0; length < frame.length; length++) {
        expect(() => decodeClientFrame(frame.slice(0, length))).toThrow(bad);
      }
    }
  });

  test('more parts than a frame may have', () => {
    const frame = new Uint8Array(5 + (FRAME_ITEMS_MAX + 1) * 4);
    frame.set([0xdd, 0, 3, 0xd0, 0x91]);
    expect(() => decodeClientFrame(frame)).toThrow('more than');
  });

  test('more wrong requests than a frame may have', () => {
    const wrong = (count: number) => encodeFrame(new Array(count).fill([7]));
    expect(decodeClientFrame(wrong(1_000))).toHaveLength(1_000);
    expect(() => decodeClientFrame(wrong(1_001))).toThrow(bad);
  });

  test('a frame that is too large, with a code of its own', () => {
    expect(() => decodeClientFrame(new Uint8Array(8 * 1024 * 1024 + 1))).toThrow(
      expect.objectContaining({ code: 'CAUSEWAY_TOO_LARGE' }),
    );
  });
});

test('nesting without end is gone over in bounded time and memory', () => {
  const frame = new Uint8Array(1_000_000).fill(0x91);
  frame.set([0x91, 0x93, 7, 1]);
  expect(() => decodeClientFrame(frame)).toThrow(expect.objectContaining({ code: 'CAUSEWAY_BAD_FRAME' }));
});

test('damaged frames are refused, or hold requests that could have been sent', () => {
  const samples = Object.values(frames).map(encode);
  let accepted = 0;
  for (const bytes of damaged(13, samples, 20_000)) {
    let received: ReceivedMessage[];
    try {
      received = decodeClientFrame(bytes);
    } catch (error) {
      if (!(error instanceof CausewayError) || error.code !== 'CAUSEWAY_BAD_FRAME') throw error;
      continue;
    }
    accepted++;
    const sent = received.filter(
      (message): message is ClientMessage =>
        message.type !== 'invalid' && (message.type !== 'hello' || message.version === 1),
    );
    expect(decodeClientFrame(encode(sent))).toEqual(sent);
  }
  expect(accepted).toBeGreaterThan(1_000);
});

describe('the writer of frames', () => {
  const large = (id: number) =>
    request(id, { op: 'register.set', key: 'k', value: new Uint8Array(3 * 1024 * 1024) });

  test('has no room beyond eight megabytes, and keeps what it has', () => {
    const frame = new ClientFrameWriter();
    expect([frame.add(large(1)), frame.add(large(2)), frame.add(large(3))]).toEqual([true, true, false]);
    expect(frame.messages).toBe(2);
    expect(decodeClientFrame(frame.finish())).toHaveLength(2);
    expect(frame.add(large(3))).toBe(true);
  });

  test('refuses what no frame has room for', () => {
    const value = new Uint8Array(9 * 1024 * 1024);
    const frame = new ClientFrameWriter();
    expect(() => frame.add(request(1, { op: 'register.set', key: 'k', value }))).toThrow(
      expect.objectContaining({ code: 'CAUSEWAY_TOO_LARGE' }),
    );
    expect(decodeClientFrame(frame.finish())).toEqual([]);
  });

  test('leaves out a message whose key is none', () => {
    const frame = new ClientFrameWriter();
    frame.add(request(1, { op: 'register.get', key: 'a' }));
    expect(() => frame.add(request(2, { op: 'register.get', key: '\ud800' }))).toThrow(
      expect.objectContaining({ code: 'CAUSEWAY_BAD_VALUE' }),
    );
    expect(decodeClientFrame(frame.finish())).toEqual([request(1, { op: 'register.get', key: 'a' })]);
  });

  test('counts its parts, so that a node takes every frame', () => {
    const frame = new ClientFrameWriter();
    const values = new Array<Uint8Array>(90_000).fill(Uint8Array.of(0xc0));
    const has = (id: number) => request(id, { op: 'set.has', key: 'k', values });
    expect([frame.add(has(1)), frame.add(has(2)), frame.add(has(3))]).toEqual([true, true, false]);
    expect(decodeClientFrame(frame.finish())).toHaveLength(2);
  });

  test('writes frames of many messages', () => {
    const list = Array.from({ length: 70_000 }, (_, i) => request(i + 1, { op: 'counter.get', key: 'k' }));
    const received = decodeClientFrame(encode(list));
    expect(received.length).toBe(70_000);
    expect(received.at(-1)).toEqual(list.at(-1));
  });
});
