/**
 * Counts the elements of a set whose size a clear has made unknown, because it met adds that it had not seen.
 *
 * Invariants
 * - `counted` in the set's record is the number of visible elements up to and with `cursor`, in every commit: who
 *   changes an element at or before the cursor keeps it (apply.ts).
 * - A page takes nothing away and waits for no disk but its own read, so that the size of a large set is known as
 *   soon as the set can be read once; what the clear has removed is purged afterwards.
 *
 * Each element that stays although the clear had not seen it is a conflict, told as it is counted. A second clear
 * that comes meanwhile starts the count over: elements beyond the cursor are then told once for both, and not at
 * all when they do not outlive the second. To be exact, each clear would have to keep what it met, element by
 * element, for a pass of its own; the feed is bounded and counts are for an operator's eye.
 */
import { covers, type Dot, EMPTY_ELEMENT, liveDots, type SetElement } from '@causeway/crdt';
import { CausewayError, decodeElement, type SetPurge, unsealValue } from '@causeway/protocol';
import type { Now } from '../environment.js';
import type { ScanEntry } from '../events.js';
import { clearedThrough } from './apply.js';
import { SCAN_BYTES, type Schedule } from './job.js';
import { bytesText, elementRange, NO_BYTES, splitElementKey } from './keyspace.js';
import type { RangeWatch } from './range-watches.js';
import type { SetSlot } from './slot.js';
import type { Store } from './store.js';

/** A clear met the add of `element`, which its writer had not seen. */
export type Survivor = (set: SetSlot, element: Uint8Array, add: Dot, now: Now) => void;

interface Counted {
  readonly element: Uint8Array;
  readonly state: SetElement;
}

export class SetCount {
  constructor(
    private readonly store: Store,
    private readonly schedule: Schedule,
    private readonly onSurvivor: Survivor,
  ) {}

  /**
   * Counts from where the record says on. `set` is loaded and stays pinned until `then`, which comes also when
   * another clear has started it over; false when the disk could not be read.
   */
  run(set: SetSlot, then: (read: boolean) => void): void {
    const { purge, size } = set.meta;
    if (purge === undefined || size !== undefined) return then(true);
    const { store } = this;
    // From before the scan: what is not on disk yet, or changes while it is read, is in the watch.
    const watch = store.watchElements(set.userKey);
    const range = elementRange(set.userKey, purge.cursor.length === 0 ? undefined : purge.cursor);
    store.reads.scan(range, store.limits.countRecords, SCAN_BYTES, (entries) => {
      if (entries === undefined) {
        store.unwatch(watch);
        return then(false);
      }
      this.schedule({
        slots: [set],
        run: (now) => {
          store.unwatch(watch);
          if (set.meta.purge?.seen === purge.seen) this.take(set, set.meta.purge, entries, watch, now);
          this.run(set, then);
        },
      });
    });
  }

  private take(
    set: SetSlot,
    purge: SetPurge,
    entries: readonly ScanEntry[],
    watch: RangeWatch,
    now: Now,
  ): void {
    const last = entries.at(-1);
    const through = last === undefined ? undefined : splitElementKey(last.key).element;
    const cleared = clearedThrough(set);
    let live = 0;
    for (const { element, state } of elementsOf(entries, watch, purge.cursor, through)) {
      const survivors = liveDots(state, cleared);
      if (survivors.length === 0) continue;
      live++;
      const met = survivors.find((dot) => covers(purge.seen, dot));
      if (met !== undefined) this.onSurvivor(set, element, met, now);
    }
    this.store.touch(set);
    const counted = purge.counted + live;
    set.meta =
      through === undefined
        ? { ...set.meta, size: counted, purge: { ...purge, cursor: NO_BYTES, counted: 0 } }
        : { ...set.meta, purge: { ...purge, cursor: through, counted } };
  }
}

/** The elements of one page as they are now: what was read, overridden by what has changed since. */
function elementsOf(
  entries: readonly ScanEntry[],
  watch: RangeWatch,
  cursor: Uint8Array,
  through: Uint8Array | undefined,
): Iterable<Counted> {
  const elements = new Map<string, Counted>();
  for (const entry of entries) {
    const { element } = splitElementKey(entry.key);
    elements.set(bytesText(element), { element, state: stateOf(entry) });
  }
  const from = bytesText(cursor);
  const to = through === undefined ? undefined : bytesText(through);
  for (const slot of watch.changes.values()) {
    const { element, state } = slot;
    const place = bytesText(element);
    if (place > from && (to === undefined || place <= to)) elements.set(place, { element, state });
  }
  return elements.values();
}

/** A damaged one is taken for lost, as by whoever loads it. */
function stateOf({ key, value }: ScanEntry): SetElement {
  try {
    return decodeElement(unsealValue(key, value));
  } catch (error) {
    if (error instanceof CausewayError) return EMPTY_ELEMENT;
    throw error;
  }
}
