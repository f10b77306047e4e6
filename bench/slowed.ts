/**
 * A node that is slower than it is: for each turn of its event loop that took t, it burns SHARE × t more of the CPU. To
 * see that a comparison reports a slowdown that is there:
 *
 *   CAUSEWAY_BIN=bench/dist/slowed.js BENCH_BURN=0.2 npm run bench -- throughput --out slowed.json
 */
import { performance } from 'node:perf_hooks';

const share = Number(process.env['BENCH_BURN'] ?? '0.2');
if (!(share > 0)) throw new Error('BENCH_BURN must be a number above 0');
delete process.env['BENCH_BURN'];

let usedBefore = performance.eventLoopUtilization();
let burnt = 0;
const turn = (): void => {
  const used = performance.eventLoopUtilization();
  // What was burnt counts as use, and is not to be burnt again.
  const owed = share * Math.max(0, used.active - usedBefore.active - burnt);
  usedBefore = used;
  const started = performance.now();
  while (performance.now() - started < owed);
  burnt = performance.now() - started;
  setImmediate(turn).unref();
};
setImmediate(turn).unref();

await import('../../packages/cli/bin/causeway.js' as string);
