/**
 * Counters: numbers that every region adds to on its own.
 */
import { CausewayError, type Operation, type Result } from '@causeway/protocol';
import { nothing, type Runner, wrongResult } from './runner.js';

/**
 * A counter. Increments and decrements made anywhere all count; a counter may go below zero, since no region
 * asks another before it decrements.
 */
export interface Counter {
  /**
   * Adds `by` (default 1, an integer within ±(2^53-1), else CAUSEWAY_BAD_AMOUNT) and resolves, when that is durable
   * on the node, with the value there. Beyond ±(2^53-1) it is CAUSEWAY_OVERFLOW and nothing is changed.
   */
  increment(by?: number): Promise<number>;
  /** Takes `by` away (default 1); otherwise as `increment`. */
  decrement(by?: number): Promise<number>;
  /**
   * The value, 0 if never written. Rejects with CAUSEWAY_OVERFLOW, naming the value, if increments made apart sum up
   * to more than a number holds exactly.
   */
  value(): Promise<number>;
  /** Takes away what is visible at the node; increments that are made elsewhere at the same time stay. */
  reset(): Promise<void>;
}

export class CounterHandle implements Counter {
  constructor(
    private readonly runner: Runner,
    private readonly key: string,
  ) {}

  increment(by = 1): Promise<number> {
    if (!Number.isSafeInteger(by)) return this.runner.refuse(badAmount(by));
    return this.runner.execute({ op: 'counter.increment', key: this.key, by }, readIncremented);
  }

  decrement(by = 1): Promise<number> {
    if (!Number.isSafeInteger(by)) return this.runner.refuse(badAmount(by));
    return this.runner.execute({ op: 'counter.increment', key: this.key, by: 0 - by }, readIncremented);
  }

  value(): Promise<number> {
    return this.runner.execute({ op: 'counter.get', key: this.key }, readCount);
  }

  reset(): Promise<void> {
    return this.runner.execute({ op: 'counter.reset', key: this.key }, nothing);
  }
}

function badAmount(by: unknown): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_AMOUNT', `not an integer within ±(2^53-1): ${String(by)}`);
}

function readIncremented(result: Result): number {
  return readTotal(result, 'counter.increment');
}

function readCount(result: Result): number {
  return readTotal(result, 'counter.get');
}

function readTotal(result: Result, wanted: Operation['op'] & Result['op']): number {
  if (result.op !== wanted || !('value' in result)) throw wrongResult(wanted, result);
  const value = result.value;
  if (typeof value === 'number') return value;
  throw new CausewayError(
    'CAUSEWAY_OVERFLOW',
    `the counter stands at ${String(value)}, which a number cannot hold exactly`,
  );
}
