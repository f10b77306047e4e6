/**
 * Records: those in memory, by their keys. One that is not there is made, and read from the store.
 *
 * Invariants
 * - A slot that was acquired is pinned, and stays in memory until it is released.
 * - What was found damaged, or is older than the store, is handed out to nobody who comes anew; who has it keeps it.
 */
import { assert } from '../assert.js';
import { bytesText, decodeText, elementId, KIND, splitElementKey } from './keyspace.js';
import type { Reads } from './reads.js';
import { CounterSlot, ElementSlot, RegisterSlot, ResultSlot, SetSlot, type Slot } from './slot.js';
import type { SlotCache } from './slot-cache.js';
import type { SlotTable } from './slot-table.js';

export class Records {
  constructor(
    private readonly slots: SlotCache,
    private readonly reads: Reads,
  ) {}

  register(key: string): RegisterSlot {
    const { registers } = this.slots;
    return this.held(registers, key) ?? this.wanted(registers, new RegisterSlot(key));
  }

  set(key: string): SetSlot {
    const { sets } = this.slots;
    return this.held(sets, key) ?? this.wanted(sets, new SetSlot(key));
  }

  counter(key: string): CounterSlot {
    const { counters } = this.slots;
    return this.held(counters, key) ?? this.wanted(counters, new CounterSlot(key));
  }

  result(id: string): ResultSlot {
    const { results } = this.slots;
    return this.held(results, id) ?? this.wanted(results, new ResultSlot(id));
  }

  element(key: string, element: Uint8Array): ElementSlot {
    const { elements } = this.slots;
    const id = elementId(key, bytesText(element));
    return this.held(elements, id) ?? this.wanted(elements, new ElementSlot(key, id));
  }

  /** The slot of a record found by its key in the store; undefined for kinds that are no user records. */
  slotOf(recordKey: Uint8Array): Slot | undefined {
    switch (recordKey[0]) {
      case KIND.register:
        return this.register(decodeText(recordKey.subarray(1)));
      case KIND.set:
        return this.set(decodeText(recordKey.subarray(1)));
      case KIND.counter:
        return this.counter(decodeText(recordKey.subarray(1)));
      case KIND.result:
        return this.result(decodeText(recordKey.subarray(1)));
      case KIND.element: {
        const { key, element } = splitElementKey(recordKey);
        return this.element(key, element);
      }
      default:
        return undefined;
    }
  }

  /** The slot of a record, if it is in memory: neither read nor kept. */
  peek(recordKey: Uint8Array): Slot | undefined {
    switch (recordKey[0]) {
      case KIND.register:
        return this.slots.registers.get(decodeText(recordKey.subarray(1)));
      case KIND.set:
        return this.slots.sets.get(decodeText(recordKey.subarray(1)));
      case KIND.counter:
        return this.slots.counters.get(decodeText(recordKey.subarray(1)));
      case KIND.element: {
        const { key, element } = splitElementKey(recordKey);
        return this.slots.elements.get(elementId(key, bytesText(element)));
      }
      default:
        return undefined;
    }
  }

  /** What is in memory is not to be trusted beyond what is stored: nobody may hold on to what was read before. */
  readAnew(): void {
    this.slots.outdate();
  }

  release(slot: Slot): void {
    assert(slot.pins > 0, 'a slot is released by whom it was acquired');
    if (--slot.pins === 0) slot.rest();
  }

  private held<S extends Slot>(table: SlotTable<S>, name: string): S | undefined {
    const slot = this.slots.get(table, name);
    if (slot === undefined) return undefined;
    if ((slot.corrupt || slot.stale) && slot.pins === 0 && slot.dirty === 0) return undefined;
    slot.pins++;
    return slot;
  }

  private wanted<S extends Slot>(table: SlotTable<S>, slot: S): S {
    slot.bytes = slot.name.length;
    slot.pins = 1;
    this.slots.add(table, slot);
    this.reads.load(slot);
    return slot;
  }
}
