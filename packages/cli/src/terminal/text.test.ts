import picocolors from 'picocolors';
import { expect, test } from 'vitest';
import { formatTable } from './table.js';
import { clip, count, milliseconds, padEnd, padStart, seconds, widthOf } from './text.js';

const colors = picocolors.createColors(true);

test('Colours take no room', () => {
  expect(widthOf(colors.red('abc'))).toBe(3);
  expect(padEnd(colors.red('a'), 3)).toBe(`${colors.red('a')}  `);
  expect(padStart('a', 3)).toBe('  a');
});

test.each([
  { name: 'short text stays', text: 'tea', columns: 3, want: 'tea' },
  { name: 'long text ends in an ellipsis', text: 'teapot', columns: 4, want: 'tea…' },
  {
    name: 'characters that would move the cursor are replaced',
    text: 'a\nb\u001b[2J',
    columns: 9,
    want: 'a·b·[2J',
  },
])('$name', ({ text, columns, want }) => {
  expect(clip(text, columns)).toBe(want);
});

test.each([
  { text: milliseconds(1.234), want: '1.2 ms' },
  { text: milliseconds(40.6), want: '41 ms' },
  { text: milliseconds(2_345), want: '2.3 s' },
  { text: seconds(75.4), want: '1 min 15 s' },
  { text: count(1234567), want: '1,234,567' },
])('$want', ({ text, want }) => {
  expect(text).toBe(want);
});

test('Columns of a table are as wide as their widest cell', () => {
  const plain = picocolors.createColors(false);

  const table = formatTable(
    [{ title: 'key' }, { title: 'n', align: 'right' }],
    [
      ['a', '10'],
      ['long', '5'],
    ],
    plain,
  );

  expect(table).toBe('key    n\na     10\nlong   5');
});
