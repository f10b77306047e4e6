/**
 * IndexPages: the Merkle index in the store, so that a start reads some megabytes instead of all records.
 *
 * Invariants
 * - Every commit stores what it changes of the leaves, in the same batch: its journal. Journals are numbered without
 *   gaps.
 * - A page is a range of leaves as they are after all journals below its `next`: pages are written one at a time, while
 *   writes go on, and each is right by itself. One that nothing has changed since is as good as a new one; journals
 *   below the `next` of all others are of no use and go.
 * - What is read back counts only when it sums up to the root of the replica record, which is in every commit; whatever
 *   was lost or never written, a wrong index is not taken for a right one.
 *
 * Sealed values, little-endian words:
 *   page     bits next(two words: low, high) count (leaf-in-page a b c d)*   only leaves that are not zero
 *   journal  bits (leaf × 4 + change of the count + 1, a b c d)*
 */
import { CausewayError, sealValue, unsealValue } from '@causeway/protocol';
import type { ScanEntry } from '../events.js';
import { indexJournalKey, indexPageKey, KIND, numberOfKey } from './keyspace.js';
import { ENTRY_WORDS, type MerkleIndex } from './merkle.js';

interface Put {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

const HEAD_WORDS = 4;

export class IndexPages {
  /** Number of the next journal. */
  private next = 1;
  /** Oldest journal that may be in the store. */
  private oldest = 1;
  /** Of each page, up to which journal its stored form goes. */
  private readonly positions: Float64Array;
  /** Bytes of the journals that a start would read. */
  journalBytes = 0;

  constructor(private readonly index: MerkleIndex) {
    this.positions = new Float64Array(index.leaves.counts.length);
  }

  /** What the sealed commit has changed; undefined when nothing. */
  journal(): Put | undefined {
    const noted = this.index.takeJournal();
    if (noted === undefined) return undefined;
    const key = indexJournalKey(this.next++);
    const value = sealValue(key, bytesOf(noted));
    this.journalBytes += key.length + value.length;
    return { key, value };
  }

  /** The first page from `page` on that is to be stored; undefined when there is none. */
  unstoredFrom(page: number): number | undefined {
    const found = this.index.unstored.indexOf(1, page);
    return found < 0 ? undefined : found;
  }

  /** A page as of the newest sealed commit, to be stored with the next one. */
  page(page: number): Put {
    const { index, next } = this;
    const { words, counts, pageShift } = index.leaves;
    const from = page << pageShift;
    const to = (page + 1) << pageShift;
    const encoded = new Int32Array(HEAD_WORDS + ENTRY_WORDS * (to - from));
    encoded[0] = index.bits;
    encoded[1] = next | 0;
    encoded[2] = Math.floor(next / 2 ** 32);
    encoded[3] = counts[page]!;
    let length = HEAD_WORDS;
    for (let leaf = from; leaf < to; leaf++) {
      const at = leaf << 2;
      if ((words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]!) === 0) continue;
      encoded[length] = leaf - from;
      encoded.set(words.subarray(at, at + 4), length + 1);
      length += ENTRY_WORDS;
    }
    this.positions[page] = next;
    index.unstored[page] = 0;
    const key = indexPageKey(page);
    return { key, value: sealValue(key, bytesOf(encoded.subarray(0, length))) };
  }

  /** All pages are durable as they were since the first was encoded at `since`: what a start reads is less now. */
  checkpointed(bytesBefore: number): void {
    this.journalBytes -= bytesBefore;
  }

  /** Keys of at most `max` journals that no page needs; each is given once. */
  takeObsolete(max: number): Uint8Array[] {
    let needed = this.next;
    this.positions.forEach((position, page) => {
      if (this.index.unstored[page] === 1) needed = Math.min(needed, position);
    });
    const keys: Uint8Array[] = [];
    while (this.oldest < needed && keys.length < max) keys.push(indexJournalKey(this.oldest++));
    return keys;
  }

  /** Takes the index from what the store holds; the index is whole afterwards if it sums up to its root. */
  restore(entries: readonly ScanEntry[]): void {
    const { index, positions } = this;
    index.leaves.clear();
    index.unstored.fill(0);
    positions.fill(0);
    this.journalBytes = 0;
    let oldest = 0;
    let last = 0;
    let readable = true;
    for (const { key, value } of entries) {
      try {
        if (key[0] === KIND.indexPage) readable = this.takePage(key, value) && readable;
        else if (key[0] === KIND.indexJournal) {
          last = numberOfKey(key);
          if (oldest === 0) oldest = last;
          readable = this.takeJournal(last, key, value) && readable;
        }
      } catch (error) {
        if (!(error instanceof CausewayError)) throw error;
        readable = false;
      }
    }
    for (const position of positions) last = Math.max(last, position - 1);
    this.next = last + 1;
    this.oldest = oldest === 0 ? this.next : oldest;
    index.isWhole = index.bits === 0 || (readable && index.leaves.node(0, 0).equals(index.root));
  }

  private takePage(key: Uint8Array, value: Uint8Array): boolean {
    const words = wordsOf(unsealValue(key, value));
    const page = ((key[1] ?? 0) << 8) | (key[2] ?? 0);
    const { leaves, bits } = this.index;
    if (words[0] !== bits || page >= this.positions.length) return false;
    this.positions[page] = (words[1]! >>> 0) + words[2]! * 2 ** 32;
    leaves.counts[page] = words[3]!;
    for (let at = HEAD_WORDS; at < words.length; at += ENTRY_WORDS) {
      const leaf = (page << leaves.pageShift) + words[at]!;
      leaves.words.set(words.subarray(at + 1, at + ENTRY_WORDS), leaf << 2);
    }
    return true;
  }

  private takeJournal(number: number, key: Uint8Array, value: Uint8Array): boolean {
    this.journalBytes += key.length + value.length;
    const words = wordsOf(unsealValue(key, value));
    const { leaves, bits, unstored } = this.index;
    if (words[0] !== bits) return false;
    for (let at = 1; at < words.length; at += ENTRY_WORDS) {
      const leaf = words[at]! >>> 2;
      const page = leaf >>> leaves.pageShift;
      if (number < (this.positions[page] ?? 0)) continue;
      leaves.add(words, at);
      unstored[page] = 1;
    }
    return true;
  }
}

/** Every machine that Node.js runs on, but one, is little-endian; there the index would be counted anew. */
function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** A copy: what is stored is aligned to nothing. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const words = new Int32Array(bytes.length >>> 2);
  new Uint8Array(words.buffer).set(bytes.subarray(0, words.byteLength));
  return words;
}
