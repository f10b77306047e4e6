/** Arbitrary parts of messages and records, for properties. */
import type { Dot, ReplicaId, Stamp, VersionVector } from '@causeway/crdt';
import { compareDots, replicaId } from '@causeway/crdt';
import fc from 'fast-check';
import { encodeCanonical } from '../canonical.js';
import type { Operation } from '../operations.js';

export const EU = replicaId('eu-west.00000001');
export const US = replicaId('us-east.0a0b0c0d');
export const AP = replicaId('ap-south.ffffffff');

/** Few, so that they meet; one of the longest form. */
export const REPLICAS: readonly ReplicaId[] = [
  EU,
  US,
  AP,
  replicaId(`${'x'.repeat(32)}.12345678`),
  replicaId('a.00000000'),
];

export const replicas = fc.constantFrom(...REPLICAS);
export const seqs = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
);
export const naturals = fc.oneof(fc.nat(300), fc.nat({ max: Number.MAX_SAFE_INTEGER }));
export const walls = fc.integer({ min: 0, max: 2 ** 48 - 1 });
export const dots: fc.Arbitrary<Dot> = fc.record({ replica: replicas, seq: seqs });
export const totals = fc.oneof(
  fc.bigInt({ min: 0n, max: 300n }),
  fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
);

export const vectors: fc.Arbitrary<VersionVector> = fc
  .uniqueArray(fc.tuple(replicas, seqs), { selector: ([replica]) => replica })
  .map((entries) => new Map(entries));

/** Ascending by replica, one of each. */
export const dotsByReplica: fc.Arbitrary<readonly Dot[]> = fc
  .uniqueArray(dots, { selector: (dot) => dot.replica })
  .map((list) => list.sort(compareDots));

export const stamps: fc.Arbitrary<Stamp> = fc.record({
  physical: walls,
  logical: fc.nat(2 ** 32 - 1),
  replica: replicas,
});

export const texts = fc.string({ unit: 'binary', maxLength: 20 });
export const keys = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 60 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
);

export const values: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    texts,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.jsonValue(),
    fc.uint8Array(),
    fc.bigInt(),
  )
  .map((value) => encodeCanonical(value));

/** With `undefined` fields left out, as exact optional properties want it. */
export function compact<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
const lists = fc.array(values, { maxLength: 4 });
const op = <O extends Operation['op']>(name: O) => fc.constant(name);

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constantFrom('register.get' as const, 'register.delete' as const), key: keys }),
  fc
    .record({
      op: op('register.set'),
      key: keys,
      value: values,
      ttlMs: optional(fc.integer({ min: 1, max: 9e12 })),
    })
    .map((operation) => compact(operation) as Operation),
  fc.record({ op: op('set.update'), key: keys, add: lists, remove: lists }),
  fc.record({ op: fc.constantFrom('set.clear' as const, 'set.size' as const), key: keys }),
  fc.record({ op: op('set.has'), key: keys, values: lists }),
  fc
    .record({
      op: op('set.values'),
      key: keys,
      limit: optional(fc.integer({ min: 1, max: 100_000 })),
      after: optional(values),
    })
    .map((operation) => compact(operation) as Operation),
  fc.record({ op: op('counter.increment'), key: keys, by: fc.maxSafeInteger() }),
  fc.record({ op: fc.constantFrom('counter.get' as const, 'counter.reset' as const), key: keys }),
);
