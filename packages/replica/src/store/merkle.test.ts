import { Digest } from '@causeway/crdt';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KIND, textKey } from './keyspace.js';
import { Leaves, MerkleIndex, nodeOf, recordHash } from './merkle.js';
import { CounterSlot } from './slot.js';

const BITS = 6;

const lanes = fc.tuple(fc.integer(), fc.integer(), fc.integer(), fc.integer());
const digests = fc.oneof(
  fc.constant(new Digest()),
  lanes.map(([a, b, c, d]) => Object.assign(new Digest(), { a, b, c, d })),
);
/** What becomes of some records, one change after the other. */
const histories = fc.array(fc.record({ record: fc.nat(40), digest: digests }), { maxLength: 200 });

function records(): CounterSlot[] {
  return Array.from({ length: 41 }, (_, i) => new CounterSlot(`k${i}`));
}

function play(history: readonly { record: number; digest: Digest }[]) {
  const index = new MerkleIndex(BITS);
  const slots = records();
  const now = slots.map(() => new Digest());
  for (const { record, digest } of history) {
    index.change(slots[record]!, now[record]!, digest);
    now[record] = digest;
  }
  index.takeJournal();
  return { index, slots, now };
}

test('property: what was kept up to date is what is counted from nothing, and sums up to the root', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { index, slots, now } = play(history);

      const counted = new Leaves(BITS);
      slots.forEach(({ key }, i) => {
        counted.change(nodeOf(key, BITS), new Digest(), now[i]!);
      });

      expect(index.leaves.words).toEqual(counted.words);
      expect(index.leaves.count).toBe(now.filter((digest) => !digest.isZero()).length);
      expect(index.leaves.node(0, 0)).toEqual(index.root);
    }),
  );
});

test('property: a node of any level is the sum of its records, also as a whole level', () => {
  fc.assert(
    fc.property(histories, fc.integer({ min: 1, max: BITS }), (history, level) => {
      const { index, slots, now } = play(history);
      const frozen = index.freeze()!;
      const all = frozen.level(level);
      for (let node = 0; node < 1 << level; node++) {
        const sum = new Digest();
        slots.forEach(({ key }, i) => {
          if (nodeOf(key, level) === node) sum.add(now[i]!);
        });
        expect(frozen.node(level, node)).toEqual(sum);
        expect([...all.subarray(4 * node, 4 * node + 4)]).toEqual([sum.a, sum.b, sum.c, sum.d]);
      }
    }),
    { numRuns: 30 },
  );
});

test('a frozen index does not change with the one that it was taken of', () => {
  const { index, slots } = play([]);
  const frozen = index.freeze()!;

  index.change(slots[0]!, new Digest(), Object.assign(new Digest(), { a: 1 }));

  expect(frozen.count).toBe(0);
  expect(frozen.node(0, 0).isZero()).toBe(true);
});

test('an index that is counted anew is not frozen, and what was counted is taken for right', () => {
  const { index, slots, now } = play([{ record: 1, digest: Object.assign(new Digest(), { a: 7 }) }]);
  index.isWhole = false;
  expect(index.freeze()).toBeUndefined();

  const counted = new Leaves(BITS);
  counted.change(nodeOf(slots[2]!.key, BITS), new Digest(), now[1]!);
  const wrong = index.adopt(counted);

  expect(wrong).toBe(nodeOf(slots[1]!.key, BITS) === nodeOf(slots[2]!.key, BITS) ? 0 : 2);
  expect(index.freeze()?.node(BITS, nodeOf(slots[2]!.key, BITS))).toEqual(now[1]);
});

test('the hash of a key is the same for ever, on every machine', () => {
  expect(recordHash(textKey(KIND.register, 'a'))).toMatchInlineSnapshot(`
    {
      "high": 1235509274,
      "low": 345173335,
    }
  `);
  expect(recordHash(textKey(KIND.counter, 'a'))).toMatchInlineSnapshot(`
    {
      "high": 1569192417,
      "low": 4081238670,
    }
  `);
});

test('a node of a level is named by the first bits of the hash', () => {
  const key = textKey(KIND.register, 'a');
  expect(nodeOf(key, 32)).toBe(recordHash(key).high);
  expect(nodeOf(key, 9)).toBe(nodeOf(key, 10) >>> 1);
});

test('without leaves there is the root', () => {
  const index = new MerkleIndex(0);
  const [slot] = records();

  index.change(slot!, new Digest(), Object.assign(new Digest(), { a: 7 }));

  expect(index.root.a).toBe(7);
  expect(index.freeze()).toBeUndefined();
  expect(index.takeJournal()).toBeUndefined();
});
