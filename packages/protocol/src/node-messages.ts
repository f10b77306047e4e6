/**
 * From nodes to clients (subprotocol causeway.client.v1). A frame is a MessagePack array of messages; each message is
 * an array. The requests stand in client-messages.ts, the writer of such frames in node-frame-writer.ts, the reader in
 * node-frame-decoder.ts.
 *
 *   [0, version, replica, region, software]   hello, the answer to the client's
 *   [0, 0, code, message]                     refused: the connection is closed
 *   [id, 0, result …]                         reply, one result for each operation; a watch that is open has none
 *   [id, 1, code, message]                    failure
 *   [id, 2, type, key, origin, conflict, cursor, …]   change told to the watch `id`, which goes on
 *        register: value?   set: added, removed, cleared   counter: count
 *   [id, 3, code, message]                    the watch is over
 *
 *   result = [opcode, …]   1 value? physical logical replica (or nothing: not there)   2 physical logical replica
 *        4 size (or nothing: not known yet)   7 size   6 has …   8 more value …   9, 10 value   3, 5, 11 nothing
 *
 * Values and elements are bin of canonical bytes, ? may be nil. A count beyond 64 bits is decimal text. A result says
 * which operation it is of, so that a frame is decoded without knowing what was asked.
 */
import type { ReplicaId } from '@causeway/crdt';
import type { CausewayError } from './errors.js';
import type { KeyChange, Result } from './operations.js';

export type NodeMessage =
  | {
      readonly type: 'hello';
      readonly version: number;
      readonly replica: ReplicaId;
      readonly region: string;
      /** Version of the software. */
      readonly software: string;
    }
  /** The connection is closed, with code 1002. */
  | { readonly type: 'refused'; readonly error: CausewayError }
  /** One result for each operation; none: the watch that was asked for is open. */
  | { readonly type: 'reply'; readonly id: number; readonly results: readonly Result[] }
  | { readonly type: 'failure'; readonly id: number; readonly error: CausewayError }
  | { readonly type: 'change'; readonly id: number; readonly change: KeyChange }
  | { readonly type: 'watch-end'; readonly id: number; readonly error: CausewayError };

export const REPLY = 0;
export const FAILURE = 1;
export const CHANGE = 2;
export const WATCH_END = 3;
