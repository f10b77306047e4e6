/**
 * Walk: all records of a view in the order of their keys, restricted to some leaves of the index, page by page.
 *
 * Invariants
 * - Elements are seen through the clear record of their set, as it stands in the same view: what the clear has removed
 *   is never told, since the other side may have purged it for good.
 * - A record that is damaged is passed over: it is as good as lost.
 *
 * There is no index from a leaf to its records: a walk reads them all. It costs writes nothing, and repairs are rare.
 */
import {
  addCounterDigest,
  addElementDigest,
  addRegisterDigest,
  compactElement,
  Digest,
  Hasher,
  type VersionVector,
} from '@causeway/crdt';
import {
  ByteWriter,
  CausewayError,
  decodeCounter,
  decodeElement,
  decodeRegister,
  decodeSetMeta,
  encodeElement,
  type RecordState,
  unsealValue,
} from '@causeway/protocol';
import type { ScanEntry } from '../events.js';
import {
  concat,
  decodeText,
  type KeyRange,
  KIND,
  kindRange,
  splitElementKey,
  textKey,
} from '../store/keyspace.js';
import { recordHash } from '../store/merkle.js';
import type { View } from '../store/views.js';

const PAGE_BYTES = 256 << 10;
const NOTHING: VersionVector = new Map();
const neverStable = () => false;

export interface WalkedRecord extends RecordState {
  readonly leaf: number;
  /** Hash of its key. */
  readonly high: number;
  readonly low: number;
  /** Its part of the leaf's digest. */
  readonly print: Digest;
  /** It counts: it holds more than evidence. */
  readonly live: boolean;
}

export interface WalkedPage {
  readonly records: readonly WalkedRecord[];
  /** Everything up to here has been walked; undefined at the end. */
  readonly through: Uint8Array | undefined;
  /** Bytes that were read. */
  readonly bytes: number;
}

export class RecordWalk {
  private kind = 0;
  private from: Uint8Array | undefined;
  private readonly hasher = new Hasher();
  private readonly writer = new ByteWriter(256);
  /** The set whose elements come now, and what it is seen through. */
  private set: { readonly key: string; readonly through: VersionVector } | undefined;

  constructor(
    private readonly view: View,
    /** Leaves are nodes of this level. */
    private readonly level: number,
    private readonly wanted: (leaf: number) => boolean,
    private readonly recordsMax: number,
    /** A record's checksum is wrong, or it cannot be decoded. */
    private readonly onDamaged: (key: Uint8Array) => void,
  ) {}

  /** The next page, undefined when it could not be read. One at a time; none after the end. */
  next(then: (page: WalkedPage | undefined) => void): void {
    const range = this.range();
    if (range === undefined) return then({ records: [], through: undefined, bytes: 0 });
    this.view.scan(range, this.recordsMax, PAGE_BYTES, (entries) => {
      if (entries === undefined) return then(undefined);
      const last = entries.at(-1);
      if (last === undefined) {
        this.kind++;
        this.from = undefined;
        return this.next(then);
      }
      this.from = concat(last.key, Uint8Array.of(0));
      const mine = entries.filter(({ key }) => this.wanted(this.leafOf(recordHash(key).high)));
      const bytes = entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
      this.clears(mine, (clears) => {
        if (clears === undefined) return then(undefined);
        const records = mine.flatMap((entry) => this.recordOf(entry, clears));
        then({ records, through: last.key, bytes });
      });
    });
  }

  private leafOf(high: number): number {
    return this.level === 0 ? 0 : high >>> (32 - this.level);
  }

  private range(): KeyRange | undefined {
    const kind = WALKED_KINDS[this.kind];
    if (kind === undefined) return undefined;
    const { from, to } = kindRange(kind);
    return { from: this.from ?? from, to };
  }

  /** Of each set with elements among the entries, what it has been cleared through. */
  private clears(
    entries: readonly ScanEntry[],
    then: (clears: ReadonlyMap<string, VersionVector> | undefined) => void,
  ): void {
    const clears = new Map<string, VersionVector>();
    const wanted: string[] = [];
    for (const { key } of entries) {
      if (key[0] !== KIND.element) continue;
      const set = splitElementKey(key).key;
      if (clears.has(set)) continue;
      const known = this.set?.key === set ? this.set.through : undefined;
      clears.set(set, known ?? NOTHING);
      if (known === undefined) wanted.push(set);
    }
    if (wanted.length === 0) return then(clears);
    this.view.load(
      wanted.map((set) => textKey(KIND.set, set)),
      (values) => {
        if (values === undefined) return then(undefined);
        wanted.forEach((set, index) => {
          clears.set(set, this.throughOf(set, values[index]));
        });
        const key = wanted.at(-1)!;
        this.set = { key, through: clears.get(key)! };
        then(clears);
      },
    );
  }

  private throughOf(set: string, value: Uint8Array | undefined): VersionVector {
    if (value === undefined) return NOTHING;
    const key = textKey(KIND.set, set);
    try {
      return decodeSetMeta(unsealValue(key, value)).clear?.through ?? NOTHING;
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.onDamaged(key);
      return NOTHING;
    }
  }

  /** One, or none if it is damaged. */
  private recordOf({ key, value }: ScanEntry, clears: ReadonlyMap<string, VersionVector>): WalkedRecord[] {
    try {
      const digest = new Digest();
      const state = this.seen(key, unsealValue(key, value), clears, digest);
      if (state === undefined) return [];
      const { high, low } = recordHash(key);
      const leaf = this.leafOf(high);
      return [{ key, state, leaf, high, low, print: digest, live: !digest.isZero() }];
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.onDamaged(key);
      return [];
    }
  }

  /** The state as it is to be told, undefined when it says nothing; adds its live part to `digest`. */
  private seen(
    key: Uint8Array,
    payload: Uint8Array,
    clears: ReadonlyMap<string, VersionVector>,
    digest: Digest,
  ): Uint8Array | undefined {
    switch (key[0]) {
      case KIND.register: {
        const { register, expired } = decodeRegister(payload);
        if (!expired) addRegisterDigest(digest, this.hasher, decodeText(key.subarray(1)), register);
        return payload;
      }
      case KIND.counter:
        addCounterDigest(digest, this.hasher, decodeText(key.subarray(1)), decodeCounter(payload));
        return payload;
      default: {
        const { key: set, element } = splitElementKey(key);
        const state = decodeElement(payload);
        const left = compactElement(state, clears.get(set) ?? NOTHING, neverStable);
        addElementDigest(digest, this.hasher, set, element, left, NOTHING);
        if (left === state) return payload;
        if (left.adds.length + left.removals.length === 0) return undefined;
        this.writer.reset();
        encodeElement(this.writer, left);
        return this.writer.finish();
      }
    }
  }
}

/** Kinds of records that the index counts, in the order of the keys. */
const WALKED_KINDS: readonly number[] = [KIND.counter, KIND.element, KIND.register].sort((a, b) => a - b);

/** Orders keys as the store does. */
export function isAtOrBefore(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference < 0;
  }
  return a.length <= b.length;
}
