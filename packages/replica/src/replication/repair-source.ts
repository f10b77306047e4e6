/**
 * Source of a repair: answers one receiver from a view that is frozen when the session begins.
 *
 * Invariants
 * - Every answer is of the same moment: of the view, never of what the replica is now.
 * - To a receiver that is to take over the view's version vector, all removal evidence goes first.
 * - No compaction from before the view is taken until the end: the receiver may send records, in which what was
 *   compacted meanwhile would come back. They are joined only when this replica has everything that they may name.
 * - What is read ahead of the receiver is bounded by one window.
 */
import { compareReplicas, dominates, type VersionVector } from '@causeway/crdt';
import {
  CausewayError,
  NODE_DIGEST_BYTES,
  RECORD_ID_BYTES,
  type RecordState,
  type RepairMessage,
  type RepairMode,
  type RepairOutcome,
  unsealValue,
} from '@causeway/protocol';
import { REPAIR_BATCHES_MAX, REPAIR_COMPARES_MAX, REPAIR_PATIENCE_MS } from '../limits.js';
import { concat, KIND, kindRange, recordKeyOfGarbage } from '../store/keyspace.js';
import type { FrozenIndex } from '../store/merkle.js';
import type { View } from '../store/views.js';
import { Outflow } from './repair-outflow.js';
import {
  depthFor,
  FIRST_LEVEL_MAX,
  isFit,
  knows,
  type RepairLink,
  type RepairParts,
  type RepairSession,
} from './repair-session.js';
import { RecordWalk, type WalkedPage, type WalkedRecord } from './repair-walk.js';
import { digestBytes, rootBytes, writeLane } from './repair-words.js';

type Open = RepairMessage & { type: 'repair-open' };

/** Ids in one message, roughly; progress is told at least every so many bytes that were read. */
const BATCH_RECORDS = 2_048;
const PROGRESS_BYTES = 4 << 20;

interface Batch {
  readonly number: number;
  readonly records: WalkedRecord[];
  bytes: number;
  /** Bytes read for it. */
  read: number;
}

export class RepairSource implements RepairSession {
  readonly id: number;
  private view: View | undefined;
  private readonly out: Outflow;
  private hasEnded = false;
  private reading = false;
  /** Where the evidence has been read to; undefined when it is all sent. */
  private evidenceFrom: Uint8Array | undefined;
  private compares = 0;
  private walk: RecordWalk | undefined;
  private walked = false;
  private told = false;
  private whole: ReadonlySet<number> | undefined;
  private tellsIds = false;
  private batch: Batch = newBatch(1);
  private readonly unanswered = new Map<number, Batch>();
  /** Bytes of the records in `batch` and `unanswered`. */
  private held = 0;
  private readonly endsAt: number;
  /** What the receiver sends may hold dots up to here; from its walk. */
  private ceiling: VersionVector | undefined;
  /** Records that cannot be joined by then are not taken. */
  private patientUntil = Number.POSITIVE_INFINITY;
  private pushedBytes = 0;

  constructor(
    readonly link: RepairLink,
    private readonly open: Open,
    private readonly parts: RepairParts,
  ) {
    const { limits, now } = parts.store;
    this.id = open.session;
    this.endsAt = now.monotonic + limits.repairAgeMaxMs;
    this.out = new Outflow(open.session, limits.repairWindowBytes, (message) => this.send(message));
    parts.housekeeping.pauseCompaction(this);
  }

  get deadline(): number {
    const { now } = this.parts.store;
    return this.patientUntil > now.monotonic ? Math.min(this.endsAt, this.patientUntil) : this.endsAt;
  }

  /** Answers at once when there is nothing to be done. */
  start(): void {
    const { store, housekeeping } = this.parts;
    const { open } = this;
    const { mode, versionVector } = open;
    if (mode === 'compare') {
      if (!housekeeping.isSettled(store.now)) return this.end('unsettled', true);
      const same =
        isSame(versionVector, store.durable) && isSameRoot(open.root, rootBytes(store.durableRoot));
      if (same && store.isDurablyWhole) return this.end('equal', true);
    }
    if (!this.fits(store.durable, store.horizon)) return this.end('stale', true);
    const opened = store.views.open((view) => this.frozen(view), {
      index: mode !== 'bootstrap',
      lost: () => this.end('failed', true),
    });
    if (!opened) this.end('busy', true);
  }

  message(message: RepairMessage): void {
    if (this.hasEnded) return;
    switch (message.type) {
      case 'repair-compare':
        return this.compare(message);
      case 'repair-walk':
        return this.startWalk(message);
      case 'repair-want':
        return this.want(message);
      case 'repair-states':
        return this.take(message.records);
      case 'repair-credit':
        this.out.granted(message.bytes);
        return this.pump();
      case 'repair-end':
        return this.end(message.outcome, false);
      default:
        return this.end('broken', true);
    }
  }

  tick(now: number): void {
    if (this.hasEnded) return;
    if (now >= this.endsAt) return this.end('deadline', true);
    // What cannot be joined in time is not taken: the next comparison finds it again.
    if (now >= this.patientUntil && !this.isOpen) this.refuse();
    this.pump();
  }

  end(outcome: RepairOutcome, tell: boolean): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    if (tell) this.send({ type: 'repair-end', session: this.id, outcome });
    this.view?.close();
    this.view = undefined;
    this.walk = undefined;
    this.unanswered.clear();
    const { adopter, housekeeping } = this.parts;
    adopter.drop(this);
    housekeeping.resumeCompaction(this);
    this.parts.ended(this, outcome);
  }

  // Adopting

  get bound(): VersionVector {
    return this.ceiling ?? new Map();
  }

  /** This replica has everything that a record of the receiver may name. */
  get isOpen(): boolean {
    return this.ceiling !== undefined && dominates(this.parts.store.executed, this.ceiling);
  }

  adopted(bytes: number, changed: number): void {
    this.pushedBytes -= bytes;
    this.parts.adopted(changed);
    if (!this.hasEnded) this.send({ type: 'repair-credit', session: this.id, bytes });
  }

  private take(records: readonly RecordState[]): void {
    let bytes = 0;
    for (const { key, state } of records) bytes += key.length + state.length;
    this.pushedBytes += bytes;
    const { store } = this.parts;
    // A receiver that has nothing can have lost nothing here.
    const isWelcome =
      this.ceiling !== undefined && dominates(this.open.versionVector, this.view?.horizon ?? store.horizon);
    if (!isWelcome || this.pushedBytes > 2 * store.limits.repairWindowBytes + bytes)
      return this.end('broken', true);
    const isLate = !this.isOpen && store.now.monotonic >= this.patientUntil;
    if (isLate || this.parts.lacksEvidenceFor(this.bound)) return this.adopted(bytes, 0);
    try {
      this.parts.adopter.add(this, records);
    } catch (error) {
      this.failOn(error);
    }
  }

  private refuse(): void {
    const { adopter } = this.parts;
    if (!adopter.waits(this)) return;
    this.adopted(adopter.drop(this), 0);
  }

  private failOn(error: unknown): void {
    if (!(error instanceof CausewayError)) throw error;
    const { replica } = this.link;
    this.parts.log.warn(
      { peer: replica, code: error.code, error: error.message },
      'a peer repairs with nonsense',
    );
    this.end('broken', true);
  }

  // The view

  /** Whether nothing that one of the two has compacted can come back through the other. */
  private fits(versionVector: VersionVector, horizon: VersionVector): boolean {
    const { open } = this;
    if (open.mode === 'bootstrap') return open.versionVector.size === 0;
    if (open.mode !== 'catch-up')
      return dominates(versionVector, open.horizon) && dominates(open.versionVector, horizon);
    // The receiver judges by itself whether it is whole.
    const { wasWhole } = this.parts.store;
    return isFit(versionVector, open.horizon, wasWhole) && knows(open.versionVector, horizon);
  }

  private frozen(view: View): void {
    if (this.hasEnded) return view.close();
    this.view = view;
    const { open } = this;
    if (open.mode !== 'bootstrap' && view.index === undefined) return this.end('no-index', true);
    if (!this.fits(view.versionVector, view.horizon)) return this.end('stale', true);
    const root = rootBytes(view.root);
    const { index } = view;
    const differs = index !== undefined && !isSameRoot(root, open.root);
    const level = differs ? Math.min(FIRST_LEVEL_MAX, depthFor(index.count, index.bits)) : 0;
    this.send({
      type: 'repair-view',
      session: this.id,
      versionVector: view.versionVector,
      starts: movesReceiver(open.mode) ? startsOf(view) : [],
      ceiling: above(view.ceiling, view.versionVector),
      horizon: view.horizon,
      clock: view.clock,
      bits: index?.bits ?? 0,
      count: index?.count ?? 0,
      root,
      level,
      digests: differs ? levelBytes(index, level) : new Uint8Array(0),
    });
    if (open.mode === 'compare') return;
    this.evidenceFrom = kindRange(KIND.garbage).from;
    this.pump();
  }

  private compare({ level, nodes, depth }: RepairMessage & { type: 'repair-compare' }): void {
    const index = this.view?.index;
    if (index === undefined || level + depth > index.bits || ++this.compares > REPAIR_COMPARES_MAX) {
      return this.end('broken', true);
    }
    this.send({
      type: 'repair-digests',
      session: this.id,
      digests: digestsBelow(index, level, nodes, depth),
    });
  }

  // Reading: one page at a time

  private pump(): void {
    const { view } = this;
    if (this.hasEnded || view === undefined || this.reading) return;
    if (this.evidenceFrom !== undefined) return this.readEvidence(view, this.evidenceFrom);
    if (this.walk === undefined) return;
    const { store, pace } = this.parts;
    const window = store.limits.repairWindowBytes;
    if (this.walked) return this.finish();
    // Whatever holds the walk up is on its way to the receiver.
    if (this.held + this.out.queuedBytes >= window) this.out.flush();
    if (!this.out.hasCredit || this.held + this.out.queuedBytes >= window) return;
    if (this.unanswered.size >= REPAIR_BATCHES_MAX) return;
    if (!pace.isOpen(store.now.monotonic)) return;
    this.reading = true;
    this.walk.next((page) => {
      this.reading = false;
      if (page === undefined) return this.end('failed', true);
      pace.spend(page.bytes, store.now.monotonic);
      this.takePage(page);
      this.pump();
    });
  }

  private readEvidence(view: View, from: Uint8Array): void {
    if (!this.out.hasCredit) return;
    const { limits } = this.parts.store;
    this.reading = true;
    const read = (): void => {
      this.reading = false;
      this.pump();
    };
    const range = { from, to: kindRange(KIND.garbage).to };
    view.scan(range, limits.repairRecords, limits.logReadBytes, (entries) => {
      if (entries === undefined) return this.end('failed', true);
      const last = entries.at(-1);
      if (last === undefined) {
        this.evidenceFrom = undefined;
        this.out.flush();
        this.send({ type: 'repair-mark', session: this.id, what: 'evidence' });
        if (this.open.mode === 'bootstrap') this.walkAll();
        return read();
      }
      this.evidenceFrom = concat(last.key, Uint8Array.of(0));
      const keys = entries.map(({ key }) => recordKeyOfGarbage(key));
      view.load(keys, (values) => {
        if (values === undefined) return this.end('failed', true);
        keys.forEach((key, index) => {
          this.pushStored(key, values[index]);
        });
        read();
      });
    });
  }

  /** A damaged record is no evidence of anything. */
  private pushStored(key: Uint8Array, value: Uint8Array | undefined): void {
    if (value === undefined) return;
    try {
      // An entry may outlive the clear that it was made for.
      const state = unsealValue(key, value);
      if (key[0] !== KIND.set || (state[1]! & 1) === 1) this.out.push({ key, state });
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
    }
  }

  private walkAll(): void {
    this.whole = new Set([0]);
    this.begin(0, () => true);
  }

  private startWalk({ level, byId, whole, ceiling }: RepairMessage & { type: 'repair-walk' }): void {
    const index = this.view?.index;
    if (index === undefined || level > index.bits || this.walk !== undefined) return this.end('broken', true);
    const ids = new Set(byId);
    this.tellsIds = ids.size > 0;
    this.whole = new Set(whole);
    this.ceiling = ceiling;
    this.patientUntil = this.parts.store.now.monotonic + REPAIR_PATIENCE_MS;
    const { whole: entire } = this;
    this.begin(level, (leaf) => ids.has(leaf) || entire.has(leaf));
    this.pump();
  }

  private begin(level: number, wanted: (leaf: number) => boolean): void {
    const { view } = this;
    if (view === undefined) return;
    const { repairRecords } = this.parts.store.limits;
    const damaged = (key: Uint8Array): void => {
      this.parts.log.error(
        { key: String.fromCharCode(...key.subarray(0, 64)) },
        'a damaged record is left out of a repair',
      );
    };
    this.walk = new RecordWalk(view, level, wanted, repairRecords, damaged);
  }

  private takePage({ records, through, bytes }: WalkedPage): void {
    const { batch } = this;
    for (const record of records) {
      if (!record.live) continue;
      if (this.whole?.has(record.leaf) === true) {
        this.out.push(record);
        continue;
      }
      const size = record.key.length + record.state.length;
      batch.records.push(record);
      batch.bytes += size;
      this.held += size;
    }
    batch.read += bytes;
    const window = this.parts.store.limits.repairWindowBytes;
    const isFull = batch.records.length >= BATCH_RECORDS || this.held + this.out.queuedBytes >= window;
    if (through === undefined || isFull || batch.read >= PROGRESS_BYTES) this.sendBatch(through);
    if (through !== undefined) return;
    this.walked = true;
    this.out.flush();
  }

  private sendBatch(through: Uint8Array | undefined): void {
    // Where nothing goes by id the receiver walks nothing itself.
    if (!this.tellsIds) return;
    const { batch } = this;
    const ids = new Uint8Array(batch.records.length * RECORD_ID_BYTES);
    batch.records.forEach(({ high, low, print }, index) => {
      const at = index * RECORD_ID_BYTES;
      writeLane(ids, at, high);
      writeLane(ids, at + 4, low);
      writeLane(ids, at + 8, print.a);
      writeLane(ids, at + 12, print.b);
    });
    this.unanswered.set(batch.number, batch);
    this.batch = newBatch(batch.number + 1);
    const message = { type: 'repair-ids', session: this.id, batch: batch.number, ids, through } as const;
    this.out.message(message, ids.length + (through?.length ?? 0));
  }

  private want({ batch: number, indices }: RepairMessage & { type: 'repair-want' }): void {
    const batch = this.unanswered.get(number);
    if (batch === undefined || (indices.at(-1) ?? -1) >= batch.records.length)
      return this.end('broken', true);
    this.unanswered.delete(number);
    this.held -= batch.bytes;
    for (const index of indices) this.out.push(batch.records[index]!);
    this.out.flush();
    this.pump();
  }

  private finish(): void {
    if (this.told || this.unanswered.size > 0 || !this.out.isEmpty) return;
    this.told = true;
    this.send({ type: 'repair-mark', session: this.id, what: 'walked' });
  }

  private send(message: RepairMessage): void {
    this.link.send(message);
  }
}

/** The receiver is to take over the version vector. */
function movesReceiver(mode: RepairMode): boolean {
  return mode === 'catch-up' || mode === 'bootstrap';
}

function newBatch(number: number): Batch {
  return { number, records: [], bytes: 0, read: 0 };
}

function isSame(a: VersionVector, b: VersionVector): boolean {
  return dominates(a, b) && dominates(b, a);
}

function isSameRoot(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, index) => byte === b[index]);
}

function startsOf({ versionVector, positions }: View): number[] {
  return [...versionVector.keys()].sort(compareReplicas).map((replica) => positions.get(replica)?.start ?? 0);
}

/** Entries of `a` that are above `b`. */
function above(a: VersionVector, b: VersionVector): VersionVector {
  return new Map([...a].filter(([replica, seq]) => seq > (b.get(replica) ?? 0)));
}

function levelBytes(index: FrozenIndex, level: number): Uint8Array {
  return digestBytes(index.level(level));
}

function digestsBelow(
  index: FrozenIndex,
  level: number,
  nodes: readonly number[],
  depth: number,
): Uint8Array {
  const width = 2 ** depth;
  const digests = new Uint8Array(nodes.length * width * NODE_DIGEST_BYTES);
  let at = 0;
  for (const node of nodes) {
    for (let child = node * width; child < (node + 1) * width; child++) {
      const digest = index.node(level + depth, child);
      writeLane(digests, at, digest.a);
      writeLane(digests, at + 4, digest.b);
      at += NODE_DIGEST_BYTES;
    }
  }
  return digests;
}
