/**
 * Applies a chunk of another origin to the records that it touches, all of them loaded: every transaction whole,
 * in one commit.
 */
import {
  type CounterEntry,
  type Dot,
  elementAdd,
  joinElements,
  liveDots,
  type ReplicaId,
  type SetElement,
} from '@causeway/crdt';
import type { Chunk, RecordDelta } from '@causeway/protocol';
import { unreachable } from '../assert.js';
import type { Now } from '../environment.js';
import { applyClear, applyCounter, applyElement, applyRegister, clearedThrough } from '../store/apply.js';
import { Changes } from '../store/changes.js';
import type { CounterSlot, ElementSlot, RegisterSlot, SetSlot, Slot } from '../store/slot.js';
import type { Store } from '../store/store.js';
import type { Watches } from '../store/watches.js';
import { type ConflictRecord, type Conflicts, unseen } from './conflicts.js';

/** Records of a chunk, in the order of its deltas: elements are followed by their set. */
export type ChunkSlots = readonly (readonly Slot[])[];

/** Acquires what `applyChunk` needs; released by whoever called. */
export function acquireSlots(store: Store, chunk: Chunk): ChunkSlots {
  return chunk.transactions.map((records) => {
    const [only] = records;
    // Spelled out, since most are of this kind.
    if (records.length === 1 && only?.type === 'register') return [store.records.register(only.key)];
    const slots: Slot[] = [];
    for (const record of records) {
      switch (record.type) {
        case 'register':
          slots.push(store.records.register(record.key));
          break;
        case 'element':
          slots.push(store.records.element(record.key, record.element), store.records.set(record.key));
          break;
        case 'clear':
          slots.push(store.records.set(record.key));
          break;
        case 'increment':
        case 'reset':
          slots.push(store.records.counter(record.key));
          break;
        default:
          unreachable(record);
      }
    }
    return slots;
  });
}

export class ChunkApplier {
  constructor(
    private readonly store: Store,
    private readonly conflicts: Conflicts,
    private readonly watches: Watches,
  ) {}

  /** Transactions up to and with `after` are here already. */
  apply(chunk: Chunk, slots: ChunkSlots, after: number, now: Now): void {
    chunk.transactions.forEach((records, index) => {
      const seq = chunk.firstSeq + index;
      if (seq > after)
        this.transaction(chunk, { replica: chunk.origin, seq }, records, slots[index] ?? [], now);
    });
  }

  private transaction(
    chunk: Chunk,
    dot: Dot,
    records: readonly RecordDelta[],
    slots: readonly Slot[],
    now: Now,
  ): void {
    const changes = this.watches.any ? new Changes(now) : undefined;
    let at = 0;
    for (const record of records) {
      const slot = slots[at++]!;
      switch (record.type) {
        case 'register': {
          const conflict = this.register(chunk, dot, record, slot as RegisterSlot, now);
          changes?.register(slot as RegisterSlot, conflict);
          break;
        }
        case 'element': {
          const set = slots[at++] as SetSlot;
          const { visible, conflict } = this.element(chunk, dot, record, slot as ElementSlot, set, now);
          changes?.element(slot as ElementSlot, visible, conflict);
          break;
        }
        case 'clear': {
          // One that a repair has brought before is no news.
          if (!this.clear(chunk, dot, slot as SetSlot)) break;
          const { size } = (slot as SetSlot).meta;
          changes?.clear(slot as SetSlot, size === undefined);
          break;
        }
        case 'increment':
        case 'reset':
          applyCounter(this.store, slot as CounterSlot, entriesOf(record, dot));
          changes?.counter(slot as CounterSlot);
          break;
        default:
          unreachable(record);
      }
    }
    if (changes !== undefined) this.watches.publish(dot, changes.list());
  }

  private register(
    chunk: Chunk,
    dot: Dot,
    record: RecordDelta & { type: 'register' },
    slot: RegisterSlot,
    now: Now,
  ): boolean {
    const { stamp, value, expiresAt } = record;
    const before = slot.register;
    const incoming = {
      stamp,
      dot,
      ...(value === undefined ? {} : { value }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
    this.store.clock.observe(stamp, now.wall);
    const won = applyRegister(this.store, slot, incoming, now);
    if (before === undefined || !unseen(before.dot, chunk.origin, chunk.deps)) return false;
    const sides = [sideOf(incoming), sideOf(before)] as const;
    const [winner, loser] = won ? sides : [sides[1], sides[0]];
    this.conflict({ type: 'register', key: slot.userKey, winner, loser, at: now.wall });
    return true;
  }

  private element(
    chunk: Chunk,
    dot: Dot,
    record: RecordDelta & { type: 'element' },
    slot: ElementSlot,
    set: SetSlot,
    now: Now,
  ): { visible: number; conflict: boolean } {
    const { origin, deps } = chunk;
    const removal: SetElement = {
      adds: [],
      removals: record.removed.map(({ replica, seq }) => ({ replica, seq, by: dot })),
    };
    let meets: ReplicaId | undefined;
    if (record.add) {
      // An add meets a removal, or a clear, that its writer had not seen.
      meets = slot.state.removals.find(({ by }) => unseen(by, origin, deps))?.by.replica;
      for (const [replica, seq] of set.meta.clear?.by ?? []) {
        if (unseen({ replica, seq }, origin, deps)) meets ??= replica;
      }
    }
    const delta = record.add ? joinElements(removal, elementAdd(dot)) : removal;
    const visible = applyElement(this.store, set, slot, delta);
    if (!record.add) {
      // A removal meets an add that its writer had not seen, and loses to it.
      meets = liveDots(slot.state, clearedThrough(set)).find((live) => unseen(live, origin, deps))?.replica;
    }
    if (meets === undefined) return { visible, conflict: false };
    const added = { value: slot.element, replica: record.add ? origin : meets };
    const removed = { replica: record.add ? meets : origin };
    this.conflict({ type: 'set', key: set.userKey, winner: added, loser: removed, at: now.wall });
    return { visible, conflict: true };
  }

  /** Told when what it tells of is durable. */
  private conflict(record: ConflictRecord): void {
    this.store.whenDurable(() => this.conflicts.add(record), 'patient');
  }

  /** Whether it is new. Elements may have stayed that it had not seen; the purge counts them. */
  private clear(chunk: Chunk, dot: Dot, set: SetSlot): boolean {
    const through = new Map(chunk.deps);
    if (dot.seq > 1) through.set(dot.replica, dot.seq - 1);
    return applyClear(this.store, set, { through, by: new Map([[dot.replica, dot.seq]]) });
  }
}

/** What a record of transaction `by` is joined as. */
export function entriesOf(record: RecordDelta & { type: 'increment' | 'reset' }, by: Dot): CounterEntry[] {
  if (record.type === 'increment') {
    const dot = { replica: by.replica, seq: record.first };
    return [{ dot, p: record.p, n: record.n, bp: 0n, bn: 0n }];
  }
  // A reset has seen what it sets as the baseline.
  return record.entries.map(({ dot, bp, bn }) => ({ dot, p: bp, n: bn, bp, bn, by }));
}

function sideOf(register: { value?: Uint8Array; stamp: import('@causeway/crdt').Stamp; dot: Dot }) {
  const { value, stamp, dot } = register;
  return { stamp, replica: dot.replica, ...(value === undefined ? {} : { value }) };
}
