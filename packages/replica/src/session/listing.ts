/**
 * Lists the keys that hold something: by type, then by the key's bytes, a page at a time, from what is durable.
 */
import { counterValue, isDeadRegister, isLive, type VersionVector } from '@causeway/crdt';
import {
  CausewayError,
  compareBytes,
  decodeCounter,
  decodeElement,
  decodeRegister,
  decodeSetMeta,
  type KeyType,
  type ListedKey,
  unsealValue,
} from '@causeway/protocol';
import type { Now } from '../environment.js';
import type { ScanEntry, SessionId } from '../events.js';
import { NOTHING } from '../store/apply.js';
import {
  concat,
  elementRange,
  type KeyRange,
  KIND,
  kindRange,
  prefixEnd,
  splitElementKey,
  textKey,
  textOfKey,
} from '../store/keyspace.js';
import type { Store } from '../store/store.js';

const TYPES: readonly KeyType[] = ['counter', 'register', 'set'];
const PAGE_ENTRIES = 512;
const PAGE_BYTES = 1 << 20;

export interface ListRequest {
  readonly session: SessionId;
  readonly request: number;
  readonly keyType?: KeyType;
  readonly prefix: string;
  readonly limit: number;
  readonly after?: string;
}

export class KeyListing {
  private keys: ListedKey[] = [];
  private readonly types: readonly KeyType[];
  private type = 0;
  private from: Uint8Array | undefined;

  /** @throws CausewayError CAUSEWAY_BAD_REQUEST when `after` is no position. */
  constructor(
    private readonly store: Store,
    readonly asked: ListRequest,
    private readonly now: Now,
    private readonly answered: () => void,
  ) {
    this.types = asked.keyType === undefined ? TYPES : [asked.keyType];
    this.seek();
  }

  /** Lists from the beginning, once what is executed is durable. */
  start(): void {
    this.keys = [];
    this.seek();
    this.store.whenDurable(() => this.readOn());
  }

  private seek(): void {
    const { after } = this.asked;
    this.type = 0;
    this.from = undefined;
    if (after === undefined) return;
    const colon = after.indexOf(':');
    this.type = this.types.indexOf(after.slice(0, colon) as KeyType);
    if (colon < 0 || this.type < 0) {
      throw new CausewayError(
        'CAUSEWAY_BAD_REQUEST',
        'after is no position of this listing: take it from a page',
      );
    }
    const last = textKey(kindOf(this.types[this.type]!), after.slice(colon + 1));
    this.from = concat(last, Uint8Array.of(0));
  }

  private readOn(): void {
    const type = this.types[this.type];
    if (type === undefined) return this.answer(undefined);
    const range = this.rangeOf(type);
    // A position from another listing may lie outside of this one's prefix.
    const from = this.from !== undefined && compareBytes(this.from, range.from) > 0 ? this.from : range.from;
    this.store.reads.scan({ from, to: range.to }, PAGE_ENTRIES, PAGE_BYTES, (entries) =>
      this.take(type, entries),
    );
  }

  private take(type: KeyType, entries: readonly ScanEntry[] | undefined): void {
    if (entries === undefined) return this.fail();
    if (entries.length === 0) {
      this.type++;
      this.from = undefined;
      return this.readOn();
    }
    this.filter(type, entries, 0);
  }

  private filter(type: KeyType, entries: readonly ScanEntry[], start: number): void {
    for (let i = start; i < entries.length; i++) {
      const { key, value } = entries[i]!;
      const text = textOfKey(key);
      this.from = concat(key, Uint8Array.of(0));
      const holds = this.holdsSomething(type, key, value);
      if (typeof holds !== 'boolean') {
        return this.probe(text, holds, undefined, () => this.filter(type, entries, i + 1));
      }
      if (holds && this.add({ type, key: text })) return;
    }
    this.readOn();
  }

  /** Whether that was the last one of the page. */
  private add(listed: ListedKey): boolean {
    if (this.keys.length === this.asked.limit) {
      const last = this.keys[this.keys.length - 1]!;
      this.answer(`${last.type}:${last.key}`);
      return true;
    }
    this.keys.push(listed);
    return false;
  }

  /** Of a set whose size is being counted: what its elements are seen through. */
  private holdsSomething(type: KeyType, key: Uint8Array, value: Uint8Array): boolean | VersionVector {
    try {
      const payload = unsealValue(key, value);
      switch (type) {
        case 'counter':
          return counterValue(decodeCounter(payload)) !== 0n;
        case 'register': {
          const { register, expired } = decodeRegister(payload);
          return !expired && !isDeadRegister(register, this.now.wall);
        }
        default: {
          const { size, clear } = decodeSetMeta(payload);
          return size === undefined ? (clear?.through ?? NOTHING) : size > 0;
        }
      }
    } catch (error) {
      if (error instanceof CausewayError) return true;
      throw error;
    }
  }

  /** A set whose size is being counted: it is listed when one element is live. */
  private probe(key: string, through: VersionVector, after: Uint8Array | undefined, then: () => void): void {
    this.store.reads.scan(elementRange(key, after), PAGE_ENTRIES, PAGE_BYTES, (entries) => {
      if (entries === undefined) return this.fail();
      if (entries.some((entry) => mayBeLive(entry, through))) {
        if (!this.add({ type: 'set', key })) then();
      } else if (entries.length === 0) {
        then();
      } else {
        this.probe(key, through, splitElementKey(entries[entries.length - 1]!.key).element, then);
      }
    });
  }

  private answer(after: string | undefined): void {
    const { session, request } = this.asked;
    this.answered();
    this.store.send({
      type: 'keys',
      session,
      request,
      keys: this.keys,
      ...(after === undefined ? {} : { after }),
    });
  }

  private fail(): void {
    const { session, request } = this.asked;
    this.answered();
    const error = new CausewayError('CAUSEWAY_READ_FAILED', 'reading the keys from disk failed: try again');
    this.store.send({ type: 'failure', session, request, error });
  }

  private rangeOf(type: KeyType): KeyRange {
    const kind = kindOf(type);
    if (this.asked.prefix === '') return kindRange(kind);
    const from = textKey(kind, this.asked.prefix);
    return { from, to: prefixEnd(from) };
  }
}

/** A damaged one may be. */
function mayBeLive({ key, value }: ScanEntry, through: VersionVector): boolean {
  try {
    return isLive(decodeElement(unsealValue(key, value)), through);
  } catch (error) {
    if (error instanceof CausewayError) return true;
    throw error;
  }
}

function kindOf(type: KeyType): number {
  return KIND[type];
}
