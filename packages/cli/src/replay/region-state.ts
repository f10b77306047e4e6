/** What a region holds under a prefix, read through the client library. */
import type { Database } from '@causeway/client';
import { listKeys } from '../commands/keys.js';
import { toJson } from '../values.js';

export interface RegionState {
  readonly counters: ReadonlyMap<string, number>;
  /** Elements in their JSON form. */
  readonly sets: ReadonlyMap<string, ReadonlySet<string>>;
  /** Values in their JSON form. */
  readonly registers: ReadonlyMap<string, string>;
}

/** Reads that are under way at once. */
const READS = 500;

export async function readRegionState(db: Database, node: string, prefix: string): Promise<RegionState> {
  const counters = new Map<string, number>();
  const sets = new Map<string, ReadonlySet<string>>();
  const registers = new Map<string, string>();
  const read = async (type: string, key: string): Promise<void> => {
    if (type === 'counter') counters.set(key, await db.counter(key).value());
    else if (type === 'set') sets.set(key, new Set((await db.set(key).values()).map(toJson)));
    else registers.set(key, toJson(await db.register(key).get()));
  };
  let reads: Promise<void>[] = [];
  for await (const { type, key } of listKeys(node, { prefix })) {
    reads.push(read(type, key));
    if (reads.length < READS) continue;
    await Promise.all(reads);
    reads = [];
  }
  await Promise.all(reads);
  return { counters, sets, registers };
}
