/**
 * Registers: one value under a key, the last write wins.
 */
import { CausewayError, decodeCanonical, type Result, TTL_MS_MAX } from '@causeway/protocol';
import { nothing, type Runner, wrongResult } from './runner.js';
import { encodeValue } from './values.js';

export interface RegisterSetOptions {
  /** Milliseconds from now until the value expires: an integer above 0. Without it the value stays. */
  readonly ttlMs?: number;
}

/**
 * A last-writer-wins register. Of two writes that did not know of each other, made in two regions at the same
 * time, the one with the later timestamp stays, the same one everywhere.
 */
export interface Register<T> {
  /** The value, or undefined when there is none: never written, deleted or expired. */
  get(): Promise<T | undefined>;
  /**
   * Writes the value; resolves when it is durable on the node. A value is what MessagePack holds: null, booleans,
   * finite numbers, bigints, strings, Uint8Arrays, Dates, arrays and plain objects of these, at most 1 MiB;
   * for anything else it rejects with CAUSEWAY_BAD_VALUE or CAUSEWAY_TOO_LARGE.
   */
  set(value: T, options?: RegisterSetOptions): Promise<void>;
  /** Removes the value; resolves when that is durable on the node. */
  delete(): Promise<void>;
}

export class RegisterHandle<T> implements Register<T> {
  constructor(
    private readonly runner: Runner,
    private readonly key: string,
  ) {}

  get(): Promise<T | undefined> {
    // What was stored under the key is the caller's to know, as with any store.
    return this.runner.execute({ op: 'register.get', key: this.key }, readValue) as Promise<T | undefined>;
  }

  set(value: T, options?: RegisterSetOptions): Promise<void> {
    const ttlMs = options?.ttlMs;
    let bytes: Uint8Array;
    try {
      if (ttlMs !== undefined) checkTtl(ttlMs);
      bytes = encodeValue(value);
    } catch (error) {
      return this.runner.refuse(error);
    }
    return this.runner.execute(
      ttlMs === undefined
        ? { op: 'register.set', key: this.key, value: bytes }
        : { op: 'register.set', key: this.key, value: bytes, ttlMs },
      nothing,
    );
  }

  delete(): Promise<void> {
    return this.runner.execute({ op: 'register.delete', key: this.key }, nothing);
  }
}

function checkTtl(ttlMs: number): void {
  if (Number.isSafeInteger(ttlMs) && ttlMs > 0 && ttlMs <= TTL_MS_MAX) return;
  throw new CausewayError(
    'CAUSEWAY_BAD_REQUEST',
    `ttlMs must be a whole number of milliseconds, 1 to ${TTL_MS_MAX}`,
  );
}

function readValue(result: Result): unknown {
  if (result.op !== 'register.get') throw wrongResult('register.get', result);
  return result.value === undefined ? undefined : decodeCanonical(result.value);
}
