/**
 * PN-counter with reset: a reset removes exactly the increments that it has seen.
 *
 * State: entries, each with the monotone totals `p`, `n` of one replica's increments and the baseline
 * `bp`, `bn` up to which resets have seen them. The value is the sum of what lies above the baselines.
 *
 * Invariants
 * - An entry stands under the dot of its first increment; only that dot's replica increments it, so its
 *   pairs (p, n) form a chain, and every baseline is a pair of that chain.
 * - p >= bp and n >= bn. A reset has seen what it sets as the baseline, so an entry that comes with a
 *   baseline alone (a reset's delta on the wire) is raised to it: that much has been counted somewhere.
 * - `by` is there exactly when bp + bn > 0: the reset that set this baseline.
 * - An entry with a baseline is never incremented again: the next increment opens a new one. Otherwise an
 *   entry that was compacted here and grew elsewhere would come back with all that had been reset.
 * - Hence an entry with nothing above its baseline is final once `by` is stable, and may go: its replica
 *   has applied the reset, what it added before has arrived, and it adds no more.
 *
 * Totals are at most 2^63-1, so that they fit 64 bits.
 *
 * The embedded-counter anomaly that this avoids, a reset that takes concurrent increments along or lets
 * old ones return, is that of Baquero, Almeida, Lerche: The Problem with Embedded CRDT Counters and a
 * Solution, PaPoC 2016. The counter is that of Shapiro et al., INRIA RR-7506, 2011, 3.1.3.
 */
import { assert } from './assert.js';
import type { Digest, Hasher } from './digest.js';
import { COUNTER_SEED } from './digest.js';
import { compareDots, type Dot, sameDot } from './dot.js';

export interface CounterEntry {
  readonly dot: Dot;
  /** Sum of the positive increments, and of the negative ones' magnitudes. */
  readonly p: bigint;
  readonly n: bigint;
  /** How much of each a reset has seen. */
  readonly bp: bigint;
  readonly bn: bigint;
  /** The reset that set the baseline. */
  readonly by?: Dot;
}

export interface Counter {
  /** Sorted by dot, each dot once. */
  readonly entries: readonly CounterEntry[];
}

export const EMPTY_COUNTER: Counter = { entries: [] };

/** An entry whose totals would pass this is left alone, and a new one opened. */
export const ENTRY_TOTAL_MAX = 2n ** 62n;

/** What totals may never pass, also within one transaction: they are stored in 64 bits. */
const TOTAL_MAX = 2n ** 63n - 1n;

/**
 * The delta of an increment by the replica of `dot`: the entry after adding `amount`. It is that replica's
 * newest entry that has no baseline and room for the amount, else a new one under `dot`.
 * `amount` may be negative or 0, up to 2^53 in magnitude. Entries with a seq below `from` are left alone.
 */
export function incrementEntry(state: Counter, dot: Dot, amount: bigint, from = 0): CounterEntry {
  const entry = openEntry(state, dot, amount, from) ?? { dot, p: 0n, n: 0n, bp: 0n, bn: 0n };
  const grown = grow(entry, amount);
  assert(grown.p <= TOTAL_MAX && grown.n <= TOTAL_MAX, 'totals of one transaction fit 64 bits');
  return grown;
}

function openEntry(state: Counter, dot: Dot, amount: bigint, from: number): CounterEntry | undefined {
  for (let i = state.entries.length - 1; i >= 0; i--) {
    const entry = state.entries[i]!;
    if (entry.dot.replica !== dot.replica || entry.dot.seq < from || hasBaseline(entry)) continue;
    // A second entry under the transaction's own dot cannot be opened: this one takes the amount.
    if (sameDot(entry.dot, dot) || hasRoom(grow(entry, amount))) return entry;
  }
  return undefined;
}

function hasRoom(entry: CounterEntry): boolean {
  return entry.p <= ENTRY_TOTAL_MAX && entry.n <= ENTRY_TOTAL_MAX;
}

function hasBaseline(entry: CounterEntry): boolean {
  return entry.by !== undefined || entry.bp > 0n || entry.bn > 0n;
}

function grow(entry: CounterEntry, amount: bigint): CounterEntry {
  return amount < 0n ? { ...entry, n: entry.n - amount } : { ...entry, p: entry.p + amount };
}

/**
 * The delta of a reset: every entry that has something above its baseline, with the baseline raised to
 * its totals. Never the entry under `by` itself: what a transaction adds and resets again, it folds away.
 */
export function resetEntries(state: Counter, by: Dot): CounterEntry[] {
  const reset: CounterEntry[] = [];
  for (const entry of state.entries) {
    if (isSpent(entry) || sameDot(entry.dot, by)) continue;
    reset.push({ ...entry, bp: entry.p, bn: entry.n, by });
  }
  return reset;
}

/** Whether nothing lies above the baseline. */
function isSpent(entry: CounterEntry): boolean {
  return entry.p === entry.bp && entry.n === entry.bn;
}

/**
 * The least state above both. `entries` may stand in any order and may be the entries of a whole state.
 * Returns `state` itself when nothing changes.
 */
export function joinCounter(state: Counter, entries: readonly CounterEntry[]): Counter {
  let joined: CounterEntry[] | undefined;
  for (const raw of entries) {
    const entry = raiseToBaseline(raw);
    const current = joined ?? state.entries;
    const at = lowerBound(current, entry.dot);
    const mine = current[at];
    if (mine === undefined || !sameDot(mine.dot, entry.dot)) {
      joined ??= [...state.entries];
      joined.splice(at, 0, entry);
      continue;
    }
    const both = joinEntries(mine, entry);
    if (both === mine) continue;
    joined ??= [...state.entries];
    joined[at] = both;
  }
  return joined === undefined ? state : { entries: joined };
}

function raiseToBaseline(entry: CounterEntry): CounterEntry {
  if (entry.p >= entry.bp && entry.n >= entry.bn) return entry;
  return { ...entry, p: max(entry.p, entry.bp), n: max(entry.n, entry.bn) };
}

/** Index of the first entry whose dot is not below `dot`. */
function lowerBound(entries: readonly CounterEntry[], dot: Dot): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareDots(entries[middle]!.dot, dot) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Totals by pointwise maximum, the baseline with its reset as a whole. Returns `a` itself if equal. */
function joinEntries(a: CounterEntry, b: CounterEntry): CounterEntry {
  const base = compareBaselines(a, b) >= 0 ? a : b;
  const p = max(a.p, b.p);
  const n = max(a.n, b.n);
  if (base === a && p === a.p && n === a.n) return a;
  const totals = { dot: a.dot, p, n, bp: base.bp, bn: base.bn };
  return base.by === undefined ? totals : { ...totals, by: base.by };
}

/**
 * A total order, in which a baseline of the entry's chain is above another exactly when it is so in both
 * parts. The larger dot on a tie: any replica that sees that reset as stable may drop what it covers.
 */
function compareBaselines(a: CounterEntry, b: CounterEntry): number {
  const sums = a.bp + a.bn - (b.bp + b.bn);
  if (sums !== 0n) return sums < 0n ? -1 : 1;
  if (a.bp !== b.bp) return a.bp < b.bp ? -1 : 1;
  if (a.by === undefined || b.by === undefined)
    return Number(a.by !== undefined) - Number(b.by !== undefined);
  return compareDots(a.by, b.by);
}

function max(a: bigint, b: bigint): bigint {
  return a >= b ? a : b;
}

/** The sum of what lies above the baselines. May be beyond 2^53 when increments were made apart. */
export function counterValue(state: Counter): bigint {
  let value = 0n;
  for (const { p, n, bp, bn } of state.entries) value += p - bp - (n - bn);
  return value;
}

/**
 * Without what nobody needs: entries with nothing above the baseline whose reset is stable, and entries
 * that never counted anything. Returns `state` itself if unchanged.
 */
export function compactCounter(state: Counter, isStable: (dot: Dot) => boolean): Counter {
  const entries = state.entries.filter(
    (entry) => !isSpent(entry) || (entry.by !== undefined && !isStable(entry.by)),
  );
  return entries.length === state.entries.length ? state : { entries };
}

/** Adds the counter to a digest: the entries with something above the baseline. `by` is left out. */
export function addCounterDigest(digest: Digest, hasher: Hasher, key: string, state: Counter): void {
  for (const entry of state.entries) {
    if (isSpent(entry)) continue;
    hasher.start(COUNTER_SEED).text(key).text(entry.dot.replica).uint(entry.dot.seq);
    hasher.big(entry.p).big(entry.n).big(entry.bp).big(entry.bn).addTo(digest);
  }
}
