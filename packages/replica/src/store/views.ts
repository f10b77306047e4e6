/**
 * Views: what a replica held at one moment, for those who have to read it page by page while it goes on changing.
 *
 * Invariants
 * - A view is taken when no batch is in flight and before the next one is sealed: its positions, digests and clock
 *   are those of the last durable commit, and so is the snapshot that the host takes for it.
 * - A failed write ends every view, since the store behind it is closed: its owner is told, and no read of it is
 *   answered any more.
 * - There are few of them, and none lives for ever: the store keeps what is overwritten as long as a view may read it.
 */
import type { Digest, ReplicaId, VersionVector } from '@causeway/crdt';
import type { ScanEntry } from '../events.js';
import { VIEWS_MAX } from '../limits.js';
import type { KeyRange } from './keyspace.js';
import type { FrozenIndex } from './merkle.js';
import type { Reads } from './reads.js';
import type { OriginPosition } from './replica-record.js';

/** What a view tells without reading. */
export interface Moment {
  readonly versionVector: VersionVector;
  /** The version vector, with the start of each origin's newest chunk. */
  readonly positions: ReadonlyMap<ReplicaId, OriginPosition>;
  readonly ceiling: VersionVector;
  readonly horizon: VersionVector;
  readonly clock: { readonly physical: number; readonly logical: number };
  readonly root: Digest;
  /** Undefined while the index is being rebuilt, and where it was not asked for. */
  readonly index: FrozenIndex | undefined;
}

export interface ViewOptions {
  /** Told when the view, or its opening, has come to nothing; after `close` never. */
  readonly lost?: () => void;
  /** False: without the copy of the index, which is some megabytes. */
  readonly index?: boolean;
}

interface Wanted extends ViewOptions {
  readonly then: (view: View) => void;
}

/** Nothing is answered after `close`, or after the view is lost. */
export class View implements Moment {
  readonly versionVector: VersionVector;
  readonly positions: ReadonlyMap<ReplicaId, OriginPosition>;
  readonly ceiling: VersionVector;
  readonly horizon: VersionVector;
  readonly clock: { readonly physical: number; readonly logical: number };
  readonly root: Digest;
  readonly index: FrozenIndex | undefined;

  constructor(
    readonly id: number,
    /** Monotonic ms. */
    readonly openedAt: number,
    moment: Moment,
    private readonly views: Views,
    private readonly reads: Reads,
  ) {
    this.versionVector = moment.versionVector;
    this.positions = moment.positions;
    this.ceiling = moment.ceiling;
    this.horizon = moment.horizon;
    this.clock = moment.clock;
    this.root = moment.root;
    this.index = moment.index;
  }

  get isOpen(): boolean {
    return this.views.has(this);
  }

  /** As `Reads.scan`, on the snapshot; undefined when it could not be read just now. */
  scan(
    range: KeyRange,
    entriesMax: number,
    bytesMax: number,
    then: (entries: readonly ScanEntry[] | undefined) => void,
  ): void {
    if (!this.isOpen) return;
    const answer = (entries: readonly ScanEntry[] | undefined): void => {
      if (this.isOpen) then(entries);
    };
    this.reads.scan(range, entriesMax, bytesMax, answer, this.id);
  }

  /** Stored values in the order of `keys`; undefined when they could not be read just now. */
  load(
    keys: readonly Uint8Array[],
    then: (values: readonly (Uint8Array | undefined)[] | undefined) => void,
  ): void {
    if (!this.isOpen) return;
    this.reads.values(
      keys,
      (values) => {
        if (this.isOpen) then(values);
      },
      this.id,
    );
  }

  close(): void {
    this.views.close(this);
  }
}

export class Views {
  private wanted: Wanted[] = [];
  private readonly live = new Map<View, Wanted>();
  private opening: number[] = [];
  private closing: number[] = [];
  private nextId = 1;

  constructor(
    private readonly reads: Reads,
    private readonly moment: (withIndex: boolean) => Moment,
  ) {}

  /**
   * Calls `then` when the view has been taken: with the next turn in which no batch is in flight. False when there
   * are as many as there may be: nothing happens then.
   */
  open(then: (view: View) => void, options: ViewOptions = {}): boolean {
    if (this.live.size + this.wanted.length >= VIEWS_MAX) return false;
    this.wanted.push({ ...options, then });
    return true;
  }

  has(view: View): boolean {
    return this.live.has(view);
  }

  get isWanted(): boolean {
    return this.wanted.length > 0;
  }

  /** Takes what is wanted. No batch may be in flight, and none sealed before the host has taken the snapshots. */
  take(now: number): void {
    const { wanted } = this;
    this.wanted = [];
    for (const one of wanted) {
      const view = new View(this.nextId++, now, this.moment(one.index !== false), this, this.reads);
      this.live.set(view, one);
      this.opening.push(view.id);
      one.then(view);
    }
  }

  close(view: View): void {
    if (this.live.delete(view)) this.closing.push(view.id);
  }

  /** Ends the views that are older than `ageMaxMs`. */
  expire(now: number, ageMaxMs: number): void {
    for (const [view, { lost }] of [...this.live]) {
      if (now - view.openedAt < ageMaxMs || !view.isOpen) continue;
      this.close(view);
      lost?.();
    }
  }

  /** The store behind the views is gone. Who wants a view again may ask at once: it is taken when the store is back. */
  clear(): void {
    const lost = [...this.live.values(), ...this.wanted];
    for (const view of this.live.keys()) this.closing.push(view.id);
    this.live.clear();
    this.wanted = [];
    for (const one of lost) one.lost?.();
  }

  takeOpenings(): readonly number[] {
    if (this.opening.length === 0) return NONE;
    const { opening } = this;
    this.opening = [];
    return opening;
  }

  takeClosings(): readonly number[] {
    if (this.closing.length === 0) return NONE;
    const { closing } = this;
    this.closing = [];
    return closing;
  }
}

const NONE: readonly number[] = [];
