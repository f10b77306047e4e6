import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../limits.js';
import { RepairPace } from './repair-pace.js';

const limits = {
  ...DEFAULT_LIMITS,
  repairBytesPerSecondLeast: 1_000_000,
  repairBytesPerSecondFirst: 4_000_000,
};
const PAGE = 100_000;

/** Works as fast as the pace allows for `ms`, while a commit with writes of clients ends every 10 ms; bytes per second. */
function work(pace: RepairPace, from: number, ms: number, commitMs: number | undefined): number {
  let bytes = 0;
  for (let now = from; now < from + ms; now++) {
    if (commitMs !== undefined && now % 10 === 0) pace.committed(commitMs, now);
    for (let pages = 0; pages < 10 && pace.isOpen(now); pages++) {
      pace.spend(PAGE, now);
      bytes += PAGE;
    }
  }
  return (1000 * bytes) / ms;
}

/** With 2 ms for a usual commit. */
function usual(): { pace: RepairPace; begin: () => void } {
  let busy = false;
  const pace = new RepairPace(limits, () => busy);
  for (let now = 0; now < 5_000; now += 10) pace.committed(2, now);
  return {
    pace,
    begin: () => {
      busy = true;
    },
  };
}

test('nothing is held up while no client writes', () => {
  const { pace, begin } = usual();
  begin();
  work(pace, 5_000, 1_000, undefined);
  expect(work(pace, 6_000, 1_000, undefined)).toBe(10 * PAGE * 1_000);
});

test('commits that take longer slow it down to the least, and it goes on', () => {
  const { pace, begin } = usual();
  begin();
  work(pace, 5_000, 3_000, 20);
  const rate = work(pace, 8_000, 10_000, 20);
  expect(rate).toBeGreaterThan(0.9 * limits.repairBytesPerSecondLeast);
  expect(rate).toBeLessThan(1.2 * limits.repairBytesPerSecondLeast);
});

test('commits that take no longer than usual let it grow', () => {
  const { pace, begin } = usual();
  begin();
  const first = work(pace, 5_000, 1_000, 2);
  expect(work(pace, 9_000, 1_000, 2)).toBeGreaterThan(2 * first);
});

test('what is slow without the repair comes to be the usual', () => {
  const { pace, begin } = usual();
  begin();
  work(pace, 5_000, 60_000, 20);
  expect(work(pace, 65_000, 10_000, 20)).toBeGreaterThan(2 * limits.repairBytesPerSecondLeast);
});

test('a clock that stands still for long is not made up for', () => {
  const { pace, begin } = usual();
  begin();
  work(pace, 5_000, 3_000, 20);
  pace.committed(20, 100_000);
  const bytes = work(pace, 100_000, 100, 20) / 10;
  expect(bytes).toBeLessThan(4 * PAGE);
});
