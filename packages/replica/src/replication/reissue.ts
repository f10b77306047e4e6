/**
 * Reissue: transactions of an identity that was left behind and that no member has are executed again, one for one,
 * in their order, as transactions of this replica (renaming.ts).
 *
 * Invariants
 * - It begins when it is settled what others have of the old identity, and when everything that this had seen is
 *   here: not one transaction is issued that may still come under its old name, and none that refers to what may.
 * - From its beginning to its end no client's transaction is executed, also across restarts: so what it has issued
 *   is told from what clients wrote, and its counters grow by it alone.
 * - How far it has come stands in the same commit as what it has issued.
 *
 * Memory: one chunk, and the totals of the counters in the old log.
 */
import { type Counter, type Dot, elementDelta, joinCounter, type ReplicaId, seqOf } from '@causeway/crdt';
import {
  CausewayError,
  type Chunk,
  type ChunkHead,
  chunkHead,
  decodeChunk,
  isChunkWhole,
  type RecordDelta,
} from '@causeway/protocol';
import type { Environment, Now } from '../environment.js';
import type { ScanEntry } from '../events.js';
import { clearedThrough } from '../store/apply.js';
import {
  type Departure,
  departureKey,
  departuresOf,
  encodeDeparture,
  type ReissuedRun,
} from '../store/departure.js';
import type { Schedule } from '../store/job.js';
import { elementRange, splitElementKey, stashRange } from '../store/keyspace.js';
import type { ElementSlot, Slot } from '../store/slot.js';
import type { Store } from '../store/store.js';
import { acquireSlots, type ChunkApplier, entriesOf } from './apply-chunk.js';
import { Renaming } from './renaming.js';

const READ_BYTES = 1 << 20;
/** Elements of one cleared set that one transaction takes out. */
const CLEARED_MAX = 10_000;
const CLEAR_PAGE = 1_000;
/** As `done` of a departure. */
const DONE = Number.MAX_SAFE_INTEGER;

/** A departure that is being dealt with. */
interface Current {
  departure: Departure & { readonly origin: ReplicaId; readonly base: number };
  readonly renaming: Renaming;
  readonly runs: ReissuedRun[];
  issued: number;
}

export interface Judge {
  /** Nothing of the origin can come any more but what is here. */
  isSettled(origin: ReplicaId): boolean;
}

export class Reissue {
  private departures: Departure[] = [];
  private current: Current | undefined;
  private retries: (() => void)[] = [];
  /** What was under way for an earlier state of the store is not gone on with. */
  private life = 0;

  constructor(
    private readonly store: Store,
    private readonly applier: ChunkApplier,
    private readonly schedule: Schedule,
    private readonly judge: Judge,
    private readonly env: Environment,
  ) {}

  /** Takes in what the store holds. */
  restore(entries: readonly ScanEntry[]): void {
    this.life++;
    this.retries = [];
    this.current = undefined;
    this.departures = departuresOf(entries);
  }

  get all(): readonly Departure[] {
    return this.departures;
  }

  /** This store began after an identity was left behind, and is not done with that. */
  get isPending(): boolean {
    return this.departures.length > 0;
  }

  /** Something is left to be issued again. */
  get hasWork(): boolean {
    return this.departures.some((departure) => !isDone(departure));
  }

  /** It has begun and is not done: clients wait. */
  get isRunning(): boolean {
    return this.departures.some((departure) => departure.done > 0 && !isDone(departure));
  }

  /** Reads again what could not be read. */
  retry(): void {
    for (const task of this.retries.splice(0)) task();
  }

  /** Looks whether it can begin, or is done. `isReady`: the node serves, and no longer needs to know that it began anew. */
  tick(isReady: boolean): void {
    if (this.departures.length === 0 || this.current !== undefined) return;
    const next = this.departures.find((departure) => !isDone(departure));
    if (next?.origin !== undefined) return this.begin(next as Departure & { origin: ReplicaId });
    if (!isReady) return;
    for (const { origin } of this.departures) this.store.delete(departureKey(origin));
    this.departures = [];
  }

  private begin(departure: Departure & { origin: ReplicaId }): void {
    const { store } = this;
    const { origin, seen, fork } = departure;
    let { base } = departure;
    const own = seqOf(seen, origin);
    if (base === undefined) {
      base = seqOf(store.executed, origin);
      if (fork > 0) base = Math.min(base, fork - 1);
      if (base < own && !this.judge.isSettled(origin)) return;
    }
    if (departure.done === 0 && base < own && !this.hasAllSeen(departure)) return;
    if (base < own) {
      const fields = { left: origin, held: base, own };
      this.env.log.info(fields, 'what no member has of the writes before is issued again');
    }
    const runs = [...departure.runs];
    const begun = { ...departure, base, done: Math.max(departure.done, base) };
    const all = new Map(
      this.departures.flatMap((other) => (other.origin ? [[other.origin, other] as const] : [])),
    );
    all.set(origin, begun);
    const renaming = new Renaming(store.self, begun, all, runs);
    this.current = { departure: begun, renaming, runs, issued: 0 };
    this.keep(begun);
    if (own <= begun.done) return this.clean();
    this.readOn(1);
  }

  /** All that the old identity had seen of others is here, but for what cannot come any more. */
  private hasAllSeen({ seen }: Departure): boolean {
    const { store, judge } = this;
    const left = new Set(this.departures.map((other) => other.origin));
    for (const [other, seq] of seen) {
      if (!left.has(other) && seqOf(store.executed, other) < seq && !judge.isSettled(other)) return false;
    }
    return true;
  }

  /** Chunks from `from` on. */
  private readOn(from: number): void {
    const { store, life, current } = this;
    if (current === undefined) return;
    store.reads.scan(stashRange(current.departure.origin, from), 1, READ_BYTES, (entries) => {
      if (life !== this.life) return;
      const entry = entries?.[0];
      if (entries === undefined) return this.later(() => this.readOn(from));
      if (entry === undefined) return this.clean();
      if (!isChunkWhole(entry.value)) {
        this.env.log.error(
          { left: current.departure.origin, from },
          'a write that was to be issued again is damaged',
        );
        return this.readOn(firstSeqOf(entry) + 1);
      }
      const chunk = decodeChunk(entry.value);
      this.transactions(chunk, 0, () => this.readOn(chunk.lastSeq + 1));
    });
  }

  /** From the `index`-th transaction of the chunk on, as many as need nothing but the records that they name. */
  private transactions(chunk: Chunk, index: number, then: () => void): void {
    const { current, store } = this;
    if (current === undefined) return;
    let from = index;
    for (; from < chunk.transactions.length && chunk.firstSeq + from <= current.departure.done; from++)
      current.renaming.pass(chunk.firstSeq + from, chunk.transactions[from]!);
    if (from >= chunk.transactions.length) return then();
    const clears = clearsOf(chunk.transactions[from]!);
    let to = from + 1;
    if (clears.length === 0)
      while (to < chunk.transactions.length && clearsOf(chunk.transactions[to]!).length === 0) to++;
    const part = chunk.transactions.slice(from, to);
    const go = (cleared: ReadonlyMap<string, readonly ElementSlot[]>) => {
      const slots = acquireSlots(store, { ...chunk, transactions: part }).flat();
      const { life } = this;
      this.schedule({
        slots: [...slots, ...[...cleared.values()].flat()],
        run: (now) => {
          if (life !== this.life) return;
          part.forEach((records, at) => {
            this.issue(chunk, chunk.firstSeq + from + at, records, cleared, now);
          });
          this.keep({ ...current.departure, done: chunk.firstSeq + to - 1, runs: [...current.runs] });
          for (const slot of slots) store.records.release(slot);
          for (const element of [...cleared.values()].flat()) store.records.release(element);
          // A commit's worth at a time.
          store.whenDurable(() => {
            if (life === this.life) this.transactions(chunk, to, then);
          });
        },
      });
    };
    if (clears.length === 0) go(new Map());
    else this.findCleared(clears, new Map(), go);
  }

  /** The elements of the sets that are cleared, all of them on disk by now. */
  private findCleared(
    keys: readonly string[],
    found: Map<string, ElementSlot[]>,
    then: (found: ReadonlyMap<string, readonly ElementSlot[]>) => void,
  ): void {
    const { store, life } = this;
    const [key, ...rest] = keys;
    if (key === undefined) return then(found);
    const elements: ElementSlot[] = [];
    found.set(key, elements);
    const page = (after: Uint8Array | undefined): void => {
      store.reads.scan(elementRange(key, after), CLEAR_PAGE, READ_BYTES, (entries) => {
        if (life !== this.life) return;
        if (entries === undefined) return this.later(() => page(after));
        for (const entry of entries)
          elements.push(store.records.element(key, splitElementKey(entry.key).element));
        const last = entries.at(-1);
        if (last === undefined) this.findCleared(rest, found, then);
        else page(splitElementKey(last.key).element);
      });
    };
    store.whenDurable(() => page(undefined));
  }

  /** One old transaction, as one new one or as none, where nothing is left of it. */
  private issue(
    chunk: Chunk,
    seq: number,
    records: readonly RecordDelta[],
    cleared: ReadonlyMap<string, readonly ElementSlot[]>,
    now: Now,
  ): void {
    const { store, current } = this;
    if (current === undefined) return;
    const renamed = this.rename(chunk, records, cleared, store.nextDot());
    // More than a transaction may hold goes ahead of it.
    for (let left = renamed.length - CLEARED_MAX; left > 0; left -= CLEARED_MAX) {
      if (cleared.size === 0) break;
      this.execute(renamed.splice(0, Math.min(left, CLEARED_MAX)), now);
    }
    if (renamed.length === 0) return;
    const { seq: at } = store.nextDot();
    this.execute(renamed, now);
    const last = current.runs.at(-1);
    if (last !== undefined && last.from + last.count === seq && last.at + last.count === at) {
      current.runs[current.runs.length - 1] = { ...last, count: last.count + 1 };
    } else current.runs.push({ from: seq, count: 1, author: store.self, at });
    current.issued++;
  }

  private execute(records: readonly RecordDelta[], now: Now): void {
    const { store } = this;
    const { replica, seq } = store.nextDot();
    store.beginTransaction(now);
    const deps = new Map(store.executed);
    deps.delete(replica);
    const head: ChunkHead = { origin: replica, start: 0, firstSeq: seq, lastSeq: seq, at: now.wall };
    const chunk: Chunk = { ...head, deps, transactions: [records] };
    const slots = acquireSlots(store, chunk);
    this.applier.apply(chunk, slots, seq - 1, now);
    for (const transaction of slots) for (const slot of transaction) store.records.release(slot);
    store.endTransaction(records);
  }

  private rename(
    chunk: Chunk,
    records: readonly RecordDelta[],
    cleared: ReadonlyMap<string, readonly ElementSlot[]>,
    dot: Dot,
  ): RecordDelta[] {
    const { store, current } = this;
    if (current === undefined) return [];
    const { renaming } = current;
    const renamed: RecordDelta[] = [];
    // By set and element: a clear, and what its transaction did to the element after it, are one delta.
    const elements = new Map<ElementSlot, { add: boolean; removed: Dot[] }>();
    // Counters as the records before have made them.
    const counters = new Map<string, Counter>();
    const counterOf = (key: string) => counters.get(key) ?? pinned(store, store.records.counter(key)).counter;
    const count = (record: RecordDelta & { type: 'increment' | 'reset' }) => {
      counters.set(record.key, joinCounter(counterOf(record.key), entriesOf(record, dot)));
    };
    for (const record of records) {
      switch (record.type) {
        case 'register':
          renamed.push({ ...record, stamp: { ...record.stamp, replica: dot.replica } });
          break;
        case 'clear':
          for (const slot of cleared.get(record.key) ?? []) {
            const through = clearedThrough(pinned(store, store.records.set(record.key)));
            const seen = slot.state.adds.filter(
              (add) => add.seq > seqOf(through, add.replica) && renaming.hadSeen(add, chunk.deps),
            );
            if (seen.length > 0) elements.set(slot, { add: false, removed: seen });
          }
          break;
        case 'element': {
          const slot = pinned(store, store.records.element(record.key, record.element));
          const before = elements.get(slot)?.removed ?? [];
          const removed = renaming.removed(record.removed, store.executed);
          elements.set(slot, { add: record.add, removed: [...before, ...removed] });
          break;
        }
        case 'increment': {
          const grown = renaming.increment(record, dot, counterOf(record.key));
          if (grown === undefined) break;
          const same = renamed.findIndex(
            (other) => other.type === 'increment' && other.key === grown.key && other.first === grown.first,
          );
          if (same < 0) renamed.push(grown);
          else renamed[same] = grown;
          count(grown);
          break;
        }
        case 'reset': {
          const reset = renaming.reset(record, counterOf(record.key), store.executed);
          if (reset === undefined) break;
          renamed.push(reset);
          count(reset);
          break;
        }
        default:
      }
    }
    for (const [slot, { add, removed }] of elements) {
      if (!add && removed.length === 0) continue;
      const { removals } = elementDelta(dot, add, removed);
      const dots = removals.map(({ replica, seq }) => ({ replica, seq }));
      renamed.push({ type: 'element', key: slot.userKey, element: slot.element, add, removed: dots });
    }
    return renamed;
  }

  /** All of the stash is done with: it goes, step by step. */
  private clean(): void {
    const { store, life, current } = this;
    if (current === undefined) return;
    const { departure } = current;
    store.reads.scan(
      stashRange(departure.origin, 1),
      store.limits.housekeepingRecords,
      READ_BYTES,
      (entries) => {
        if (life !== this.life) return;
        if (entries === undefined) return this.later(() => this.clean());
        if (entries.length === 0) {
          const { issued: transactions } = current;
          if (transactions > 0)
            this.env.log.info({ left: departure.origin, transactions }, 'all is issued again');
          this.keep({ ...departure, done: DONE, runs: current.runs });
          this.current = undefined;
          return;
        }
        for (const { key } of entries) store.delete(key);
        store.whenDurable(() => {
          if (life === this.life) this.clean();
        });
      },
    );
  }

  private keep(departure: Departure & { readonly origin: ReplicaId; readonly base: number }): void {
    if (this.current !== undefined) this.current.departure = departure;
    this.departures = this.departures.map((other) => (other.origin === departure.origin ? departure : other));
    const { key, value } = encodeDeparture(departure);
    this.store.put(key, value);
  }

  /** What the disk cannot read now it will not read in the same moment. */
  private later(task: () => void): void {
    this.retries.push(task);
  }
}

/** Nothing is to be issued again, or all of it has been and the old log is gone. */
function isDone({ origin, done }: Departure): boolean {
  return origin === undefined || done === DONE;
}

function clearsOf(records: readonly RecordDelta[]): string[] {
  return records.flatMap((record) => (record.type === 'clear' ? [record.key] : []));
}

function firstSeqOf({ value }: ScanEntry): number {
  try {
    return chunkHead(value).firstSeq;
  } catch (error) {
    if (error instanceof CausewayError) return Number.MAX_SAFE_INTEGER - 1;
    throw error;
  }
}

/** A slot that is held by somebody else for as long as it is needed. */
function pinned<S extends Slot>(store: Store, slot: S): S {
  store.records.release(slot);
  return slot;
}
