/**
 * Range watches: scans of the elements of a set while writes go on. What changed meanwhile overrides what was read.
 */
import { ElementSlot, type Slot } from './slot.js';

/** Follows the elements of one set while a scan of it is under way. */
export interface RangeWatch {
  readonly userKey: string;
  readonly changes: Map<string, ElementSlot>;
}

export class RangeWatches {
  /** By the set's key. */
  private readonly watches = new Map<string, Set<RangeWatch>>();

  /** `undurable`: what has changed and a scan does not find yet. */
  open(userKey: string, undurable: readonly ElementSlot[]): RangeWatch {
    const watch: RangeWatch = { userKey, changes: new Map(undurable.map((slot) => [slot.id, slot])) };
    const watches = this.watches.get(userKey);
    if (watches === undefined) this.watches.set(userKey, new Set([watch]));
    else watches.add(watch);
    return watch;
  }

  changed(slot: Slot): void {
    if (this.watches.size === 0 || !(slot instanceof ElementSlot)) return;
    for (const watch of this.watches.get(slot.userKey) ?? []) watch.changes.set(slot.id, slot);
  }

  close(watch: RangeWatch): void {
    const watches = this.watches.get(watch.userKey);
    if (watches?.delete(watch) === true && watches.size === 0) this.watches.delete(watch.userKey);
  }

  clear(): void {
    this.watches.clear();
  }
}
