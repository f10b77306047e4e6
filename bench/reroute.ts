/**
 * Rerouting against what is promised: with the link A–B cut and A–C, C–B up, writes at A reach B through C. The cut is
 * noticed within 3 s when it is silent and within 500 ms when it is a reset; from then on the lag's p50 is one more
 * hop's delay plus at most 20 ms; after the heal B takes the writes from A again; hardly anything is sent twice.
 *
 *   node bench/dist/reroute.js [--delay 40] [--writes 200] [--every 20] [--rounds 3]
 *
 * Delays in milliseconds, one way. Exit code 1 when a promise is not kept.
 */
import { parseArgs } from 'node:util';
import { type Cluster, startCluster } from '@causeway/cli';
import { type Lag, measureReroute, type RerouteReport } from './suites/reroute.js';

const { values: options } = parseArgs({
  options: {
    delay: { type: 'string', default: '40' },
    writes: { type: 'string', default: '200' },
    every: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '3' },
  },
});
const delayMs = Number(options.delay);
const writes = Number(options.writes);

const NOTICED_MS_MAX = { silence: 3_000, reset: 500 } as const;
const BEYOND_HOP_MS_MAX = 20;
/** What is under way when the source changes: the writes of two round trips, rounded up. */
const duplicatesMax = Math.ceil((4 * delayMs) / Number(options.every)) + 5;

const cluster = await startCluster({ regions: ['a', 'b', 'c'], delayMs });
const misses: string[] = [];
try {
  await cluster.untilReady();
  for (let round = 1; round <= Number(options.rounds); round++) {
    for (const mode of ['reset', 'silence'] as const) await run(cluster, mode, round);
  }
  await cluster.untilEqual();
} finally {
  await cluster.stop();
}
for (const miss of misses) console.log(`NOT KEPT  ${miss}`);
process.exitCode = misses.length === 0 ? 0 : 1;

async function run(cluster: Cluster, mode: 'silence' | 'reset', round: number): Promise<void> {
  const report = await measureReroute({ cluster, mode, writes, everyMs: Number(options.every) });
  const { direct, detour, healed, noticedMs, resumedMs, relinkedMs, duplicates } = report;
  console.log(`round ${round}, cut by ${mode}, ${delayMs} ms one way`);
  console.log(`  noticed after ${ms(noticedMs)}, writes again after ${ms(resumedMs)}`);
  console.log(`  lag  direct ${lag(direct)}\n       detour ${lag(detour)}\n       healed ${lag(healed)}`);
  console.log(
    `  linked again ${ms(relinkedMs)} after the heal; ${duplicates} of ${report.writes} came twice`,
  );
  for (const miss of check(report, mode)) misses.push(`round ${round}, ${mode}: ${miss}`);
}

function check(report: RerouteReport, mode: 'silence' | 'reset'): string[] {
  const { direct, detour, healed, noticedMs, duplicates } = report;
  const beyond = detour.p50 - direct.p50 - delayMs;
  return [
    noticedMs > NOTICED_MS_MAX[mode] && `noticed after ${ms(noticedMs)}`,
    beyond > BEYOND_HOP_MS_MAX && `the detour costs ${ms(beyond)} beyond the hop`,
    detour.metricP50 - direct.metricP50 - delayMs > BEYOND_HOP_MS_MAX && 'the same by the metric',
    healed.bytesFromC > healed.bytesFromA / 2 && 'after the heal writes still come through C',
    duplicates > duplicatesMax && `${duplicates} chunks came twice`,
  ].filter((miss) => miss !== false);
}

function lag({ p50, p99, metricP50, bytesFromA, bytesFromC }: Lag): string {
  const bytes = `received ${kib(bytesFromA)} from A, ${kib(bytesFromC)} from C`;
  return `p50 ${ms(p50)}, p99 ${ms(p99)}, metric p50 ${ms(metricP50)}; ${bytes}`;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1_024)} KiB`;
}
