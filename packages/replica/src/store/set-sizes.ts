/**
 * Set sizes: along with a recount, compares the size that each set keeps with the elements that are stored. Neither the
 * size nor a lost element that was removed since is in any digest, so that no comparison with a peer would tell.
 *
 * Invariants
 * - `live` of the set in which the walk stands is the number of its live elements below the cursor, after the newest
 *   sealed commit; together with a page it is that of the view from which the page was read, and so is the set's record.
 * - A set that is being purged or counted, or has a damaged element, is passed over.
 *
 * Stored dots are counted, as they are for digests: where no purge is under way a clear covers none of them.
 */
import type { Digest } from '@causeway/crdt';
import { CausewayError, decodeElement, decodeSetMeta, unsealValue } from '@causeway/protocol';
import { DAMAGED_MAX } from '../limits.js';
import { elementRange, KIND, splitElementKey, textKey, textOfKey } from './keyspace.js';
import type { View } from './views.js';
import type { WalkPage } from './walk.js';

interface Tally {
  readonly set: string;
  live: number;
  /** No element of it was damaged. */
  isKnown: boolean;
}

export class SetSizes {
  /** Sets whose size is not that of their elements; not all where there are very many. */
  readonly wrong: string[] = [];
  /** Of the set in which the walk stands. */
  private current: Tally | undefined;

  /** What the sets have below the cursor at this moment, at which a view was taken. */
  atView(): Tally | undefined {
    return this.current && { ...this.current };
  }

  /** An element below the cursor has changed. */
  changed(key: Uint8Array, before: Digest, after: Digest): void {
    const { current } = this;
    if (current === undefined || key[0] !== KIND.element || splitElementKey(key).key !== current.set) return;
    current.live += Number(!after.isZero()) - Number(!before.isZero());
  }

  /**
   * Compares the sets that end with this page of `view`, of which `begun` says what lies below the page; `then` gets
   * what is to be called when the page is taken, undefined when something could not be read just now.
   */
  check(view: View, begun: Tally | undefined, page: WalkPage, then: (take?: () => void) => void): void {
    const tallies = talliesOf(page, begun && { ...begun });
    const last = page.next?.[0] === KIND.element ? tallies.pop() : undefined;
    this.findWrong(view, tallies, (wrong) => {
      if (wrong === undefined) return then();
      this.findEmpty(view, page, (empty) => {
        if (empty === undefined) return then();
        then(() => {
          for (const set of [...wrong, ...empty]) this.add(set);
          // What has changed below the page since the view was taken.
          if (last !== undefined && last.set === begun?.set)
            last.live += (this.current?.live ?? 0) - begun.live;
          this.current = last;
        });
      });
    });
  }

  private findWrong(
    view: View,
    tallies: readonly Tally[],
    then: (sets: readonly string[] | undefined) => void,
  ): void {
    if (tallies.length === 0) return then([]);
    const keys = tallies.map(({ set }) => textKey(KIND.set, set));
    view.load(keys, (values) => {
      if (values === undefined) return then(undefined);
      const wrong = tallies.filter(({ live, isKnown }, index) => {
        const size = sizeOf(keys[index]!, values[index]);
        return isKnown && size !== undefined && size !== live;
      });
      then(wrong.map(({ set }) => set));
    });
  }

  /** Sets with a size of which no element is stored: the walk has not met them. */
  private findEmpty(view: View, page: WalkPage, then: (sets: readonly string[] | undefined) => void): void {
    const sized = page.entries.filter(
      ({ key, value }) => key[0] === KIND.set && (sizeOf(key, value) ?? 0) > 0,
    );
    const empty: string[] = [];
    const next = (index: number): void => {
      const entry = sized[index];
      if (entry === undefined) return then(empty);
      const set = textOfKey(entry.key);
      view.scan(elementRange(set), 1, 1, (elements) => {
        if (elements === undefined) return then(undefined);
        if (elements.length === 0) empty.push(set);
        next(index + 1);
      });
    };
    next(0);
  }

  private add(set: string): void {
    if (this.wrong.length < DAMAGED_MAX) this.wrong.push(set);
  }
}

/** In the order of the walk. `begun`: what earlier pages had of the first. */
function talliesOf({ entries }: WalkPage, begun: Tally | undefined): Tally[] {
  const tallies = begun === undefined ? [] : [begun];
  for (const { key, value } of entries) {
    if (key[0] !== KIND.element) continue;
    const { key: set } = splitElementKey(key);
    let tally = tallies.at(-1);
    if (tally?.set !== set) {
      tally = { set, live: 0, isKnown: true };
      tallies.push(tally);
    }
    const element = decoded(() => decodeElement(unsealValue(key, value)));
    if (element === undefined) tally.isKnown = false;
    else if (element.adds.length > 0) tally.live++;
  }
  return tallies;
}

/** Undefined while it is being counted or purged, and of a damaged record. */
function sizeOf(key: Uint8Array, value: Uint8Array | undefined): number | undefined {
  if (value === undefined) return 0;
  const meta = decoded(() => decodeSetMeta(unsealValue(key, value)));
  return meta?.purge === undefined ? meta?.size : undefined;
}

/** Undefined for a damaged record, which is somebody else's to tell. */
function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof CausewayError) return undefined;
    throw error;
  }
}
