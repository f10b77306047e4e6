/**
 * SetRead: the elements of one set at the moment a transaction runs, though they are read from disk in pages
 * before it.
 *
 * Invariant: from before the first page is asked for until the transaction runs, every element that changes is
 * in the watch; so scanned records overridden by the watch are exactly the executed state, and pages of
 * different moments do not matter.
 */
import { isLive, type SetElement } from '@causeway/crdt';
import { CausewayError, decodeElement, SET_ELEMENTS_MAX, unsealValue } from '@causeway/protocol';
import type { ScanEntry } from '../events.js';
import { READ_ELEMENT_BYTES } from '../limits.js';
import { clearedThrough } from '../store/apply.js';
import { bytesText, elementId, elementRange, splitElementKey } from '../store/keyspace.js';
import type { RangeWatch } from '../store/range-watches.js';
import type { SetSlot } from '../store/slot.js';
import type { Store } from '../store/store.js';
import { type AnswerBudget, overloaded } from './answer-budget.js';

const PAGE_ENTRIES = 4_096;
const PAGE_BYTES = 1 << 20;

/** What the transaction itself has made of an element. */
export interface ElementOverride {
  readonly id: string;
  readonly element: Uint8Array;
  readonly live: boolean;
}

export class SetRead {
  private readonly watch: RangeWatch;
  /** Elements as scanned; a clear may have come since. */
  private readonly scanned = new Map<string, { element: Uint8Array; state: SetElement }>();
  private readonly afterId: string;
  /** Everything up to here has been scanned. */
  private throughId: string;
  private bytes = 0;
  private reading = false;
  private lastElement: Uint8Array | undefined;
  private exhausted = false;
  private failed = false;
  /** All sessions together hold too much: this one gives up. */
  private refused = false;
  /** Taken of the budget. */
  private taken = 0;

  constructor(
    private readonly store: Store,
    private readonly slot: SetSlot,
    private readonly limit: number | undefined,
    after: Uint8Array | undefined,
    private readonly bounds: {
      /** Bytes of elements that are read and kept until the transaction runs. */
      readonly bytesMax: number;
      /** Elements that the transaction itself may take away. */
      readonly removals: number;
    },
    private readonly answers: AnswerBudget,
  ) {
    this.watch = store.watchElements(slot.userKey);
    this.afterId = after === undefined ? '' : elementId(slot.userKey, bytesText(after));
    this.throughId = this.afterId;
    this.readOn(after);
  }

  /** Whether what has been read suffices; asks for the next page when not. */
  get ready(): boolean {
    if (this.reading) return false;
    if (this.exhausted || this.failed || this.refused) return true;
    if (this.isEnough() || this.tooLarge) return true;
    this.readOn(this.lastElement);
    return false;
  }

  /** One more than the limit tells whether there are more, and what the transaction takes away has to be made up for. */
  private isEnough(): boolean {
    const wanted = (this.limit ?? SET_ELEMENTS_MAX) + this.bounds.removals;
    // The exact count costs a pass over all that was read, so it is taken when it can succeed.
    return this.scanned.size > wanted && this.live([], false).length > wanted;
  }

  page(overrides: readonly ElementOverride[], cleared: boolean): { values: Uint8Array[]; more: boolean } {
    this.check();
    const elements = this.live(overrides, cleared);
    const limit = this.limit ?? SET_ELEMENTS_MAX;
    const more = elements.length > limit || (!this.exhausted && !cleared);
    if (this.limit === undefined && more) throw this.tooLargeError();
    const values: Uint8Array[] = [];
    let bytes = 0;
    for (const { element } of elements.slice(0, limit)) {
      bytes += element.length;
      if (bytes > this.bounds.bytesMax && values.length > 0) {
        if (this.limit === undefined) throw this.tooLargeError();
        return { values, more: true };
      }
      values.push(element);
    }
    return { values, more };
  }

  /** Newest commit that holds something of what was read. */
  get commit(): number {
    let newest = 0;
    for (const slot of this.watch.changes.values()) newest = Math.max(newest, slot.dirty);
    return newest;
  }

  close(): void {
    this.store.unwatch(this.watch);
    this.forget();
  }

  private forget(): void {
    this.scanned.clear();
    this.answers.give(this.taken);
    this.taken = 0;
  }

  private get tooLarge(): boolean {
    return this.bytes > this.bounds.bytesMax;
  }

  private tooLargeError(): CausewayError {
    return new CausewayError(
      'CAUSEWAY_TOO_LARGE',
      `set ${this.slot.userKey} holds more than one answer may: ask for it in pages, with limit and after`,
    );
  }

  private check(): void {
    if (this.refused) throw overloaded();
    if (this.failed) throw new CausewayError('CAUSEWAY_READ_FAILED', 'reading the set from disk failed');
  }

  private readOn(after: Uint8Array | undefined): void {
    this.reading = true;
    const range = elementRange(this.slot.userKey, after);
    this.store.reads.scan(range, PAGE_ENTRIES, PAGE_BYTES, (entries) => this.scannedPage(entries));
  }

  private scannedPage(entries: readonly ScanEntry[] | undefined): void {
    this.reading = false;
    if (entries === undefined) this.failed = true;
    else if (entries.length === 0) this.exhausted = true;
    else this.takeAll(entries);
  }

  private takeAll(entries: readonly ScanEntry[]): void {
    const before = this.bytes;
    for (const entry of entries) this.take(entry);
    // Its bytes, and as many for the text that names it.
    const taken = 2 * (this.bytes - before) + entries.length * READ_ELEMENT_BYTES;
    this.refused = !this.answers.fits(taken);
    if (this.refused) return this.forget();
    this.answers.take(taken);
    this.taken += taken;
  }

  private take({ key, value }: ScanEntry): void {
    const { element } = splitElementKey(key);
    this.lastElement = element;
    const id = elementId(this.slot.userKey, bytesText(element));
    this.throughId = id;
    try {
      const state = decodeElement(unsealValue(key, value));
      if (!isLive(state, clearedThrough(this.slot))) return;
      this.scanned.set(id, { element, state });
      this.bytes += element.length;
    } catch {
      // A damaged record is unknown, and an answer that left it out would be a lie.
      this.failed = true;
    }
  }

  /** Elements that are live when the transaction runs, as far as has been read, in byte order. */
  private live(overrides: readonly ElementOverride[], cleared: boolean): ElementOverride[] {
    const through = clearedThrough(this.slot);
    const live = new Map<string, ElementOverride>();
    if (!cleared) {
      for (const [id, { element, state }] of this.scanned) {
        if (isLive(state, through)) live.set(id, { id, element, live: true });
      }
      for (const [id, slot] of this.watch.changes) {
        if (!this.covers(id)) continue;
        if (isLive(slot.state, through)) live.set(id, { id, element: slot.element, live: true });
        else live.delete(id);
      }
    }
    for (const override of overrides) {
      if (override.id <= this.afterId || !(cleared || this.covers(override.id))) continue;
      if (override.live) live.set(override.id, override);
      else live.delete(override.id);
    }
    return [...live.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  private covers(id: string): boolean {
    return id > this.afterId && (this.exhausted || id <= this.throughId);
  }
}
