import { replicaId } from '@causeway/crdt';
import { compareBytes } from '@causeway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bytesText,
  dueRange,
  elementKey,
  elementRange,
  expiryKey,
  garbageKey,
  garbageRange,
  KIND,
  kindRange,
  logKey,
  logRange,
  prefixEnd,
  recordKeyOfGarbage,
  restOfTimedKey,
  START_RANGES,
  splitElementKey,
  textKey,
  textOfKey,
  timeOfKey,
} from './keyspace.js';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('', '\0', 'a\0', 'ä', '\uff21', '\u{1f600}', '\ufeff', '\x7f', '\x80'),
);
const bytes = fc.uint8Array({ maxLength: 8 });
const utf8 = new TextEncoder();
const isIn = (key: Uint8Array, { from, to }: { from: Uint8Array; to: Uint8Array }) =>
  compareBytes(from, key) <= 0 && compareBytes(key, to) < 0;
const US = replicaId('us.00000001');
const USA = replicaId('usa.00000001');

test('the first byte is the kind, and no two kinds share it', () => {
  expect(new Set(Object.values(KIND)).size).toBe(Object.values(KIND).length);
  expect(textKey(KIND.register, 'a')).toEqual(Uint8Array.of(0x72, 0x61));
});

test('keys of one kind are told apart, read back, and sort as their UTF-8 bytes', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      const [one, two] = [textKey(KIND.register, a), textKey(KIND.register, b)];
      expect(textOfKey(one)).toBe(a);
      expect(Math.sign(compareBytes(one, two))).toBe(Math.sign(compareBytes(utf8.encode(a), utf8.encode(b))));
      expect(isIn(one, kindRange(KIND.register))).toBe(true);
      expect(isIn(one, kindRange(KIND.set))).toBe(false);
    }),
  );
});

test('elements of a set are read back, lie in its range and in no other set’s', () => {
  fc.assert(
    fc.property(text, text, bytes, bytes, (a, b, element, after) => {
      const key = elementKey(a, element);
      expect(splitElementKey(key)).toEqual({ key: a, element });
      expect(isIn(key, elementRange(a))).toBe(true);
      expect(isIn(key, elementRange(b))).toBe(a === b);
      expect(isIn(key, elementRange(a, after))).toBe(compareBytes(element, after) > 0);
    }),
  );
});

test('chunks sort by their first seq, each origin by itself', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.maxSafeInteger(), (x, y) => {
      const [a, b] = [Math.abs(x), Math.abs(y)];
      expect(Math.sign(compareBytes(logKey(US, a), logKey(US, b)))).toBe(Math.sign(a - b));
      expect(isIn(logKey(US, a), logRange(US, a, a + 1))).toBe(true);
      expect(isIn(logKey(USA, a), logRange(US, 0))).toBe(false);
    }),
  );
});

describe('evidence', () => {
  test('names its record, and is in the range of a dot that is at or above its own', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), bytes, (seq, through, record) => {
        const key = garbageKey(US, seq, record);
        expect(recordKeyOfGarbage(key)).toEqual(record);
        expect(isIn(key, garbageRange(US, through))).toBe(seq <= through);
        expect(isIn(key, garbageRange(USA, through))).toBe(false);
      }),
    );
  });
});

test('what is timed is due from its millisecond on', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 48 }), fc.nat({ max: 2 ** 48 }), bytes, (at, now, record) => {
      const key = expiryKey(at, record);
      expect([timeOfKey(key), restOfTimedKey(key)]).toEqual([at, record]);
      expect(isIn(key, dueRange(KIND.expiry, now))).toBe(at <= now);
    }),
  );
});

test('the end of a prefix is above all that begins with it and not above anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4 }), bytes, bytes, (rest, suffix, other) => {
      const prefix = Uint8Array.of(KIND.register, ...rest);
      const end = prefixEnd(prefix);
      expect(compareBytes(Uint8Array.of(...prefix, ...suffix), end)).toBeLessThan(0);
      const key = Uint8Array.of(KIND.register, ...other);
      const begins = bytesText(key).startsWith(bytesText(prefix));
      expect(isIn(key, { from: prefix, to: end })).toBe(begins);
    }),
  );
});

test('bytes as text have the same length and order, however many there are', () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const [x, y] = [bytesText(a), bytesText(b)];
      expect(x).toHaveLength(a.length);
      expect(x < y ? -1 : x > y ? 1 : 0).toBe(Math.sign(compareBytes(a, b)));
    }),
  );
  const large = new Uint8Array(100_000).map((_, i) => i);
  expect(bytesText(large)).toHaveLength(large.length);
  expect(bytesText(large).charCodeAt(99_999)).toBe(99_999 & 0xff);
});

test('a start reads identity and members, and no user data', () => {
  for (const { from } of START_RANGES) {
    expect([KIND.register, KIND.element, KIND.counter, KIND.set, KIND.log]).not.toContain(from[0]);
  }
});
