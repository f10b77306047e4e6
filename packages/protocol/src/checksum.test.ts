import { expect, test } from 'vitest';
import { utf8Bytes } from './bytes.js';
import { checksum } from './checksum.js';

/** Of the reference implementation. */
test.each([
  { text: '', seed: 0, want: 0x02cc5d05 },
  { text: 'a', seed: 0, want: 0x550d7456 },
  { text: 'abc', seed: 0, want: 0x32d153ff },
  { text: 'Nobody inspects the spammish repetition', seed: 0, want: 0xe2293b2f },
])('the checksum of "$text" is that of XXH32', ({ text, seed, want }) => {
  expect(checksum(utf8Bytes(text), seed)).toBe(want);
});

test('every flipped bit changes the checksum', () => {
  const bytes = Uint8Array.from({ length: 77 }, (_, i) => i * 31);
  const whole = checksum(bytes, 7);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    expect(checksum(bytes, 7)).not.toBe(whole);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
});

test('a range of bytes has the checksum of its copy', () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
  expect(checksum(bytes, 3, 11, 64)).toBe(checksum(bytes.slice(11, 64), 3));
});
