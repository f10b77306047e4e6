/** The Merkle index under the simulator: it is never lost, and never wrong, whatever the machines go through. */
import { expect, test } from 'vitest';
import { type Engine, REAL_ENGINE } from './engine.js';
import type { Profile } from './profile.js';
import { addCounts, failureText, runSeed } from './report.js';

const SEEDS = 12;

/** A record that goes bad makes the index wrong, rightly. */
function withoutDamage(profile: Profile): Profile {
  const never = { everyMs: Number.POSITIVE_INFINITY, lastsMs: 1 };
  const rates = { ...profile.faults.rates, 'bit flipped': never, 'record lost': never };
  return { ...profile, faults: { ...profile.faults, rates } };
}

test('no crash and no failed write loses the index or makes it wrong', { timeout: 300_000 }, () => {
  const counts = new Map<string, number>();
  for (let seed = 3_001; seed < 3_001 + SEEDS; seed++) {
    const report = runSeed(seed, { durationMs: 8_000, adjust: withoutDamage });
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

test('an index that is lost at every start is counted under faults, and is right', {
  timeout: 300_000,
}, () => {
  const INDEX_PAGE = 0x6b;
  const open: Engine['open'] = (stored, config, env, now) => {
    const entries = stored.entries.filter(({ key }) => key[0] !== INDEX_PAGE);
    return REAL_ENGINE.open({ entries }, config, env, now);
  };
  // Not spread: what the engine reads of a store is only known when it is asked.
  const engine: Engine = Object.create(REAL_ENGINE, { open: { value: open } });
  const counts = new Map<string, number>();
  for (let seed = 4_001; seed < 4_001 + SEEDS; seed++) {
    const report = runSeed(seed, { durationMs: 8_000, engine, adjust: withoutDamage });
    if (report.failure !== undefined) expect.fail(failureText(report));
    addCounts(counts, report.counts);
  }
  const told = (text: string) => counts.get(text) ?? 0;
  expect(told('log info: the index of the records is counted')).toBeGreaterThan(0);
  expect(told('log warn: the index was not that of the stored records, and is now')).toBe(0);
  expect(told('log warn: the root digest was not that of the stored records, and is now')).toBe(0);
});
