/**
 * Slots of one kind by their names, in many small maps: V8 copies a map that grows as a whole, which holds the event loop
 * for 0.3 s at a million entries, and allows no more than some eight million in one.
 *
 * Names that differ only beyond 64 units from both ends share a map; the bound of the cache keeps that below the limit.
 */
import type { Slot } from './slot.js';

const SHARDS = 64;
/** Units from either end of a name that choose its map. */
const HASHED_UNITS = 64;

export class SlotTable<S extends Slot> {
  private readonly shards: readonly Map<string, S>[] = Array.from({ length: SHARDS }, () => new Map());

  get(name: string): S | undefined {
    return this.shards[shardOf(name)]!.get(name);
  }

  set(name: string, slot: S): void {
    this.shards[shardOf(name)]!.set(name, slot);
  }

  delete(name: string): void {
    this.shards[shardOf(name)]!.delete(name);
  }

  /** Slots may come and go meanwhile. */
  *values(): Generator<S, void> {
    for (const shard of this.shards) if (shard.size > 0) yield* shard.values();
  }

  clear(): void {
    for (const shard of this.shards) shard.clear();
  }
}

/** FNV-1a (Fowler, Noll, Vo), of UTF-16 units. */
function shardOf(name: string): number {
  const { length } = name;
  let hash = 0x811c9dc5;
  for (let at = 0; at < length; at++) {
    if (at === HASHED_UNITS && length > 2 * HASHED_UNITS) at = length - HASHED_UNITS;
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  }
  return (hash ^ (hash >>> 16)) & (SHARDS - 1);
}
