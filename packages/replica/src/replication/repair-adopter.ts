/**
 * Adopter: the records that repairs bring, on their way into the store: checked once, read, joined through the same
 * door as chunks, and told to watchers.
 *
 * Invariants
 * - A record holds no dot beyond the bound under which it was sent; who says otherwise is broken. So nothing that is
 *   written here afterwards can name a dot that its chunk's `deps` do not cover.
 * - The ceiling is raised to the bound in the commit that takes the first record.
 * - What waits is bounded by the window that was granted; credit goes back when the records are durable.
 */
import {
  type Counter,
  covers,
  type Dot,
  type Register,
  type ReplicaId,
  type SetClear,
  type SetElement,
  type VersionVector,
} from '@causeway/crdt';
import {
  CausewayError,
  checkCanonical,
  decodeCounter,
  decodeElement,
  decodeRegister,
  decodeSetMeta,
  KEY_BYTES_MAX,
  type RecordState,
  VALUE_BYTES_MAX,
} from '@causeway/protocol';
import type { Now } from '../environment.js';
import { adoptClear, applyCounter, applyElement, applyRegister, countAnew } from '../store/apply.js';
import { Changes } from '../store/changes.js';
import { decodeText, elementKey, KIND, splitElementKey, textKey } from '../store/keyspace.js';
import type { Slot } from '../store/slot.js';
import type { Store } from '../store/store.js';
import type { Watches } from '../store/watches.js';
import type { RepairPace } from './repair-pace.js';

/** Whose records they are. */
export interface Adopting {
  /** No record holds a dot beyond it. */
  readonly bound: VersionVector;
  /** Whether records may be joined now; those that wait go on when it is so. */
  readonly isOpen: boolean;
  /** Records of so many bytes are durable; `changed` of them told something new. */
  adopted(bytes: number, changed: number): void;
}

interface Portion {
  readonly owner: Adopting;
  readonly records: Adoptable[];
  readonly bytes: number;
  readonly count: number;
  changed: number;
}

/** One record, its slots acquired. */
interface Adoptable {
  readonly slots: readonly Slot[];
  /** Whether anything has changed. */
  join(now: Now, changes: Changes | undefined): boolean;
  /** Names the origin that watchers are told. */
  readonly origin: ReplicaId | undefined;
  /** Evidence may be new under a dot that is stable already. */
  readonly removers: readonly ReplicaId[];
}

export class Adopter {
  private portions: Portion[] = [];

  constructor(
    private readonly store: Store,
    private readonly watches: Watches,
    private readonly pace: RepairPace,
    private readonly reconsider: (origin: ReplicaId) => void,
  ) {}

  /** @throws CausewayError CAUSEWAY_BAD_FRAME for what is no record, or names a dot beyond the bound. */
  add(owner: Adopting, records: readonly RecordState[]): void {
    const portion: Portion = {
      owner,
      records: [],
      bytes: bytesOf(records),
      count: records.length,
      changed: 0,
    };
    // From here on the portion is known, so that `drop` finds what has been acquired.
    this.portions.push(portion);
    for (const record of records) portion.records.push(this.adoptable(record, owner.bound));
  }

  waits(owner: Adopting): boolean {
    return this.portions.some((portion) => portion.owner === owner);
  }

  /** Joins what is ready, at the pace of repairs, while the commit has room; `sparing`: half of it is for clients who wait. */
  apply(now: Now, sparing: boolean): void {
    const { store } = this;
    const hasRoom = () => !(sparing ? store.halfFull : store.full);
    const kept: Portion[] = [];
    for (const portion of this.portions) {
      if (portion.owner.isOpen && this.pace.isOpen(now.monotonic)) this.applyPortion(portion, now, hasRoom);
      if (portion.records.length > 0) {
        kept.push(portion);
        continue;
      }
      const { owner, bytes } = portion;
      store.whenDurable(() => owner.adopted(bytes, portion.changed));
    }
    this.portions = kept;
  }

  /** Forgets what waits, and gives its bytes. */
  drop(owner: Adopting): number {
    let dropped = 0;
    for (const portion of this.portions) {
      if (portion.owner !== owner) continue;
      dropped += portion.bytes;
      for (const { slots } of portion.records) for (const slot of slots) this.store.records.release(slot);
    }
    this.portions = this.portions.filter((portion) => portion.owner !== owner);
    return dropped;
  }

  private applyPortion(portion: Portion, now: Now, hasRoom: () => boolean): void {
    const { store } = this;
    let done = 0;
    for (const record of portion.records) {
      if (!hasRoom() || !record.slots.every(({ loaded }) => loaded)) break;
      if (done++ === 0) store.raiseCeiling(portion.owner.bound);
      const changes = this.watches.any ? new Changes(now) : undefined;
      const changed = record.join(now, changes);
      for (const slot of record.slots) store.records.release(slot);
      if (!changed) continue;
      portion.changed++;
      for (const origin of record.removers) this.reconsiderLater(origin);
      this.tell(record, changes);
    }
    portion.records.splice(0, done);
    this.pace.spend((done * portion.bytes) / Math.max(1, portion.count), now.monotonic);
  }

  /** A pass of the compaction that is under way has not seen the evidence on disk. */
  private reconsiderLater(origin: ReplicaId): void {
    this.store.whenDurable(() => this.reconsider(origin));
  }

  /** The cursor names what this node has of the origin: a dot of its own would be beyond it, and come again. */
  private tell({ origin }: Adoptable, changes: Changes | undefined): void {
    if (changes === undefined || origin === undefined) return;
    const seq = this.store.durable.get(origin) ?? 0;
    this.watches.publish({ replica: origin, seq }, changes.list());
  }

  private adoptable({ key, state }: RecordState, bound: VersionVector): Adoptable {
    try {
      switch (key[0]) {
        case KIND.register:
          return this.register(textOf(key), state, bound);
        case KIND.element:
          return this.element(key, state, bound);
        case KIND.set:
          return this.clear(textOf(key), state, bound);
        case KIND.counter:
          return this.counter(textOf(key), state, bound);
        default:
          throw bad('a record of an unknown kind');
      }
    } catch (error) {
      if (error instanceof CausewayError && error.code !== 'CAUSEWAY_BAD_FRAME')
        throw bad(error.message, error);
      throw error;
    }
  }

  private register(key: string, state: Uint8Array, bound: VersionVector): Adoptable {
    const { register } = decodeRegister(state);
    check([register.dot], bound);
    checkValue(register);
    const slot = this.store.records.register(key);
    return {
      slots: [slot],
      origin: register.dot.replica,
      removers: [register.dot.replica],
      join: (now, changes) => {
        this.store.clock.observe(register.stamp, now.wall);
        if (!applyRegister(this.store, slot, register, now)) return false;
        changes?.register(slot, false);
        return true;
      },
    };
  }

  private element(key: Uint8Array, state: Uint8Array, bound: VersionVector): Adoptable {
    const split = splitElementKey(key);
    checkKey(split.key);
    if (!equal(key, elementKey(split.key, split.element))) throw bad('a key that is none');
    if (split.element.length > VALUE_BYTES_MAX) throw bad('an element that is too large');
    checkCanonical(split.element);
    const delta = decodeElement(state);
    check(dotsOf(delta), bound);
    const set = this.store.records.set(split.key);
    const slot = this.store.records.element(split.key, split.element);
    return {
      slots: [slot, set],
      origin: delta.adds[0]?.replica ?? delta.removals[0]?.by.replica,
      removers: delta.removals.map(({ by }) => by.replica),
      join: (_now, changes) => {
        const before = slot.state;
        // It was lost here, and whether the set's size knows is not known.
        const wasLost =
          before.adds.length === 0 && delta.adds.some((dot) => covers(this.store.executed, dot));
        const visible = applyElement(this.store, set, slot, delta);
        if (wasLost && visible > 0) countAnew(this.store, set);
        changes?.element(slot, visible, false);
        return slot.state !== before;
      },
    };
  }

  private clear(key: string, state: Uint8Array, bound: VersionVector): Adoptable {
    const { clear } = decodeSetMeta(state);
    if (clear === undefined) throw bad('a set without a clear');
    check(dotsOfClear(clear), bound);
    const set = this.store.records.set(key);
    return {
      slots: [set],
      origin: [...clear.by.keys()][0],
      removers: [...clear.by.keys()],
      join: (_now, changes) => {
        if (!adoptClear(this.store, set, clear)) return false;
        changes?.clear(set, true);
        return true;
      },
    };
  }

  private counter(key: string, state: Uint8Array, bound: VersionVector): Adoptable {
    const { entries } = decodeCounter(state);
    check(dotsOfCounter({ entries }), bound);
    const slot = this.store.records.counter(key);
    return {
      slots: [slot],
      origin: entries[0]?.dot.replica,
      removers: entries.flatMap(({ by }) => (by === undefined ? [] : [by.replica])),
      join: (_now, changes) => {
        if (!applyCounter(this.store, slot, entries)) return false;
        changes?.counter(slot);
        return true;
      },
    };
  }
}

function check(dots: readonly Dot[], bound: VersionVector): void {
  for (const dot of dots) {
    if (!covers(bound, dot)) throw bad(`a dot beyond what its sender has: ${dot.replica} ${dot.seq}`);
  }
}

function dotsOf({ adds, removals }: SetElement): Dot[] {
  return [...adds, ...removals, ...removals.map(({ by }) => by)];
}

function dotsOfClear({ through, by }: SetClear): Dot[] {
  return [...through, ...by].map(([replica, seq]) => ({ replica, seq }));
}

function dotsOfCounter({ entries }: Counter): Dot[] {
  return entries.flatMap(({ dot, by }) => (by === undefined ? [dot] : [dot, by]));
}

function checkValue({ value }: Register): void {
  if (value === undefined) return;
  if (value.length > VALUE_BYTES_MAX) throw bad('a value that is too large');
  checkCanonical(value);
}

/** The user's key of a record key that is kind and text. */
function textOf(key: Uint8Array): string {
  const text = decodeText(key.subarray(1));
  checkKey(text);
  if (!equal(key, textKey(key[0]!, text))) throw bad('a key that is none');
  return text;
}

function checkKey(key: string): void {
  if (key.length === 0 || key.length > KEY_BYTES_MAX) throw bad('a key that is empty or too long');
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

export function bytesOf(records: readonly RecordState[]): number {
  let bytes = 0;
  for (const { key, state } of records) bytes += key.length + state.length;
  return bytes;
}

function bad(message: string, cause?: unknown): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_FRAME', message, { cause });
}
