/**
 * The only things that a replica asks of its host.
 *
 * Contract
 * 1. No dot leaves the replica before the batch that holds it is durable.
 * 2. States, chunk, digests and replica record of one commit are in one batch.
 * 3. No reply, event or digest tells of state that is not yet durable.
 * 4. One batch in flight; what arrives meanwhile forms the next: group commit, and nobody who waits waits for a timer.
 * 5. A failed write acknowledges nothing and leaves nothing in memory that disk does not have.
 */
import type { CausewayError, KeyChange, ListedKey, PeerMessage, Result } from '@causeway/protocol';
import type { LinkId, SessionId } from './events.js';

export type Send =
  | {
      readonly type: 'reply';
      readonly session: SessionId;
      readonly request: number;
      readonly results: readonly Result[];
    }
  | {
      readonly type: 'failure';
      readonly session: SessionId;
      readonly request: number;
      readonly error: CausewayError;
    }
  | {
      readonly type: 'keys';
      readonly session: SessionId;
      readonly request: number;
      readonly keys: readonly ListedKey[];
      readonly after?: string;
    }
  | {
      readonly type: 'change';
      readonly session: SessionId;
      readonly request: number;
      readonly change: KeyChange;
    }
  | { readonly type: 'message'; readonly link: LinkId; readonly message: PeerMessage }
  /** Dial; answered by link-opened or link-closed with this link id. */
  | { readonly type: 'dial'; readonly link: LinkId; readonly address: string }
  | { readonly type: 'close'; readonly link: LinkId; readonly reason: string };

/** Keys and values are owned by the batch: the host must not change them, the replica will not. */
export interface Batch {
  readonly puts: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
  readonly deletes: readonly Uint8Array[];
}

/** Point reads, answered by `loaded` with values in the order of `keys`. */
export interface Load {
  readonly id: number;
  readonly keys: readonly Uint8Array[];
  /** Read what an open snapshot holds, and fail when it is gone; else what the store holds. */
  readonly snapshot?: number;
}

/** Range read on one snapshot, [from, to), answered by `scanned`; ends at whichever limit comes first. */
export interface Scan {
  readonly id: number;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly entriesMax: number;
  readonly bytesMax: number;
  /** As in Load. */
  readonly snapshot?: number;
}

/** Values of [from, to) of the old store go into the new one under the same keys, but for the first byte, the kind. */
export interface Copy {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly kind: number;
}

/**
 * The identity is to be left behind. The host makes a new store of `batch` and `copies`, moves the old one aside,
 * deleting nothing, and opens a new replica on the new one; this replica asks for nothing more.
 */
export interface Rejoin {
  /** Why: an error code, and words for a person. */
  readonly code: string;
  readonly message: string;
  readonly batch: Batch;
  readonly copies: readonly Copy[];
}

export interface Ready {
  /** Send now. */
  readonly outbox: readonly Send[];
  /**
   * Take a snapshot of the store under each of these ids, at once: before any of the reads below is begun, and before
   * anything of `batch` can be in it. The host forgets all of them when it reopens its store.
   */
  readonly openSnapshots: readonly number[];
  readonly loads: readonly Load[];
  readonly scans: readonly Scan[];
  /** Let go of these: reads of them may fail from now on. One that is not there is nobody's fault. */
  readonly closeSnapshots: readonly number[];
  /** Write atomically and durably, then `advance`: what waits for it is in the outbox of the next Ready. */
  readonly batch?: Batch;
  /** Never with a batch, nor while one is in flight. */
  readonly rejoin?: Rejoin;
}
