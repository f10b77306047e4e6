/**
 * Time without service for a client whose region dies: it writes at a fixed rate to the first of two regions, which is
 * killed, or stopped so that its connections stay open and nothing answers. The gap is the longest time between two
 * acknowledgements around the fault; what was not sent goes on, what was sent has an unknown outcome.
 */
import { connect } from '@causeway/client';
import { untilCalm } from '../harness/convergence.js';
import { Latencies } from '../harness/latency.js';
import { openLoop } from '../harness/load.js';
import { layout, startRegions } from '../harness/regions.js';
import type { Series } from '../harness/result.js';
import { defineSuite } from '../harness/suite.js';

const BEFORE_MS = 1_000;
const OPERATION_TIMEOUT_MS = 5_000;
const GAP_MS_MAX: Readonly<Record<string, number>> = { kill: 1_000, stall: 3_500 };

export const failover = defineSuite({
  name: 'failover',
  title: 'Failover',
  about: 'time without service for a client whose region is killed or stalls',
  isQuick: true,
  options: {
    faults: { about: 'of kill, stall', value: ['kill', 'stall'] as string[] },
    rate: { about: 'writes per second of the client', value: 200 },
    seconds: { about: 'how long is written after the fault', value: 15, quick: 4 },
    repetitions: { about: 'of each', value: 10, quick: 2 },
  },
  run: async ({ faults, rate, seconds, repetitions }, recorder) => {
    const { regions, delayMs } = layout('three', 2);
    const cluster = await startRegions({ regions, delayMs });
    const [first, second] = [cluster.node(regions[0]!), cluster.node(regions[1]!)];
    const curves: Series[] = [];
    try {
      for (const fault of faults) {
        const all = new Latencies();
        for (let repetition = 0; repetition < repetitions; repetition++) {
          recorder.tell(`${fault}, ${repetition + 1} of ${repetitions}`);
          await untilCalm(cluster);
          const db = await connect({
            endpoints: [first.urls.client, second.urls.client],
            operationTimeoutMs: OPERATION_TIMEOUT_MS,
          });
          const acknowledged: number[] = [];
          const value = new Uint8Array(100);
          const loop = openLoop({ perSecond: rate, seconds: BEFORE_MS / 1_000 + seconds }, async (index) => {
            await db.register(`failover:${fault}:${repetition}:${index}`).set(value);
            acknowledged.push(performance.now());
          });
          await new Promise((resolve) => setTimeout(resolve, BEFORE_MS));
          const faultAt = performance.now();
          if (fault === 'kill') await first.kill();
          else if (first.pid !== undefined) process.kill(first.pid, 'SIGSTOP');
          const { latencies, failed } = await loop;
          all.add(latencies);
          const aim = GAP_MS_MAX[fault];
          recorder.figure(
            `${fault}: gap between acknowledgements`,
            'ms',
            gap(acknowledged, faultAt, faultAt + seconds * 1_000),
            {
              better: 'lower',
              ...(aim !== undefined && { aim: { atMost: aim } }),
            },
          );
          recorder.figure(`${fault}: writes that failed or of unknown outcome`, '', failed, {
            better: 'lower',
          });
          await db.close();
          if (fault === 'kill') await first.start();
          else if (first.pid !== undefined) process.kill(first.pid, 'SIGCONT');
        }
        curves.push(all.series(fault));
      }
    } finally {
      if (first.pid !== undefined) process.kill(first.pid, 'SIGCONT');
      await cluster.stop();
    }
    recorder.plot(
      `Latency of acknowledged writes around a fault, ${rate}/s, from their due time`,
      { label: 'percentile', scale: 'percentile' },
      { label: 'ms', scale: 'log' },
      curves,
    );
    recorder.note(
      `Operations time out after ${OPERATION_TIMEOUT_MS / 1_000} s; a gap as long as what was looked at means that service did not come back. One client with both regions as endpoints. A write without an answer is not sent again by itself.`,
    );
  },
});

/**
 * The longest time without an acknowledgement that ends after the fault; the time from the last one until the client has
 * ended its load counts too, for a service that does not come back. Milliseconds.
 */
function gap(acknowledged: readonly number[], faultAt: number, loadEndsAt: number): number {
  let longest = 0;
  let previous = acknowledged[0] ?? faultAt;
  for (const at of [...acknowledged, loadEndsAt]) {
    if (at >= faultAt) longest = Math.max(longest, at - previous);
    previous = at;
  }
  return longest;
}
