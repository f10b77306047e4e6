import { expect, test } from 'vitest';
import { formatAddress, parseAddress } from './address.js';

test.each([
  { text: '127.0.0.1:7001', want: { host: '127.0.0.1', port: 7001 } },
  { text: 'node-eu.example:0', want: { host: 'node-eu.example', port: 0 } },
  { text: '[::1]:65535', want: { host: '::1', port: 65_535 } },
])('$text is an address, and written the same way', ({ text, want }) => {
  expect(parseAddress(text)).toEqual(want);
  expect(formatAddress(want)).toBe(text);
});

test.each(['', 'host', ':80', '::1:80', 'host:', 'host:65536', 'host:1x', 'http://host:80', 'a b:80'])(
  '"%s" is no address',
  (text) => {
    expect(() => parseAddress(text)).toThrow(RangeError);
  },
);
