/** Compares what regions hold with what the single-threaded replay says. Pure. */
import type { ExpectedState } from './expected-state.js';
import type { RegionState } from './region-state.js';

export interface Differences {
  readonly counters: readonly string[];
  readonly sets: readonly string[];
  readonly registers: readonly string[];
}

/**
 * For each region the keys under which it differs. A counter or a set must be what the lines add up to; a register must
 * be the same in all regions, and a value that one of them wrote last.
 */
export function compareRegions(expected: ExpectedState, regions: readonly RegionState[]): Differences[] {
  const nonZero = new Map([...expected.counters].filter(([, value]) => value !== 0));
  const [first] = regions;
  return regions.map((region) => ({
    counters: differing(nonZero, region.counters, (want, have) => want === have),
    sets: differing(expected.sets, region.sets, sameElements),
    registers: differing(expected.registers, region.registers, (candidates, have, key) => {
      const written = [...candidates.values()].some((value) => JSON.stringify(value) === have);
      return written && have === first?.registers.get(key);
    }),
  }));
}

export function differenceCount({ counters, sets, registers }: Differences): number {
  return counters.length + sets.length + registers.length;
}

/** Keys that only one side has, or under which the two are not the same. */
function differing<A, B>(
  want: ReadonlyMap<string, A>,
  have: ReadonlyMap<string, B>,
  same: (want: A, have: B, key: string) => boolean,
): string[] {
  const keys = [...want].flatMap(([key, value]) => {
    const found = have.get(key);
    return found !== undefined && same(value, found, key) ? [] : [key];
  });
  return [...keys, ...[...have.keys()].filter((key) => !want.has(key))];
}

function sameElements(want: ReadonlySet<string>, have: ReadonlySet<string>): boolean {
  return want.size === have.size && [...want].every((element) => have.has(JSON.stringify(element)));
}
