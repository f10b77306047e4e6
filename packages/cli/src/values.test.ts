import { expect, test } from 'vitest';
import { parseValue, showValue, toJson } from './values.js';

test.each([
  { text: 'hello', want: 'hello' },
  { text: '"7"', want: '7' },
  { text: '7', want: 7 },
  { text: 'null', want: null },
  { text: '{"a": [1, true]}', want: { a: [1, true] } },
  { text: '{"$bigint": "12345678901234567890"}', want: 12345678901234567890n },
  { text: '{not json', want: '{not json' },
])('The argument $text is a value', ({ text, want }) => {
  expect(parseValue(text)).toEqual(want);
});

test('JSON that stands for no value is refused', () => {
  expect(() => parseValue('12345678901234567890')).toThrow(
    expect.objectContaining({ code: 'CAUSEWAY_BAD_VALUE' }),
  );
});

test('Text is shown as it is, everything else as JSON', () => {
  expect([showValue('a "b"'), showValue(5n), toJson('a')]).toEqual(['a "b"', '{"$bigint":"5"}', '"a"']);
});
