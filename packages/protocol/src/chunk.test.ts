import { compareDots, type Dot, type ReplicaId, type VersionVector } from '@causeway/crdt';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from './bytes.js';
import { encodeCanonical } from './canonical.js';
import { checksum } from './checksum.js';
import type { Chunk, RecordDelta } from './chunk.js';
import { chunkHead, decodeChunk } from './chunk-decoder.js';
import { ChunkWriter } from './chunk-writer.js';
import { CausewayError } from './errors.js';
import { AP, compact, EU, keys, REPLICAS, replicas, US, values, walls } from './testing/arbitraries.js';
import { damaged } from './testing/damaged.js';
import { goldenBytes, readGolden, toHex } from './testing/golden.js';

const GOLDEN = readGolden('chunk.v1.txt');
const AT = 1_790_000_000_123;

const writer = new ChunkWriter();

function encode(chunk: Chunk): Uint8Array {
  writer.begin(chunk);
  for (const records of chunk.transactions) writer.transaction(records);
  return writer.finish();
}

/** Every field of the sample is different, so that none can stand for another. */
const sample: Chunk = {
  origin: EU,
  start: 4_503_599_627_370_497,
  firstSeq: 1_000,
  lastSeq: 1_005,
  at: AT,
  deps: new Map([
    [AP, 7],
    [US, 70_000],
  ]),
  transactions: [
    [register('user:1', 0, { value: encodeCanonical('Ada') })],
    [
      register('user:1', 1, {}),
      register('user:2', 9, { value: encodeCanonical(null), expiresAt: AT + 60_000 }),
    ],
    [
      { type: 'element', key: 'cart', element: encodeCanonical('milk'), add: true, removed: [] },
      {
        type: 'element',
        key: 'cart',
        element: encodeCanonical('tea'),
        add: false,
        removed: [
          { replica: AP, seq: 1 },
          { replica: EU, seq: 1_001 },
          { replica: US, seq: 70_000 },
        ],
      },
      {
        type: 'element',
        key: 'cart',
        element: encodeCanonical(1),
        add: true,
        removed: [{ replica: EU, seq: 1 }],
      },
    ],
    [{ type: 'clear', key: 'ключ' }],
    [
      { type: 'increment', key: 'likes', first: 1_004, p: 5n, n: 0n },
      { type: 'increment', key: 'stock', first: 3, p: 2n ** 62n, n: 300n },
    ],
    [
      {
        type: 'reset',
        key: 'likes',
        entries: [
          { dot: { replica: EU, seq: 3 }, bp: 0n, bn: 1n },
          { dot: { replica: EU, seq: 1_004 }, bp: 5n, bn: 0n },
          { dot: { replica: US, seq: 69_999 }, bp: 2n ** 63n - 1n, bn: 7n },
        ],
      },
    ],
  ],
};

function register(
  key: string,
  logical: number,
  rest: { readonly value?: Uint8Array; readonly expiresAt?: number },
): RecordDelta {
  return { type: 'register', key, stamp: { physical: AT, logical, replica: EU }, ...rest };
}

describe('a chunk', () => {
  test('of version 1 is written as ever and read the same', () => {
    expect(toHex(encode(sample))).toBe(toHex(goldenBytes(GOLDEN, 'every-record')));
    expect(decodeChunk(goldenBytes(GOLDEN, 'every-record'))).toEqual(sample);
  });

  test('tells its head without being decoded', () => {
    const { origin, start, firstSeq, lastSeq, at } = sample;
    expect(chunkHead(encode(sample))).toEqual({ origin, start, firstSeq, lastSeq, at });
  });

  test('comes back from its bytes', () => {
    fc.assert(
      fc.property(chunks, (chunk) => {
        expect(decodeChunk(encode(chunk))).toEqual(chunk);
      }),
    );
  });

  test('costs at most ten bytes for a register set beyond its key and value', () => {
    const value = encodeCanonical('v'.repeat(98));
    const sets = Array.from({ length: 256 }, (_, i) => [register(`user:${i}`.padEnd(20, '.'), i, { value })]);
    const bytes = encode({ ...sample, lastSeq: sample.firstSeq + 255, transactions: sets });
    expect(bytes.length / 256).toBeLessThan(20 + 100 + 10);
  });

  test('hands out values and elements as views of its bytes, no Buffers', () => {
    const bytes = Buffer.from(encode(sample));
    const [record] = decodeChunk(bytes).transactions[0]!;
    const value = (record as Extract<RecordDelta, { type: 'register' }>).value!;
    expect(value.buffer).toBe(bytes.buffer);
    expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype);
  });

  test('is full early enough for the largest transaction', () => {
    writer.begin(sample);
    expect(writer.full).toBe(false);
    const value = encodeCanonical(new Uint8Array(1_000_000));
    let transactions = 0;
    for (; !writer.full; transactions++) writer.transaction([register('k', transactions, { value })]);
    expect(transactions).toBe(5);
    writer.transaction(Array.from({ length: 8 }, (_, i) => register(`k${i}`, i, { value })));
    expect(chunkHead(writer.finish()).lastSeq).toBe(sample.firstSeq + 5);

    writer.begin(sample);
    for (let i = 0; i < 262_144; i++) writer.transaction([{ type: 'clear', key: 'k' }]);
    expect(writer.full).toBe(true);
    writer.finish();
  });

  test('is not touched by the next one of its writer', () => {
    const first = encode(sample);
    const copy = first.slice();
    encode({ ...sample, start: 1 });
    expect(first).toEqual(copy);
  });

  test('drops the fraction of its wall time', () => {
    expect(chunkHead(encode({ ...sample, at: AT + 0.75 })).at).toBe(AT);
  });
});

test.each<{ name: string; chunk: Partial<Chunk>; records?: readonly RecordDelta[] }>([
  { name: 'deps that name the origin', chunk: { deps: new Map([[EU, 1]]) } },
  { name: 'a transaction of nothing', chunk: { transactions: [[]] } },
  { name: 'no transaction', chunk: { transactions: [] } },
  {
    name: 'a stamp of another replica',
    chunk: {},
    records: [{ type: 'register', key: 'k', stamp: { physical: AT, logical: 0, replica: US } }],
  },
  {
    name: 'a removal of a dot that was not seen',
    chunk: {},
    records: [element([{ replica: AP, seq: 8 }])],
  },
  { name: 'a removal of its own dot', chunk: {}, records: [element([{ replica: EU, seq: 1_000 }])] },
  {
    name: 'removed dots out of order',
    chunk: {},
    records: [
      element([
        { replica: US, seq: 1 },
        { replica: AP, seq: 1 },
      ]),
    ],
  },
  { name: 'an element that does not change', chunk: {}, records: [element([])] },
  {
    name: 'an entry that begins later',
    chunk: {},
    records: [{ type: 'increment', key: 'k', first: 1_001, p: 1n, n: 0n }],
  },
])('the writer asserts: $name', ({ chunk, records }) => {
  const transactions = records === undefined ? (chunk.transactions ?? sample.transactions) : [records];
  expect(() => encode({ ...sample, ...chunk, transactions })).toThrow('assertion failed');
});

function element(removed: readonly Dot[]): RecordDelta {
  return { type: 'element', key: 'k', element: encodeCanonical(1), add: false, removed };
}

describe('refused with CAUSEWAY_BAD_CHUNK', () => {
  const bad = expect.objectContaining({ code: 'CAUSEWAY_BAD_CHUNK' });

  test('every flipped bit and every cut', () => {
    const bytes = encode(sample);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeChunk(flipped)).toThrow(bad);
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeChunk(bytes.slice(0, length))).toThrow(bad);
    }
  });

  test.each<{ name: string; write: (body: ByteWriter) => void }>([
    { name: 'a later version', write: (body) => head(body, { version: 2 }) },
    { name: 'an origin that is no replica', write: (body) => head(body, { origin: 'eu' as ReplicaId }) },
    { name: 'a first seq of 0', write: (body) => head(body, { firstSeq: 0 }) },
    { name: 'no transactions', write: (body) => head(body, { count: 0 }) },
    {
      name: 'seqs beyond 2^53-1',
      write: (body) => head(body, { firstSeq: Number.MAX_SAFE_INTEGER, count: 2 }),
    },
    {
      name: 'fewer transactions than promised',
      write: (body) => head(body, { count: 2 }).raw(set('k', 0xc0)),
    },
    {
      name: 'more bytes than promised',
      write: (body) => head(body, {}).raw(Uint8Array.of(...set('k', 0xc0), 0)),
    },
    {
      name: 'deps that name the origin',
      write: (body) => head(body, { deps: [[EU, 1]] }).raw(set('k', 0xc0)),
    },
    { name: 'a transaction of nothing', write: (body) => head(body, {}).u8(0) },
    { name: 'a promise of millions of records', write: (body) => head(body, {}).varint(2 ** 40) },
    { name: 'an unknown type', write: (body) => head(body, {}).raw(Uint8Array.of(1, 6, 1, 0x6b)) },
    { name: 'an unknown flag', write: (body) => head(body, {}).raw(Uint8Array.of(1, 3 | 8, 1, 0x6b)) },
    { name: 'an empty key', write: (body) => head(body, {}).raw(set('', 0xc0)) },
    { name: 'a key that is too long', write: (body) => head(body, {}).raw(set('k'.repeat(1_025), 0xc0)) },
    { name: 'a value that is not canonical', write: (body) => head(body, {}).raw(set('k', 0xcc, 0x01)) },
    { name: 'an empty value', write: (body) => head(body, {}).raw(set('k')) },
    { name: 'a dot of an unknown replica', write: (body) => head(body, {}).raw(remove(1, 0)) },
    { name: 'a dot before the first', write: (body) => head(body, {}).raw(remove(0, 9)) },
    {
      name: 'a stamp that need not stand there',
      write: (body) => head(body, {}).raw(Uint8Array.of(1, 1, 1, 0x6b, 0, 0)),
    },
    {
      name: 'a stamp before 1970',
      write: (body) => head(body, {}).raw(Uint8Array.of(1, 1, 1, 0x6b, 0x7f, 0)),
    },
    {
      name: 'an entry before the first',
      write: (body) => head(body, {}).raw(Uint8Array.of(1, 4, 1, 0x6b, 10, 1, 0)),
    },
    { name: 'an empty reset', write: (body) => head(body, {}).raw(Uint8Array.of(1, 5, 1, 0x6b, 0)) },
  ])('$name', ({ write }) => {
    const body = new ByteWriter();
    write(body);
    body.u32le(checksum(body.view(), 0));
    expect(() => decodeChunk(body.finish())).toThrow(bad);
  });

  test('nothing is wrong with the head that these begin with', () => {
    const body = new ByteWriter();
    head(body, { deps: [[AP, 3]] }).raw(set('k', 0xc0));
    body.u32le(checksum(body.view(), 0));
    expect(decodeChunk(body.finish()).firstSeq).toBe(10);
  });

  test('damaged bytes with a right checksum, unless they are another chunk with its own bytes', () => {
    const samples = [sample, ...fc.sample(chunks, { seed: 5, numRuns: 60 })].map(encode);
    let accepted = 0;
    for (const bytes of damaged(3, samples, 20_000)) {
      const body = new ByteWriter();
      body.raw(bytes.subarray(0, Math.max(0, bytes.length - 4)));
      body.u32le(checksum(body.view(), 0));
      let chunk: Chunk;
      try {
        chunk = decodeChunk(body.finish());
      } catch (error) {
        if (!(error instanceof CausewayError) || error.code !== 'CAUSEWAY_BAD_CHUNK') throw error;
        continue;
      }
      accepted++;
      expect(toHex(encode(chunk))).toBe(toHex(body.finish()));
    }
    expect(accepted).toBeGreaterThan(200);
  });

  test('the most that sixteen megabytes can promise, in bounded time and memory', () => {
    const body = new ByteWriter(16 * 1024 * 1024);
    head(body, { count: 4_000_000 });
    const clears = new Uint8Array(4 * 1_000_000);
    for (let i = 0; i < clears.length; i += 4) clears.set([1, 3, 1, 0x6b], i);
    for (let i = 0; i < 4; i++) body.raw(clears);
    body.u32le(checksum(body.view(), 0));
    const before = process.memoryUsage().heapUsed;
    expect(() => decodeChunk(body.view())).toThrow(bad);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(512 * 1024 * 1024);
  });
});

interface Head {
  readonly version?: number;
  readonly origin?: ReplicaId;
  readonly firstSeq?: number;
  readonly count?: number;
  readonly deps?: readonly [ReplicaId, number][];
}

/** Head of a chunk of one transaction, made at 5 ms of 1970. */
function head(
  body: ByteWriter,
  { version = 1, origin = EU, firstSeq = 10, count = 1, deps = [] }: Head,
): ByteWriter {
  body.u8(version);
  body.text(origin);
  body.varint(1);
  body.varint(firstSeq);
  body.u32le(count);
  body.varint(5);
  body.varint(deps.length);
  for (const [replica, seq] of deps) {
    body.text(replica);
    body.varint(seq);
  }
  return body;
}

/** A transaction that sets a register at the next stamp. */
function set(key: string, ...value: number[]): Uint8Array {
  const body = new ByteWriter();
  body.varint(1);
  body.u8(1 | 8 | 32);
  body.text(key);
  body.bytes(Uint8Array.from(value));
  return body.finish();
}

/** A transaction that removes a dot of an element. */
function remove(index: number, back: number): Uint8Array {
  return Uint8Array.of(1, 2 | 16, 1, 0x6b, 1, 0xc0, 1, index, back);
}

interface Seen {
  readonly origin: ReplicaId;
  readonly deps: VersionVector;
  readonly seq: number;
}

/** A number in [1, max] that `raw` chooses. */
function within(raw: number, max: number): number {
  return (raw % max) + 1;
}

/** Dots that the transaction has seen, one of each replica, ascending. */
function seenDots({ origin, deps, seq }: Seen, raw: readonly (readonly [ReplicaId, number])[]): Dot[] {
  const found = new Map<ReplicaId, number>();
  for (const [replica, number] of raw) {
    const max = replica === origin ? seq - 1 : (deps.get(replica) ?? 0);
    if (max > 0) found.set(replica, within(number, max));
  }
  return [...found].map(([replica, dotSeq]) => ({ replica, seq: dotSeq })).sort(compareDots);
}

const rawDots = fc.array(fc.tuple(replicas, fc.nat()), { maxLength: 4 });
const amounts = fc.oneof(fc.bigInt({ min: 0n, max: 300n }), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }));

/** Records as a transaction could make them, once it is known what it has seen. */
const rawRecords: fc.Arbitrary<(seen: Seen) => RecordDelta> = fc.oneof(
  fc
    .tuple(
      keys,
      walls,
      fc.nat(3),
      fc.option(values, { nil: undefined }),
      fc.option(fc.nat(), { nil: undefined }),
    )
    .map(
      ([key, physical, logical, value, expiresAt]) =>
        ({ origin }: Seen): RecordDelta =>
          compact({
            type: 'register' as const,
            key,
            stamp: { physical, logical, replica: origin },
            value,
            expiresAt,
          }) as RecordDelta,
    ),
  fc.tuple(keys, values, fc.boolean(), rawDots).map(([key, bytes, add, raw]) => (seen: Seen): RecordDelta => {
    const removed = seenDots(seen, raw);
    return { type: 'element', key, element: bytes, add: add || removed.length === 0, removed };
  }),
  keys.map((key) => (): RecordDelta => ({ type: 'clear', key })),
  fc.tuple(keys, fc.nat(), amounts, amounts).map(
    ([key, raw, p, n]) =>
      ({ seq }: Seen): RecordDelta => ({ type: 'increment', key, first: within(raw, seq), p, n }),
  ),
  fc.tuple(keys, rawDots, amounts).map(([key, raw, bn]) => (seen: Seen): RecordDelta => {
    const entries = seenDots(seen, raw).map((dot) => ({ dot, bp: 1n, bn }));
    return entries.length === 0 ? { type: 'clear', key } : { type: 'reset', key, entries };
  }),
);

const chunks: fc.Arbitrary<Chunk> = fc
  .record({
    origin: replicas,
    start: fc.maxSafeInteger().map(Math.abs),
    firstSeq: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 52 })),
    at: walls,
    seen: fc.array(fc.nat({ max: 2 ** 40 }), { minLength: REPLICAS.length, maxLength: REPLICAS.length }),
    transactions: fc.array(fc.array(rawRecords, { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 6,
    }),
  })
  .map(({ origin, start, firstSeq, at, seen, transactions }) => {
    const deps = new Map(
      REPLICAS.map((replica, i) => [replica, seen[i]!] as const).filter(
        ([replica, seq]) => replica !== origin && seq > 0,
      ),
    );
    return {
      origin,
      start,
      firstSeq,
      lastSeq: firstSeq + transactions.length - 1,
      at,
      deps,
      transactions: transactions.map((records, i) =>
        records.map((record) => record({ origin, deps, seq: firstSeq + i })),
      ),
    };
  });
