/**
 * MerkleIndex: digests of all records, by the hash of their key. Two replicas that compare the digests of ever fewer
 * records find the ones that differ.
 *
 * Invariants
 * - A record belongs to the leaf that the first `bits` bits of the hash of its key name; a leaf is the sum of the
 *   digests of its records, and an inner node, which is not stored, the sum of the leaves below it. So a node of
 *   `level` is named by the first `level` bits, whatever number of bits its replica keeps.
 * - The root is always that of all records. The leaves sum up to it whenever the index `isWhole`; else they are being
 *   counted anew, and nobody may compare them.
 * - A write costs the same whatever the number of records: one leaf, the root, one entry of the journal.
 * - `counted` of a slot is what of it stands in its leaf.
 *
 * The journal holds the changes that a commit makes while it is being sealed; with its end they are in the leaves, and
 * index-pages.ts stores them.
 */
import { Digest, Hasher, KEY_SEED } from '@causeway/crdt';
import type { Slot } from './slot.js';

/** Told of every change, by who counts the records anew. Digests are only lent. */
export interface ChangeListener {
  changed(key: Uint8Array, leaf: number, before: Digest, after: Digest): void;
}

/** What the index was at one moment. */
export interface FrozenIndex {
  /** There are 2^bits leaves. */
  readonly bits: number;
  /** Records that are part of it. */
  readonly count: number;
  /** Of the records below node `index` of `level`: level 0 is the root, level `bits` are the leaves. */
  node(level: number, index: number): Digest;
  /** Of all nodes of `level`, one after the other, four lanes each. Levels beyond `bits` do not exist. */
  level(level: number): Int32Array;
}

/** Leaves of one page: what is stored at once, and counted together. */
export const PAGE_LEAVES_BITS = 10;
/** int32 of one journal entry: leaf and change of the count, four lanes. */
export const ENTRY_WORDS = 5;

const hasher = new Hasher();
const scratch = new Digest();

/** The 64 bits by which a record is known to other replicas, as two words; nodes are named by the first bits of `high`. */
export function recordHash(key: Uint8Array): { readonly high: number; readonly low: number } {
  hashKey(key);
  return { high: scratch.a >>> 0, low: scratch.b >>> 0 };
}

/** The node of `level`, of 1 to 32, that the record belongs to. */
export function nodeOf(key: Uint8Array, level: number): number {
  hashKey(key);
  return scratch.a >>> (32 - level);
}

function hashKey(key: Uint8Array): void {
  scratch.clear();
  hasher.start(KEY_SEED).bytes(key).addTo(scratch);
}

/** Leaves, and how many records each page of them has. */
export class Leaves implements FrozenIndex {
  readonly words: Int32Array;
  readonly counts: Int32Array;
  /** Which page a leaf is of: leaf >>> pageShift. */
  readonly pageShift: number;

  constructor(
    readonly bits: number,
    from?: Leaves,
  ) {
    this.pageShift = Math.min(bits, PAGE_LEAVES_BITS);
    this.words = from === undefined ? new Int32Array(4 << bits) : from.words.slice();
    this.counts = from === undefined ? new Int32Array(1 << (bits - this.pageShift)) : from.counts.slice();
  }

  get count(): number {
    let count = 0;
    for (const part of this.counts) count += part;
    return count;
  }

  /** Takes `before` out of a leaf and puts `after` in. */
  change(leaf: number, before: Digest, after: Digest): void {
    const { words } = this;
    const at = leaf << 2;
    words[at] = words[at]! + after.a - before.a;
    words[at + 1] = words[at + 1]! + after.b - before.b;
    words[at + 2] = words[at + 2]! + after.c - before.c;
    words[at + 3] = words[at + 3]! + after.d - before.d;
    this.counts[leaf >>> this.pageShift]! += presence(after) - presence(before);
  }

  /** Takes in the entry of a journal that begins at `at`. */
  add(journal: Int32Array, at: number): void {
    const { words } = this;
    const entry = journal[at]!;
    const to = (entry >>> 2) << 2;
    words[to] = words[to]! + journal[at + 1]!;
    words[to + 1] = words[to + 1]! + journal[at + 2]!;
    words[to + 2] = words[to + 2]! + journal[at + 3]!;
    words[to + 3] = words[to + 3]! + journal[at + 4]!;
    this.counts[entry >>> (2 + this.pageShift)]! += (entry & 3) - 1;
  }

  node(level: number, index: number): Digest {
    const sum = new Digest();
    const width = this.bits - level;
    this.sum(sum, index << width, (index + 1) << width);
    return sum;
  }

  level(level: number): Int32Array {
    const nodes = new Int32Array(4 << level);
    const shift = this.bits - level;
    const { words } = this;
    for (let at = 0; at < words.length; at++) nodes[((at >>> (shift + 2)) << 2) | (at & 3)]! += words[at]!;
    return nodes;
  }

  clear(): void {
    this.words.fill(0);
    this.counts.fill(0);
  }

  set(other: Leaves): void {
    this.words.set(other.words);
    this.counts.set(other.counts);
  }

  private sum(sum: Digest, from: number, to: number): void {
    const { words } = this;
    for (let at = from << 2; at < to << 2; at += 4) {
      sum.a = (sum.a + words[at]!) | 0;
      sum.b = (sum.b + words[at + 1]!) | 0;
      sum.c = (sum.c + words[at + 2]!) | 0;
      sum.d = (sum.d + words[at + 3]!) | 0;
    }
  }
}

export class MerkleIndex {
  readonly root = new Digest();
  readonly leaves: Leaves;
  /** The leaves are those of all records. */
  isWhole = true;
  /** Pages of which not all that is in the leaves is stored as a page: 1. */
  readonly unstored: Uint8Array;
  /** Follows the changes while the records are counted anew. */
  listener: ChangeListener | undefined;
  /** The number of bits, then the entries. */
  private journal = new Int32Array(1 + ENTRY_WORDS * 256);
  private journalLength = 1;

  /** With 0 bits there is the root and nothing else: for a bench that asks what the rest costs. */
  constructor(readonly bits: number) {
    this.leaves = new Leaves(bits);
    this.unstored = new Uint8Array(this.leaves.counts.length);
    this.journal[0] = bits;
  }

  /** The record of `slot` has changed from `before` to `after`. */
  change(slot: Slot, before: Digest, after: Digest): void {
    const a = (after.a - before.a) | 0;
    const b = (after.b - before.b) | 0;
    const c = (after.c - before.c) | 0;
    const d = (after.d - before.d) | 0;
    if ((a | b | c | d) === 0) return;
    const { root } = this;
    root.a = (root.a + a) | 0;
    root.b = (root.b + b) | 0;
    root.c = (root.c + c) | 0;
    root.d = (root.d + d) | 0;
    if (this.bits === 0) return;
    if (slot.leaf < 0) slot.leaf = nodeOf(slot.key, this.bits);
    this.listener?.changed(slot.key, slot.leaf, before, after);
    // What is being counted anew has nothing to be changed, and is not stored before it is done.
    if (this.isWhole) this.note(slot.leaf, a, b, c, d, presence(after) - presence(before));
  }

  /** A copy; undefined while it is not to be compared. */
  freeze(): FrozenIndex | undefined {
    return this.isWhole && this.bits > 0 ? new Leaves(this.bits, this.leaves) : undefined;
  }

  /**
   * Takes what has been counted anew; stored pages and journals do not hold it. Gives the number of leaves that were not
   * what they should have been.
   */
  adopt(counted: Leaves): number {
    let wrong = 0;
    const { words } = this.leaves;
    for (let at = 0; at < words.length; at += 4) {
      const same =
        counted.words[at] === words[at] &&
        counted.words[at + 1] === words[at + 1] &&
        counted.words[at + 2] === words[at + 2] &&
        counted.words[at + 3] === words[at + 3];
      if (!same) wrong++;
    }
    if (wrong > 0) this.leaves.set(counted);
    // Of an index that was lost nobody knows what is stored.
    if (wrong > 0 || !this.isWhole) this.unstored.fill(1);
    this.root.set(counted.node(0, 0));
    this.isWhole = true;
    return wrong;
  }

  /**
   * Takes what was noted since the last call into the leaves, and gives it as a view that is valid until the next change;
   * undefined when nothing was. All at once, since leaves lie far apart in memory: a processor fetches those of many
   * entries at a time, and waits for each of them if they are changed one by one between other work.
   */
  takeJournal(): Int32Array | undefined {
    if (this.journalLength === 1) return undefined;
    const noted = this.journal.subarray(0, this.journalLength);
    this.journalLength = 1;
    const { leaves, unstored } = this;
    for (let at = 1; at < noted.length; at += ENTRY_WORDS) {
      leaves.add(noted, at);
      unstored[noted[at]! >>> (2 + leaves.pageShift)] = 1;
    }
    return noted;
  }

  private note(leaf: number, a: number, b: number, c: number, d: number, count: number): void {
    const at = this.journalLength;
    if (at === this.journal.length) {
      const grown = new Int32Array(2 * at - 1);
      grown.set(this.journal);
      this.journal = grown;
    }
    const { journal } = this;
    journal[at] = (leaf << 2) | (count + 1);
    journal[at + 1] = a;
    journal[at + 2] = b;
    journal[at + 3] = c;
    journal[at + 4] = d;
    this.journalLength = at + ENTRY_WORDS;
  }
}

function presence(digest: Digest): number {
  return digest.isZero() ? 0 : 1;
}
