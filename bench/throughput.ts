/**
 * Throughput of one node against the ceiling, in turn: acknowledged durable writes and reads per second through the
 * client library, 20-byte keys, 100-byte values, 256 operations in flight on one connection.
 *
 *   node bench/dist/throughput.js [--pairs 5] [--seconds 3] [--keys 200000] [--in-flight 256] [--node URL]
 */
import { parseArgs } from 'node:util';
import { connect, type Database } from '@causeway/client';
import { type Server, startCeiling, startNodeProcess } from './harness/processes.js';
import { spread } from './harness/statistics.js';

const { values: options } = parseArgs({
  options: {
    pairs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    keys: { type: 'string', default: '200000' },
    'in-flight': { type: 'string', default: '256' },
  },
});
const pairs = Number(options.pairs);
const seconds = Number(options.seconds);
const keys = Number(options.keys);
const inFlight = Number(options['in-flight']);

const VALUE_BYTES = 100;
const values = Array.from({ length: 64 }, () => randomBytes(VALUE_BYTES));

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

function keyOf(index: number): string {
  return `key:${String(index).padStart(16, '0')}`;
}

/** Operations per second, with `inFlight` awaiting lanes. */
async function run(operation: (index: number) => Promise<unknown>): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let done = 0;
  const started = performance.now();
  const lane = async () => {
    while (performance.now() < until) {
      await operation(Math.floor(Math.random() * keys));
      done++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return done / ((performance.now() - started) / 1000);
}

interface Measured {
  readonly writes: number;
  readonly reads: number;
}

async function measure(db: Database): Promise<Measured> {
  const writes = await run((index) => db.register(keyOf(index)).set(values[index % values.length]));
  const reads = await run((index) => db.register(keyOf(index)).get());
  return { writes, reads };
}

async function loaded(server: Server): Promise<Database> {
  const db = await connect({ endpoints: [server.url] });
  for (let from = 0; from < keys; from += 5_000) {
    const some = Array.from({ length: Math.min(5_000, keys - from) }, (_, i) => from + i);
    await Promise.all(some.map((index) => db.register(keyOf(index)).set(values[index % values.length])));
  }
  return db;
}

const ceiling = await startCeiling();
const node = await startNodeProcess();
try {
  const databases = [await loaded(ceiling), await loaded(node)] as const;
  const ratios: Measured[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const bare = await measure(databases[0]);
    const causeway = await measure(databases[1]);
    ratios.push({ writes: causeway.writes / bare.writes, reads: causeway.reads / bare.reads });
    const row = [bare.writes, causeway.writes, bare.reads, causeway.reads].map((n) => Math.round(n));
    console.log(
      `pair ${pair + 1}: writes/s ceiling ${row[0]} causeway ${row[1]} · reads/s ceiling ${row[2]} causeway ${row[3]}`,
    );
  }
  const writes = ratios.map((ratio) => ratio.writes);
  const reads = ratios.map((ratio) => ratio.reads);
  console.log(`writes ÷ ceiling: median ${spread(writes)}`);
  console.log(`reads ÷ ceiling: median ${spread(reads)}`);
  await Promise.all(databases.map((db) => db.close()));
} finally {
  await ceiling.stop();
  await node.stop();
}
