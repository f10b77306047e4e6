/**
 * What a client can ask of a node, and what it is answered: one vocabulary for the WebSocket
 * protocol, the HTTP API, transactions and the embedded node.
 *
 * Values and set elements are canonical bytes (see canonical.ts): nodes compare, hash and store
 * them without decoding them.
 */
import type { Stamp } from '@causeway/crdt';

export type KeyType = 'register' | 'set' | 'counter';

export type Operation =
  | { readonly op: 'register.get'; readonly key: string }
  | { readonly op: 'register.set'; readonly key: string; readonly value: Uint8Array; readonly ttlMs?: number }
  | { readonly op: 'register.delete'; readonly key: string }
  /** Removes apply before adds. */
  | {
      readonly op: 'set.update';
      readonly key: string;
      readonly add: readonly Uint8Array[];
      readonly remove: readonly Uint8Array[];
      /** The answer has to tell the size, also when it must be counted first. Not sent: frames do not ask for it. */
      readonly sized?: boolean;
    }
  | { readonly op: 'set.clear'; readonly key: string }
  | { readonly op: 'set.has'; readonly key: string; readonly values: readonly Uint8Array[] }
  | { readonly op: 'set.size'; readonly key: string }
  /** Elements in canonical byte order, those after `after`, at most `limit`. Without `limit` more than
   * SET_ELEMENTS_MAX elements is CAUSEWAY_TOO_LARGE. */
  | { readonly op: 'set.values'; readonly key: string; readonly limit?: number; readonly after?: Uint8Array }
  /** `by` is a safe integer, negative allowed; 0 only reads. */
  | { readonly op: 'counter.increment'; readonly key: string; readonly by: number }
  | { readonly op: 'counter.get'; readonly key: string }
  | { readonly op: 'counter.reset'; readonly key: string };

/** Operations that change nothing. */
export function isRead({ op }: { readonly op: Operation['op'] }): boolean {
  switch (op) {
    case 'register.get':
    case 'set.has':
    case 'set.size':
    case 'set.values':
    case 'counter.get':
      return true;
    default:
      return false;
  }
}

/** Result of the operation at the same index. */
export type Result =
  /** register.get; absent value: the key is not there. */
  | { readonly op: 'register.get'; readonly value?: Uint8Array; readonly stamp?: Stamp }
  | { readonly op: 'register.set'; readonly stamp: Stamp }
  | { readonly op: 'set.size'; readonly size: number }
  /** Without a size while the set is being counted, unless the operation has asked for it. */
  | { readonly op: 'set.update'; readonly size?: number }
  | { readonly op: 'set.has'; readonly has: readonly boolean[] }
  /** `more`: there are further elements after the last one. */
  | { readonly op: 'set.values'; readonly values: readonly Uint8Array[]; readonly more: boolean }
  /** A bigint only beyond ±(2^53-1). */
  | { readonly op: 'counter.increment' | 'counter.get'; readonly value: number | bigint }
  | { readonly op: 'register.delete' | 'set.clear' | 'counter.reset' };

/** One key that holds something, as listed by a key listing. */
export interface ListedKey {
  readonly type: KeyType;
  readonly key: string;
}

/** One committed change of one key, as a watcher is told it. */
export interface KeyChange {
  readonly type: KeyType;
  readonly key: string;
  /** Register: the value now, absent when deleted. */
  readonly value?: Uint8Array;
  /** Counter: the value now. */
  readonly count?: number | bigint;
  /**
   * Set: elements that became visible or stopped being so. A cleared set says `cleared` instead, before what the same
   * transaction added; with `conflict` elements that the clear had not seen may have stayed, and have to be read.
   */
  readonly added?: readonly Uint8Array[];
  readonly removed?: readonly Uint8Array[];
  readonly cleared?: boolean;
  /** Replica that made the write, and whether it met a write that its writer had not seen. */
  readonly origin: string;
  readonly conflict: boolean;
  /** Opaque position: `<origin>:<seq>`. */
  readonly cursor: string;
}

export interface WatchFilter {
  /** UTF-8 key prefix; '' matches all. */
  readonly prefix: string;
  readonly key?: string;
  readonly type?: KeyType;
}
