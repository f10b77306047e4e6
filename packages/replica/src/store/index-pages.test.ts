import { Digest } from '@causeway/crdt';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryStore } from '../testing/memory-store.js';
import { IndexPages } from './index-pages.js';
import { KIND, kindRange } from './keyspace.js';
import { MerkleIndex } from './merkle.js';
import { RegisterSlot } from './slot.js';

/** Two pages. */
const BITS = 11;

/** An index whose commits, pages and journals are stored as those of a replica are. */
class Kept {
  readonly index = new MerkleIndex(BITS);
  readonly pages = new IndexPages(this.index);
  readonly counted = new Map<number, Digest>();

  constructor(
    readonly store = new MemoryStore(),
    root = new Digest(),
  ) {
    this.index.root.set(root);
    const entries = [KIND.indexPage, KIND.indexJournal].flatMap((kind) => store.range(kindRange(kind)));
    this.pages.restore(entries);
  }

  /** One commit; `stored` false: the process dies before it is durable. */
  commit(changes: readonly (readonly [number, Digest])[], page: number | undefined, stored = true): void {
    const puts = page === undefined ? [] : [this.pages.page(page)];
    for (const [record, digest] of changes) {
      const slot = new RegisterSlot(`k${record}`);
      this.index.change(slot, this.counted.get(record) ?? new Digest(), digest);
      this.counted.set(record, digest);
    }
    const journal = this.pages.journal();
    if (stored) this.store.apply({ puts: journal === undefined ? puts : [...puts, journal], deletes: [] });
  }

  drop(max = 100): void {
    this.store.apply({ puts: [], deletes: this.pages.takeObsolete(max) });
  }

  reopened(): Kept {
    const root = new Digest();
    root.set(this.index.root);
    return new Kept(this.store.snapshot(), root);
  }
}

/** Thousands of words: a matcher takes its time. */
function haveSameLeaves(a: MerkleIndex, b: MerkleIndex): boolean {
  return a.leaves.words.every((word, i) => word === b.leaves.words[i]);
}

const digests = fc
  .tuple(fc.integer(), fc.integer())
  .map(([a, d]) => Object.assign(new Digest(), { a, b: 3, c: a, d }));
const commits = fc.array(
  fc.record({
    changes: fc.array(fc.tuple(fc.nat(30), fc.oneof(digests, fc.constant(new Digest()))), { maxLength: 5 }),
    page: fc.option(fc.nat(1), { nil: undefined }),
    drops: fc.boolean(),
  }),
  { maxLength: 40 },
);

test('property: whatever pages were stored while commits went on, a start finds the index as it was', () => {
  fc.assert(
    fc.property(commits, (history) => {
      const kept = new Kept();
      for (const { changes, page, drops } of history) {
        kept.commit(changes, page);
        if (drops) kept.drop();
      }

      const found = kept.reopened();

      expect(found.index.isWhole).toBe(true);
      expect(haveSameLeaves(found.index, kept.index)).toBe(true);
      expect(found.index.leaves.counts).toEqual(kept.index.leaves.counts);
    }),
    { numRuns: 200 },
  );
});

test('property: what is lost or damaged is noticed', () => {
  const one = fc.array(fc.tuple(fc.nat(30), digests), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(commits, one, fc.nat(), fc.boolean(), (history, last, which, loses) => {
      const kept = new Kept();
      for (const { changes, page } of history) kept.commit(changes, page);
      kept.commit(last, undefined);
      const journals = kept.store.range(kindRange(KIND.indexJournal)).filter(({ value }) => value.length > 8);
      const { key } = journals[which % journals.length]!;
      const found = kept.reopened();
      if (loses) found.store.delete(key);
      else found.store.damage(key);

      const again = found.reopened();

      // A page that is newer than the journal needs nothing of it; a damaged one is believed nothing all the same.
      expect(again.index.isWhole).toBe(loses && haveSameLeaves(again.index, kept.index));
    }),
    { numRuns: 200 },
  );
});

test('journals go when every page is newer, some at a time', () => {
  const kept = new Kept();
  const seven = Object.assign(new Digest(), { a: 7 });
  for (let record = 0; record < 10; record++) kept.commit([[record, seven]], undefined);
  expect(kept.pages.takeObsolete(100)).toEqual([]);
  const before = kept.pages.journalBytes;

  kept.commit([], 0);
  kept.commit([[11, seven]], 1);
  kept.pages.checkpointed(before);
  kept.drop(4);
  expect(kept.store.census()['j']).toBe(7);
  kept.drop();

  expect(kept.store.census()).toEqual({ j: 1, k: 2 });
  expect(kept.reopened().index.isWhole).toBe(true);
  expect(kept.reopened().pages.journalBytes).toBe(kept.pages.journalBytes);
});

test('an index of another size is counted anew, also when only journals are there', () => {
  const kept = new Kept();
  kept.commit([[1, Object.assign(new Digest(), { a: 7 })]], undefined);
  const other = new MerkleIndex(BITS + 1);
  other.root.set(kept.index.root);

  new IndexPages(other).restore(kept.store.all());

  expect(other.isWhole).toBe(false);
});

test('a store that has never had an index is counted, unless it is empty', () => {
  expect(new Kept(new MemoryStore()).index.isWhole).toBe(true);
  expect(new Kept(new MemoryStore(), Object.assign(new Digest(), { a: 1 })).index.isWhole).toBe(false);
});
