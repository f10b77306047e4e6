/**
 * Large sets: add, remove and has of a set of a million elements against a set of ten, in the same store, in turn.
 *
 *   node bench/dist/large-set.js [--elements 1000000] [--operations 4000] [--pairs 5]
 */
import { parseArgs } from 'node:util';
import { connect, type Database } from '@causeway/client';
import { startNodeProcess } from './harness/processes.js';
import { spread } from './harness/statistics.js';

const { values: options } = parseArgs({
  options: {
    elements: { type: 'string', default: '1000000' },
    operations: { type: 'string', default: '4000' },
    pairs: { type: 'string', default: '5' },
  },
});
const elements = Number(options.elements);
const operations = Number(options.operations);
const pairs = Number(options.pairs);

const IN_FLIGHT = 64;
const SMALL = 10;
const ADD_BATCH = 500;

async function fill(db: Database, key: string, size: number): Promise<void> {
  const set = db.set<number>(key);
  let reported = performance.now();
  for (let from = 0; from < size; from += ADD_BATCH * 20) {
    const batches: Promise<void>[] = [];
    for (let at = from; at < Math.min(size, from + ADD_BATCH * 20); at += ADD_BATCH) {
      batches.push(set.add(...Array.from({ length: Math.min(ADD_BATCH, size - at) }, (_, i) => at + i)));
    }
    await Promise.all(batches);
    if (performance.now() - reported > 2_000) {
      reported = performance.now();
      console.log(`filling ${key}: ${Math.round((100 * from) / size)} %`);
    }
  }
}

/** Microseconds per operation, `IN_FLIGHT` at a time. */
async function time(operation: (index: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const started = performance.now();
  const lane = async () => {
    while (next < operations) await operation(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return ((performance.now() - started) * 1000) / operations;
}

const kinds = ['add', 'has', 'remove'] as const;

async function round(
  db: Database,
  key: string,
  size: number,
): Promise<Record<(typeof kinds)[number], number>> {
  const set = db.set<number>(key);
  const fresh = (index: number) => size + index;
  return {
    add: await time((index) => set.add(fresh(index))),
    has: await time((index) => set.has(Math.floor((index * 7919) % size))),
    remove: await time((index) => set.remove(fresh(index))),
  };
}

const server = await startNodeProcess();
try {
  const db = await connect({ endpoints: [server.url] });
  await fill(db, 'small', SMALL);
  await fill(db, 'large', elements);
  const ratios: Record<(typeof kinds)[number], number[]> = { add: [], has: [], remove: [] };
  for (let pair = 0; pair < pairs; pair++) {
    const small = await round(db, 'small', SMALL);
    const large = await round(db, 'large', elements);
    for (const kind of kinds) ratios[kind].push(large[kind] / small[kind]);
    const shown = kinds.map((kind) => `${kind} ${small[kind].toFixed(1)} / ${large[kind].toFixed(1)} µs`);
    console.log(`pair ${pair + 1}: ${SMALL} / ${elements} elements: ${shown.join(' · ')}`);
  }
  console.log(`sizes: ${await db.set('small').size()} and ${await db.set('large').size()}`);
  for (const kind of kinds)
    console.log(`${kind}: ${elements} ÷ ${SMALL} elements, median ${spread(ratios[kind])}`);
  await db.close();
} finally {
  await server.stop();
}
