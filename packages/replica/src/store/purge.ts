/**
 * The purge of cleared sets: goes over the stored elements behind a clear, drops what the clear covers, and counts
 * what is left where that is not known.
 *
 * Invariants
 * - The cursor is written with what has been purged up to it: a purge goes on where it was.
 * - A clear that comes meanwhile starts it over.
 *
 * Key 'p' set-key → nothing: a set that is being purged, found at the start.
 */
import { compactElement, covers, type Dot, liveDots } from '@causeway/crdt';
import type { SetPurge } from '@causeway/protocol';
import type { Now } from '../environment.js';
import type { ScanEntry } from '../events.js';
import { clearedThrough } from './apply.js';
import { SCAN_BYTES, type Schedule } from './job.js';
import { bytesText, elementRange, KIND, splitElementKey, textKey } from './keyspace.js';
import { ElementSlot, type SetSlot } from './slot.js';
import type { RangeWatch, Store } from './store.js';

const neverStable = () => false;

export class Purge {
  private readonly purging = new Set<string>();
  /** Purges that wait for the disk to read again. */
  private readonly unread = new Set<string>();

  constructor(
    private readonly store: Store,
    private readonly schedule: Schedule,
    /** A clear met an add that its writer had not seen. */
    private readonly onSurvivor: (set: SetSlot, element: ElementSlot, add: Dot, now: Now) => void,
  ) {}

  /** Nothing is being purged: the digest has no part of what a clear covers. */
  get idle(): boolean {
    return this.purging.size + this.unread.size === 0;
  }

  /** At the start and after a discard, when nothing that was under way is answered any more. */
  restart(keys: readonly string[]): void {
    this.purging.clear();
    this.unread.clear();
    for (const key of keys) this.start(key);
  }

  start(key: string): void {
    // A clear that comes while its set is being purged has set the cursor back: the next step sees it.
    if (this.purging.has(key)) return;
    this.purging.add(key);
    this.store.whenDurable(() => {
      this.step(key);
    });
  }

  /** Tries again what could not be read. */
  retry(): void {
    const keys = [...this.unread];
    this.unread.clear();
    for (const key of keys) this.start(key);
  }

  private step(key: string): void {
    const { store } = this;
    const set = store.set(key);
    this.schedule({
      slots: [set],
      run: () => {
        const { purge } = set.meta;
        if (purge === undefined) {
          this.purging.delete(key);
          store.release(set);
          return;
        }
        // What was written before the clear must be on disk to be found; what comes after it purges itself.
        store.whenDurable(() => {
          const watch = store.watchElements(key);
          const { cursor } = purge;
          const range = elementRange(key, cursor.length === 0 ? undefined : cursor);
          store.reads.scan(range, store.limits.housekeepingRecords, SCAN_BYTES, (entries) => {
            this.takePage(set, purge, watch, entries);
          });
        });
      },
    });
  }

  private takePage(
    set: SetSlot,
    begun: SetPurge,
    watch: RangeWatch,
    entries: readonly ScanEntry[] | undefined,
  ): void {
    const { store } = this;
    const key = set.userKey;
    if (entries === undefined) {
      // Not at once: what the disk cannot read now it will not read in the same moment.
      store.unwatch(watch);
      store.release(set);
      this.purging.delete(key);
      this.unread.add(key);
      return;
    }
    const last = entries.at(-1);
    const slots = entries.map((entry) => store.element(key, splitElementKey(entry.key).element));
    this.schedule({
      slots: [set, ...slots],
      run: (now) => {
        store.unwatch(watch);
        // After a further clear the step is done over.
        if (set.meta.purge?.seen === begun.seen) {
          const through = last === undefined ? undefined : splitElementKey(last.key).element;
          this.purgeElements(set, slots, watch, through, now);
        }
        for (const slot of slots) store.release(slot);
        store.release(set);
        store.whenDurable(() => {
          this.step(key);
        });
      },
    });
  }

  /** `through`: the last element of this step; undefined when the step reaches the end of the set. */
  private purgeElements(
    set: SetSlot,
    scanned: readonly ElementSlot[],
    watch: RangeWatch,
    through: Uint8Array | undefined,
    now: Now,
  ): void {
    const { store } = this;
    const { purge } = set.meta;
    if (purge === undefined) return;
    const cleared = clearedThrough(set);
    const seen = new Map<string, ElementSlot>();
    for (const slot of scanned) {
      seen.set(slot.id, slot);
      const after = compactElement(slot.state, cleared, neverStable);
      if (after === slot.state) continue;
      store.touch(slot);
      slot.state = after;
    }
    const cursor = bytesText(purge.cursor);
    const end = through === undefined ? undefined : bytesText(through);
    for (const [id, slot] of watch.changes) {
      if (!(slot instanceof ElementSlot)) continue;
      const place = bytesText(slot.element);
      if (place > cursor && (end === undefined || place <= end)) seen.set(id, slot);
    }
    let live = 0;
    for (const slot of seen.values()) {
      const survivors = liveDots(slot.state, cleared);
      if (survivors.length > 0) live++;
      const met = survivors.find((dot) => covers(purge.seen, dot));
      if (met !== undefined) this.onSurvivor(set, slot, met, now);
    }
    store.touch(set);
    const counted = purge.counted + live;
    if (through !== undefined) {
      set.meta = { ...set.meta, purge: { ...purge, cursor: through, counted } };
      return;
    }
    const { purge: _done, ...rest } = set.meta;
    set.meta = { ...rest, size: rest.size ?? counted };
    store.delete(textKey(KIND.purge, set.userKey));
  }
}
