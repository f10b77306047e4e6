/**
 * The single-threaded replay: what every region has to hold when it has been told of every line.
 *
 * Counters and sets follow from the lines alone. Of a register, regions may have written different values last, and
 * one of those stays: the same one everywhere.
 */
import type { LineOperation } from './operations.js';

export interface ExpectedState {
  readonly counters: ReadonlyMap<string, number>;
  /** Without those that end up empty. */
  readonly sets: ReadonlyMap<string, ReadonlySet<string>>;
  /** By key, the value that each region wrote last. */
  readonly registers: ReadonlyMap<string, ReadonlyMap<number, string | number>>;
}

export class SingleThreadedReplay {
  private readonly counters = new Map<string, number>();
  private readonly sets = new Map<string, Set<string>>();
  private readonly registers = new Map<string, Map<number, string | number>>();
  /** Lines by region. */
  readonly lines: number[];

  constructor(regions: number) {
    this.lines = new Array<number>(regions).fill(0);
  }

  apply(operations: readonly LineOperation[], region: number): void {
    this.lines[region] = (this.lines[region] ?? 0) + 1;
    for (const operation of operations) {
      const { type, key } = operation;
      if (type === 'counter') this.counters.set(key, (this.counters.get(key) ?? 0) + operation.by);
      else if (type === 'register')
        entryOf(this.registers, key, () => new Map()).set(region, operation.value);
      else if (operation.op === 'add') entryOf(this.sets, key, () => new Set()).add(operation.values[0]);
      else this.sets.get(key)?.delete(operation.values[0]);
    }
  }

  state(): ExpectedState {
    const sets = new Map([...this.sets].filter(([, elements]) => elements.size > 0));
    return { counters: this.counters, sets, registers: this.registers };
  }
}

function entryOf<V>(map: Map<string, V>, key: string, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
