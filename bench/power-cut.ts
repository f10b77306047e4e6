/**
 * Power cuts under load on a real file system, the first within a second of a node's very first start: every
 * acknowledged write is there, the node starts by itself, all regions are equal.
 *
 *   CAUSEWAY_CRASH_DISK=SCRIPT node bench/dist/power-cut.js [--cuts 10] [--first-starts 0] [--seed N]
 *
 * SCRIPT makes a disk that can lose its power and is called as `SCRIPT make DIR SIZE`, and as `SCRIPT cut DIR`,
 * `restore` and `remove`; see suites/power-cut.ts. It needs root and loop devices. --first-starts repeats the cut at
 * the very first start that many times more, with a new cluster each. Exit code 1 when anything is lost.
 */
import { parseArgs } from 'node:util';
import { type CutReport, runPowerCuts } from './suites/power-cut.js';

const script = process.env['CAUSEWAY_CRASH_DISK'];
if (script === undefined) {
  console.error('CAUSEWAY_CRASH_DISK must name the script that makes, cuts and restores a disk');
  process.exit(2);
}
const { values: options } = parseArgs({
  options: {
    cuts: { type: 'string', default: '10' },
    'first-starts': { type: 'string', default: '0' },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
  },
});
const seed = Number(options.seed);
console.log(`seed ${seed}`);
try {
  await runPowerCuts({ script, cuts: Number(options.cuts), seed, report });
  for (let i = 1; i <= Number(options['first-starts']); i++) {
    await runPowerCuts({ script, cuts: 1, seed: seed + i, report });
  }
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}

function report({ cut, moment, acknowledged, acknowledgedThere, unknown, readyMs }: CutReport): void {
  const writes = `${acknowledged} acknowledged (${acknowledgedThere} there), ${unknown} unknown`;
  console.log(
    `cut ${cut}, ${moment}: ${writes}; ready ${Math.round(readyMs)} ms after the start, nothing lost`,
  );
}
