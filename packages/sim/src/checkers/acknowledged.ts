/**
 * Acknowledged writes are there: every value that a read answers is the one that the calls before it make,
 * counters to the unit, registers by their stamps, sets by add-wins. At rest every acknowledged call is before
 * every read, so that nothing that was acknowledged may be missing.
 */
import type { Operation, Result } from '@causeway/protocol';
import {
  checkCounter,
  checkElements,
  checkRegister,
  elementEffects,
  expectedElements,
  nameOfBytes,
  type Walls,
} from '../expectation.js';
import { type Call, type History, isWrite, nameOf } from '../history.js';
import { show, Violation } from '../violation.js';
import type { Checker } from './checker.js';

export class AcknowledgedChecker implements Checker {
  /** Reads judged. */
  judged = 0;

  constructor(
    private readonly history: History,
    private readonly walls: Walls,
  ) {}

  answered(call: Call): void {
    if (call.outcome !== 'acknowledged') return;
    if (call.results.length !== call.operations.length) {
      throw new Violation(
        'answers',
        `call ${call.id}: ${call.operations.length} operations, ${show(call.results)}`,
      );
    }
    for (const [index, operation] of call.operations.entries()) {
      if (this.history.isOpen(nameOf(operation))) continue;
      this.judged++;
      const problem = this.judge(call, index, operation, call.results[index] as Result);
      if (problem !== undefined) {
        throw new Violation(
          'acknowledged-writes',
          `call ${call.id} at n${call.node}, ${operation.op} ${operation.key}: ${problem}`,
        );
      }
    }
  }

  private judge(call: Call, index: number, operation: Operation, result: Result): string | undefined {
    const { history } = this;
    const { key } = operation;
    const before = call.operations.slice(0, index).filter((other) => other.key === key && isWrite(other));
    if (result.op !== operation.op) return `answered as ${result.op}`;
    switch (result.op) {
      case 'register.get':
        return before.length > 0
          ? judgeOwnRegister(before, result)
          : checkRegister(history, call, key, result, this.walls);
      case 'set.values': {
        if (before.length > 0 || result.more) return undefined;
        return checkElements(history, call, key, new Set(result.values.map(nameOfBytes)));
      }
      case 'set.has': {
        if (before.length > 0 || operation.op !== 'set.has') return undefined;
        return this.judgeHas(call, operation, result.has);
      }
      case 'set.size':
        return before.length > 0 ? undefined : this.judgeSize(call, key, result.size, new Map());
      case 'set.update': {
        if (before.length > 0 || result.size === undefined) return undefined;
        const own = elementEffects({ ...call, operations: [operation] }, key).elements;
        return this.judgeSize(call, key, result.size, own);
      }
      case 'counter.get':
      case 'counter.increment': {
        if (before.some(({ op }) => op === 'counter.reset')) return undefined;
        const adding = operation.op === 'counter.increment' ? [...before, operation] : before;
        const own = adding.reduce(
          (sum, one) => (one.op === 'counter.increment' ? sum + BigInt(one.by) : sum),
          0n,
        );
        return checkCounter(history, call, key, BigInt(result.value), own);
      }
      default:
        return undefined;
    }
  }

  private judgeHas(
    call: Call,
    operation: Extract<Operation, { op: 'set.has' }>,
    has: readonly boolean[],
  ): string | undefined {
    const expected = expectedElements(this.history, call, operation.key);
    for (const [index, element] of operation.values.entries()) {
      const certainty = expected.get(nameOfBytes(element)) ?? 'no';
      if (certainty !== 'maybe' && has[index] !== (certainty === 'yes')) {
        return `says ${has[index]} of ${show(element)}, which is ${certainty === 'yes' ? '' : 'not '}there`;
      }
    }
    return undefined;
  }

  private judgeSize(
    call: Call,
    key: string,
    size: number,
    own: ReadonlyMap<string, { adds: boolean; removes: boolean }>,
  ): string | undefined {
    let least = 0;
    let most = 0;
    const expected = expectedElements(this.history, call, key);
    for (const [element, { adds }] of own) expected.set(element, adds ? 'yes' : 'no');
    for (const certainty of expected.values()) {
      if (certainty === 'yes') least++;
      if (certainty !== 'no') most++;
    }
    return least <= size && size <= most ? undefined : `size ${size}, not within ${least} to ${most}`;
  }
}

/** A transaction reads its own earlier operations. */
function judgeOwnRegister(
  before: readonly Operation[],
  got: Extract<Result, { op: 'register.get' }>,
): string | undefined {
  const last = before.at(-1);
  const own = last?.op === 'register.set' ? last.value : undefined;
  return show(own) === show(got.value) ? undefined : `${show(got.value)} instead of its own ${show(own)}`;
}
