/**
 * Slots: the records that are in memory, one object per record, for as long as somebody needs it or the cache
 * has room.
 *
 * Invariants
 * - There is at most one slot per record in use, so whoever holds it sees the newest executed state.
 * - `counted` is the slot's part of the root digest: the live dots of the state as stored, never as seen
 *   through a clear record. So a clear costs nothing at once, and its purge settles the digest bit by bit.
 * - A slot that is pinned or dirty is never evicted.
 */
import {
  addCounterDigest,
  addElementDigest,
  addRegisterDigest,
  type Counter,
  type Digest,
  EMPTY_COUNTER,
  EMPTY_ELEMENT,
  type Hasher,
  type Register,
  type SetElement,
  type VersionVector,
} from '@causeway/crdt';
import {
  type ByteWriter,
  decodeCounter,
  decodeElement,
  decodeFrame,
  decodeRegister,
  decodeSetMeta,
  encodeCounter,
  encodeElement,
  encodeFrame,
  encodeRegister,
  encodeSetMeta,
  type SetMeta,
} from '@causeway/protocol';

export abstract class Slot {
  /** Users that need it to stay. */
  pins = 0;
  loaded = false;
  /** Used since the cache looked at it last. */
  recent = false;
  /** What the transaction that is running has made of it. */
  draft: unknown;
  /** Number of the commit that changed it last, 0 when what is in memory is on disk. */
  dirty = 0;
  /** Part of the root digest as of the newest sealed commit, once known. */
  counted: Digest | undefined;
  /** Of the Merkle index; -1 until it is asked for. */
  leaf = -1;
  /** The last attempt to read it failed; what it holds is not known. */
  unreadable = false;
  /** What the store holds under its key is damaged. */
  corrupt = false;
  /** The store may hold less than this: it is read again as soon as nobody uses it. */
  stale = false;
  /** Bytes of the stored form, for the cache's bound. */
  bytes = 0;
  /** Of the cache, while it is there. */
  table: Map<string, Slot> | undefined;

  constructor(
    /** Key in the store. */
    readonly key: Uint8Array,
    /** Names it among the slots of its kind. */
    readonly name: string,
  ) {}

  /** The record is not there: its kind's empty state. */
  abstract get absent(): boolean;
  abstract decode(payload: Uint8Array): void;
  abstract encode(writer: ByteWriter): void;
  addDigest(_digest: Digest, _hasher: Hasher): void {
    // Only live user data is part of the root digest.
  }
}

export class RegisterSlot extends Slot {
  register: Register | undefined;
  /** Its expiry came and has taken it out of the digest. */
  expired = false;

  constructor(key: Uint8Array, name: string) {
    super(key, name);
  }

  get userKey(): string {
    return this.name;
  }

  get absent(): boolean {
    return this.register === undefined;
  }

  decode(payload: Uint8Array): void {
    const { register, expired } = decodeRegister(payload);
    this.register = register;
    this.expired = expired;
  }

  encode(writer: ByteWriter): void {
    if (this.register !== undefined) encodeRegister(writer, this.register, this.expired);
  }

  override addDigest(digest: Digest, hasher: Hasher): void {
    if (this.register !== undefined && !this.expired) {
      addRegisterDigest(digest, hasher, this.userKey, this.register);
    }
  }
}

export class ElementSlot extends Slot {
  state: SetElement = EMPTY_ELEMENT;

  constructor(
    readonly userKey: string,
    readonly element: Uint8Array,
    key: Uint8Array,
    /** `elementId` of both: sorts like the elements' bytes. */
    readonly id: string,
  ) {
    super(key, id);
  }

  get absent(): boolean {
    return this.state.adds.length === 0 && this.state.removals.length === 0;
  }

  decode(payload: Uint8Array): void {
    this.state = decodeElement(payload);
  }

  encode(writer: ByteWriter): void {
    encodeElement(writer, this.state);
  }

  override addDigest(digest: Digest, hasher: Hasher): void {
    addElementDigest(digest, hasher, this.userKey, this.element, this.state, NOTHING_CLEARED);
  }
}

const NOTHING_CLEARED: VersionVector = new Map();

export class SetSlot extends Slot {
  meta: SetMeta = { size: 0 };

  constructor(key: Uint8Array, name: string) {
    super(key, name);
  }

  get userKey(): string {
    return this.name;
  }

  get absent(): boolean {
    return this.meta.size === 0 && this.meta.clear === undefined && this.meta.purge === undefined;
  }

  decode(payload: Uint8Array): void {
    this.meta = decodeSetMeta(payload);
  }

  encode(writer: ByteWriter): void {
    encodeSetMeta(writer, this.meta);
  }
}

export class CounterSlot extends Slot {
  counter: Counter = EMPTY_COUNTER;

  constructor(key: Uint8Array, name: string) {
    super(key, name);
  }

  get userKey(): string {
    return this.name;
  }

  get absent(): boolean {
    return this.counter.entries.length === 0;
  }

  decode(payload: Uint8Array): void {
    this.counter = decodeCounter(payload);
  }

  encode(writer: ByteWriter): void {
    encodeCounter(writer, this.counter);
  }

  override addDigest(digest: Digest, hasher: Hasher): void {
    addCounterDigest(digest, hasher, this.userKey, this.counter);
  }
}

/** What an operation with an idempotency key was answered. */
export interface StoredResult {
  readonly fingerprint: string;
  /** Wall time of the answer, ms. */
  readonly at: number;
  readonly results: readonly unknown[];
  /** Counted against the bound of all results. */
  readonly bytes: number;
}

export class ResultSlot extends Slot {
  stored: StoredResult | undefined;

  get absent(): boolean {
    return this.stored === undefined;
  }

  decode(payload: Uint8Array): void {
    this.stored = decodeFrame(payload, payload.length, Number.POSITIVE_INFINITY) as StoredResult;
  }

  encode(writer: ByteWriter): void {
    if (this.stored !== undefined) writer.raw(encodeFrame(this.stored));
  }
}
