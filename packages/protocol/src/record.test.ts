import {
  type Counter,
  type CounterEntry,
  compareDots,
  type Dot,
  type Register,
  type Removal,
  type SetElement,
} from '@causeway/crdt';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from './bytes.js';
import { encodeCanonical } from './canonical.js';
import { CausewayError } from './errors.js';
import {
  decodeCounter,
  decodeElement,
  decodeRegister,
  decodeSetMeta,
  encodeCounter,
  encodeElement,
  encodeRegister,
  encodeSetMeta,
  type SetMeta,
} from './record.js';
import {
  AP,
  compact,
  dots,
  dotsByReplica,
  EU,
  naturals,
  stamps,
  totals,
  US,
  values,
  vectors,
} from './testing/arbitraries.js';
import { damaged } from './testing/damaged.js';
import { goldenBytes, readGolden, toHex } from './testing/golden.js';

const GOLDEN = readGolden('record.v1.txt');

const registers: fc.Arbitrary<Register> = fc
  .record({
    stamp: stamps,
    dot: dots,
    value: fc.option(values, { nil: undefined }),
    expiresAt: fc.option(naturals, { nil: undefined }),
  })
  .map(compact) as fc.Arbitrary<Register>;

/** As joins leave it: adds above removals, removals after what they remove. */
const elements: fc.Arbitrary<SetElement> = fc
  .tuple(dotsByReplica, dotsByReplica, fc.array(dots, { minLength: 5, maxLength: 5 }))
  .map(([adds, removed, bys]) => {
    const removals = removed
      .map((dot, i): Removal => ({ ...dot, by: bys[i]! }))
      .filter(({ replica, seq, by }) => by.replica !== replica || by.seq > seq);
    const removedTo = new Map(removals.map(({ replica, seq }) => [replica, seq]));
    return { adds: adds.filter((dot) => dot.seq > (removedTo.get(dot.replica) ?? 0)), removals };
  });

const entries: fc.Arbitrary<CounterEntry> = fc
  .tuple(dots, totals, totals, totals, totals, dots)
  .map(([dot, p, n, b, c, by]) => {
    const bp = b % (p + 1n);
    const bn = c % (n + 1n);
    return bp + bn === 0n ? { dot, p, n, bp, bn } : { dot, p, n, bp, bn, by };
  });

const counters: fc.Arbitrary<Counter> = fc
  .uniqueArray(entries, { selector: ({ dot }) => `${dot.replica} ${dot.seq}` })
  .map((list) => ({ entries: list.sort((a, b) => compareDots(a.dot, b.dot)) }));

const metas: fc.Arbitrary<SetMeta> = fc
  .record({
    size: fc.option(naturals, { nil: undefined }),
    clear: fc.option(fc.record({ through: vectors, by: vectors }), { nil: undefined }),
    purge: fc.option(fc.record({ cursor: fc.uint8Array(), counted: naturals, seen: vectors }), {
      nil: undefined,
    }),
  })
  .map(compact) as fc.Arbitrary<SetMeta>;

function encoded<T>(encode: (writer: ByteWriter, state: T) => void, state: T): Uint8Array {
  const writer = new ByteWriter();
  encode(writer, state);
  return writer.finish();
}

const encodeLive = (writer: ByteWriter, register: Register) => encodeRegister(writer, register, false);

describe('every state comes back from its bytes', () => {
  test('register', () => {
    fc.assert(
      fc.property(registers, fc.boolean(), (register, wish) => {
        const expired = wish && register.expiresAt !== undefined;
        const bytes = encoded((writer, state: Register) => encodeRegister(writer, state, expired), register);
        expect(decodeRegister(bytes)).toEqual({ register, expired });
      }),
    );
  });
  test('element', () => {
    fc.assert(
      fc.property(elements, (state) => {
        expect(decodeElement(encoded(encodeElement, state))).toEqual(state);
      }),
    );
  });
  test('set', () => {
    fc.assert(
      fc.property(metas, (meta) => {
        expect(decodeSetMeta(encoded(encodeSetMeta, meta))).toEqual(meta);
      }),
    );
  });
  test('counter', () => {
    fc.assert(
      fc.property(counters, (state) => {
        expect(decodeCounter(encoded(encodeCounter, state))).toEqual(state);
      }),
    );
  });
});

const dot: Dot = { replica: EU, seq: 300 };
const value = encodeCanonical({ name: 'Ada' });
const stamp = { physical: 1_790_000_000_123, logical: 5, replica: EU };
const removal: Removal = { replica: AP, seq: 70_000, by: dot };

const samples: readonly {
  name: string;
  encode: (writer: ByteWriter) => void;
  decode: (bytes: Uint8Array) => unknown;
  want: unknown;
}[] = [
  registerSample('register', { stamp, dot, value }, false),
  registerSample('register-tombstone', { stamp, dot }, false),
  registerSample('register-expiring', { stamp, dot, value, expiresAt: 1_790_000_060_123 }, false),
  registerSample('register-expired', { stamp, dot, value, expiresAt: 1_790_000_060_123 }, true),
  registerSample('register-foreign-stamp', { stamp: { ...stamp, replica: US }, dot, value }, false),
  elementSample('element', { adds: [dot], removals: [] }),
  elementSample('element-removed', {
    adds: [dot, { replica: US, seq: 2 }],
    removals: [removal, { replica: EU, seq: 299, by: { replica: EU, seq: 301 } }],
  }),
  setSample('set', { size: 3 }),
  setSample('set-clear', { size: 0, clear: { through: new Map([[EU, 300]]), by: new Map([[US, 9]]) } }),
  setSample('set-purge', {
    clear: {
      through: new Map([
        [AP, 1],
        [EU, 300],
      ]),
      by: new Map([[US, 9]]),
    },
    purge: { cursor: Uint8Array.of(0xa1, 0x61), counted: 12_345, seen: new Map([[AP, 1]]) },
  }),
  setSample('set-empty', {}),
  counterSample('counter', {
    entries: [
      { dot: { replica: EU, seq: 1 }, p: 5n, n: 2n ** 62n, bp: 0n, bn: 0n },
      { dot: { replica: EU, seq: 9 }, p: 500n, n: 3n, bp: 500n, bn: 3n, by: { replica: US, seq: 4 } },
      { dot: { replica: US, seq: 2 }, p: 2n ** 53n, n: 0n, bp: 1n, bn: 0n, by: { replica: US, seq: 4 } },
    ],
  }),
  counterSample('counter-empty', { entries: [] }),
];

function registerSample(name: string, register: Register, expired: boolean) {
  const encode = (writer: ByteWriter) => encodeRegister(writer, register, expired);
  return { name, encode, decode: decodeRegister, want: { register, expired } };
}
function elementSample(name: string, want: SetElement) {
  return { name, encode: (writer: ByteWriter) => encodeElement(writer, want), decode: decodeElement, want };
}
function setSample(name: string, want: SetMeta) {
  return { name, encode: (writer: ByteWriter) => encodeSetMeta(writer, want), decode: decodeSetMeta, want };
}
function counterSample(name: string, want: Counter) {
  return { name, encode: (writer: ByteWriter) => encodeCounter(writer, want), decode: decodeCounter, want };
}

test.each(samples)(
  'version 1 is written as ever and read the same: $name',
  ({ name, encode, decode, want }) => {
    const writer = new ByteWriter();
    encode(writer);
    expect(toHex(writer.view())).toBe(toHex(goldenBytes(GOLDEN, name)));
    expect(decode(goldenBytes(GOLDEN, name))).toEqual(want);
  },
);

test("a register's value is a view of its record", () => {
  const bytes = encoded(encodeLive, { stamp, dot, value });
  expect(decodeRegister(bytes).register.value!.buffer).toBe(bytes.buffer);
});

const corrupt = expect.objectContaining({ code: 'CAUSEWAY_CORRUPT' });

test.each(samples)('a record of a later version is refused: $name', ({ name, decode }) => {
  const bytes = goldenBytes(GOLDEN, name).slice();
  bytes[0] = 2;
  expect(() => decode(bytes)).toThrow(corrupt);
  expect(() => decode(new Uint8Array(0))).toThrow(corrupt);
});

test.each<{ name: string; bytes: Uint8Array; decode: (bytes: Uint8Array) => unknown }>([
  {
    name: 'an expired register that never expires',
    bytes: encoded((writer) => encodeRegister(writer, { stamp, dot, value }, true), undefined),
    decode: decodeRegister,
  },
  {
    name: 'a stamp beyond 48 bits',
    bytes: encoded(encodeLive, { stamp: { ...stamp, physical: 2 ** 48 }, dot }),
    decode: decodeRegister,
  },
  {
    name: 'a logical clock beyond 32 bits',
    bytes: encoded(encodeLive, { stamp: { ...stamp, logical: 2 ** 32 }, dot }),
    decode: decodeRegister,
  },
  {
    name: 'a seq of 0',
    bytes: encoded(encodeLive, { stamp, dot: { replica: EU, seq: 0 } }),
    decode: decodeRegister,
  },
  {
    name: 'adds out of order',
    bytes: encoded(encodeElement, { adds: [{ replica: US, seq: 2 }, dot], removals: [] }),
    decode: decodeElement,
  },
  {
    name: 'two adds of one replica',
    bytes: encoded(encodeElement, { adds: [dot, { replica: EU, seq: 301 }], removals: [] }),
    decode: decodeElement,
  },
  {
    name: 'an add that is removed',
    bytes: encoded(encodeElement, { adds: [{ replica: AP, seq: 70_000 }], removals: [removal] }),
    decode: decodeElement,
  },
  {
    name: 'a removal of its own dot',
    bytes: encoded(encodeElement, { adds: [], removals: [{ ...dot, by: dot }] }),
    decode: decodeElement,
  },
  {
    name: 'entries out of order',
    bytes: encoded(encodeCounter, {
      entries: [2, 1].map((seq) => ({ dot: { replica: EU, seq }, p: 1n, n: 0n, bp: 0n, bn: 0n })),
    }),
    decode: decodeCounter,
  },
  {
    name: 'a baseline above its total',
    bytes: encoded(encodeCounter, { entries: [{ dot, p: 1n, n: 0n, bp: 2n, bn: 0n, by: dot }] }),
    decode: decodeCounter,
  },
  {
    name: 'a reset of nothing',
    bytes: encoded(encodeCounter, { entries: [{ dot, p: 1n, n: 0n, bp: 0n, bn: 0n, by: dot }] }),
    decode: decodeCounter,
  },
  {
    name: 'a total beyond 63 bits',
    bytes: encoded(encodeCounter, { entries: [{ dot, p: 2n ** 63n, n: 0n, bp: 0n, bn: 0n }] }),
    decode: decodeCounter,
  },
])('refused: $name', ({ bytes, decode }) => {
  expect(() => decode(bytes)).toThrow(corrupt);
});

test('damaged records are refused as corrupt or are another state with its own bytes', () => {
  const all = [...GOLDEN.values()];
  const codecs: [(bytes: Uint8Array) => unknown, (state: never) => Uint8Array][] = [
    [
      decodeRegister,
      ({ register, expired }: ReturnType<typeof decodeRegister>) =>
        encoded((writer) => encodeRegister(writer, register, expired), undefined),
    ],
    [decodeElement, (state: SetElement) => encoded(encodeElement, state)],
    [decodeSetMeta, (meta: SetMeta) => encoded(encodeSetMeta, meta)],
    [decodeCounter, (counter: Counter) => encoded(encodeCounter, counter)],
  ];
  let refused = 0;
  for (const bytes of damaged(11, all, 5_000)) {
    for (const [decode, encode] of codecs) {
      let state: unknown;
      try {
        state = decode(bytes);
      } catch (error) {
        if (!(error instanceof CausewayError) || error.code !== 'CAUSEWAY_CORRUPT') throw error;
        refused++;
        continue;
      }
      expect(toHex(encode(state as never))).toBe(toHex(bytes));
    }
  }
  expect(refused).toBeGreaterThan(10_000);
});
