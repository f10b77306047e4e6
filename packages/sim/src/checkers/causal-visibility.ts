/**
 * Causal visibility, from what clients see alone: whoever sees a write sees everything that had been seen
 * where it was made. Version vectors play no part in it.
 *
 * Judged on keys that only grow at a replica: registers that are never deleted (by stamp), sets and counters
 * that are only added to. Each node has a floor: what answers have shown there. It only rises, since a read
 * never returns what a crash could take back. A call must answer at least the floor of the moment at which it
 * was made, and at least the floors under the writes that it shows.
 *
 * At one node these are the session guarantees (read your writes, monotonic reads), and for all its sessions together.
 *
 * A floor is a log of its rises, so that a write refers to the floor under it by a length, and what a key's
 * floor was at some length is found again.
 */
import { compareReadings, compareStamps, type Stamp } from '@causeway/crdt';
import type { Operation, Result } from '@causeway/protocol';
import { nameOfBytes } from '../expectation.js';
import type { Call } from '../history.js';
import { familyOf } from '../keys.js';
import { show, Violation } from '../violation.js';
import type { Checker } from './checker.js';

type Rise =
  | { readonly type: 'stamp'; readonly key: string; readonly stamp: Stamp }
  | { readonly type: 'element'; readonly key: string; readonly element: string }
  | { readonly type: 'count'; readonly key: string; readonly count: bigint };

class Floor {
  readonly log: Rise[] = [];
  /** How much of each node's log is in this one. */
  private readonly absorbed = new Map<string, number>();
  /** Of each key its rises, as indices into the log: the last one holds for stamps and counts, all for elements. */
  private readonly byKey = new Map<string, number[]>();
  private readonly elements = new Map<string, Set<string>>();

  raise(rise: Rise): void {
    const indices = this.byKey.get(rise.key) ?? [];
    const last = this.log[indices.at(-1) ?? -1];
    if (rise.type === 'stamp' && last?.type === 'stamp' && compareStamps(last.stamp, rise.stamp) >= 0) return;
    if (rise.type === 'count' && last?.type === 'count' && last.count >= rise.count) return;
    if (rise.type === 'element') {
      const known = this.elements.get(rise.key) ?? new Set();
      if (known.has(rise.element)) return;
      this.elements.set(rise.key, known.add(rise.element));
    }
    indices.push(this.log.push(rise) - 1);
    this.byKey.set(rise.key, indices);
  }

  absorb(node: string, floor: Floor, length: number): void {
    const from = this.absorbed.get(node) ?? 0;
    for (let index = from; index < length; index++) this.raise(floor.log[index] as Rise);
    this.absorbed.set(node, Math.max(from, length));
  }

  /** What the key's floor was made of when the log had this length: the highest rise, or all elements. */
  at(key: string, length: number): Rise[] {
    const rises = (this.byKey.get(key) ?? [])
      .filter((index) => index < length)
      .map((index) => this.log[index] as Rise);
    return rises[0]?.type === 'element' ? rises : rises.slice(-1);
  }
}

export class CausalVisibilityChecker implements Checker {
  /** Answers that showed a write of another node, whose floor they had to reach. */
  judged = 0;
  private readonly floors = new Map<string, Floor>();
  /** Length of its node's log when the call was made. */
  private readonly under = new Map<Call, number>();
  /** Calls by the values and elements that only they write. */
  private readonly writerOf = new Map<string, Call>();

  invoked(call: Call): void {
    this.under.set(call, this.floorOf(call.place).log.length);
    for (const operation of call.operations)
      for (const name of namesWritten(operation)) this.writerOf.set(name, call);
  }

  answered(call: Call): void {
    if (call.outcome !== 'acknowledged') return;
    const writers = this.writersShown(call);
    const lengths = new Map<string, number>();
    for (const one of [call, ...writers]) {
      lengths.set(one.place, Math.max(lengths.get(one.place) ?? 0, this.under.get(one) ?? 0));
    }
    if (lengths.size > 1) this.judged++;
    const written = writers.flatMap(risesOf);
    const shown = call.operations.flatMap((operation, index) =>
      showing(operation, call.results[index] as Result),
    );
    for (const one of shown) {
      for (const [node, length] of lengths) {
        const property = node === call.place ? 'session-guarantees' : 'causal-visibility';
        check(call, one, this.floorOf(node).at(one.key, length), property);
      }
      const ownWrites = written.filter(({ key }) => key === one.key);
      check(call, one, ownWrites, 'causal-visibility');
    }
    const floor = this.floorOf(call.place);
    for (const [node, length] of lengths)
      if (node !== call.place) floor.absorb(node, this.floorOf(node), length);
    for (const rise of [...written, ...risesOf(call), ...shown.flatMap(({ rises }) => rises)])
      floor.raise(rise);
  }

  private floorOf(node: string): Floor {
    let floor = this.floors.get(node);
    if (floor === undefined) {
      floor = new Floor();
      this.floors.set(node, floor);
    }
    return floor;
  }

  /** Other calls whose own values or elements the call's answer holds. */
  private writersShown(call: Call): Call[] {
    const writers = new Set<Call>();
    for (const [index, operation] of call.operations.entries()) {
      for (const name of namesShown(operation, call.results[index] as Result)) {
        const writer = this.writerOf.get(name);
        if (writer !== undefined && writer !== call) writers.add(writer);
      }
    }
    return [...writers];
  }
}

/** What one operation's answer shows of a key that only grows. */
interface Showing {
  readonly key: string;
  readonly type: Rise['type'];
  readonly rises: readonly Rise[];
}

function showing(operation: Operation, result: Result): Showing[] {
  const { key } = operation;
  const family = familyOf(key);
  if (result.op === 'register.get' && (family === 'plain' || family === 'left' || family === 'right')) {
    return [
      {
        key,
        type: 'stamp',
        rises: result.stamp === undefined ? [] : [{ type: 'stamp', key, stamp: result.stamp }],
      },
    ];
  }
  if (result.op === 'set.values' && !result.more && (family === 'growing' || family === 'bag')) {
    const elements = result.values.map(
      (bytes) => ({ type: 'element', key, element: nameOfBytes(bytes) }) as const,
    );
    return [{ key, type: 'element', rises: elements }];
  }
  if (result.op === 'counter.get' && (family === 'rising' || family === 'tally')) {
    return [{ key, type: 'count', rises: [{ type: 'count', key, count: BigInt(result.value) }] }];
  }
  return [];
}

function check(call: Call, { key, type, rises }: Showing, required: readonly Rise[], property: string): void {
  const fail = (problem: string): never => {
    throw new Violation(property, `call ${call.id} at n${call.node} reads ${key}: ${problem}`);
  };
  const [first] = rises;
  const got =
    type === 'element'
      ? new Set(rises.map((rise) => (rise.type === 'element' ? rise.element : '')))
      : undefined;
  for (const least of required) {
    if (least.type === 'element') {
      if (got?.has(least.element) === false) fail(`no element ${least.element}, which was seen before`);
    } else if (least.type === 'stamp') {
      // By time alone: what is issued again under another name keeps its time.
      const isOlder = first?.type !== 'stamp' || compareReadings(first.stamp, least.stamp) < 0;
      if (isOlder) fail(`${show(first)}, after ${show(least.stamp)} was seen`);
    } else if (first?.type === 'count' && first.count < least.count) {
      fail(`${first.count}, after ${least.count} was seen`);
    }
  }
}

/** What a writer has itself put where things only grow. Stamps are known from its answer. */
function risesOf(call: Call): Rise[] {
  return call.operations.flatMap((operation, index): Rise[] => {
    const { key } = operation;
    const family = familyOf(key);
    const result = call.results[index];
    if (result?.op === 'register.set' && (family === 'plain' || family === 'left' || family === 'right')) {
      return [{ type: 'stamp', key, stamp: result.stamp }];
    }
    if (operation.op === 'set.update' && (family === 'growing' || family === 'bag')) {
      return operation.add.map((bytes) => ({ type: 'element', key, element: nameOfBytes(bytes) }));
    }
    return [];
  });
}

function namesWritten(operation: Operation): string[] {
  if (operation.op === 'register.set') return [nameOfBytes(operation.value)];
  if (operation.op === 'set.update' && familyOf(operation.key) !== 'shared')
    return operation.add.map(nameOfBytes);
  return [];
}

function namesShown(operation: Operation, result: Result): string[] {
  if (result.op === 'register.get') return result.value === undefined ? [] : [nameOfBytes(result.value)];
  if (result.op === 'set.values' && familyOf(operation.key) !== 'shared')
    return result.values.map(nameOfBytes);
  return [];
}
