/**
 * What watchers are told of one transaction: one change per key, of what became visible by it. Made only while
 * somebody watches.
 */
import { counterValue, isDeadRegister } from '@causeway/crdt';
import type { Now } from '../environment.js';
import type { CounterSlot, ElementSlot, RegisterSlot, SetSlot } from './slot.js';
import type { RecordChange } from './watches.js';

interface SetChange {
  readonly added: Uint8Array[];
  readonly removed: Uint8Array[];
  cleared: boolean;
  conflict: boolean;
}

export class Changes {
  private readonly registers = new Map<RegisterSlot, boolean>();
  private readonly counters = new Set<CounterSlot>();
  private readonly sets = new Map<string, SetChange>();

  constructor(private readonly now: Now) {}

  register(slot: RegisterSlot, conflict: boolean): void {
    this.registers.set(slot, conflict || this.registers.get(slot) === true);
  }

  counter(slot: CounterSlot): void {
    this.counters.add(slot);
  }

  /** `visible`: 1 when the element has become visible, -1 when it no longer is, 0 when nothing is seen of it. */
  element({ userKey, element }: ElementSlot, visible: number, conflict: boolean): void {
    if (visible === 0 && !conflict) return;
    const change = this.set(userKey);
    change.conflict ||= conflict;
    if (visible > 0) change.added.push(element);
    else if (visible < 0) change.removed.push(element);
  }

  /** `conflict`: elements that the clear had not seen may have stayed, and have to be read. */
  clear({ userKey }: SetSlot, conflict: boolean): void {
    const change = this.set(userKey);
    change.cleared = true;
    change.conflict ||= conflict;
  }

  list(): RecordChange[] {
    const list: RecordChange[] = [];
    for (const [{ userKey: key, register }, conflict] of this.registers) {
      const dead = register === undefined || isDeadRegister(register, this.now.wall);
      const value = dead ? undefined : register.value;
      list.push({ type: 'register', key, conflict, ...(value === undefined ? {} : { value }) });
    }
    for (const { userKey: key, counter } of this.counters) {
      const total = counterValue(counter);
      const number = Number(total);
      const count = Number.isSafeInteger(number) ? number : total;
      list.push({ type: 'counter', key, conflict: false, count });
    }
    for (const [key, change] of this.sets) list.push({ type: 'set', key, ...change });
    return list;
  }

  private set(key: string): SetChange {
    let change = this.sets.get(key);
    if (change === undefined) {
      change = { added: [], removed: [], cleared: false, conflict: false };
      this.sets.set(key, change);
    }
    return change;
  }
}
