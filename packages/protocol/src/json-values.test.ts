import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBase64, toBase64 } from './base64.js';
import { encodeCanonical } from './canonical.js';
import { fromIsoDate } from './iso-date.js';
import { fromJsonValue, toJsonValue } from './json-values.js';
import { codeOf } from './testing/mutations.js';
import { anyValue } from './testing/values.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('JSON forms', () => {
  test.each([
    { name: 'bytes', value: Uint8Array.of(1, 2, 255), json: '{"$bytes":"AQL/"}' },
    { name: 'no bytes', value: new Uint8Array(0), json: '{"$bytes":""}' },
    { name: 'a date', value: new Date(1_709_208_000_123), json: '{"$date":"2024-02-29T12:00:00.123Z"}' },
    { name: 'a bigint', value: -12345678901234567890n, json: '{"$bigint":"-12345678901234567890"}' },
    { name: 'a small bigint', value: 1n, json: '{"$bigint":"1"}' },
    { name: 'null', value: null, json: 'null' },
    { name: 'a list', value: [1, 'a', 1n], json: '[1,"a",{"$bigint":"1"}]' },
    { name: 'an object', value: { a: 1, b: { c: true } }, json: '{"a":1,"b":{"c":true}}' },
    { name: 'a single key with $', value: { $bytes: 'x' }, json: '{"$$bytes":"x"}' },
    { name: 'a single key $', value: { $: 1 }, json: '{"$$":1}' },
    { name: 'a single key with $$', value: { $$a: 1 }, json: '{"$$$a":1}' },
    {
      name: 'a single key with $ in a list in a single key',
      value: { $a: [{ $b: 1 }] },
      json: '{"$$a":[{"$$b":1}]}',
    },
    { name: 'two keys with $', value: { $bytes: 'x', $date: 'y' }, json: '{"$bytes":"x","$date":"y"}' },
    { name: 'two keys with $$', value: { $$a: 1, b: 2 }, json: '{"$$a":1,"b":2}' },
    { name: 'a single key with $ further on', value: { a$: 1 }, json: '{"a$":1}' },
  ])('$name is written and read', ({ value, json }) => {
    expect(JSON.stringify(toJsonValue(value))).toBe(json);
    expect(fromJsonValue(JSON.parse(json))).toStrictEqual(value);
  });

  test('every value comes back as it was, through text', () => {
    fc.assert(
      fc.property(anyValue.filter(withoutHugeIntegers), (value) => {
        const json = JSON.stringify(toJsonValue(value));
        expect(hex(encodeCanonical(fromJsonValue(JSON.parse(json))))).toBe(hex(encodeCanonical(value)));
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    { name: 'an unknown form', json: '{"$set":[1]}' },
    { name: 'a single $', json: '{"$":1}' },
    { name: 'an unknown form further in', json: '{"a":[{"$foo":1}]}', path: '["a"][0]' },
    { name: 'bytes that are no text', json: '{"$bytes":[1,2]}' },
    { name: 'bytes without padding', json: '{"$bytes":"AQ"}' },
    { name: 'a date that is a number', json: '{"$date":0}' },
    { name: 'a date without a zone', json: '{"$date":"2024-01-01T00:00:00"}' },
    { name: 'a bigint that is a number', json: '{"$bigint":1}' },
    { name: 'a bigint in hexadecimal', json: '{"$bigint":"0x10"}' },
    { name: 'a bigint with blanks', json: '{"$bigint":" 1"}' },
    { name: 'an empty bigint', json: '{"$bigint":""}' },
    { name: 'a bigint of a megabyte', json: `{"$bigint":"${'9'.repeat(1_000_000)}"}` },
    { name: '2^53', json: '{"n":9007199254740992}', path: '["n"]' },
    { name: '-2^53', json: '[-9007199254740992]' },
    { name: '1e300', json: '1e300' },
    { name: 'a number out of range', json: '[1e999]' },
    { name: 'nesting of 65', json: '['.repeat(65) + ']'.repeat(65) },
    { name: 'nesting of a million', json: '['.repeat(1_000_000) + ']'.repeat(1_000_000) },
  ])('$name is refused', ({ json, path }) => {
    expect(() => fromJsonValue(JSON.parse(json))).toThrow(
      expect.objectContaining({ code: 'CAUSEWAY_BAD_VALUE', message: expect.stringContaining(path ?? '') }),
    );
  });

  test('nesting of 64 is taken, with a form that is no nesting inside', () => {
    const json: unknown = JSON.parse(`${'['.repeat(64)}{"$bigint":"1"}${']'.repeat(64)}`);
    expect(encodeCanonical(fromJsonValue(json))).toHaveLength(64 + 9);
  });

  test('the bounds of JSON integers are taken, and the largest bigint', () => {
    expect(fromJsonValue([9007199254740991, -9007199254740991])).toEqual([2 ** 53 - 1, 1 - 2 ** 53]);
    for (const value of [2n ** 8191n - 1n, -(2n ** 8191n)]) {
      expect(fromJsonValue(toJsonValue(value))).toBe(value);
      expect(encodeCanonical(value)).toHaveLength(1024 + 4);
    }
    expect(codeOf(() => encodeCanonical(fromJsonValue({ $bigint: (2n ** 8191n).toString() })))).toBe(
      'CAUSEWAY_BAD_VALUE',
    );
  });

  test('a key __proto__ changes no prototype', () => {
    const value = fromJsonValue(JSON.parse('{"__proto__":{"a":1},"b":1}')) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(JSON.stringify(toJsonValue(value))).toBe('{"__proto__":{"a":1},"b":1}');
  });
});

describe('dates', () => {
  test.each([
    { text: '2024-02-29T12:00:00.123Z', want: 1_709_208_000_123 },
    { text: '2024-02-29T12:00:00Z', want: 1_709_208_000_000 },
    { text: '2024-02-29T12:00Z', want: 1_709_208_000_000 },
    { text: '2024-02-29T14:00:00.1+02:00', want: 1_709_208_000_100 },
    { text: '2024-02-29T14:00:00,120000+0200', want: 1_709_208_000_120 },
    { text: '2024-02-28T23:30:00-12:30', want: 1_709_208_000_000 },
    { text: '2024-02-29', want: 1_709_164_800_000 },
    { text: '1970-01-01T00:00:00Z', want: 0 },
    { text: '0001-01-01T00:00:00Z', want: -62_135_596_800_000 },
    { text: '-000001-01-01T00:00:00.000Z', want: -62_198_755_200_000 },
    { text: '+275760-09-13T00:00:00.000Z', want: 8.64e15 },
    { text: '-271821-04-20T00:00:00.000Z', want: -8.64e15 },
  ])('$text is read', ({ text, want }) => {
    expect(fromIsoDate(text)?.getTime()).toBe(want);
  });

  test.each([
    '',
    'yesterday',
    '2024',
    '2024-02',
    '2024-2-9',
    '2024-02-30',
    '2023-02-29T00:00:00Z',
    '2024-13-01',
    '2024-00-01',
    '2024-01-00',
    '2024-01-01T24:00:00Z',
    '2024-01-01T12:60:00Z',
    '2024-01-01T12:00:60Z',
    '2024-01-01T12:00:00',
    '2024-01-01T12:00:00+24:00',
    '2024-01-01T12:00:00.1234Z',
    '2024-01-01T12:00:00.Z',
    '2024-01-01 12:00:00Z',
    '2024-01-01t12:00:00z',
    '2024-01-01T12:00:00Z\n',
    '-000000-01-01T00:00:00Z',
    '+275760-09-13T00:00:00.001Z',
    'Thu, 01 Jan 1970 00:00:00 GMT',
  ])('%j is refused', (text) => {
    expect(fromIsoDate(text)).toBeUndefined();
  });

  test('what is written is read', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        expect(fromIsoDate(date.toISOString())).toEqual(date);
      }),
    );
  });
});

describe('base64', () => {
  test('is that of other implementations, and read again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
      }),
    );
    const large = Uint8Array.from({ length: 10_000 }, (_, i) => i * 7);
    expect(toBase64(large)).toBe(Buffer.from(large).toString('base64'));
    expect(fromBase64(toBase64(large))).toEqual(large);
  });

  test.each([
    'A',
    'AA',
    'AAA',
    'A===',
    '====',
    'AA=A',
    'AB==',
    'AAB=',
    'AA-_',
    'AAA\n',
    'AA A',
    'AAAÄ',
    'AAA=AAAA',
  ])('%j is refused', (text) => {
    expect(fromBase64(text)).toBeUndefined();
  });

  test('text is read only if it is what its bytes are written as', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'AQg/+9=_'), minLength: 4, maxLength: 8 }), (text) => {
        const bytes = fromBase64(text);
        if (bytes !== undefined) expect(toBase64(bytes)).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });
});

/** JSON readers round integers beyond ±(2^53-1). */
function withoutHugeIntegers(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isInteger(value) || Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return true;
  return Object.values(value).every(withoutHugeIntegers);
}
