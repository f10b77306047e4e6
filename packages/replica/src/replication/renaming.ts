/**
 * Renaming: a transaction of an identity that was left behind, as one of the identity that came after it. Pure but
 * for what it remembers of counters.
 *
 * Of the old origin others have everything up to `base`, and nothing beyond. So
 * - its dots up to `base` keep their name; a later one is the dot of the transaction that was issued in its place;
 * - a removal takes out every earlier add of its replica: it is of both names;
 * - stamps of registers stay, but for the replica in them;
 * - an increment tells a total: what it is above the total before is added to an entry of the new identity, never to
 *   the old entry, which others may have reset;
 * - a reset sets as the baseline of an old entry what others have of it, and takes along everything that was issued
 *   again for this counter before it.
 */
import {
  type Counter,
  compareDots,
  type Dot,
  type ReplicaId,
  seqOf,
  type VersionVector,
} from '@causeway/crdt';
import type { RecordDelta, ResetEntry } from '@causeway/protocol';
import type { Departure, ReissuedRun } from '../store/departure.js';

interface Total {
  readonly p: bigint;
  readonly n: bigint;
}

const NOTHING: Total = { p: 0n, n: 0n };

type Increment = RecordDelta & { type: 'increment' };
type Reset = RecordDelta & { type: 'reset' };

export class Renaming {
  /** By counter and entry of the old origin: its newest total, and the one that others have. */
  private readonly totals = new Map<string, Total>();
  private readonly baseTotals = new Map<string, Total>();
  private readonly base: number;

  constructor(
    private readonly self: ReplicaId,
    private readonly departure: Departure,
    /** All of them, this one too, with the runs as they grow. */
    private readonly departures: ReadonlyMap<ReplicaId, Departure>,
    private readonly runs: readonly ReissuedRun[],
  ) {
    this.base = departure.base ?? 0;
  }

  /** Takes note of a transaction that others have, or that has been issued again already. */
  pass(seq: number, records: readonly RecordDelta[]): void {
    for (const record of records) {
      if (record.type !== 'increment') continue;
      const entry = entryOf(record);
      this.totals.set(entry, record);
      if (seq <= this.base) this.baseTotals.set(entry, record);
    }
  }

  /** Whether a dot of this replica was issued in the place of an old one. */
  isReissued({ replica, seq }: Dot): boolean {
    if (replica !== this.self) return false;
    return this.runs.some(({ author, at, count }) => author === replica && at <= seq && seq < at + count);
  }

  /** What the old clear in a transaction with these `deps` had seen. */
  hadSeen(dot: Dot, deps: VersionVector): boolean {
    if (dot.replica === this.departure.origin) return dot.seq <= this.base;
    if (dot.replica === this.self) return this.isReissued(dot);
    return dot.seq <= seqOf(deps, dot.replica);
  }

  /** The removal of `dots` in the names that they have now, as far as `seen` reaches. */
  removed(dots: readonly Dot[], seen: VersionVector): Dot[] {
    const newest = new Map<ReplicaId, number>();
    for (const dot of dots.flatMap((old) => this.namesOf(old))) {
      const seq = dot.replica === this.self ? dot.seq : Math.min(dot.seq, seqOf(seen, dot.replica));
      if (seq > (newest.get(dot.replica) ?? 0)) newest.set(dot.replica, seq);
    }
    return [...newest].map(([replica, seq]) => ({ replica, seq })).sort(compareDots);
  }

  /** The entry after what the old increment has added; undefined when that is nothing. */
  increment(record: Increment, dot: Dot, counter: Counter): Increment | undefined {
    const entry = entryOf(record);
    const before = this.totals.get(entry) ?? this.knownTotal(record.first, counter) ?? NOTHING;
    this.totals.set(entry, record);
    const p = record.p - before.p;
    const n = record.n - before.n;
    if (p <= 0n && n <= 0n) return undefined;
    const open = counter.entries.findLast(
      (mine) => (this.isReissued(mine.dot) || isSame(mine.dot, dot)) && mine.by === undefined,
    );
    return {
      type: 'increment',
      key: record.key,
      first: (open?.dot ?? dot).seq,
      p: (open?.p ?? 0n) + positive(p),
      n: (open?.n ?? 0n) + positive(n),
    };
  }

  reset({ key, entries }: Reset, counter: Counter, seen: VersionVector): Reset | undefined {
    const renamed: ResetEntry[] = [];
    for (const { dot, bp, bn } of entries) {
      if (dot.replica !== this.departure.origin) {
        if (dot.seq <= seqOf(seen, dot.replica)) renamed.push({ dot, bp, bn });
        continue;
      }
      const known =
        dot.seq > this.base
          ? undefined
          : (this.baseTotals.get(nameOf(key, dot.seq)) ?? this.knownTotal(dot.seq, counter));
      if (known === undefined || known.p + known.n === 0n) continue;
      renamed.push({ dot, bp: bp < known.p ? bp : known.p, bn: bn < known.n ? bn : known.n });
    }
    for (const { dot, p, n, bp, bn } of counter.entries) {
      if (this.isReissued(dot) && (p !== bp || n !== bn)) renamed.push({ dot, bp: p, bn: n });
    }
    const unique = new Map(renamed.map((entry) => [`${entry.dot.replica} ${entry.dot.seq}`, entry]));
    const sorted = [...unique.values()].sort((a, b) => compareDots(a.dot, b.dot));
    return sorted.length === 0 ? undefined : { type: 'reset', key, entries: sorted };
  }

  /** What others have of the old origin's entry, as it stands here. */
  private knownTotal(first: number, counter: Counter): Total | undefined {
    if (first > this.base) return undefined;
    return counter.entries.find(({ dot }) => dot.replica === this.departure.origin && dot.seq === first);
  }

  /** Under which names the adds up to `dot` may be found. */
  private namesOf(dot: Dot): Dot[] {
    const departure = this.departures.get(dot.replica);
    if (departure?.base === undefined) return [dot];
    const { base } = departure;
    const names: Dot[] = [];
    if (base > 0) names.push({ replica: dot.replica, seq: Math.min(dot.seq, base) });
    const runs = departure === this.departure ? this.runs : departure.runs;
    const run = runs.findLast(({ from }) => from <= dot.seq);
    if (dot.seq <= base || run === undefined) return names;
    const seq = run.at + Math.min(dot.seq - run.from, run.count - 1);
    const renamed = { replica: run.author, seq };
    return [...names, ...(run.author === this.self ? [renamed] : this.namesOf(renamed))];
  }
}

function entryOf({ key, first }: Increment): string {
  return nameOf(key, first);
}

function nameOf(key: string, first: number): string {
  return `${first} ${key}`;
}

function isSame(a: Dot, b: Dot): boolean {
  return a.replica === b.replica && a.seq === b.seq;
}

function positive(value: bigint): bigint {
  return value > 0n ? value : 0n;
}
