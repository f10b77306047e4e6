/**
 * Watches: what a node has told a watcher of a key adds up to what a reader then finds.
 *
 * One watch of everything per node. When it is interrupted or its connection lost, what it has told is
 * forgotten, as its client has to read anew. Registers that may expire are left out: nobody is told of time.
 */
import type { KeyChange } from '@causeway/protocol';
import { nameOfBytes } from '../expectation.js';
import type { History } from '../history.js';
import { familyOf } from '../keys.js';
import type { NodeContents } from '../rest.js';
import { show, Violation } from '../violation.js';
import type { Checker } from './checker.js';

interface Told {
  /** Of a register or counter the last value, of a set what was said of each element. */
  value?: unknown;
  readonly elements: Map<string, boolean>;
}

export class WatchesChecker implements Checker {
  /** Changes told. */
  judged = 0;
  private readonly told = new Map<number, Map<string, Told>>();

  constructor(private readonly history: History) {}

  /** The node's watcher has been cut off: it has to read anew. */
  forget(node: number): void {
    this.told.delete(node);
  }

  changed(node: number, change: KeyChange): void {
    if (familyOf(change.key) === 'volatile') return;
    this.judged++;
    const keys = this.told.get(node) ?? new Map<string, Told>();
    this.told.set(node, keys);
    const name = `${change.type} ${change.key}`;
    const told: Told = keys.get(name) ?? { elements: new Map() };
    keys.set(name, told);
    if (change.type === 'register') told.value = change.value;
    else if (change.type === 'counter') {
      const isSound = !this.history.isTainted(name);
      const isLess = isSound && typeof told.value === 'bigint' && BigInt(change.count ?? 0) < told.value;
      if (isLess && familyOf(change.key) === 'rising') {
        throw new Violation('watches', `n${node} tells ${name} is ${change.count}, after ${told.value}`);
      }
      told.value = BigInt(change.count ?? 0);
    } else if (change.cleared === true && change.conflict) {
      // Elements that the clear had not seen may have stayed: the watcher has to read the set.
      keys.delete(name);
    } else {
      if (change.cleared === true)
        for (const element of told.elements.keys()) told.elements.set(element, false);
      for (const element of change.removed ?? []) told.elements.set(nameOfBytes(element), false);
      for (const element of change.added ?? []) told.elements.set(nameOfBytes(element), true);
    }
  }

  atRest(nodes: readonly NodeContents[]): void {
    for (const { node, results } of nodes) {
      for (const [name, told] of this.told.get(node) ?? []) {
        if (this.history.isTainted(name)) continue;
        const result = results.get(name);
        const fail = (found: unknown): never => {
          throw new Violation(
            'watches',
            `n${node} has told ${show(told)} of ${name}, a read finds ${show(found)}`,
          );
        };
        if (result?.op === 'register.get' && show(told.value) !== show(result.value)) fail(result.value);
        if (result?.op === 'counter.get' && told.value !== BigInt(result.value)) fail(result.value);
        if (result?.op !== 'set.values') continue;
        const there = new Set(result.values.map(nameOfBytes));
        for (const [element, isThere] of told.elements)
          if (there.has(element) !== isThere) fail(result.values);
      }
    }
  }
}
