import { describe, expect, test } from 'vitest';
import { Line } from './line.js';
import { seededRandom } from './random.js';
import { changeSettings, DEFAULT_LINE } from './settings.js';

const never = (): number => {
  throw new Error('a line without jitter draws no chance');
};

describe('Line', () => {
  test('without a limit bytes are out after the delay', () => {
    const line = new Line({ ...DEFAULT_LINE, delayMs: 40 });
    expect([line.enter(100, 1_000_000, never), line.enter(100, 1, never)]).toEqual([140, 140]);
  });

  test('with a limit bytes wait for those before them, and an idle line saves nothing up', () => {
    const line = new Line({ ...DEFAULT_LINE, delayMs: 40, bytesPerSecond: 1000 });
    const outs = [line.enter(100, 10, never), line.enter(100, 20, never), line.enter(500, 10, never)];
    expect(outs).toEqual([150, 170, 550]);
  });

  test('jitter is uniform around the delay, never below 0, and the same for the same seed', () => {
    const line = new Line({ ...DEFAULT_LINE, delayMs: 10, jitterMs: 4 });
    const draw = (seed: number): number[] => {
      const random = seededRandom(seed, 0, 1);
      return Array.from({ length: 2000 }, () => line.travelMs(random));
    };
    const delays = draw(5);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(6);
    expect(Math.max(...delays)).toBeLessThan(14);
    expect(delays.reduce((sum, delay) => sum + delay) / delays.length).toBeCloseTo(10, 0);
    expect(delays.filter((delay) => delay < 8).length / delays.length).toBeCloseTo(0.25, 1);
    expect(draw(5)).toEqual(delays);
    expect(draw(6)).not.toEqual(delays);

    line.settings = { ...DEFAULT_LINE, delayMs: 1, jitterMs: 4 };
    expect(Math.min(...draw(5))).toBe(0);
  });

  test('the directions of a connection, and connections, draw from streams of their own', () => {
    const firsts = [
      seededRandom(1, 0, 0),
      seededRandom(1, 0, 1),
      seededRandom(1, 1, 0),
      seededRandom(2, 0, 0),
    ];
    expect(new Set(firsts.map((random) => random())).size).toBe(4);
  });
});

describe('changeSettings', () => {
  const start = { up: DEFAULT_LINE, down: DEFAULT_LINE };

  test('a setting is for both directions unless it stands in one', () => {
    const next = changeSettings(start, { delayMs: 40, up: { bytesPerSecond: 1000 }, down: { delayMs: 50 } });
    expect(next.up).toEqual({ ...DEFAULT_LINE, delayMs: 40, bytesPerSecond: 1000 });
    expect(next.down).toEqual({ ...DEFAULT_LINE, delayMs: 50 });
    expect(changeSettings(next, { jitterMs: 3 }).up).toEqual({ ...next.up, jitterMs: 3 });
  });

  test.each([
    { name: 'an unknown setting', change: { delay: 1 } },
    { name: 'an unknown setting of a direction', change: { up: { toString: 1 } } },
    { name: 'text', change: { delayMs: '40' } },
    { name: 'not a number', change: { delayMs: Number.NaN } },
    { name: 'a negative jitter', change: { jitterMs: -1 } },
    { name: 'no room at all', change: { queueBytesMax: 0 } },
    { name: 'a direction that is no object', change: { up: 5 } },
    { name: 'a direction that is null', change: { down: null } },
  ])('$name is refused', ({ change }) => {
    expect(() => changeSettings(start, change as never)).toThrow(RangeError);
  });
});
