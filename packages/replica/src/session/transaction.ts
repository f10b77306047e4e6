/**
 * Transaction: runs the operations of one request against drafts of the records it touches, and folds them to
 * one delta per record.
 *
 * Invariants
 * - Nothing is changed before the last operation has succeeded: a refused operation refuses the transaction.
 * - Its own dot is never among the dots that it removes: what it added and removed again is folded away.
 */
import {
  type Counter,
  type CounterEntry,
  counterValue,
  type Dot,
  EMPTY_ELEMENT,
  elementAdd,
  elementRemove,
  incrementEntry,
  isDeadRegister,
  isLive,
  joinCounter,
  joinElements,
  type Register,
  resetEntries,
  type Stamp,
} from '@causeway/crdt';
import { CausewayError, type Operation, type RecordDelta, type Result, utf8Length } from '@causeway/protocol';
import { assert, unreachable } from '../assert.js';
import type { Now } from '../environment.js';
import { ANSWER_BYTES_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_ITEMS_MAX } from '../limits.js';
import { applyClear, applyCounter, applyElement, applyRegister, clearedThrough } from '../store/apply.js';
import type { Changes } from '../store/changes.js';
import type { CounterSlot, ElementSlot, RegisterSlot, SetSlot, Slot } from '../store/slot.js';
import type { Store } from '../store/store.js';
import type { ElementOverride, SetRead } from './set-read.js';

/** Stamp, dots and lengths of a removal in a chunk, roughly. */
const REMOVAL_HEAD_BYTES = 96;

/** An operation with the records that it needs, in the order of its arguments. */
export interface PlannedOperation {
  readonly operation: Operation;
  readonly slot: RegisterSlot | SetSlot | CounterSlot;
  /** Elements: those removed, then those added; or those asked for; or those that a clear removes one by one. */
  elements: readonly ElementSlot[];
  /** Elements read from disk, where the operation needs more than single ones. */
  read: SetRead | undefined;
}

class RegisterDraft {
  next: Register | undefined;
  constructor(readonly slot: RegisterSlot) {}
  get view(): Register | undefined {
    return this.next ?? this.slot.register;
  }
}

class SetDraft {
  cleared = false;
  readonly elements = new Map<ElementSlot, ElementDraft>();
  constructor(
    readonly slot: SetSlot,
    public size: number | undefined,
  ) {}

  element(slot: ElementSlot): ElementDraft {
    let draft = this.elements.get(slot);
    if (draft === undefined) {
      draft = new ElementDraft(slot);
      this.elements.set(slot, draft);
    }
    return draft;
  }

  isLive(draft: ElementDraft): boolean {
    if (draft.added) return true;
    return !this.cleared && !draft.removed && isLive(draft.slot.state, clearedThrough(this.slot));
  }

  clear(): void {
    this.cleared = true;
    this.size = 0;
    for (const draft of this.elements.values()) {
      draft.added = false;
      draft.removed = false;
    }
  }
}

class ElementDraft {
  added = false;
  /** What was live before the transaction is removed. */
  removed = false;
  constructor(readonly slot: ElementSlot) {}
}

class CounterDraft {
  view: Counter;
  resets: readonly CounterEntry[] = [];
  increments: CounterEntry[] = [];
  constructor(readonly slot: CounterSlot) {
    this.view = slot.counter;
  }

  increment(dot: Dot, by: number, from: number): void {
    const entry = incrementEntry(this.view, dot, BigInt(by), from);
    this.view = joinCounter(this.view, [entry]);
    this.increments = this.increments.filter(({ dot: { seq } }) => seq !== entry.dot.seq);
    this.increments.push(entry);
  }

  reset(dot: Dot): void {
    // Its own increments so far are reset too, and nobody else will ever have seen them.
    this.resets = resetEntries(this.slot.counter, dot);
    this.view = joinCounter(this.slot.counter, this.resets);
    this.increments = [];
  }
}

type Draft = RegisterDraft | SetDraft | CounterDraft;

const NO_DRAFTS: readonly Draft[] = [];
const NO_RECORDS: readonly RecordDelta[] = [];

/**
 * `list` and `item`. Most transactions have one operation, and an array that grows from nothing takes room for
 * seventeen at once: the first item makes an array of one.
 */
function append<T>(list: readonly T[], item: T): readonly T[] {
  if (list.length === 0) return [item];
  (list as T[]).push(item);
  return list;
}

export class Transaction {
  /** Its own dot. */
  readonly dot: Dot;
  private drafts: readonly Draft[] = NO_DRAFTS;
  /** Of the removals that stand for clears, in a chunk. */
  private clearedBytes = 0;

  constructor(
    private readonly store: Store,
    private readonly now: Now,
    /** Told what has changed, if anybody watches. */
    private readonly changes: Changes | undefined,
  ) {
    this.dot = store.nextDot();
  }

  /** Memory of the results of `run`, roughly. */
  answerBytes = 0;

  /** @throws CausewayError when an operation is refused; then nothing has changed. */
  run(plan: readonly PlannedOperation[]): Result[] {
    return plan.map((planned) => {
      const result = this.operate(planned);
      this.answerBytes += bytesOfResult(result);
      if (this.answerBytes > ANSWER_BYTES_MAX) {
        throw new CausewayError(
          'CAUSEWAY_TOO_LARGE',
          `the answer would be larger than ${ANSWER_BYTES_MAX} bytes: ask for less at once`,
        );
      }
      return result;
    });
  }

  /** Must be called when the transaction is over, however it went. */
  end(): void {
    for (const { slot } of this.drafts) slot.draft = undefined;
  }

  /** Changes the records. Returns the deltas, empty when nothing was to be changed. */
  commit(): readonly RecordDelta[] {
    let records = NO_RECORDS;
    for (const draft of this.drafts) records = this.fold(draft, records);
    if (records.length === 0) return records;
    if (itemsOf(records) > TRANSACTION_ITEMS_MAX) {
      throw new CausewayError('CAUSEWAY_TOO_LARGE', 'the transaction changes too much at once: split it');
    }
    this.store.beginTransaction(this.now);
    for (const draft of this.drafts) this.apply(draft);
    this.store.endTransaction(records);
    return records;
  }

  private operate({ operation, slot, elements, read }: PlannedOperation): Result {
    const { op } = operation;
    switch (op) {
      case 'register.get': {
        const { view } = this.register(slot as RegisterSlot);
        // What has expired once stays so, also when the clock goes back.
        const expired = (slot as RegisterSlot).expired && view === (slot as RegisterSlot).register;
        if (view?.value === undefined || expired || isDeadRegister(view, this.now.wall)) return { op };
        return { op, value: view.value, stamp: view.stamp };
      }
      case 'register.set':
      case 'register.delete':
        return this.write(this.register(slot as RegisterSlot), operation);
      case 'set.update': {
        const draft = this.set(slot as SetSlot);
        const { remove } = operation;
        elements.forEach((element, index) => {
          if (index < remove.length) this.remove(draft, draft.element(element));
          else this.add(draft, draft.element(element));
        });
        return draft.size === undefined ? { op } : { op, size: draft.size };
      }
      case 'set.clear': {
        const draft = this.set(slot as SetSlot);
        if (this.store.isWhole) draft.clear();
        else this.removeAll(draft, elements, this.readOf(read));
        return { op };
      }
      case 'set.has': {
        const draft = this.set(slot as SetSlot);
        return { op, has: elements.map((element) => draft.isLive(draft.element(element))) };
      }
      case 'set.size':
        return { op, size: this.sizeOf(this.set(slot as SetSlot)) };
      case 'set.values': {
        const draft = this.set(slot as SetSlot);
        return { op, ...this.readOf(read).page(this.overrides(draft), draft.cleared) };
      }
      case 'counter.get':
        return { op, value: numberOf(counterValue(this.counter(slot as CounterSlot).view)) };
      case 'counter.increment': {
        const draft = this.counter(slot as CounterSlot);
        if (operation.by !== 0) draft.increment(this.dot, operation.by, this.store.growsFrom);
        const value = numberOf(counterValue(draft.view));
        if (typeof value === 'bigint' && operation.by !== 0) {
          throw new CausewayError(
            'CAUSEWAY_OVERFLOW',
            `counter ${operation.key} would leave ±(2^53-1): reset it, or count in larger units`,
          );
        }
        return { op, value };
      }
      case 'counter.reset':
        this.counter(slot as CounterSlot).reset(this.dot);
        return { op };
      default:
        return unreachable(op);
    }
  }

  private write(
    draft: RegisterDraft,
    operation: Operation & { op: 'register.set' | 'register.delete' },
  ): Result {
    const stamp = this.stampAbove(draft);
    if (operation.op === 'register.delete') {
      draft.next = { stamp, dot: this.dot };
      return { op: operation.op };
    }
    const { ttlMs, value } = operation;
    draft.next =
      ttlMs === undefined
        ? { stamp, dot: this.dot, value }
        : { stamp, dot: this.dot, value, expiresAt: this.now.wall + ttlMs };
    return { op: operation.op, stamp };
  }

  private stampAbove(draft: RegisterDraft): Stamp {
    try {
      return this.store.clock.tickAbove(this.now.wall, draft.view?.stamp ?? this.store.stampFloor);
    } catch (cause) {
      const message = `the stamp of ${draft.slot.userKey} is at the end of time: nothing can be written over it`;
      throw new CausewayError('CAUSEWAY_CLOCK_SKEW', message, { cause });
    }
  }

  private add(set: SetDraft, draft: ElementDraft): void {
    if (!set.isLive(draft) && set.size !== undefined) set.size++;
    draft.added = true;
  }

  private remove(set: SetDraft, draft: ElementDraft): void {
    if (!set.isLive(draft)) return;
    if (set.size !== undefined) set.size--;
    draft.added = false;
    if (!set.cleared) draft.removed = true;
  }

  /**
   * A clear of a node that an unfinished repair has brought part of a view: what it has seen is no version vector, and a
   * clear record would take out what it has not.
   */
  private removeAll(set: SetDraft, elements: readonly ElementSlot[], read: SetRead): void {
    read.page([], false);
    const head = utf8Length(set.slot.userKey) + REMOVAL_HEAD_BYTES;
    for (const element of elements) {
      this.clearedBytes += head + element.element.length;
      if (this.clearedBytes > TRANSACTION_BYTES_MAX) {
        const message =
          'the node repairs itself, and can clear sets of this size only when it is done: try again then';
        throw new CausewayError('CAUSEWAY_TOO_LARGE', message);
      }
      this.remove(set, set.element(element));
    }
    // What the transaction itself has added is in no store.
    for (const draft of set.elements.values()) this.remove(set, draft);
  }

  /** What the transaction itself has made of the set's elements. */
  private overrides(set: SetDraft): ElementOverride[] {
    return [...set.elements.values()].map((draft) => ({
      id: draft.slot.id,
      element: draft.slot.element,
      live: set.isLive(draft),
    }));
  }

  private sizeOf({ size }: SetDraft): number {
    assert(size !== undefined, 'an operation that tells a size waits until it is known');
    return size;
  }

  private readOf(read: SetRead | undefined): SetRead {
    assert(read !== undefined, 'an operation that needs a read has planned it');
    return read;
  }

  private register(slot: RegisterSlot): RegisterDraft {
    return (slot.draft as RegisterDraft | undefined) ?? this.draft(slot, new RegisterDraft(slot));
  }

  private set(slot: SetSlot): SetDraft {
    return (slot.draft as SetDraft | undefined) ?? this.draft(slot, new SetDraft(slot, slot.meta.size));
  }

  private counter(slot: CounterSlot): CounterDraft {
    return (slot.draft as CounterDraft | undefined) ?? this.draft(slot, new CounterDraft(slot));
  }

  private draft<D extends Draft>(slot: Slot, draft: D): D {
    slot.draft = draft;
    this.drafts = append<Draft>(this.drafts, draft);
    return draft;
  }

  /** `records` and those of the draft. */
  private fold(draft: Draft, records: readonly RecordDelta[]): readonly RecordDelta[] {
    if (draft instanceof RegisterDraft) {
      if (draft.next === undefined) return records;
      return append(records, registerDelta(draft.slot.userKey, draft.next));
    }
    let all = records;
    if (draft instanceof SetDraft) {
      const key = draft.slot.userKey;
      if (draft.cleared && mayHoldElements(draft.slot))
        all = append<RecordDelta>(all, { type: 'clear', key });
      for (const element of draft.elements.values()) {
        const removed = element.removed ? this.removalOf(draft, element) : [];
        if (!element.added && removed.length === 0) continue;
        const { added: add, slot } = element;
        all = append<RecordDelta>(all, { type: 'element', key, element: slot.element, add, removed });
      }
      return all;
    }
    const { userKey: key } = draft.slot;
    const entries = draft.resets.map(({ dot, bp, bn }) => ({ dot, bp, bn }));
    if (entries.length > 0) all = append<RecordDelta>(all, { type: 'reset', key, entries });
    for (const { dot, p, n } of draft.increments) {
      all = append<RecordDelta>(all, { type: 'increment', key, first: dot.seq, p, n });
    }
    return all;
  }

  private removalOf(set: SetDraft, { slot }: ElementDraft): Dot[] {
    const evidence = elementRemove(slot.state, clearedThrough(set.slot), this.dot);
    return evidence?.removals.map(({ replica, seq }) => ({ replica, seq })) ?? [];
  }

  private apply(draft: Draft): void {
    const { store } = this;
    if (draft instanceof RegisterDraft) {
      if (draft.next === undefined) return;
      applyRegister(store, draft.slot, draft.next, this.now);
      this.changes?.register(draft.slot, false);
    } else if (draft instanceof SetDraft) {
      this.applySet(draft);
    } else {
      const entries = [...draft.resets, ...draft.increments];
      if (entries.length === 0) return;
      applyCounter(store, draft.slot, entries);
      this.changes?.counter(draft.slot);
    }
  }

  private applySet(draft: SetDraft): void {
    const { store, dot } = this;
    // Evidence is taken before the clear record changes what the elements are seen through.
    const deltas = [...draft.elements.values()].map((element) => {
      const evidence = element.removed
        ? elementRemove(element.slot.state, clearedThrough(draft.slot), dot)
        : undefined;
      const added = element.added ? elementAdd(dot) : EMPTY_ELEMENT;
      return { slot: element.slot, delta: evidence === undefined ? added : joinElements(evidence, added) };
    });
    if (draft.cleared && mayHoldElements(draft.slot)) {
      applyClear(store, draft.slot, {
        through: new Map(store.executed),
        by: new Map([[dot.replica, dot.seq]]),
      });
      this.changes?.clear(draft.slot, false);
    }
    for (const { slot, delta } of deltas) {
      if (delta === EMPTY_ELEMENT) continue;
      const visible = applyElement(store, draft.slot, slot, delta);
      this.changes?.element(slot, visible, false);
    }
  }
}

/** Memory of a result, roughly. */
export function bytesOfResult(result: Result): number {
  let bytes = 64;
  if (result.op === 'register.get') bytes += result.value?.length ?? 0;
  else if (result.op === 'set.has') bytes += result.has.length;
  else if (result.op === 'set.values') for (const value of result.values) bytes += value.length + 8;
  return bytes;
}

function itemsOf(records: readonly RecordDelta[]): number {
  let items = records.length;
  for (const record of records) {
    if (record.type === 'element') items += record.removed.length;
    else if (record.type === 'reset') items += record.entries.length;
  }
  return items;
}

/** Spelled out, since every write of a register passes here. */
function registerDelta(key: string, { stamp, value, expiresAt }: Register): RecordDelta {
  if (value === undefined) return { type: 'register', key, stamp };
  if (expiresAt === undefined) return { type: 'register', key, stamp, value };
  return { type: 'register', key, stamp, value, expiresAt };
}

/** A clear of a set that surely holds nothing needs no record. */
function mayHoldElements({ meta }: SetSlot): boolean {
  return meta.size !== 0;
}

function numberOf(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
