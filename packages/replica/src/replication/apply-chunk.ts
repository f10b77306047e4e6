/**
 * Applies a chunk of another origin to the records that it touches, all of them loaded: every transaction whole,
 * in one commit.
 */
import {
  type CounterEntry,
  type Dot,
  elementAdd,
  isLive,
  joinElements,
  liveDots,
  type ReplicaId,
  type SetElement,
} from '@causeway/crdt';
import type { Chunk, RecordDelta } from '@causeway/protocol';
import { unreachable } from '../assert.js';
import type { Now } from '../environment.js';
import { applyClear, applyCounter, applyElement, applyRegister, clearedThrough } from '../store/apply.js';
import { changesOfRecords } from '../store/changes.js';
import type { CounterSlot, ElementSlot, RegisterSlot, SetSlot, Slot } from '../store/slot.js';
import type { Store } from '../store/store.js';
import type { Watches } from '../store/watches.js';
import { type Conflicts, unseen } from './conflicts.js';

/** Records of a chunk, in the order of its deltas: elements are followed by their set. */
export type ChunkSlots = readonly (readonly Slot[])[];

/** Acquires what `applyChunk` needs; released by whoever called. */
export function acquireSlots(store: Store, chunk: Chunk): ChunkSlots {
  return chunk.transactions.map((records) => {
    const slots: Slot[] = [];
    for (const record of records) {
      switch (record.type) {
        case 'register':
          slots.push(store.register(record.key));
          break;
        case 'element':
          slots.push(store.element(record.key, record.element), store.set(record.key));
          break;
        case 'clear':
          slots.push(store.set(record.key));
          break;
        case 'increment':
        case 'reset':
          slots.push(store.counter(record.key));
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
    const met = new Set<RecordDelta>();
    let at = 0;
    for (const record of records) {
      const slot = slots[at++]!;
      let conflict = false;
      switch (record.type) {
        case 'register':
          conflict = this.register(chunk, dot, record, slot as RegisterSlot, now);
          break;
        case 'element':
          conflict = this.element(chunk, dot, record, slot as ElementSlot, slots[at++] as SetSlot, now);
          break;
        case 'clear':
          conflict = this.clear(chunk, dot, slot as SetSlot);
          break;
        case 'increment': {
          const entry = {
            dot: { replica: dot.replica, seq: record.first },
            p: record.p,
            n: record.n,
            bp: 0n,
            bn: 0n,
          };
          applyCounter(this.store, slot as CounterSlot, [entry]);
          break;
        }
        case 'reset':
          applyCounter(
            this.store,
            slot as CounterSlot,
            record.entries.map((entry) => baseline(entry, dot)),
          );
          break;
        default:
          unreachable(record);
      }
      if (conflict) met.add(record);
    }
    if (!this.watches.any) return;
    const byId = new Map<string, Slot>();
    for (const slot of slots) byId.set(slot.id, slot);
    const changes = changesOfRecords(
      records,
      now,
      (id) => byId.get(id),
      (record) => met.has(record),
    );
    this.watches.publish(dot, changes);
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
    this.conflicts.add({ type: 'register', key: slot.userKey, winner, loser, at: now.wall });
    return true;
  }

  private element(
    chunk: Chunk,
    dot: Dot,
    record: RecordDelta & { type: 'element' },
    slot: ElementSlot,
    set: SetSlot,
    now: Now,
  ): boolean {
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
    applyElement(this.store, set, slot, delta);
    if (!record.add) {
      // A removal meets an add that its writer had not seen, and loses to it.
      meets = liveDots(slot.state, clearedThrough(set)).find((live) => unseen(live, origin, deps))?.replica;
    }
    if (meets === undefined) return false;
    const added = { value: slot.element, replica: record.add ? origin : meets };
    const removed = { replica: record.add ? meets : origin };
    this.conflicts.add({ type: 'set', key: set.userKey, winner: added, loser: removed, at: now.wall });
    return isLive(slot.state, clearedThrough(set));
  }

  /** Whether elements may have stayed that the clear had not seen; the purge counts them. */
  private clear(chunk: Chunk, dot: Dot, set: SetSlot): boolean {
    const through = new Map(chunk.deps);
    if (dot.seq > 1) through.set(dot.replica, dot.seq - 1);
    applyClear(this.store, set, { through, by: new Map([[dot.replica, dot.seq]]) });
    return set.meta.size === undefined;
  }
}

function baseline({ dot, bp, bn }: { dot: Dot; bp: bigint; bn: bigint }, by: Dot): CounterEntry {
  return { dot, p: bp, n: bn, bp, bn, by };
}

function sideOf(register: { value?: Uint8Array; stamp: import('@causeway/crdt').Stamp; dot: Dot }) {
  const { value, stamp, dot } = register;
  return { stamp, replica: dot.replica, ...(value === undefined ? {} : { value }) };
}
