/**
 * What the handles of registers, sets and counters share: where their operations go, and how results are read.
 */
import { CausewayError, checkKey, type Operation, type Result } from '@causeway/protocol';
import type { Executor } from './executor.js';

/** Takes the operations of handles: the database itself, or an open transaction. */
export interface Runner {
  execute<T>(operation: Operation, read: (result: Result) => T): Promise<T>;
  /** Tells of an operation that could not even be put together. */
  refuse(error: unknown): Promise<never>;
}

/** Sends every operation on its own. */
export class DirectRunner implements Runner {
  constructor(private readonly executor: Executor) {}

  execute<T>(operation: Operation, read: (result: Result) => T): Promise<T> {
    try {
      checkKey(operation.key);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.executor.execute(operation, read);
  }

  refuse(error: unknown): Promise<never> {
    return Promise.reject(error);
  }
}

/** Reads the result of a mutation that tells nothing. */
export function nothing(): void {}

/** An executor that answers an operation with the result of another is broken. */
export function wrongResult(wanted: Operation['op'], result: Result): CausewayError {
  return new CausewayError('CAUSEWAY_INTERNAL', `${wanted} was answered with the result of ${result.op}`);
}

export function toCausewayError(error: unknown): CausewayError {
  if (error instanceof CausewayError) return error;
  return new CausewayError('CAUSEWAY_INTERNAL', error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}
