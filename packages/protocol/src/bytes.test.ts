import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, compareBytes, equalBytes, utf8Bytes } from './bytes.js';
import { seeded } from './testing/damaged.js';
import { codeOf, randomBytes } from './testing/mutations.js';
import { isUtf8 } from './utf8.js';

const CORRUPT = 'CAUSEWAY_CORRUPT';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(0);
  write(writer);
  return writer.finish();
}

const text = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom('', '\ufeff', '\ufeff'.padEnd(100, 'x'), 'x'.repeat(127), 'x'.repeat(128), 'x'.repeat(129)),
);
const safe = fc.oneof(
  fc.maxSafeNat(),
  fc.nat({ max: 300 }),
  fc
    .integer({ min: 0, max: 53 })
    .chain((bits) => fc.constantFrom(2 ** bits - 1, Math.min(2 ** bits, 2 ** 53 - 1))),
);
const big = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.integer({ min: 0, max: 64 }).map((bits) => 2n ** BigInt(bits) - 1n),
);

describe('what is written', () => {
  const fields = fc.oneof(
    fc.record({ kind: fc.constant('varint' as const), value: safe }),
    fc.record({ kind: fc.constant('u64be' as const), value: safe }),
    fc.record({ kind: fc.constant('u32le' as const), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
    fc.record({ kind: fc.constant('u32be' as const), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
    fc.record({ kind: fc.constant('u16be' as const), value: fc.integer({ min: 0, max: 65_535 }) }),
    fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ kind: fc.constant('f64be' as const), value: fc.double() }),
    fc.record({ kind: fc.constant('big64be' as const), value: big }),
    fc.record({ kind: fc.constant('bigVarint' as const), value: big }),
    fc.record({ kind: fc.constant('text' as const), value: text }),
    fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 300 }) }),
  );

  test('is read again as it was, field by field', () => {
    fc.assert(
      fc.property(fc.array(fields), (list) => {
        const bytes = written((writer) => {
          for (const { kind, value } of list) (writer[kind] as (value: unknown) => void).call(writer, value);
        });
        const reader = new ByteReader(bytes);
        for (const { kind, value } of list) expect(reader[kind]()).toStrictEqual(value);
        expect(reader.remaining).toBe(0);
        reader.done();
      }),
    );
  });

  test.each([
    { name: '0', write: (w: ByteWriter) => w.varint(0), want: '00' },
    { name: '127', write: (w: ByteWriter) => w.varint(127), want: '7f' },
    { name: '128', write: (w: ByteWriter) => w.varint(128), want: '8001' },
    { name: '300', write: (w: ByteWriter) => w.varint(300), want: 'ac02' },
    { name: '2^32', write: (w: ByteWriter) => w.varint(2 ** 32), want: '8080808010' },
    { name: '2^53-1', write: (w: ByteWriter) => w.varint(2 ** 53 - 1), want: 'ffffffffffffff0f' },
    { name: '2^53 as a bigint', write: (w: ByteWriter) => w.bigVarint(2n ** 53n), want: '8080808080808010' },
    { name: '2^64-1', write: (w: ByteWriter) => w.bigVarint(2n ** 64n - 1n), want: 'ffffffffffffffffff01' },
    { name: 'u64be', write: (w: ByteWriter) => w.u64be(2 ** 53 - 1), want: '001fffffffffffff' },
    { name: 'u32le', write: (w: ByteWriter) => w.u32le(0x01020304), want: '04030201' },
    { name: 'text', write: (w: ByteWriter) => w.text('é€'), want: '05c3a9e282ac' },
    { name: 'bytes', write: (w: ByteWriter) => w.bytes(Uint8Array.of(1, 2)), want: '020102' },
    { name: 'raw bytes', write: (w: ByteWriter) => w.raw(Uint8Array.of(1, 2)), want: '0102' },
  ])('has fixed bytes: $name', ({ write, want }) => {
    expect(hex(written(write))).toBe(want);
  });

  test('u64be is ordered as bytes', () => {
    fc.assert(
      fc.property(safe, safe, (a, b) => {
        const order = compareBytes(
          written((w) => w.u64be(a)),
          written((w) => w.u64be(b)),
        );
        expect(Math.sign(order)).toBe(Math.sign(a - b));
      }),
    );
  });

  test('is a copy when finished, and the writer begins anew after a reset', () => {
    const writer = new ByteWriter();
    writer.text('first');
    const first = writer.finish();
    writer.reset();
    writer.text('other');
    expect(hex(first)).toBe('056669727374');
    expect(hex(writer.view())).toBe('056f74686572');
    writer.truncate(1);
    expect(writer.length).toBe(1);
  });

  test('a length can be filled in afterwards', () => {
    const writer = new ByteWriter();
    writer.u32le(0);
    writer.text('abc');
    writer.setU32le(0, writer.length);
    expect(hex(writer.finish())).toBe('0800000003616263');
  });

  test.each(['\ud800', 'long '.repeat(50).concat('\udfff'), 'é\ud800'])(
    'is never ill-formed text: %j',
    (value) => {
      const writer = new ByteWriter();
      expect(codeOf(() => writer.text(value))).toBe('CAUSEWAY_BAD_VALUE');
      expect(codeOf(() => utf8Bytes(value))).toBe('CAUSEWAY_BAD_VALUE');
    },
  );
});

describe('reading', () => {
  test.each([
    { name: 'a byte beyond the end', bytes: '', read: (r: ByteReader) => r.u8() },
    { name: 'four bytes of three', bytes: '010203', read: (r: ByteReader) => r.u32le() },
    { name: 'eight bytes of seven', bytes: '00000000000000', read: (r: ByteReader) => r.u64be() },
    { name: 'a number beyond 2^53-1', bytes: '0020000000000000', read: (r: ByteReader) => r.u64be() },
    { name: 'a varint without end', bytes: '80', read: (r: ByteReader) => r.varint() },
    { name: 'a varint with a byte too many', bytes: '8000', read: (r: ByteReader) => r.varint() },
    {
      name: 'a long varint with a byte too many',
      bytes: 'ffffffffffff8000',
      read: (r: ByteReader) => r.varint(),
    },
    { name: 'a varint of 2^53', bytes: '8080808080808010', read: (r: ByteReader) => r.varint() },
    { name: 'a varint of nine bytes', bytes: 'ffffffffffffff8f01', read: (r: ByteReader) => r.varint() },
    { name: 'a big varint with a byte too many', bytes: '8000', read: (r: ByteReader) => r.bigVarint() },
    { name: 'a big varint of 2^64', bytes: '80808080808080808002', read: (r: ByteReader) => r.bigVarint() },
    {
      name: 'a big varint of eleven bytes',
      bytes: 'ffffffffffffffffff8101',
      read: (r: ByteReader) => r.bigVarint(),
    },
    {
      name: 'a big varint that ends in 0',
      bytes: 'ffffffffffffffff8000',
      read: (r: ByteReader) => r.bigVarint(),
    },
    { name: 'text that is cut short', bytes: '0361', read: (r: ByteReader) => r.text() },
    { name: 'ill-formed text', bytes: '02c080', read: (r: ByteReader) => r.text() },
    { name: 'long ill-formed text', bytes: `64${'61'.repeat(99)}ff`, read: (r: ByteReader) => r.text() },
    {
      name: 'bytes of a length beyond all memory',
      bytes: 'ffffffffffffff0f',
      read: (r: ByteReader) => r.bytes(),
    },
    { name: 'what is left over', bytes: '00', read: (r: ByteReader) => r.done() },
  ])('refuses $name', ({ bytes, read }) => {
    expect(codeOf(() => read(new ByteReader(fromHex(bytes))))).toBe(CORRUPT);
  });

  test('hands out views, not copies, and stays within its part of the array', () => {
    const bytes = fromHex('ff0201020304ff');
    const reader = new ByteReader(bytes, 1, 6);
    const view = reader.bytes();
    expect(view.buffer).toBe(bytes.buffer);
    expect(reader.position).toBe(4);
    expect(hex(reader.raw(2))).toBe('0304');
    expect(codeOf(() => reader.u8())).toBe(CORRUPT);
  });

  test('of random bytes gives what writes the same bytes, or is refused', () => {
    const random = seeded(7);
    const kinds = ['varint', 'bigVarint', 'text', 'bytes', 'u64be'] as const;
    let read = 0;
    for (let i = 0; i < 50_000; i++) {
      const bytes = randomBytes(random, 12);
      const kind = kinds[i % kinds.length]!;
      const reader = new ByteReader(bytes);
      let value: unknown;
      const code = codeOf(() => {
        value = reader[kind]();
      });
      if (code === undefined) {
        read++;
        const again = written((writer) => (writer[kind] as (value: unknown) => void).call(writer, value));
        expect(hex(again)).toBe(hex(bytes.subarray(0, reader.position)));
      } else {
        expect(code).toBe(CORRUPT);
      }
    }
    expect(read).toBeGreaterThan(10_000);
  });
});

test('bytes are ordered as unsigned numbers, a prefix first', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5 }), fc.uint8Array({ maxLength: 5 }), (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
      expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
    }),
  );
});

test('UTF-8 is taken for valid exactly if a decoder takes it', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const random = seeded(11);
  const valid = (bytes: Uint8Array): boolean => {
    try {
      decoder.decode(bytes);
      return true;
    } catch (error) {
      if (error instanceof TypeError) return false;
      throw error;
    }
  };
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: 1 + (i % 5) }, () =>
      random() < 0.2 ? 0x41 : 0x80 + random() * 128,
    );
    if (isUtf8(bytes, 0, bytes.length) !== valid(bytes)) expect.unreachable(hex(bytes));
  }
  for (let first = 0x80; first < 0x100; first++) {
    for (const second of [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0]) {
      const bytes = Uint8Array.of(first, second, 0x80, 0x80);
      for (let length = 1; length <= 4; length++) {
        expect(isUtf8(bytes, 0, length)).toBe(valid(bytes.subarray(0, length)));
      }
    }
  }
  expect(utf8Bytes('é')).toEqual(Uint8Array.of(0xc3, 0xa9));
});
