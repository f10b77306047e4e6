/**
 * The walk: goes over stored records in key order, in pages, on whatever it is given to scan. For everything that has
 * to see all records: there is no index from a hash to a record, which every write would pay for.
 */
import type { ScanEntry } from '../events.js';
import { concat, type KeyRange, KIND } from './keyspace.js';

/** Records that the Merkle index counts, in key order. */
export const INDEXED_KINDS: readonly number[] = [KIND.counter, KIND.element, KIND.register];
/** And those that hold user data but nothing that is counted. */
export const RECORD_KINDS: readonly number[] = [...INDEXED_KINDS, KIND.set];

export const WALK_START = Uint8Array.of(0);

export interface WalkPage {
  readonly entries: readonly ScanEntry[];
  /** Where the next page begins: there is no further record below it. Undefined after the last page. */
  readonly next: Uint8Array | undefined;
}

/** A view, or the store as it is. */
export interface Scannable {
  scan(
    range: KeyRange,
    entriesMax: number,
    bytesMax: number,
    then: (entries: readonly ScanEntry[] | undefined) => void,
  ): void;
}

export interface PageBounds {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** The page that begins at `from`, with at least one entry if there is any; undefined when it cannot be read just now. */
export function walkPage(
  source: Scannable,
  kinds: readonly number[],
  from: Uint8Array,
  bounds: PageBounds,
  then: (page: WalkPage | undefined) => void,
): void {
  const first = from[0] ?? 0;
  const kind = kinds.find((candidate) => candidate >= first);
  if (kind === undefined) return then({ entries: [], next: undefined });
  const end = Uint8Array.of(kind + 1);
  const { entriesMax, bytesMax } = bounds;
  const range = { from: kind === first ? from : Uint8Array.of(kind), to: end };
  source.scan(range, entriesMax, bytesMax, (entries) => {
    if (entries === undefined) return then(undefined);
    const last = entries.at(-1);
    if (last === undefined) return walkPage(source, kinds, end, bounds, then);
    if (isFull(entries, bounds)) return then({ entries, next: concat(last.key, Uint8Array.of(0)) });
    then({ entries, next: kind === kinds.at(-1) ? undefined : end });
  });
}

/** There may be more of this kind. */
function isFull(entries: readonly ScanEntry[], { entriesMax, bytesMax }: PageBounds): boolean {
  if (entries.length >= entriesMax) return true;
  return bytesOf(entries) >= bytesMax;
}

export function bytesOf(entries: readonly ScanEntry[]): number {
  let bytes = 0;
  for (const { key, value } of entries) bytes += key.length + value.length;
  return bytes;
}
