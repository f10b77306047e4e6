/**
 * A commit: what will be written in one atomic batch, and what may be told once that is durable.
 */
import type { Digest, ReplicaId, VersionVector } from '@causeway/crdt';
import type { Now } from '../environment.js';
import type { Send } from '../ready.js';
import type { OriginPosition } from './replica-record.js';
import { ElementSlot, type Slot } from './slot.js';

/** A chunk as the log holds it and as it is sent. */
export interface LoggedChunk {
  readonly origin: ReplicaId;
  readonly start: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: Uint8Array;
  /** Wall ms at the origin when it became durable there; 0 until known. */
  readonly durableAt: number;
  /** Wall ms at the origin when it was made. */
  readonly at: number;
}

export class Commit {
  readonly touched: Slot[] = [];
  readonly puts: { key: Uint8Array; value: Uint8Array }[] = [];
  readonly deletes: Uint8Array[] = [];
  readonly chunks: LoggedChunk[] = [];
  /** Sent when durable, in order. */
  readonly after: Send[] = [];
  /** Run when durable, after `durable` positions have moved and before anything else is executed. */
  readonly whenDurable: ((now: Now) => void)[] = [];
  /** Written also when nothing but the replica record is in it. */
  forced = false;
  /** Somebody waits for it. */
  isAwaited = false;
  /** Rough size of the batch. */
  bytes = 0;
  /** Root digest after this commit; set when sealed. */
  root: Digest | undefined;
  /** Horizon after this commit, when it moves it. */
  horizon: VersionVector | undefined;

  /** Positions that a repair takes over, without the chunks that lead there. */
  moves: ReadonlyMap<ReplicaId, OriginPosition> | undefined;
  /** Where the ceiling is above the positions after this commit; set when sealed. */
  adopting: VersionVector | undefined;

  /** Touched elements by their set's key, of the first `indexed` that were touched. */
  private readonly elements = new Map<string, ElementSlot[]>();
  private indexed = 0;

  constructor(readonly number: number) {}

  /** Elements of one set that were touched. All sets together cost one pass over what was touched. */
  elementsOf(userKey: string): readonly ElementSlot[] {
    for (; this.indexed < this.touched.length; this.indexed++) {
      const slot = this.touched[this.indexed];
      if (!(slot instanceof ElementSlot)) continue;
      const others = this.elements.get(slot.userKey);
      if (others === undefined) this.elements.set(slot.userKey, [slot]);
      else others.push(slot);
    }
    return this.elements.get(userKey) ?? [];
  }

  /** Chunks of others are in it, and nobody waits for it. */
  get isPatient(): boolean {
    return this.chunks.length > 0 && !this.isAwaited && !this.forced && this.after.length === 0;
  }

  get empty(): boolean {
    return (
      !this.forced &&
      this.touched.length === 0 &&
      this.puts.length === 0 &&
      this.deletes.length === 0 &&
      this.chunks.length === 0
    );
  }
}
