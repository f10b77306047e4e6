import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8Bytes } from './bytes.js';
import { sealValue, unsealValue } from './sealed.js';
import { goldenBytes, readGolden, toHex } from './testing/golden.js';

const KEY = utf8Bytes('rcart');
const GOLDEN = readGolden('sealed.v1.txt');

test('what was sealed is unsealed', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (key, payload) => {
      expect(unsealValue(key, sealValue(key, payload))).toEqual(payload);
    }),
  );
});

test('a value sealed long ago is unsealed, and sealed the same today', () => {
  const payload = utf8Bytes('a payload of more than sixteen bytes');
  expect(toHex(sealValue(KEY, payload))).toBe(toHex(goldenBytes(GOLDEN, 'value')));
  expect(unsealValue(KEY, goldenBytes(GOLDEN, 'value'))).toEqual(payload);
});

test('values sealed one after another do not touch each other', () => {
  const payloads = Array.from({ length: 200 }, (_, i) => new Uint8Array(i * 7).fill(i));
  const sealed = payloads.map((payload) => sealValue(KEY, payload));
  for (const [i, value] of sealed.entries()) expect(toHex(unsealValue(KEY, value))).toBe(toHex(payloads[i]!));
});

test('the payload of a Buffer is no Buffer', () => {
  const payload = unsealValue(KEY, Buffer.from(sealValue(KEY, utf8Bytes('payload'))));
  expect(Object.getPrototypeOf(payload)).toBe(Uint8Array.prototype);
});

const corrupt = expect.objectContaining({ code: 'CAUSEWAY_CORRUPT' });

test('every flipped bit and every cut is noticed', () => {
  const sealed = sealValue(KEY, utf8Bytes('payload'));
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const flipped = sealed.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => unsealValue(KEY, flipped)).toThrow(corrupt);
  }
  for (let length = 0; length < sealed.length; length++) {
    expect(() => unsealValue(KEY, sealed.slice(0, length))).toThrow(corrupt);
  }
});

test("another key's value is noticed", () => {
  expect(() => unsealValue(utf8Bytes('rcarT'), sealValue(KEY, utf8Bytes('payload')))).toThrow(corrupt);
});
