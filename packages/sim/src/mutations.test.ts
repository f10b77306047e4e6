/**
 * The simulator has teeth: each deliberate bug in the engine is found.
 *
 * npx vitest run packages/sim/src/mutations.test.ts                               one recorded seed each
 * CAUSEWAY_SIM_MUTATIONS=2000 npx vitest run packages/sim/src/mutations.test.ts   searches for the first that finds it
 */
import { afterAll, describe, expect, test } from 'vitest';
import { runSeed } from './report.js';
import { MUTATIONS, type Mutation } from './testing/mutations.js';

const SEARCHED = Number(process.env['CAUSEWAY_SIM_MUTATIONS'] ?? 0);
/** Seeds that are tried when the recorded one no longer finds its bug, since the engine has moved on. */
const TRIED_AGAIN = 60;

/** Runs one seed with the bug planted; the property that is violated, or undefined. */
function findingOf({ plant, options }: Mutation, seed: number): string | undefined {
  const mend = plant();
  try {
    return runSeed(seed, options).failure?.property;
  } finally {
    mend();
  }
}

describe.runIf(SEARCHED > 0)('the first seed that finds', () => {
  const found: string[] = [];
  test.each(MUTATIONS)('$name', { timeout: 3_600_000 }, (mutation) => {
    for (let seed = 1; seed <= SEARCHED; seed++) {
      const property = findingOf(mutation, seed);
      if (property === undefined) continue;
      found.push(`${String(seed).padStart(5)}  ${property.padEnd(24)} ${mutation.name}`);
      return;
    }
    found.push(` none  ${''.padEnd(24)} ${mutation.name}`);
    expect.fail(`not within ${SEARCHED} seeds`);
  });
  afterAll(() => console.log(found.join('\n')));
});

describe.runIf(SEARCHED === 0)('a deliberate bug is found', () => {
  test.each(MUTATIONS)('$name: $property', { timeout: 300_000 }, (mutation) => {
    const tried: (string | undefined)[] = [];
    for (const seed of [mutation.seed, ...Array.from({ length: TRIED_AGAIN }, (_, index) => index + 1)]) {
      const property = findingOf(mutation, seed);
      if (property !== undefined) return;
      tried.push(property);
    }
    expect.fail(`not within ${tried.length} seeds`);
  });
});

test('without a planted bug the recorded seeds pass', { timeout: 300_000 }, () => {
  for (const seed of new Set(MUTATIONS.map(({ seed }) => seed))) {
    expect(runSeed(seed).failure, `seed ${seed}`).toBeUndefined();
  }
});
