/**
 * Evidence check: looks, after the records, for evidence of removals that the disk has lost. No digest holds evidence, so
 * that no comparison with a peer would tell; but each piece has a garbage entry under its dot.
 *
 * Invariant: an entry and its record are read from one view, and what has been compacted is not missed.
 *
 * What is found is not always a loss: of two removals of one thing that had not seen each other the one that took the
 * other's place may be stable, and gone, first. To ask a peer in vain costs one repair that brings nothing.
 */
import { covers } from '@causeway/crdt';
import { CausewayError, decodeSetMeta, unsealValue } from '@causeway/protocol';
import { DAMAGED_MAX, RECOUNT_PAGE } from '../limits.js';
import { concat, dotOfGarbage, KIND, kindRange, recordKeyOfGarbage } from './keyspace.js';
import type { View } from './views.js';
import { bytesOf } from './walk.js';

const GARBAGE = kindRange(KIND.garbage);

export class EvidenceCheck {
  /** Keys of records without the evidence that they should hold; not all where there are very many. */
  readonly lost: Uint8Array[] = [];
  /** Undefined when all is looked through. */
  private cursor: Uint8Array | undefined = GARBAGE.from;

  get isDone(): boolean {
    return this.cursor === undefined;
  }

  /** Looks through one page of `view`; `then` gets its bytes, or undefined when it could not be read just now. */
  page(view: View, then: (bytes: number | undefined) => void): void {
    if (this.cursor === undefined) return then(0);
    const range = { from: this.cursor, to: GARBAGE.to };
    view.scan(range, RECOUNT_PAGE.entriesMax, RECOUNT_PAGE.bytesMax, (entries) => {
      const last = entries?.at(-1);
      if (entries === undefined) return then(undefined);
      if (last === undefined) {
        this.cursor = undefined;
        return then(0);
      }
      const awaited = entries.map(({ key }) => key).filter((key) => !covers(view.horizon, dotOfGarbage(key)));
      this.compare(view, awaited, (read) => {
        if (!read) return then(undefined);
        this.cursor = concat(last.key, Uint8Array.of(0));
        then(bytesOf(entries));
      });
    });
  }

  private compare(view: View, garbage: readonly Uint8Array[], then: (read: boolean) => void): void {
    if (garbage.length === 0) return then(true);
    view.load(garbage.map(recordKeyOfGarbage), (values) => {
      if (values === undefined) return then(false);
      garbage.forEach((key, index) => {
        if (!isLost(key, values[index])) return;
        if (this.lost.length < DAMAGED_MAX) this.lost.push(recordKeyOfGarbage(key));
      });
      then(true);
    });
  }
}

/** A record that is there may hold something that took the evidence's place; only of a clear all are kept. */
function isLost(garbage: Uint8Array, value: Uint8Array | undefined): boolean {
  if (value === undefined) return true;
  const key = recordKeyOfGarbage(garbage);
  if (key[0] !== KIND.set) return false;
  try {
    const { clear } = decodeSetMeta(unsealValue(key, value));
    return clear === undefined || !covers(clear.by, dotOfGarbage(garbage));
  } catch (error) {
    // Damaged: that is found otherwise.
    if (error instanceof CausewayError) return false;
    throw error;
  }
}
