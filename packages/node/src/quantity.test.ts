import { expect, test } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from './quantity.js';

test.each([
  { text: '500ms', want: 500 },
  { text: '500', want: 500 },
  { text: '30s', want: 30_000 },
  { text: '15m', want: 900_000 },
  { text: '12h', want: 43_200_000 },
  { text: '7d', want: 604_800_000 },
  { text: '0s', want: 0 },
  { text: '-1s', want: undefined },
  { text: '1.5h', want: undefined },
  { text: '7 days', want: undefined },
  { text: '', want: undefined },
  { text: '99999999999999d', want: undefined },
])('the duration $text', ({ text, want }) => {
  expect(parseDuration(text)).toBe(want);
});

test.each(['500ms', '1500ms', '30s', '15m', '12h', '7d', '0ms'])('%s is written as it is read', (text) => {
  expect(formatDuration(parseDuration(text)!)).toBe(text);
});

test.each([
  { text: '4GiB', want: 4 * 2 ** 30 },
  { text: '64MiB', want: 64 * 2 ** 20 },
  { text: '1000', want: 1000 },
  { text: '1B', want: 1 },
  { text: '4GB', want: undefined },
  { text: '4gib', want: undefined },
  { text: '1.5GiB', want: undefined },
  { text: 'constructor', want: undefined },
  { text: '1constructor', want: undefined },
  { text: '99999999TiB', want: undefined },
])('the size $text', ({ text, want }) => {
  expect(parseSize(text)).toBe(want);
});

test.each(['4GiB', '1536MiB', '3KiB', '1000B', '0B'])('%s is written as it is read', (text) => {
  expect(formatSize(parseSize(text)!)).toBe(text);
});
