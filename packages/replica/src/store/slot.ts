/**
 * Slots: the records that are in memory, one object per record, for as long as somebody needs it or the cache
 * has room.
 *
 * Invariants
 * - There is at most one slot per record in use, so whoever holds it sees the newest executed state.
 * - `counted` is the slot's part of the root digest: the live dots of the state as stored, never as seen
 *   through a clear record. So a clear costs nothing at once, and its purge settles the digest bit by bit.
 * - A slot that is pinned or dirty is never evicted.
 * - A state is one text of its stored form, unless somebody works with it (`Folding`): what it decodes to are ten
 *   objects and some memory outside V8's heap, each of which its collector would copy twice and follow ever after.
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
import { assert } from '../assert.js';
import { bytesText, elementKey, elementOfId, KIND, textBytes, textKey } from './keyspace.js';
import type { SlotTable } from './slot-table.js';

/** A larger state is kept as it is: what folding saves is little of it, and reading it again would copy all of it. Bytes. */
const FOLDED_BYTES_MAX = 2_048;
/** A value of more bytes may be kept beyond its commit: it needs memory of its own. */
export const VALUE_FOLDED_MAX = 1_024;

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
  table: SlotTable<Slot> | undefined;

  constructor(
    /** Names it among the slots of its kind. */
    readonly name: string,
  ) {}

  /** Key in the store: made anew each time, since most slots are kept for much longer than it is needed. */
  abstract get key(): Uint8Array;
  /** The record is not there: its kind's empty state. */
  abstract get absent(): boolean;
  /** Takes the state out of its stored form. @throws CausewayError CAUSEWAY_CORRUPT */
  abstract decode(payload: Uint8Array): void;
  abstract encode(writer: ByteWriter): void;
  /** The state is to be changed. */
  abstract unfold(): void;
  /** `payload` is what `encode` wrote of the newest state, and is only lent. */
  abstract fold(payload: Uint8Array): void;
  /** Nobody works with the state any more. */
  abstract rest(): void;
  addDigest(_digest: Digest, _hasher: Hasher): void {
    // Only live user data is part of the root digest.
  }
}

/** A slot whose state is kept as a text of its stored form while nobody works with it. */
abstract class Folding<State> extends Slot {
  private opened: State | undefined;
  /** All of the newest state, of one unit a byte; undefined while that is only in `opened`. */
  private folded: string | undefined;

  protected abstract readonly none: State;
  /** Of the stored form, bytes. */
  protected get foldedMax(): number {
    return FOLDED_BYTES_MAX;
  }
  protected abstract parse(payload: Uint8Array): State;

  /** Who has not pinned the slot gets a state of its own each time. */
  protected get current(): State {
    if (this.opened !== undefined) return this.opened;
    if (this.folded === undefined) return this.none;
    const state = this.parse(textBytes(this.folded));
    if (this.pins > 0) this.opened = state;
    return state;
  }

  /** After `unfold`. */
  protected set current(state: State) {
    assert(this.folded === undefined, 'a state is unfolded before it is changed');
    this.opened = state;
  }

  decode(payload: Uint8Array): void {
    this.opened = this.parse(payload);
    if (payload.length <= this.foldedMax) this.folded = bytesText(payload);
  }

  unfold(): void {
    this.opened = this.current;
    this.folded = undefined;
  }

  fold(payload: Uint8Array): void {
    if (payload.length > this.foldedMax) return;
    this.folded = bytesText(payload);
    this.opened = undefined;
  }

  rest(): void {
    if (this.folded !== undefined) this.opened = undefined;
  }
}

export class RegisterSlot extends Folding<Register | undefined> {
  /** Its expiry came and has taken it out of the digest. */
  expired = false;

  get key(): Uint8Array {
    return textKey(KIND.register, this.name);
  }

  get userKey(): string {
    return this.name;
  }

  get register(): Register | undefined {
    return this.current;
  }

  set register(register: Register | undefined) {
    this.current = register;
  }

  get absent(): boolean {
    return this.current === undefined;
  }

  protected get none(): undefined {
    return undefined;
  }

  protected parse(payload: Uint8Array): Register {
    const { register, expired } = decodeRegister(payload);
    this.expired = expired;
    return register;
  }

  encode(writer: ByteWriter): void {
    const { register } = this;
    if (register !== undefined) encodeRegister(writer, register, this.expired);
  }

  override addDigest(digest: Digest, hasher: Hasher): void {
    const { register } = this;
    if (register !== undefined && !this.expired) addRegisterDigest(digest, hasher, this.userKey, register);
  }
}

export class ElementSlot extends Folding<SetElement> {
  constructor(
    readonly userKey: string,
    /** `elementId`: sorts like the elements' bytes. */
    id: string,
  ) {
    super(id);
  }

  get id(): string {
    return this.name;
  }

  /** A copy. */
  get element(): Uint8Array {
    return elementOfId(this.name, this.userKey);
  }

  get key(): Uint8Array {
    return elementKey(this.userKey, this.element);
  }

  get state(): SetElement {
    return this.current;
  }

  set state(state: SetElement) {
    this.current = state;
  }

  get absent(): boolean {
    const { adds, removals } = this.current;
    return adds.length === 0 && removals.length === 0;
  }

  protected get none(): SetElement {
    return EMPTY_ELEMENT;
  }

  protected parse(payload: Uint8Array): SetElement {
    return decodeElement(payload);
  }

  encode(writer: ByteWriter): void {
    encodeElement(writer, this.state);
  }

  override addDigest(digest: Digest, hasher: Hasher): void {
    addElementDigest(digest, hasher, this.userKey, this.element, this.state, NOTHING_CLEARED);
  }
}

const NOTHING_CLEARED: VersionVector = new Map();
const EMPTY_META: SetMeta = { size: 0 };

export class SetSlot extends Folding<SetMeta> {
  /** Never: a purge is told from one that was begun after it by being the same object. And sets are few. */
  protected override get foldedMax(): number {
    return 0;
  }

  get key(): Uint8Array {
    return textKey(KIND.set, this.name);
  }

  get userKey(): string {
    return this.name;
  }

  get meta(): SetMeta {
    return this.current;
  }

  set meta(meta: SetMeta) {
    this.current = meta;
  }

  get absent(): boolean {
    const { size, clear, purge } = this.current;
    return size === 0 && clear === undefined && purge === undefined;
  }

  protected get none(): SetMeta {
    return EMPTY_META;
  }

  protected parse(payload: Uint8Array): SetMeta {
    return decodeSetMeta(payload);
  }

  encode(writer: ByteWriter): void {
    encodeSetMeta(writer, this.meta);
  }
}

export class CounterSlot extends Folding<Counter> {
  get key(): Uint8Array {
    return textKey(KIND.counter, this.name);
  }

  get userKey(): string {
    return this.name;
  }

  get counter(): Counter {
    return this.current;
  }

  set counter(counter: Counter) {
    this.current = counter;
  }

  get absent(): boolean {
    return this.current.entries.length === 0;
  }

  protected get none(): Counter {
    return EMPTY_COUNTER;
  }

  protected parse(payload: Uint8Array): Counter {
    return decodeCounter(payload);
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

export class ResultSlot extends Folding<StoredResult | undefined> {
  get key(): Uint8Array {
    return textKey(KIND.result, this.name);
  }

  /** What was answered are views of frames: none is kept. */
  protected override get foldedMax(): number {
    return Number.POSITIVE_INFINITY;
  }

  get stored(): StoredResult | undefined {
    return this.current;
  }

  set stored(stored: StoredResult | undefined) {
    this.current = stored;
  }

  get absent(): boolean {
    return this.current === undefined;
  }

  protected get none(): undefined {
    return undefined;
  }

  protected parse(payload: Uint8Array): StoredResult {
    return decodeFrame(payload, payload.length, Number.POSITIVE_INFINITY) as StoredResult;
  }

  encode(writer: ByteWriter): void {
    const { stored } = this;
    if (stored !== undefined) writer.raw(encodeFrame(stored));
  }
}
