import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from './duration.js';

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
