/**
 * From clients to nodes (subprotocol causeway.client.v1). A frame is a MessagePack array of messages, in the order in
 * which they take effect; each message is an array. The answers stand in node-messages.ts, the writer of such frames in
 * client-frame-writer.ts, the reader in client-frame-decoder.ts.
 *
 *   [0, version, name]                 hello, the first message of a connection
 *   [id, opcode, argument …]           request; id is the client's, 1 to 2^32-1, and comes back with the answer
 *   [id, 20, [[opcode, argument …] …]] transaction
 *   [id, 30, prefix, key?, type?]      watch; key and type may be nil. type: 1 register, 2 set, 3 counter
 *   [id, 31, watch]                    ends the watch that the request with id `watch` began
 *
 *   1 register.get key         2 register.set key value ttlMs?     3 register.delete key
 *   4 set.update key add remove        5 set.clear key             6 set.has key values
 *   7 set.size key             8 set.values key limit? after?
 *   9 counter.increment key by         10 counter.get key          11 counter.reset key
 *
 * Arguments marked ? may be nil, or missing at the end. Values and elements are bin of canonical bytes. What arrives
 * is checked here, field by field, and trusted after. A request that is wrong in itself is refused alone, under its
 * id; a frame in which messages cannot be told apart, or of more than FRAME_INVALID_MAX wrong ones, is
 * CAUSEWAY_BAD_FRAME, and none of it has taken effect.
 */
import type { CausewayError } from './errors.js';
import type { KeyType, Operation, WatchFilter } from './operations.js';

/** What a client sends. Request ids are 1 to REQUEST_ID_MAX. */
export type ClientMessage =
  | { readonly type: 'hello'; readonly version: number; readonly name: string }
  /** All operations take effect together; exactly one unless `transaction`. */
  | {
      readonly type: 'request';
      readonly id: number;
      readonly operations: readonly Operation[];
      readonly transaction: boolean;
    }
  | { readonly type: 'watch'; readonly id: number; readonly filter: WatchFilter }
  | { readonly type: 'unwatch'; readonly id: number; readonly watch: number };

/** What a node finds in a frame: also requests that it must refuse. */
export type ReceivedMessage =
  | ClientMessage
  | { readonly type: 'invalid'; readonly id: number; readonly error: CausewayError };

export const REQUEST_ID_MAX = 0xffff_ffff;

/**
 * Messages, operations and elements of one frame: bounds what a frame of tiny ones takes in memory. The largest
 * request fits.
 */
export const FRAME_ITEMS_MAX = 250_000;

/**
 * Wrong requests of one frame: each costs an error with its stack, some ten times a right one. Who sends more is no
 * client that has erred.
 */
export const FRAME_INVALID_MAX = 1_000;

export const OPCODES = {
  'register.get': 1,
  'register.set': 2,
  'register.delete': 3,
  'set.update': 4,
  'set.clear': 5,
  'set.has': 6,
  'set.size': 7,
  'set.values': 8,
  'counter.increment': 9,
  'counter.get': 10,
  'counter.reset': 11,
} as const satisfies Readonly<Record<Operation['op'], number>>;

export const TRANSACTION = 20;
export const WATCH = 30;
export const UNWATCH = 31;

export const KEY_TYPES: readonly KeyType[] = ['register', 'set', 'counter'];
