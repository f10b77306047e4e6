/**
 * What clients do in the throughput suite: the core workloads of YCSB (Cooper et al. 2010) but for E, which scans, and pure
 * loads of each type. Popular keys are spread over the key space, as there.
 *
 *   a 50 % reads, 50 % updates    b 95 % reads    c reads only    d 95 % reads of the newest, 5 % inserts
 *   f 50 % reads, 50 % read, then write           writes, reads, counters, sets: uniform
 */
import { zipf } from '@causeway/cli';
import { isCauseway } from '../harness/causeway-targets.js';
import type { Operation } from '../harness/load.js';
import type { TargetClient } from '../harness/target.js';
import { seeded } from './random.js';

export const MIXES = ['writes', 'reads', 'counters', 'sets', 'a', 'b', 'c', 'd', 'f'] as const;
export type Mix = (typeof MIXES)[number];

/** Mixes of one type of Causeway's; whoever lacks it is loaded with `writes` instead. */
const OWN_TYPES: readonly string[] = ['counters', 'sets'];

const READ_SHARE: Readonly<Record<string, number>> = { a: 0.5, b: 0.95, c: 1, d: 0.95, f: 0.5 };
/** Elements of a set are numbers below this. */
const ELEMENTS = 1_000;
/** Coprime to any number of keys that is not a multiple of it. */
const SPREAD = 7_919;

export interface MixOptions {
  readonly keys: number;
  readonly values: readonly Uint8Array[];
  readonly seed: number;
}

export function keyOf(index: number): string {
  return `key:${String(index).padStart(16, '0')}`;
}

export function operationOf(mix: string, client: TargetClient, options: MixOptions): Operation {
  const { keys, values, seed } = options;
  const random = seeded(seed);
  const uniform = () => Math.floor(random() * keys);
  const value = (index: number) => values[index % values.length]!;
  const put = (key: number) => client.put(keyOf(key), value(key));
  const get = (key: number) => client.get(keyOf(key));
  if (OWN_TYPES.includes(mix) && isCauseway(client)) {
    const { db } = client;
    if (mix === 'counters') return () => db.counter(keyOf(uniform())).increment();
    return () => db.set<number>(keyOf(uniform())).add(Math.floor(random() * ELEMENTS));
  }
  if (mix === 'reads') return () => get(uniform());
  const share = READ_SHARE[mix];
  if (share === undefined) return () => put(uniform());
  return ycsb(mix, share, { keys, random, put, get });
}

interface YcsbOptions {
  readonly keys: number;
  readonly random: () => number;
  readonly put: (key: number) => Promise<unknown>;
  readonly get: (key: number) => Promise<unknown>;
}

function ycsb(mix: string, readShare: number, { keys, random, put, get }: YcsbOptions): Operation {
  const rank = zipf(keys, random);
  const popular = () => (rank() * SPREAD) % keys;
  if (mix === 'd') {
    let newest = keys - 1;
    return () => (random() < readShare ? get(Math.max(0, newest - rank())) : put(++newest));
  }
  return async () => {
    const key = popular();
    if (random() < readShare) return get(key);
    if (mix === 'f') await get(key);
    return put(key);
  };
}
