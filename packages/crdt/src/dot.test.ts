import { describe, expect, test } from 'vitest';
import { assert, unreachable } from './assert.js';
import { compareDots, isReplicaId, regionOf, replicaId, sameDot } from './dot.js';

describe('a replica id', () => {
  test.each([
    { name: 'region and 8 hex digits', id: 'eu-west.0123abcd', want: true },
    { name: 'the longest region', id: `${'r'.repeat(32)}.00000000`, want: true },
    { name: 'a region that is too long', id: `${'r'.repeat(33)}.00000000`, want: false },
    { name: 'no region', id: '.00000000', want: false },
    { name: 'upper case', id: 'eu.0123ABCD', want: false },
    { name: 'too few digits', id: 'eu.0123abc', want: false },
    { name: 'something behind', id: 'eu.0123abcd\n', want: false },
    { name: 'no text', id: 7, want: false },
  ])('$name: $want', ({ id, want }) => {
    expect(isReplicaId(id)).toBe(want);
  });

  test('is refused with a short message', () => {
    expect(() => replicaId(`x${'y'.repeat(1_000)}`)).toThrow(RangeError);
    expect(() => replicaId(`x${'y'.repeat(1_000)}`)).toThrow(/^not a replica id: .{0,80}$/);
  });

  test('names its region', () => {
    expect(regionOf(replicaId('eu-west-1.0123abcd'))).toBe('eu-west-1');
  });
});

test('dots are ordered by replica, then by seq as a number', () => {
  const a = replicaId('a.00000001');
  const b = replicaId('b.00000001');
  const sorted = [
    { replica: a, seq: 9 },
    { replica: a, seq: 10 },
    { replica: b, seq: 1 },
  ];
  expect([...sorted].reverse().sort(compareDots)).toEqual(sorted);
  expect(sameDot({ replica: a, seq: 1 }, { replica: a, seq: 1 })).toBe(true);
  expect(sameDot({ replica: a, seq: 1 }, { replica: b, seq: 1 })).toBe(false);
});

test('a failed assertion names the invariant', () => {
  expect(() => assert(false, 'seqs have no gaps')).toThrow('assertion failed: seqs have no gaps');
  expect(() => unreachable('x' as never)).toThrow('assertion failed: unreachable case x');
});
