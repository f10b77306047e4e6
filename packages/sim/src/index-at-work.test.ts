/** The Merkle index under the simulator: it is never lost, and never wrong, whatever the machines go through. */
import { expect, test } from 'vitest';
import { addCounts, failureText, runSeed } from './report.js';

const SEEDS = 12;

test('no crash and no failed write loses the index or makes it wrong', { timeout: 300_000 }, () => {
  const counts = new Map<string, number>();
  for (let seed = 3_001; seed < 3_001 + SEEDS; seed++) {
    const report = runSeed(seed, { durationMs: 8_000 });
    if (report.failure !== undefined) expect.fail(failureText(report));
    addCounts(counts, report.counts);
  }
  const told = (text: string) => counts.get(text) ?? 0;
  expect(told('log debug: all stored records were looked through')).toBeGreaterThan(SEEDS);
  expect(told('disk tornAway') + told('disk reopens')).toBeGreaterThan(SEEDS);
  expect(told('log info: the index of the records is counted anew')).toBe(0);
  expect(told('log warn: the index was not that of the stored records, and is now')).toBe(0);
  expect(told('log warn: the root digest was not that of the stored records, and is now')).toBe(0);
});
