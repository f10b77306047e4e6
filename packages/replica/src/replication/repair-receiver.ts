/**
 * Receiver of a repair: compares itself with a source's frozen view, takes what differs, hands back what it has itself,
 * and takes over the source's version vector where that was the purpose.
 *
 *   opening ─view▶ evidence ─mark▶ settling ─durable▶ freezing ─own view▶ comparing ─digests▶ walking ─mark▶ finishing
 *                  covering ◀─ or at once ─┘ ──────▲                                          moving ◀┘
 *
 * Invariants
 * - No compaction from before the session is opened until its end: a late answer could bring back what was just dropped.
 * - Where no version vector moves nothing is joined before this replica's version vector covers the source's ceiling: so no record holds
 *   a dot, nor a counter a total, of a write that has not come by its stream.
 * - Else the ceiling includes the source's from the first record on, and the version vector moves when the last one is
 *   durable, not before.
 * - What came is joined to what is here now; what is compared is what was here when the own view was taken.
 */
import { dominates, joinVersionVectors, type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import {
  CausewayError,
  type RecordState,
  type RepairMessage,
  type RepairMode,
  type RepairOutcome,
  type RepairView,
} from '@causeway/protocol';
import { REPAIR_PATIENCE_MS } from '../limits.js';
import type { OriginPosition } from '../store/replica-record.js';
import type { View } from '../store/views.js';
import { Descent } from './repair-descent.js';
import { Match } from './repair-match.js';
import { Outflow } from './repair-outflow.js';
import { isFit, knows, type RepairLink, type RepairParts, type RepairSession } from './repair-session.js';
import { RecordWalk } from './repair-walk.js';
import { rootBytes } from './repair-words.js';

type State =
  | 'opening'
  | 'covering'
  | 'evidence'
  | 'settling'
  | 'freezing'
  | 'comparing'
  | 'walking'
  | 'finishing'
  | 'moving';

export class RepairReceiver implements RepairSession {
  private state: State = 'opening';
  private hasEnded = false;
  private theirs: RepairView | undefined;
  /** Taken when all evidence is durable. */
  private mine: View | undefined;
  private theirBound: VersionVector = new Map();
  /** What this side said that it had. */
  private opened: VersionVector = new Map();
  private descent: Descent | undefined;
  private readonly out: Outflow;
  /** Where records are compared one by one. */
  private match: Match | undefined;
  /** All that differs has been asked for, or it is not for this side to ask. */
  private sourceIsDone = false;
  private receivedBytes = 0;
  private patientUntil = Number.POSITIVE_INFINITY;
  private readonly endsAt: number;
  /** Records that told something new. */
  changed = 0;
  /** Questions that were asked one after the other; the records wanted of all batches are one. */
  rounds = 1;
  readonly startedAt: number;
  private hasWanted = false;

  constructor(
    readonly id: number,
    readonly link: RepairLink,
    readonly mode: RepairMode,
    private readonly parts: RepairParts,
    /** Up to where of an origin the source may be believed; undefined for one that is no member. */
    private readonly takenUpTo: (origin: ReplicaId) => number | undefined,
  ) {
    const { limits, now } = parts.store;
    this.startedAt = now.monotonic;
    this.endsAt = now.monotonic + limits.repairAgeMaxMs;
    this.out = new Outflow(id, limits.repairWindowBytes, (message) => this.send(message));
    parts.housekeeping.pauseCompaction(this);
  }

  /** What the source had when it froze its view, once that is known. */
  get view(): VersionVector | undefined {
    return this.theirs?.versionVector;
  }

  /** It is to move this replica's version vector. */
  get isMoving(): boolean {
    return this.mode === 'catch-up' || this.mode === 'bootstrap';
  }

  /**
   * All has come and is durable, and the commit that says so is on its way: the session needs neither link nor source any
   * more. Only a failed write ends it otherwise, which takes that commit back.
   */
  get isComplete(): boolean {
    return this.state === 'moving';
  }

  get deadline(): number {
    return Math.min(this.endsAt, this.patientUntil);
  }

  start(): void {
    const { store } = this.parts;
    this.opened = new Map(store.durable);
    this.patientUntil = store.now.monotonic + REPAIR_PATIENCE_MS;
    this.send({
      type: 'repair-open',
      session: this.id,
      mode: this.mode,
      versionVector: this.opened,
      horizon: new Map(store.horizon),
      root: rootBytes(store.durableRoot),
    });
  }

  message(message: RepairMessage): void {
    if (this.hasEnded || this.isComplete) return;
    switch (message.type) {
      case 'repair-view':
        return this.takeView(message);
      case 'repair-states':
        return this.take(message.records);
      case 'repair-mark':
        return message.what === 'evidence' ? this.evidenceIsAll() : this.walkIsAll();
      case 'repair-digests':
        return this.takeDigests(message.digests);
      case 'repair-ids':
        return this.takeIds(message);
      case 'repair-credit':
        this.out.granted(message.bytes);
        return this.advance();
      case 'repair-end':
        return this.end(message.outcome, false);
      default:
        return this.end('broken', true);
    }
  }

  tick(now: number): void {
    if (this.hasEnded || this.isComplete) return;
    if (now >= this.endsAt) return this.end('deadline', true);
    if (now >= this.patientUntil) return this.end('behind', true);
    this.advance();
  }

  end(outcome: RepairOutcome, tell: boolean): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    if (tell) this.send({ type: 'repair-end', session: this.id, outcome });
    this.mine?.close();
    this.mine = undefined;
    this.match = undefined;
    const { adopter, housekeeping } = this.parts;
    adopter.drop(this);
    housekeeping.resumeCompaction(this);
    this.parts.ended(this, outcome);
  }

  // Adopting

  get bound(): VersionVector {
    return this.theirBound;
  }

  /** What comes may be joined: from the first record on where the version vector is to move. */
  get isOpen(): boolean {
    return this.isMoving || dominates(this.parts.store.executed, this.theirBound);
  }

  adopted(bytes: number, changed: number): void {
    this.receivedBytes -= bytes;
    this.changed += changed;
    this.parts.adopted(changed);
    if (this.hasEnded) return;
    this.send({ type: 'repair-credit', session: this.id, bytes });
    this.advance();
  }

  private take(records: readonly RecordState[]): void {
    let bytes = 0;
    for (const { key, state } of records) bytes += key.length + state.length;
    const { store, adopter } = this.parts;
    // Before the window is passed there is room for one message of any size.
    if (this.theirs === undefined || this.receivedBytes > store.limits.repairWindowBytes)
      return this.end('broken', true);
    this.receivedBytes += bytes;
    try {
      adopter.add(this, records);
      for (const record of records) this.match?.answerTo(record);
      this.out.flush();
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      const { replica } = this.link;
      this.parts.log.warn(
        { peer: replica, code: error.code, error: error.message },
        'a peer repairs with nonsense',
      );
      this.end('broken', true);
    }
  }

  // Before the comparison

  private takeView(view: RepairView): void {
    if (this.state !== 'opening') return this.end('broken', true);
    const { store } = this.parts;
    const bound = joinVersionVectors(view.versionVector, view.ceiling);
    // What names more of this replica than there is can be no view of what it wrote.
    if (seqOf(bound, store.self) > seqOf(store.durable, store.self)) return this.end('broken', true);
    for (const [origin, seq] of bound) {
      if (origin === store.self || seq <= seqOf(store.durable, origin)) continue;
      const most = this.takenUpTo(origin);
      // Gossip brings them; a version vector that anybody could fill with names would have no bound.
      if (most === undefined) return this.end('behind', true);
      // Of a retired member nothing may come that the members of its time do not wait for.
      if (seq > most) return this.end('stale', true);
    }
    if (!dominates(view.versionVector, view.horizon)) return this.end('broken', true);
    const fits = this.isMoving
      ? knows(view.versionVector, store.horizon) && isFit(store.executed, view.horizon, store.wasWhole)
      : dominates(view.versionVector, store.horizon) && dominates(store.executed, view.horizon);
    if (!fits) return this.end('stale', true);
    if (this.isMoving && view.starts.length !== view.versionVector.size) return this.end('broken', true);
    this.theirs = view;
    this.theirBound = bound;
    this.state = this.mode === 'compare' ? 'covering' : 'evidence';
    this.patientUntil = this.isMoving ? Number.POSITIVE_INFINITY : store.now.monotonic + REPAIR_PATIENCE_MS;
    this.advance();
  }

  private evidenceIsAll(): void {
    if (this.state !== 'evidence') return this.end('broken', true);
    this.state = this.mode === 'bootstrap' ? 'walking' : 'settling';
    this.advance();
  }

  private freeze(): void {
    this.state = 'freezing';
    const opened = this.parts.store.views.open((view) => this.frozen(view), {
      lost: () => this.end('failed', true),
    });
    if (!opened) this.end('busy', true);
  }

  private frozen(view: View): void {
    if (this.hasEnded) return view.close();
    this.mine = view;
    const { theirs } = this;
    if (view.index === undefined || theirs === undefined) return this.end('no-index', true);
    if (rootBytes(view.root).every((byte, index) => byte === theirs.root[index])) {
      // Nothing to be exchanged; the version vector may still have to move.
      this.sourceIsDone = true;
      this.state = 'walking';
      return this.advance();
    }
    this.state = 'comparing';
    this.descent = new Descent(view.index, theirs);
    this.descend(this.descent);
  }

  // Comparing

  private takeDigests(digests: Uint8Array): void {
    if (this.state !== 'comparing' || this.descent === undefined) return this.end('broken', true);
    if (!this.descent.take(digests)) return this.end('broken', true);
    this.descend(this.descent);
  }

  private descend(descent: Descent): void {
    const question = descent.question;
    this.rounds++;
    if (question !== undefined) {
      this.send({ type: 'repair-compare', session: this.id, ...question });
      return;
    }
    const { level, byId, whole } = descent.result;
    if (byId.length + whole.length === 0) {
      this.rounds--;
      this.sourceIsDone = true;
      this.state = 'walking';
      return this.advance();
    }
    const { mine } = this;
    if (mine === undefined) return;
    this.send({ type: 'repair-walk', session: this.id, level, ceiling: mine.ceiling, byId, whole });
    this.state = 'walking';
    if (byId.length === 0) return;
    const leaves = new Set(byId);
    const damaged = (key: Uint8Array): void => {
      const name = String.fromCharCode(...key.subarray(0, 64));
      this.parts.log.error({ key: name }, 'a damaged record is asked of a peer');
    };
    const { repairRecords } = this.parts.store.limits;
    const walk = new RecordWalk(mine, level, (leaf) => leaves.has(leaf), repairRecords, damaged);
    this.match = new Match(walk, this.parts, this.out, {
      mayHandBack: () => !this.begun,
      answered: (batch, wanted, bytes) => this.want(batch, wanted, bytes),
      moved: () => this.advance(),
      failed: () => this.end('failed', true),
    });
    this.advance();
  }

  private takeIds(message: RepairMessage & { type: 'repair-ids' }): void {
    const isFull = this.receivedBytes > this.parts.store.limits.repairWindowBytes;
    const bytes = isFull ? undefined : this.match?.take(message);
    if (bytes === undefined) return this.end('broken', true);
    this.receivedBytes += bytes;
    this.advance();
  }

  private want(batch: number, indices: readonly number[], bytes: number): void {
    if (indices.length > 0 && !this.hasWanted) this.rounds++;
    this.hasWanted ||= indices.length > 0;
    this.send({ type: 'repair-want', session: this.id, batch, indices });
    this.receivedBytes -= bytes;
    this.send({ type: 'repair-credit', session: this.id, bytes });
    this.out.flush();
  }

  /** This side had nothing, or nothing of theirs, when it began: it knows too little of removals to hand anything back. */
  private get begun(): boolean {
    return this.theirs === undefined || !dominates(this.opened, this.theirs.horizon);
  }

  /** Goes on with whatever can go on. */
  private advance(): void {
    if (this.hasEnded) return;
    const { store, adopter } = this.parts;
    switch (this.state) {
      case 'covering':
        if (!dominates(store.durable, this.theirBound)) return;
        this.patientUntil = Number.POSITIVE_INFINITY;
        return this.freeze();
      case 'settling':
        if (adopter.waits(this) || this.receivedBytes > 0) return;
        if (!this.isMoving) {
          this.state = 'covering';
          return this.advance();
        }
        return this.freeze();
      case 'walking':
        this.match?.readOn();
        if (!this.hasEnded && this.isWalked()) this.finish();
        return;
      default:
    }
  }

  // The end

  private walkIsAll(): void {
    if (this.state !== 'walking') return this.end('broken', true);
    this.sourceIsDone = true;
    this.match?.end();
    this.out.flush();
    this.advance();
  }

  /** Everything has come and is durable here, and what went out is taken there. */
  private isWalked(): boolean {
    return (
      this.sourceIsDone &&
      (this.match?.isIdle ?? true) &&
      this.receivedBytes === 0 &&
      !this.parts.adopter.waits(this) &&
      this.out.isDone
    );
  }

  private finish(): void {
    const { theirs } = this;
    const { store } = this.parts;
    if (theirs === undefined) return;
    if (!this.isMoving) return this.end(this.descent === undefined ? 'equal' : 'done', true);
    this.state = 'moving';
    store.takeClock(theirs.clock);
    store.raiseCeiling(this.theirBound);
    store.moveTo(positionsOf(theirs));
    // What the source has compacted has left no evidence here either.
    store.moveHorizon(theirs.horizon);
    this.parts.movedTo();
    store.whenDurable(() => this.end('done', true));
  }

  private send(message: RepairMessage): void {
    this.link.send(message);
  }
}

function positionsOf({ versionVector, starts }: RepairView): Map<ReplicaId, OriginPosition> {
  const positions = new Map<ReplicaId, OriginPosition>();
  let index = 0;
  for (const [replica, seq] of versionVector) positions.set(replica, { seq, start: starts[index++] ?? 0 });
  return positions;
}
