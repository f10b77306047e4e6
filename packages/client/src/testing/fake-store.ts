/**
 * The data of a fake node: what the operations of the client protocol do, in plain maps, in one region.
 */
import {
  CausewayError,
  compareBytes,
  type KeyChange,
  type Operation,
  type Result,
  TRANSACTION_OPERATIONS_MAX,
} from '@causeway/protocol';

export const FAKE_REPLICA = 'fake.00000001';

type Undo = () => void;
type Stamp = Extract<Result, { readonly op: 'register.set' }>['stamp'];

export class FakeStore {
  readonly registers = new Map<string, Uint8Array>();
  readonly sets = new Map<string, Uint8Array[]>();
  readonly counters = new Map<string, number>();
  private writes = 0;

  /** All or nothing, as a node does it. Throws a CausewayError. */
  run(operations: readonly Operation[], changes: KeyChange[]): Result[] {
    if (operations.length > TRANSACTION_OPERATIONS_MAX) {
      throw new CausewayError('CAUSEWAY_TOO_LARGE', 'too many operations');
    }
    const undo: Undo[] = [];
    try {
      return operations.map((operation) => this.one(operation, undo, changes));
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
  }

  private one(operation: Operation, undo: Undo[], changes: KeyChange[]): Result {
    const { key } = operation;
    switch (operation.op) {
      case 'register.get': {
        const value = this.registers.get(key);
        return value === undefined
          ? { op: 'register.get' }
          : { op: 'register.get', value, stamp: this.stamp() };
      }
      case 'register.set':
        keep(this.registers, key, undo);
        this.registers.set(key, operation.value);
        changes.push({ ...this.change('register', key), value: operation.value });
        return { op: 'register.set', stamp: this.stamp() };
      case 'register.delete':
        keep(this.registers, key, undo);
        this.registers.delete(key);
        changes.push(this.change('register', key));
        return { op: 'register.delete' };
      case 'set.update': {
        keep(this.sets, key, undo);
        const left = this.elements(key).filter((element) => !includes(operation.remove, element));
        const added = operation.add.filter((element) => !includes(left, element));
        const elements = [...left, ...unique(added)].sort(compareBytes);
        this.sets.set(key, elements);
        changes.push({ ...this.change('set', key), added, removed: operation.remove });
        return { op: 'set.update', size: elements.length };
      }
      case 'set.clear':
        keep(this.sets, key, undo);
        this.sets.delete(key);
        changes.push({ ...this.change('set', key), cleared: true });
        return { op: 'set.clear' };
      case 'set.has':
        return { op: 'set.has', has: operation.values.map((value) => includes(this.elements(key), value)) };
      case 'set.size':
        return { op: 'set.size', size: this.elements(key).length };
      case 'set.values': {
        const { after, limit } = operation;
        const rest = this.elements(key).filter(
          (element) => after === undefined || compareBytes(element, after) > 0,
        );
        const values = rest.slice(0, limit);
        return { op: 'set.values', values, more: values.length < rest.length };
      }
      case 'counter.increment': {
        keep(this.counters, key, undo);
        const value = (this.counters.get(key) ?? 0) + operation.by;
        if (!Number.isSafeInteger(value)) throw new CausewayError('CAUSEWAY_OVERFLOW', 'beyond ±(2^53-1)');
        this.counters.set(key, value);
        changes.push({ ...this.change('counter', key), count: value });
        return { op: 'counter.increment', value };
      }
      case 'counter.get':
        return { op: 'counter.get', value: this.counters.get(key) ?? 0 };
      case 'counter.reset':
        keep(this.counters, key, undo);
        this.counters.delete(key);
        changes.push({ ...this.change('counter', key), count: 0 });
        return { op: 'counter.reset' };
    }
  }

  private elements(key: string): Uint8Array[] {
    return this.sets.get(key) ?? [];
  }

  private stamp(): Stamp {
    return { physical: 1, logical: ++this.writes, replica: FAKE_REPLICA as Stamp['replica'] };
  }

  private change(type: KeyChange['type'], key: string) {
    return { type, key, origin: FAKE_REPLICA, conflict: false, cursor: `${FAKE_REPLICA}:${++this.writes}` };
  }
}

function keep<V>(map: Map<string, V>, key: string, undo: Undo[]): void {
  const before = map.get(key);
  undo.push(() => {
    if (before === undefined) map.delete(key);
    else map.set(key, before);
  });
}

function includes(elements: readonly Uint8Array[], wanted: Uint8Array): boolean {
  return elements.some((element) => compareBytes(element, wanted) === 0);
}

function unique(elements: readonly Uint8Array[]): Uint8Array[] {
  return elements.filter((element, at) => !includes(elements.slice(0, at), element));
}
