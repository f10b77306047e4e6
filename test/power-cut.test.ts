/**
 * A node that loses its power, on a file system of its own. Runs only where CAUSEWAY_CRASH_DISK names the script
 * that makes, cuts and restores such a disk, and this process may mount it; ten cuts and more: bench/power-cut.ts.
 */
import { expect, test } from 'vitest';
import { type CutReport, runPowerCuts } from '../bench/suites/power-cut.js';

const script = process.env['CAUSEWAY_CRASH_DISK'];
const SEED = Number(process.env['CAUSEWAY_POWER_SEED'] ?? Math.floor(Math.random() * 1e9));

test.skipIf(script === undefined || process.getuid?.() !== 0)(
  'power cuts at the very first start and under load lose nothing (needs CAUSEWAY_CRASH_DISK and root)',
  async ({ onTestFailed }) => {
    onTestFailed(() => console.error(`CAUSEWAY_POWER_SEED=${SEED}`));
    const reports: CutReport[] = [];
    await runPowerCuts({ script: script!, cuts: 2, seed: SEED, report: (report) => reports.push(report) });
    expect(reports.map(({ cut }) => cut)).toEqual([1, 2]);
    expect(reports[1]?.acknowledgedThere).toBeGreaterThan(0);
  },
  120_000,
);
