import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkKey, compareUtf8, utf8Length } from './keys.js';
import { codeOf } from './testing/mutations.js';

const text = fc.string({ unit: 'binary', maxLength: 20 });

test('the length in UTF-8 is what an encoder writes', () => {
  fc.assert(fc.property(text, (value) => utf8Length(value) === Buffer.byteLength(value)));
});

test.each(['\ud800', 'a\ud800', '\ud800a', '\udc00', '\udc00\ud800', '\ud83d\ud83d\ude00'])(
  'text with a lone surrogate has no length: %j',
  (value) => {
    expect(utf8Length(value)).toBe(-1);
  },
);

test('texts are ordered as their UTF-8 bytes', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
  expect(compareUtf8('\uffff', '\u{10000}')).toBeLessThan(0);
  expect('\uffff' < '\u{10000}').toBe(false);
});

test.each([
  { name: 'one byte', key: 'a', want: 1 },
  { name: 'NUL', key: '\0', want: 1 },
  { name: 'two bytes', key: 'é', want: 2 },
  { name: 'four bytes', key: '😀', want: 4 },
  { name: '1,024 bytes', key: 'x'.repeat(1024), want: 1024 },
  { name: '1,024 bytes of 512 units', key: 'é'.repeat(512), want: 1024 },
  { name: '1,024 bytes of 342 units', key: `${'€'.repeat(341)}x`, want: 1024 },
])('a key of $name is taken', ({ key, want }) => {
  expect(checkKey(key)).toBe(want);
});

test.each([
  { name: 'empty text', key: '' },
  { name: '1,025 bytes', key: 'x'.repeat(1025) },
  { name: '1,025 bytes of 513 units', key: `${'é'.repeat(512)}x` },
  { name: 'a lone surrogate', key: 'a\ud800' },
  { name: 'a megabyte', key: 'x'.repeat(1024 * 1024) },
  { name: 'a number', key: 1 },
  { name: 'nothing', key: undefined },
])('$name is no key', ({ key }) => {
  expect(codeOf(() => checkKey(key))).toBe('CAUSEWAY_BAD_KEY');
});
