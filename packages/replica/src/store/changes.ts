/** What watchers are told of the records of a transaction. */
import { counterValue, isDeadRegister } from '@causeway/crdt';
import type { RecordDelta } from '@causeway/protocol';
import type { Now } from '../environment.js';
import type { CounterSlot, RegisterSlot, Slot } from './slot.js';
import type { RecordChange } from './watches.js';

/** One change per key, of the values after the transaction; `slotOf` finds a record by its id. */
export function changesOfRecords(
  records: readonly RecordDelta[],
  now: Now,
  slotOf: (id: string) => Slot | undefined,
  isConflict: (record: RecordDelta) => boolean,
): RecordChange[] {
  const changes: RecordChange[] = [];
  const sets = new Map<
    string,
    { added: Uint8Array[]; removed: Uint8Array[]; cleared: boolean; conflict: boolean }
  >();
  const counters = new Set<string>();
  for (const record of records) {
    const { key } = record;
    switch (record.type) {
      case 'register': {
        const register = (slotOf(`r${key}`) as RegisterSlot | undefined)?.register;
        const value =
          register === undefined || isDeadRegister(register, now.wall) ? undefined : register.value;
        const conflict = isConflict(record);
        changes.push({ type: 'register', key, conflict, ...(value === undefined ? {} : { value }) });
        break;
      }
      case 'increment':
      case 'reset': {
        if (counters.has(key)) break;
        counters.add(key);
        const slot = slotOf(`c${key}`) as CounterSlot | undefined;
        const value = slot === undefined ? 0n : counterValue(slot.counter);
        const number = Number(value);
        changes.push({
          type: 'counter',
          key,
          conflict: false,
          count: Number.isSafeInteger(number) ? number : value,
        });
        break;
      }
      default: {
        let change = sets.get(key);
        if (change === undefined) {
          change = { added: [], removed: [], cleared: false, conflict: false };
          sets.set(key, change);
        }
        change.conflict ||= isConflict(record);
        if (record.type === 'clear') change.cleared = true;
        else if (record.add) change.added.push(record.element);
        else change.removed.push(record.element);
      }
    }
  }
  for (const [key, { added, removed, cleared, conflict }] of sets) {
    changes.push({ type: 'set', key, conflict, added, removed, cleared });
  }
  return changes;
}
