import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { compareBytes, equalBytes } from './bytes.js';
import { checkCanonical, decodeCanonical, encodeCanonical } from './canonical.js';
import { seeded } from './testing/damaged.js';
import { codeOf, mutate, randomBytes } from './testing/mutations.js';
import { anyValue } from './testing/values.js';

const BAD_VALUE = 'CAUSEWAY_BAD_VALUE';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

/** What the encoder makes of equal values: -0 is 0, whatever else differs stays different. */
const normal = (value: unknown): unknown => structuredClone(value);

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let i = 1; i < depth; i++) value = i % 2 === 0 ? [value] : { key: value };
  return value;
}

/** Lines `hex  JavaScript expression`: what version 1 made of these values, for ever. */
const golden = readFileSync(new URL('./testdata/canonical.v1.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [want, name] = line.split(/ {2,}/) as [string, string];
    // In the test's own realm, as the value of a user is.
    return { name, value: new Function(`return (${name})`)() as unknown, want };
  });

describe('canonical encoding', () => {
  test.each(golden)('of $name is as it always was', ({ value, want }) => {
    expect(hex(encodeCanonical(value))).toBe(want);
    checkCanonical(fromHex(want));
    expect(hex(encodeCanonical(decodeCanonical(fromHex(want))))).toBe(want);
  });

  test('of any value passes the check, decodes to the value and encodes to the same bytes', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = encodeCanonical(value);
        checkCanonical(bytes);
        const decoded = decodeCanonical(bytes);
        expect(hex(encodeCanonical(decoded))).toBe(hex(bytes));
        expect(plusZero(decoded)).toStrictEqual(plusZero(normal(value)));
      }),
      { numRuns: 1000 },
    );
  });

  test.each([65_535, 65_536])('changes its headers at the same lengths as the check: %i', (length) => {
    const object = Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, null]));
    for (const value of ['x'.repeat(length), new Uint8Array(length), new Array(length).fill(true), object]) {
      const bytes = encodeCanonical(value);
      checkCanonical(bytes);
      expect(equalBytes(encodeCanonical(decodeCanonical(bytes)), bytes)).toBe(true);
    }
  });

  test('is MessagePack as others read it', () => {
    const packr = new Packr({ useRecords: false, int64AsType: 'bigint' });
    const value = {
      a: [1, -1, 1.5, null, true, 'é'.repeat(40)],
      b: { c: 70_000, d: -70_000, e: 2 ** 40 },
      f: 7n,
    };
    expect(packr.unpack(encodeCanonical(value))).toEqual(value);
    const date = new Date('2024-02-29T12:00:00.123Z');
    expect(packr.unpack(encodeCanonical(date))).toEqual(date);
  });

  test.each([
    { name: '1 and 1.0', a: 1, b: Number('1.0'), want: true },
    { name: '0 and -0', a: 0, b: -0, want: true },
    { name: '1 and 1n', a: 1, b: 1n, want: false },
    { name: '1 and "1"', a: 1, b: '1', want: false },
    { name: 'text and its bytes', a: 'ab', b: Uint8Array.of(0x61, 0x62), want: false },
    { name: 'objects in another order of keys', a: { a: 1, b: 2 }, b: { b: 2, a: 1 }, want: true },
    { name: 'arrays in another order', a: [1, 2], b: [2, 1], want: false },
    { name: 'composed and decomposed letters', a: '\u00e9', b: 'e\u0301', want: false },
    { name: 'a Buffer and its bytes', a: Buffer.from('ab'), b: Uint8Array.of(0x61, 0x62), want: true },
    { name: 'a date and its milliseconds', a: new Date(5), b: 5, want: false },
  ])('of $name is the same: $want', ({ a, b, want }) => {
    expect(equalBytes(encodeCanonical(a), encodeCanonical(b))).toBe(want);
  });

  test('sorts keys by UTF-8, not by UTF-16', () => {
    const keys = ['\u{1f600}', '\ufeff', '\uffff', '\ud7ff', '\u{10ffff}', 'z', 'a', '', '10', '9', 'aa'];
    const decoded = decodeCanonical(encodeCanonical(Object.fromEntries(keys.map((key) => [`k${key}`, 0]))));
    const byBytes = keys.map((key) => `k${key}`).sort((a, b) => compareBytes(Buffer.from(a), Buffer.from(b)));
    expect(Object.keys(decoded as object)).toEqual(byBytes);
  });

  test('takes objects of another realm and objects without a prototype', () => {
    const foreign: unknown = runInNewContext('({ a: [1] })');
    expect(hex(encodeCanonical(foreign))).toBe(hex(encodeCanonical({ a: [1] })));
    expect(hex(encodeCanonical(Object.assign(Object.create(null), { a: 1 })))).toBe('81a16101');
  });

  test.each([
    { name: 'undefined', value: undefined },
    { name: 'undefined in an object', value: { a: { b: [0, undefined] } }, path: '["a"]["b"][1]' },
    { name: 'a hole in an array', value: new Array(3), path: '[0]' },
    { name: 'NaN', value: [Number.NaN], path: '[0]' },
    { name: 'infinity', value: { a: Number.POSITIVE_INFINITY }, path: '["a"]' },
    { name: 'a function', value: { f: () => 1 }, path: '["f"]' },
    { name: 'a symbol', value: Symbol('s') },
    { name: 'a Map', value: new Map() },
    { name: 'a Set', value: new Set() },
    { name: 'an instance of a class', value: [new (class Point {})()], path: '[0]' },
    { name: 'a typed array that is not bytes', value: new Uint16Array(2) },
    { name: 'a boxed number', value: Object(1) },
    { name: 'an invalid date', value: new Date(Number.NaN) },
    { name: 'a lone high surrogate', value: ['a\ud800'], path: '[0]' },
    { name: 'a lone low surrogate', value: '\udc00a' },
    { name: 'a long text with a lone surrogate', value: `${'a'.repeat(1000)}\ud800` },
    { name: 'a key with a lone surrogate', value: { a: { 'k\ud800': 1 } }, path: '["a"]["k\\ud800"]' },
    { name: 'a bigint beyond its bound', value: 1n << 8191n },
    { name: 'a negative bigint beyond its bound', value: -(1n << 8191n) - 1n },
    { name: 'nesting of 65', value: nested(65) },
    { name: 'a value that contains itself', value: cyclic() },
  ])('refuses $name and says where', ({ value, path }) => {
    expect(() => encodeCanonical(value)).toThrow(
      expect.objectContaining({ code: BAD_VALUE, message: expect.stringContaining(path ?? '') }),
    );
  });

  test('takes nesting of 64, and so does the check', () => {
    const bytes = encodeCanonical(nested(64));
    checkCanonical(bytes);
    expect(codeOf(() => checkCanonical(bytes, 63))).toBe(BAD_VALUE);
    expect(codeOf(() => encodeCanonical(nested(64), 1000, 63))).toBe(BAD_VALUE);
  });

  test('ends at its bound in bytes, also for a value that refers to itself many times over', () => {
    let value: unknown = 'x'.repeat(100);
    for (let i = 0; i < 60; i++) value = [value, value];
    expect(codeOf(() => encodeCanonical(value))).toBe('CAUSEWAY_TOO_LARGE');
    expect(encodeCanonical(new Uint8Array(1024 * 1024 - 5)).length).toBe(1024 * 1024);
    expect(codeOf(() => encodeCanonical(new Uint8Array(1024 * 1024 - 4)))).toBe('CAUSEWAY_TOO_LARGE');
    expect(codeOf(() => encodeCanonical('x'.repeat(9), 9))).toBe('CAUSEWAY_TOO_LARGE');
    expect(encodeCanonical('x'.repeat(9), 10)).toHaveLength(10);
  });

  test('may run within itself, from a getter, and after it has thrown', () => {
    const inner: string[] = [];
    const value = {
      a: 'before',
      get b() {
        inner.push(hex(encodeCanonical({ a: 'other' })));
        return 'after';
      },
    };
    expect(hex(encodeCanonical(value))).toBe(hex(encodeCanonical({ a: 'before', b: 'after' })));
    expect(inner).toEqual([hex(encodeCanonical({ a: 'other' }))]);
    expect(codeOf(() => encodeCanonical([1, undefined]))).toBe(BAD_VALUE);
    expect(hex(encodeCanonical(1))).toBe('01');
  });

  test('hands out bytes that later calls do not change', () => {
    const first = encodeCanonical('first');
    encodeCanonical('other');
    expect(hex(first)).toBe('a56669727374');
    const decoded = decodeCanonical(encodeCanonical(Uint8Array.of(1, 2))) as Uint8Array;
    expect(decoded.buffer.byteLength).toBe(2);
  });
});

describe('decoding', () => {
  test('a key __proto__ is a property and changes no prototype', () => {
    const value = JSON.parse('{"__proto__": {"admin": true}}') as unknown;
    const decoded = decodeCanonical(encodeCanonical(value)) as { admin?: boolean };
    expect(decoded.admin).toBeUndefined();
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
    expect(Object.keys(decoded)).toEqual(['__proto__']);
  });

  test('reads a part of a larger array', () => {
    const bytes = encodeCanonical({ a: 1.5, b: new Date(1), c: 'x' });
    const larger = new Uint8Array(bytes.length + 10).fill(0xc1);
    larger.set(bytes, 5);
    expect(decodeCanonical(larger.subarray(5, 5 + bytes.length))).toEqual({ a: 1.5, b: new Date(1), c: 'x' });
  });
});

describe('the check', () => {
  test.each([
    { name: 'nothing', bytes: '' },
    { name: 'two values', bytes: '01 01' },
    { name: 'a byte that means nothing', bytes: 'c1' },
    { name: '1 in two bytes', bytes: 'cc 01' },
    { name: '255 in three bytes', bytes: 'cd 00ff' },
    { name: '65535 in five bytes', bytes: 'ce 0000ffff' },
    { name: '-1 in two bytes', bytes: 'd0 ff' },
    { name: '-32 in two bytes', bytes: 'd0 e0' },
    { name: '1 as a signed byte', bytes: 'd0 01' },
    { name: '-128 in three bytes', bytes: 'd1 ff80' },
    { name: '128 as a signed number', bytes: 'd1 0080' },
    { name: '-32768 in five bytes', bytes: 'd2 ffff8000' },
    { name: 'a positive signed bigint', bytes: 'd3 0000000000000001' },
    { name: '1.0', bytes: 'cb 3ff0000000000000' },
    { name: '-0', bytes: 'cb 8000000000000000' },
    { name: '2^32-1 as a float', bytes: 'cb 41efffffffe00000' },
    { name: '-2^31 as a float', bytes: 'cb c1e0000000000000' },
    { name: 'NaN', bytes: 'cb 7ff8000000000000' },
    { name: 'infinity', bytes: 'cb 7ff0000000000000' },
    { name: 'a float of 32 bits', bytes: 'ca 3fc00000' },
    { name: 'a short text with a long header', bytes: 'd9 01 61' },
    { name: 'a text that is cut short', bytes: 'a2 61' },
    { name: 'an overlong form', bytes: 'a2 c080' },
    { name: 'a surrogate in UTF-8', bytes: 'a3 eda080' },
    { name: 'a character beyond U+10FFFF', bytes: 'a4 f4908080' },
    { name: 'a sequence that is cut short', bytes: 'a2 e282' },
    { name: 'a continuation byte alone', bytes: 'a1 80' },
    { name: 'short bytes with a long header', bytes: 'c5 0001 00' },
    { name: 'bytes that are cut short', bytes: 'c6 ffffffff 00' },
    { name: 'a short array with a long header', bytes: 'dc 0001 01' },
    { name: 'an array that promises what is not there', bytes: 'dd ffffffff 01' },
    { name: 'an object that promises what is not there', bytes: 'df ffffffff a0 01' },
    { name: 'keys out of order', bytes: '82 a162 01 a161 01' },
    { name: 'a key twice', bytes: '82 a161 01 a161 02' },
    { name: 'a key that is no text', bytes: '81 01 01' },
    { name: 'a key that is an array', bytes: '81 90 01' },
    { name: 'an extension that is not ours', bytes: 'd6 01 00000000' },
    { name: 'undefined of msgpackr', bytes: 'd4 00 00' },
    { name: 'a date of 64 bits that fits into 32', bytes: 'd7 ff 0000000000000001' },
    { name: 'a date of 96 bits that fits into 64', bytes: 'c7 0c ff 00000000 0000000000000001' },
    { name: 'a date in microseconds', bytes: 'd7 ff 00000fa000000001' },
    { name: 'a date beyond what Date holds', bytes: 'c7 0c ff 00000000 7fffffffffffffff' },
    { name: 'a date of no known length', bytes: 'd8 ff 00000000000000000000000000000000' },
    { name: 'a bigint of 64 bits as an extension', bytes: 'c7 09 42 00ffffffffffffffff' },
    { name: 'a bigint with a byte too many', bytes: 'c7 0a 42 00010000000000000000' },
    { name: 'a negative bigint with a byte too many', bytes: 'c7 0a 42 ff800000000000000000' },
    { name: 'a bigint of 16 bytes with a long header', bytes: `c7 10 42 ${'01'.repeat(16)}` },
    { name: 'a bigint beyond its bound', bytes: `c8 0401 42 01${'00'.repeat(1024)}` },
    { name: 'nesting without end', bytes: '91'.repeat(100_000) },
    { name: 'nesting of objects without end', bytes: '81a0'.repeat(100_000) },
  ])('refuses $name', ({ bytes }) => {
    expect(codeOf(() => checkCanonical(fromHex(bytes)))).toBe(BAD_VALUE);
    expect(codeOf(() => decodeCanonical(fromHex(bytes)))).toBe(BAD_VALUE);
  });

  test('accepts random and damaged bytes only if they are what encoding makes of their value', () => {
    const seed = 20_240_601;
    const random = seeded(seed);
    const whole = fc.sample(anyValue, { seed, numRuns: 300 }).map((value) => encodeCanonical(value));
    let accepted = 0;
    for (let i = 0; i < 40_000; i++) {
      const short = whole[i % whole.length]!;
      const bytes = i % 3 === 0 || short.length > 500 ? randomBytes(random, 24) : mutate(short, random);
      const code = codeOf(() => checkCanonical(bytes));
      if (code === undefined) {
        accepted++;
        expect(hex(encodeCanonical(decodeCanonical(bytes))), `seed ${seed}, round ${i}`).toBe(hex(bytes));
      } else {
        expect(code, `seed ${seed}, round ${i}`).toBe(BAD_VALUE);
      }
    }
    // The sample must hold both kinds, or it shows nothing.
    expect(accepted).toBeGreaterThan(2000);
    expect(accepted).toBeLessThan(38_000);
  });

  test('accepts every value of up to three bytes exactly if it encodes to itself', () => {
    for (let n = 0; n < 0x10000 + 0x2000; n++) {
      // All of two bytes, and of those of three bytes some with each first one.
      const bytes =
        n < 0x10000 ? [n >> 8, n & 0xff] : [(n >> 5) & 0xff, (n * 37) & 0xff, (n * 101 + (n >> 3)) & 0xff];
      const array = Uint8Array.from(bytes);
      if (codeOf(() => checkCanonical(array)) === undefined) {
        expect(hex(encodeCanonical(decodeCanonical(array)))).toBe(hex(array));
      }
    }
  });
});

function cyclic(): unknown {
  const value: { self?: unknown } = {};
  value.self = [value];
  return value;
}

/** `value` with every -0 as 0, which is what is kept of it. */
function plusZero(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(plusZero);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date)
    return value;
  return Object.entries(value)
    .map(([key, member]): unknown => [key, plusZero(member)])
    .sort();
}
