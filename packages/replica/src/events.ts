/**
 * The only things that a replica is told. Hosts make them; nothing outside input does can make `step` throw.
 */
import type { ReplicaId } from '@causeway/crdt';
import type { KeyType, Operation, PeerMessage, WatchFilter } from '@causeway/protocol';

/** Names one client connection, HTTP request or in-process user; chosen by the host, never reused. */
export type SessionId = number;
/** Names one WebSocket to a peer; chosen by the host, never reused. */
export type LinkId = number;

/** All operations of a request are one transaction. */
export interface RequestEvent {
  readonly type: 'request';
  readonly session: SessionId;
  /** Chosen by the session, returned with the reply. */
  readonly request: number;
  readonly operations: readonly Operation[];
  /** Idempotency-Key: `fingerprint` is what must be equal for the stored answer to be repeated. */
  readonly idempotency?: { readonly key: string; readonly fingerprint: string };
}

export type Event =
  | RequestEvent
  | {
      readonly type: 'list-keys';
      readonly session: SessionId;
      readonly request: number;
      readonly keyType?: KeyType;
      readonly prefix: string;
      readonly limit: number;
      /** Opaque, from the page before. */
      readonly after?: string;
    }
  | {
      readonly type: 'watch';
      readonly session: SessionId;
      readonly request: number;
      readonly filter: WatchFilter;
    }
  | { readonly type: 'unwatch'; readonly session: SessionId; readonly request: number }
  | { readonly type: 'session-closed'; readonly session: SessionId }
  /** A dial asked for by `Ready` has opened (`address`), or a peer has dialled us (no address). */
  | { readonly type: 'link-opened'; readonly link: LinkId; readonly address?: string }
  | { readonly type: 'link-message'; readonly link: LinkId; readonly message: PeerMessage }
  /** Also what a dial that failed ends with; `address` as in the dial. */
  | {
      readonly type: 'link-closed';
      readonly link: LinkId;
      readonly address?: string;
      readonly reason: string;
    }
  /** Answers to `loads` and `scans` of a Ready, by their id. */
  | { readonly type: 'loaded'; readonly id: number; readonly values: readonly (Uint8Array | undefined)[] }
  | { readonly type: 'scanned'; readonly id: number; readonly entries: readonly ScanEntry[] }
  | { readonly type: 'read-failed'; readonly id: number; readonly error: unknown }
  /** The batch in flight is not durable and never will be; the host reopens its store and says when. */
  | { readonly type: 'write-failed'; readonly error: unknown }
  | { readonly type: 'store-reopened'; readonly records: StoredReplica }
  /** Nothing but the time: a deadline came. */
  | { readonly type: 'tick' }
  /** Look through all stored records, at the usual pace. */
  | { readonly type: 'scrub' }
  /** Stop taking requests, let the peers catch up: because the process stops, or because an operator wants it. */
  | { readonly type: 'drain'; readonly byOperator?: boolean }
  /** Take requests again, and stay. */
  | { readonly type: 'resume' }
  /** Drain, hand over, and then leave the members for good (status: `membership`). */
  | { readonly type: 'leave' }
  /** An operator takes another replica, which is not to come back, from the members. */
  | { readonly type: 'remove-member'; readonly replica: ReplicaId };

export interface ScanEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** What a replica reads of its store before its first step: see store/keyspace.ts. */
export interface StoredReplica {
  /** Values under the keys of START_KEYS prefix ranges, in key order. */
  readonly entries: readonly ScanEntry[];
  /** Why its identity is to be left behind, where the host knows that: the directory was restored, or stopped uncleanly. */
  readonly leave?: string;
}
