/**
 * The small key space of the workload. Each family of keys is used in one way only, which is what lets a
 * checker say more about it than that it converges.
 */
import type { KeyType } from '@causeway/protocol';

export const FAMILIES = {
  /** Set, never deleted, no expiry: the stamp at a replica only grows. */
  plain: 'register',
  /** Set, deleted, set with expiry. */
  volatile: 'register',
  /** Few elements, added, removed, cleared. */
  shared: 'set',
  /** Elements named for the call that adds them, added only. */
  growing: 'set',
  /** Incremented and decremented. */
  sum: 'counter',
  /** Incremented by positive amounts only: the value at a replica only grows. */
  rising: 'counter',
  /** Incremented, decremented, reset. */
  resettable: 'counter',
  /** Changed only by transactions that move an amount from one account to another: all together are 0. */
  account: 'counter',
  /** `left` and `right` are set to one value in one transaction, which also adds to `bag` and counts in `tally`. */
  left: 'register',
  right: 'register',
  bag: 'set',
  tally: 'counter',
} as const satisfies Record<string, KeyType>;

export type Family = keyof typeof FAMILIES;

export function keyOf(family: Family, index: number): string {
  return `${family}:${index}`;
}

export function familyOf(key: string): Family | undefined {
  const name = key.slice(0, key.indexOf(':'));
  return name in FAMILIES ? (name as Family) : undefined;
}
