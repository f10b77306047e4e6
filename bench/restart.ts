/**
 * Restart: a node with a million keys is killed with SIGKILL while it is written to, and started again; how long until
 * it is ready, and until it has answered a read.
 *
 *   node bench/dist/restart.js [--keys 1000000] [--times 3]
 */
import { parseArgs } from 'node:util';
import { startCluster } from '@causeway/cli';
import { connect } from '@causeway/client';
import { spread } from './harness/statistics.js';

const { values: options } = parseArgs({
  options: { keys: { type: 'string', default: '1000000' }, times: { type: 'string', default: '3' } },
});
const keys = Number(options.keys);
const times = Number(options.times);
const IN_FLIGHT = 1_000;

const cluster = await startCluster({ regions: ['solo'] });
try {
  await cluster.untilReady();
  const node = cluster.node('solo');
  const value = crypto.getRandomValues(new Uint8Array(100));
  const keyOf = (index: number) => `key:${String(index).padStart(16, '0')}`;
  const db = await connect({ endpoints: [node.urls.client] });
  let next = 0;
  let reported = performance.now();
  const lane = async () => {
    while (next < keys) {
      await db.register(keyOf(next++)).set(value);
      if (performance.now() - reported > 2_000) {
        reported = performance.now();
        console.log(`writing: ${Math.round((100 * next) / keys)} %`);
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  await db.close();

  const ready: number[] = [];
  const answered: number[] = [];
  for (let time = 0; time < times; time++) {
    const writer = await connect({ endpoints: [node.urls.client] });
    const load = Array.from({ length: 256 }, (_, i) => writer.register(keyOf(i * 997)).set(value));
    await load[0];
    const exit = node.kill('SIGKILL');
    await Promise.allSettled([...load, exit, writer.close()]);
    const started = performance.now();
    await node.start();
    await cluster.untilReady({ everyMs: 5 });
    ready.push(performance.now() - started);
    const reader = await connect({ endpoints: [node.urls.client] });
    if ((await reader.register(keyOf(keys - 1)).get()) === undefined)
      throw new Error('an acknowledged write is lost');
    answered.push(performance.now() - started);
    await reader.close();
    console.log(
      `start ${time + 1}: ready after ${ready.at(-1)?.toFixed(0)} ms, first read after ${answered.at(-1)?.toFixed(0)} ms`,
    );
  }
  console.log(`${keys} keys: ready after ${spread(ready, 0)} ms, first read after ${spread(answered, 0)} ms`);
} finally {
  await cluster.stop();
}
