/**
 * Assertions: a failed one is a bug of ours, never bad input, and must stop the caller.
 */

/** Throws an Error when the condition does not hold. `message` states the invariant, as a fact. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** The end of a switch over a union: a compile error when a case is missing. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: unreachable case ${String(value)}`);
}
