import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { replicaId } from './dot.js';
import {
  compareStamps,
  HybridClock,
  LOGICAL_MAX,
  PHYSICAL_MAX,
  type Stamp,
  stampFromText,
  stampToText,
} from './hlc.js';

const A = replicaId('a.00000001');
const B = replicaId('a-b.00000002');

const anyStamp: fc.Arbitrary<Stamp> = fc.record({
  physical: fc.oneof(fc.nat(3), fc.integer({ min: 0, max: PHYSICAL_MAX })),
  logical: fc.oneof(fc.nat(3), fc.integer({ min: 0, max: LOGICAL_MAX })),
  replica: fc.constantFrom(A, B),
});

describe('the text of a stamp', () => {
  test('is read back, and ordered as the stamps are', () => {
    fc.assert(
      fc.property(anyStamp, anyStamp, (a, b) => {
        const [x, y] = [stampToText(a), stampToText(b)];
        expect(stampFromText(x)).toEqual(a);
        expect(x < y ? -1 : Number(x > y)).toBe(Math.sign(compareStamps(a, b)));
      }),
      { numRuns: 1_000 },
    );
  });

  test('has fixed widths', () => {
    expect(stampToText({ physical: 255, logical: 16, replica: A })).toBe('0000000000ff00000010-a.00000001');
  });

  test.each([
    { name: 'empty', text: '' },
    { name: 'upper case', text: '0000000000FF00000010-a.00000001' },
    { name: 'a digit short', text: '0000000000ff0000010-a.00000001' },
    { name: 'no replica', text: '0000000000ff00000010-' },
    { name: 'a wrong replica', text: '0000000000ff00000010-a.1' },
    { name: 'something behind', text: '0000000000ff00000010-a.00000001 ' },
  ])('is refused when it is $name', ({ text }) => {
    expect(() => stampFromText(text)).toThrow(RangeError);
  });
});

type Event =
  | { readonly type: 'tick'; readonly wallMs: number }
  | { readonly type: 'above'; readonly wallMs: number; readonly floor: Stamp }
  | { readonly type: 'observe'; readonly wallMs: number; readonly stamp: Stamp };

const wallMs = fc.integer({ min: 0, max: 3_000 });
const nearStamp = fc.record({
  physical: fc.integer({ min: 0, max: 4_000 }),
  logical: fc.constantFrom(0, 1, LOGICAL_MAX - 1, LOGICAL_MAX),
  replica: fc.constantFrom(A, B),
});
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ type: fc.constant('tick' as const), wallMs }),
  fc.record({ type: fc.constant('above' as const), wallMs, floor: nearStamp }),
  fc.record({ type: fc.constant('observe' as const), wallMs, stamp: nearStamp }),
);

test('stamps rise, stand above their floor and stay near the wall clock, however it jumps', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
      const clock = new HybridClock(A);
      let wallMaxMs = 0;
      let lastTick: Stamp = { physical: -1, logical: 0, replica: A };
      for (const event of events) {
        wallMaxMs = Math.max(wallMaxMs, event.wallMs);
        const before = { ...clock.last, replica: B };
        if (event.type === 'tick') {
          const stamp = clock.tick(event.wallMs);
          expect(compareStamps(stamp, before)).toBeGreaterThan(0);
          expect(compareStamps(stamp, lastTick)).toBeGreaterThan(0);
          expect(stamp.physical).toBeGreaterThanOrEqual(event.wallMs);
          lastTick = stamp;
        } else if (event.type === 'above') {
          const stamp = clock.tickAbove(event.wallMs, event.floor);
          expect(compareStamps(stamp, event.floor)).toBeGreaterThan(0);
          expect(compareStamps(stamp, before)).toBeGreaterThan(0);
          if (event.floor.physical < event.wallMs + 500) {
            expect(compareStamps({ ...clock.last, replica: A }, stamp)).toBe(0);
          }
        } else {
          clock.observe(event.stamp, event.wallMs);
          const within = event.stamp.physical <= event.wallMs + 500;
          const after = { ...clock.last, replica: event.stamp.replica };
          if (within) expect(compareStamps(after, event.stamp)).toBeGreaterThanOrEqual(0);
        }
        expect(compareStamps({ ...clock.last, replica: B }, before)).toBeGreaterThanOrEqual(0);
        // One more for the carry of the logical part.
        expect(clock.last.physical).toBeLessThanOrEqual(wallMaxMs + 501);
      }
    }),
    { numRuns: 500 },
  );
});

describe('a clock', () => {
  test('does not follow a floor that is far ahead, but answers above it', () => {
    const clock = new HybridClock(A, { physical: 1_000, logical: 0 });
    const floor = { physical: 9_000_000, logical: 7, replica: B };
    expect(clock.tickAbove(1_000, floor)).toEqual({ physical: 9_000_000, logical: 8, replica: A });
    expect(clock.tick(1_001)).toEqual({ physical: 1_001, logical: 0, replica: A });
  });

  test('goes on from what it read before a restart, though the wall clock is behind', () => {
    const before = new HybridClock(A);
    before.tick(5_000);
    expect(new HybridClock(A, before.last).tick(10)).toEqual({ physical: 5_000, logical: 1, replica: A });
  });

  test('takes its own bound', () => {
    const clock = new HybridClock(A, undefined, { skewMs: 10 });
    clock.observe({ physical: 111, logical: 0 }, 100);
    expect(clock.last.physical).toBe(0);
    clock.observe({ physical: 110, logical: 3 }, 100);
    expect(clock.last).toEqual({ physical: 110, logical: 3 });
  });

  test('carries a full logical part, and refuses to pass the end of time', () => {
    const full = new HybridClock(A, { physical: 7, logical: LOGICAL_MAX });
    expect(full.tick(0)).toEqual({ physical: 8, logical: 0, replica: A });
    const end = { physical: PHYSICAL_MAX, logical: LOGICAL_MAX, replica: B };
    expect(() => new HybridClock(A).tickAbove(0, end)).toThrow(RangeError);
    expect(() => new HybridClock(A).tick(PHYSICAL_MAX + 1)).toThrow(RangeError);
  });
});
