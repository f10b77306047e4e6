import { expect, test } from 'vitest';
import { type RegionMatrixName, regionMatrix } from './region-matrix.js';

test('three has three regions, 40 ms from each other', () => {
  const { regions, oneWayMs } = regionMatrix('three');
  expect(regions).toEqual(['eu', 'us', 'ap']);
  const delays = regions.map((from) => regions.map((to) => oneWayMs(from, to)));
  expect(delays).toEqual([
    [0, 40, 40],
    [40, 0, 40],
    [40, 40, 0],
  ]);
});

test.each([
  { from: 'washington', to: 'frankfurt', want: 45.5 },
  { from: 'tokyo', to: 'washington', want: (166 + 164) / 4 },
  { from: 'osaka', to: 'tokyo', want: 4.5 },
  { from: 'sydney', to: 'sao-paulo', want: 164 },
  { from: 'london', to: 'london', want: 0 },
])('world: $from to $to is half of the mean round trip', ({ from, to, want }) => {
  expect(regionMatrix('world').oneWayMs(from, to)).toBe(want);
});

test('world has ten regions, a distance for every pair, the same both ways, and names its source', () => {
  const { regions, oneWayMs, source } = regionMatrix('world');
  expect(regions).toHaveLength(10);
  for (const from of regions) {
    for (const to of regions) {
      expect(oneWayMs(from, to)).toBe(oneWayMs(to, from));
      if (from !== to) expect(oneWayMs(from, to)).toBeGreaterThan(4);
    }
  }
  expect(source).toContain('IBM Cloud');
});

test('an unknown matrix or region is refused', () => {
  expect(() => regionMatrix('moon' as RegionMatrixName)).toThrow(RangeError);
  expect(() => regionMatrix('world').oneWayMs('london', 'paris')).toThrow(/no such region: paris/);
});
