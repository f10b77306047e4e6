/**
 * Store: the one door for change of the records (records.ts). It owns the commits that are forming and in flight,
 * the version vector, the clock, the log's tail and the root digest.
 *
 * Invariants
 * - States, chunks, digest and replica record of one commit are in one batch (`seal`).
 * - `executed` is what the newest executed state holds, `durable` what a crash cannot take back; only `durable`
 *   is ever told to anybody.
 * - A chunk's `deps` are exactly what its transactions had seen: a remote chunk that is applied while a local
 *   chunk is open closes it first, so one commit may hold several chunks of this replica.
 * - After a failed write nothing of the two discarded commits is left: every slot is dropped and the positions
 *   are read again.
 */
import {
  type ClockReading,
  Digest,
  type Dot,
  dominates,
  Hasher,
  HybridClock,
  joinVersionVectors,
  type ReplicaId,
  type VersionVector,
} from '@causeway/crdt';
import { ByteWriter, CausewayError, ChunkWriter, type RecordDelta, sealValue } from '@causeway/protocol';
import { assert } from '../assert.js';
import type { Environment, Now } from '../environment.js';
import type { StoredReplica } from '../events.js';
import type { Limits } from '../limits.js';
import type { Batch, Send } from '../ready.js';
import { Commit, type LoggedChunk } from './commit.js';
import { IndexPages } from './index-pages.js';
import { bytesText, damagedKey, IDENTITY_KEY, logKey, NO_BYTES, REPLICA_KEY } from './keyspace.js';
import { MerkleIndex } from './merkle.js';
import { type RangeWatch, RangeWatches } from './range-watches.js';
import { Reads } from './reads.js';
import { Records } from './records.js';
import {
  decodeIdentity,
  decodeReplicaRecord,
  encodeReplicaRecord,
  type OriginPosition,
} from './replica-record.js';
import { RetentionClock } from './retention-clock.js';
import type { Slot } from './slot.js';
import { SlotCache } from './slot-cache.js';
import { encodeFloor, highest, restoreFloor } from './stamp-floor.js';
import { type Moment, Views } from './views.js';

export class Store {
  readonly self: ReplicaId;
  readonly executed = new Map<ReplicaId, number>();
  readonly durable = new Map<ReplicaId, number>();
  /** Random start number of the newest executed, or durable, chunk of each origin. */
  readonly starts = new Map<ReplicaId, number>();
  readonly durableStarts = new Map<ReplicaId, number>();
  /**
   * Own counter entries with a lower seq are not grown, but new ones opened: others may have grown them under the same
   * dots, if this directory was rolled back. 0 once a peer has found that it was not.
   */
  growsFrom = 0;
  readonly horizon = new Map<ReplicaId, number>();
  private durableHorizon: VersionVector = new Map();
  /** Where what repairs have brought stands above `executed`: empty unless one is unfinished. */
  private readonly adopting = new Map<ReplicaId, number>();
  private durableAdopting: VersionVector = new Map();
  clock: HybridClock;
  /** A local write that replaces nothing is above it. */
  stampFloor: ClockReading | undefined;
  /** Time of the newest event. */
  now: Now = { monotonic: 0, wall: 0 };
  /** The wall clock is near enough to those of the others for the hybrid clock to follow it unasked. */
  trustsClock = true;
  wasReady = false;
  /** A repair has brought all that another replica held, since this process began. */
  tookOver = false;
  readonly retention = new RetentionClock();
  resultBytes = 0;
  /** Bytes of the chunks in the log. */
  logBytes = 0;
  /** Of the newest durable commit. */
  durableRoot = new Digest();
  /** Nothing of what is here is to be counted upon. */
  withholds: () => boolean = () => false;
  /** Chunks of the commit that has just become durable. */
  onDurableChunks: (chunks: readonly LoggedChunk[], now: Now) => void = () => {};

  /** A register will expire; a set has been cleared. */
  expiryWanted: (at: number) => void = () => {};
  purgeWanted: (key: string) => void = () => {};

  /** Of `executed`, at hand: every transaction asks for it. */
  private ownSeq = 0;
  readonly index: MerkleIndex;
  readonly indexPages: IndexPages;
  /** What a record counted before a change. */
  private readonly before = new Digest();
  private readonly hasher = new Hasher();
  private readonly writer = new ByteWriter(4096);
  readonly reads: Reads;
  readonly records: Records;
  readonly views: Views;
  private readonly slots: SlotCache;
  private readonly watches = new RangeWatches();
  private forming = new Commit(1);
  private inFlight: Commit | undefined;
  private durableNumber = 0;
  private readonly chunkWriter = new ChunkWriter();
  private openChunk: { firstSeq: number; at: number; transactions: number } | undefined;
  private outbox: Send[] = [];

  constructor(
    stored: StoredReplica,
    private readonly start: number,
    readonly limits: Limits,
    env: Environment,
  ) {
    this.self = decodeIdentity(valueOf(stored, IDENTITY_KEY));
    this.clock = new HybridClock(this.self);
    this.slots = new SlotCache(limits.cacheBytesMax);
    this.reads = new Reads(this.slots, env);
    this.records = new Records(this.slots, this.reads);
    this.views = new Views(this.reads, (withIndex) => this.moment(withIndex));
    this.index = new MerkleIndex(limits.indexBits);
    this.indexPages = new IndexPages(this.index);
    this.restore(stored);
  }

  // Records

  /** A damaged record has got back all that it lacked: reads of it are answered again. */
  mend(slot: Slot): void {
    if (!slot.corrupt) return;
    this.reads.mended(slot);
    this.delete(damagedKey(slot.key));
  }

  /** Must be called before a slot's state is changed, with all of it loaded. */
  touch(slot: Slot): void {
    assert(slot.loaded, 'only a loaded record is changed');
    slot.unfold();
    if (slot.counted === undefined) slot.counted = this.digestOf(slot);
    if (slot.dirty !== this.forming.number) {
      slot.dirty = this.forming.number;
      this.forming.touched.push(slot);
      this.forming.bytes += slot.bytes;
    }
    this.watches.changed(slot);
  }

  /** Follows a set's elements from now on; everything not yet durable is told at once. */
  watchElements(userKey: string): RangeWatch {
    const { inFlight, forming } = this;
    return this.watches.open(userKey, [
      ...(inFlight?.elementsOf(userKey) ?? []),
      ...forming.elementsOf(userKey),
    ]);
  }

  unwatch(watch: RangeWatch): void {
    this.watches.close(watch);
  }

  // Changes

  /**
   * What others may count on. While writes with old stamps are still to be issued again that is nothing: evidence of
   * later removals would go before they come.
   */
  get reported(): VersionVector {
    return this.withholds() ? NOTHING : this.durable;
  }

  get full(): boolean {
    return this.forming.bytes >= this.limits.commitBytesMax;
  }

  /** Half of the commit is taken: what is not of this node's clients leaves them the rest. */
  get halfFull(): boolean {
    return this.forming.bytes >= this.limits.commitBytesMax / 2;
  }

  /** Dot of the transaction that is executed next. */
  nextDot(): Dot {
    return { replica: this.self, seq: this.ownSeq + 1 };
  }

  /**
   * Everything that a record here may hold a dot of: `executed`, and what unfinished repairs have brought beyond it. What
   * is written here depends on it; it is contiguous for nobody, and never told as what this replica has.
   */
  get ceiling(): VersionVector {
    return this.isWhole ? this.executed : joinVersionVectors(this.executed, this.adopting);
  }

  /** What is here was a whole history once, and what it has nothing of is another's. */
  get wasWhole(): boolean {
    return this.wasReady || this.tookOver;
  }

  /**
   * No repair is unfinished: what is here is exactly what `executed` says. Once it is not, only a sealed commit makes it so
   * again: until then part of a chunk may have been here before the chunk.
   */
  get isWhole(): boolean {
    return this.adopting.size === 0;
  }

  /** As `isWhole`, of what is durable. */
  get isDurablyWhole(): boolean {
    return dominates(this.durable, this.durableAdopting);
  }

  get durableCeiling(): VersionVector {
    return this.isDurablyWhole ? this.durable : joinVersionVectors(this.durable, this.durableAdopting);
  }

  /** From now on records may hold dots of all of `bound`. In the same commit as the first that does. */
  raiseCeiling(bound: VersionVector): void {
    if (dominates(this.ceiling, bound)) return;
    // What follows depends on more than what is in the chunk already.
    this.closeChunk();
    for (const [origin, seq] of bound) {
      if ((this.executed.get(origin) ?? 0) < seq)
        this.adopting.set(origin, Math.max(seq, this.adopting.get(origin) ?? 0));
    }
    this.commitReplicaRecord();
  }

  /** Takes over the version vector of a view of which everything is durable here. Own chunks are never moved past. */
  moveTo(positions: ReadonlyMap<ReplicaId, OriginPosition>): void {
    this.closeChunk();
    const moves = new Map<ReplicaId, OriginPosition>();
    for (const [origin, { seq, start }] of positions) {
      if (origin === this.self || (this.executed.get(origin) ?? 0) >= seq) continue;
      moves.set(origin, { seq, start });
      this.executed.set(origin, seq);
      this.starts.set(origin, start);
    }
    this.forming.moves = new Map([...(this.forming.moves ?? []), ...moves]);
    this.commitReplicaRecord();
  }

  /** Makes sure a chunk of this replica is open, and gives what its transactions have seen. */
  beginTransaction(now: Now): void {
    const open = this.openChunk;
    if (
      open !== undefined &&
      (this.chunkWriter.full || open.transactions >= this.limits.chunkTransactionsMax)
    ) {
      this.closeChunk();
    }
    if (this.openChunk !== undefined) return;
    const firstSeq = this.ownSeq + 1;
    const deps = new Map(this.ceiling);
    deps.delete(this.self);
    this.openChunk = { firstSeq, at: now.wall, transactions: 0 };
    this.starts.set(this.self, this.start);
    this.chunkWriter.begin({ origin: this.self, start: this.start, firstSeq, at: now.wall, deps });
  }

  /** Appends a transaction whose records have been changed under `nextDot`. */
  endTransaction(records: readonly RecordDelta[]): void {
    assert(this.openChunk !== undefined && records.length > 0, 'a transaction changes something');
    const before = this.chunkWriter.length;
    this.chunkWriter.transaction(records);
    this.forming.bytes += this.chunkWriter.length - before;
    this.openChunk.transactions++;
    this.ownSeq++;
    this.executed.set(this.self, this.ownSeq);
  }

  /** Takes a chunk of another origin into the log and the version vector; its records are changed by the caller. */
  logRemote(chunk: LoggedChunk): void {
    this.closeChunk();
    this.forming.chunks.push(chunk);
    this.forming.bytes += chunk.bytes.length;
    this.executed.set(chunk.origin, chunk.lastSeq);
    this.starts.set(chunk.origin, chunk.start);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.forming.puts.push({ key, value });
    this.forming.bytes += key.length + value.length;
  }

  delete(key: Uint8Array): void {
    this.forming.deletes.push(key);
    this.forming.bytes += key.length;
  }

  /**
   * Takes over the clock of a source, with its state: follows it, or keeps it as a floor where it is too far ahead.
   * Changes the forming commit.
   */
  takeClock(theirs: ClockReading): void {
    this.clock.observe(theirs, this.now.wall);
    const { highestStamp } = this;
    if (highest(highestStamp, theirs) === highestStamp) return;
    this.stampFloor = theirs;
    const { key, value } = encodeFloor(theirs);
    this.put(key, value);
  }

  /** No tombstone that is missed here had a higher stamp. */
  private get highestStamp(): ClockReading {
    return highest(this.clock.last, this.stampFloor) as ClockReading;
  }

  /** Says that this replica has compacted up to `stable`, in the same batch as what it drops. */
  moveHorizon(stable: VersionVector): void {
    for (const [origin, seq] of joinVersionVectors(this.horizon, stable)) this.horizon.set(origin, seq);
    this.forming.horizon = new Map(this.horizon);
    this.commitReplicaRecord();
  }

  /** Forces a commit, for what stands only in the replica record. */
  commitReplicaRecord(): void {
    this.forming.forced = true;
  }

  /** Hands out `send` once everything that `slots` hold is durable. */
  sendWhenDurable(send: Send, commit: number): void {
    if (commit <= this.durableNumber) this.outbox.push(send);
    else if (this.inFlight !== undefined && commit <= this.inFlight.number) this.inFlight.after.push(send);
    else this.forming.after.push(send);
  }

  /** Number of the commit that everything executed so far needs. */
  get newestCommit(): number {
    if (!this.formingEmpty) return this.forming.number;
    return this.inFlight?.number ?? this.durableNumber;
  }

  isDurable(commit: number): boolean {
    return commit <= this.durableNumber;
  }

  /** Runs `task` when everything executed so far is durable; `patient`: nothing goes on by it, and it puts no commit forward. */
  whenDurable(task: (now: Now) => void, haste: 'awaited' | 'patient' = 'awaited'): void {
    const commit = this.newestCommit;
    if (commit <= this.durableNumber) task(this.now);
    else if (this.inFlight !== undefined && commit === this.inFlight.number)
      this.inFlight.whenDurable.push(task);
    else {
      this.forming.whenDurable.push(task);
      this.forming.isAwaited ||= haste === 'awaited';
    }
  }

  send(send: Send): void {
    this.outbox.push(send);
  }

  takeOutbox(): Send[] {
    const outbox = this.outbox;
    if (outbox.length > 0) this.outbox = [];
    return outbox;
  }

  // Commits

  /** Nothing is executed that is not durable: the disk has nothing to do. */
  get isIdle(): boolean {
    return this.inFlight === undefined && this.formingEmpty;
  }

  /** What could be committed now came from peers, is not much, and nobody waits for it. */
  get mayWait(): boolean {
    return (
      this.inFlight === undefined && this.openChunk === undefined && this.forming.isPatient && !this.halfFull
    );
  }

  private get formingEmpty(): boolean {
    return this.forming.empty && this.openChunk === undefined;
  }

  /** Closes what has been executed into one batch; undefined when there is nothing. */
  seal(): Batch | undefined {
    assert(this.inFlight === undefined, 'one batch in flight');
    if (this.formingEmpty) return undefined;
    this.closeChunk();
    const commit = this.forming;
    const puts: { key: Uint8Array; value: Uint8Array }[] = [];
    const deletes = withoutPuts(commit.deletes, commit.puts);
    for (const slot of commit.touched) {
      const counted = slot.counted ?? new Digest();
      this.before.set(counted);
      counted.clear();
      slot.addDigest(counted, this.hasher);
      this.index.change(slot, this.before, counted);
      slot.counted = counted;
      // What is written over a damaged record lacks what that held: reads of it go on being refused.
      const { key } = slot;
      if (slot.corrupt) puts.push({ key: damagedKey(key), value: NO_BYTES });
      if (slot.absent) {
        deletes.push(key);
        continue;
      }
      this.writer.reset();
      slot.encode(this.writer);
      const payload = this.writer.view();
      const value = sealValue(key, payload);
      slot.fold(payload);
      this.slots.resize(slot, key.length + value.length);
      puts.push({ key, value });
    }
    for (const chunk of commit.chunks) {
      puts.push({ key: logKey(chunk.origin, chunk.firstSeq), value: chunk.bytes });
      this.logBytes += chunk.bytes.length;
    }
    for (const put of commit.puts) puts.push(put);
    const journal = this.indexPages.journal();
    if (journal !== undefined) puts.push(journal);
    commit.root = new Digest();
    commit.root.set(this.index.root);
    for (const [origin, seq] of this.adopting)
      if ((this.executed.get(origin) ?? 0) >= seq) this.adopting.delete(origin);
    commit.adopting = this.isWhole ? NOTHING : new Map(this.adopting);
    puts.push({ key: REPLICA_KEY, value: this.replicaRecord() });
    this.inFlight = commit;
    this.forming = new Commit(commit.number + 1);
    return { puts, deletes };
  }

  /** The batch in flight is durable. */
  advance(now: Now): void {
    const commit = this.inFlight;
    assert(commit?.root !== undefined, 'advance follows a batch');
    this.inFlight = undefined;
    this.durableNumber = commit.number;
    this.durableRoot = commit.root;
    if (commit.horizon !== undefined) this.durableHorizon = commit.horizon;
    this.durableAdopting = commit.adopting ?? NOTHING;
    // A chunk of the same commit may stand on either side of a move.
    for (const [origin, { seq, start }] of commit.moves ?? []) this.reach(origin, seq, start);
    for (const { origin, lastSeq, start } of commit.chunks) this.reach(origin, lastSeq, start);
    for (const slot of commit.touched) if (slot.dirty === commit.number) slot.dirty = 0;
    this.slots.trim();
    for (const send of commit.after) this.outbox.push(send);
    for (const task of commit.whenDurable) task(now);
    if (commit.chunks.length > 0) this.onDurableChunks(commit.chunks, now);
  }

  private reach(origin: ReplicaId, seq: number, start: number): void {
    if ((this.durable.get(origin) ?? 0) >= seq) return;
    this.durable.set(origin, seq);
    this.durableStarts.set(origin, start);
  }

  /** Nothing of the commits in flight and forming is durable: forgets them, with all that they had changed. */
  discard(): readonly Send[] {
    const lost = [...(this.inFlight?.after ?? []), ...this.forming.after];
    const number = this.forming.number + 1;
    this.inFlight = undefined;
    this.forming = new Commit(number);
    this.durableNumber = number - 1;
    this.openChunk = undefined;
    this.slots.clear();
    this.reads.clear();
    this.views.clear();
    this.watches.clear();
    return lost;
  }

  /** Takes positions, clock and digest from what the store holds. */
  restore(stored: StoredReplica): void {
    const record = decodeReplicaRecord(valueOf(stored, REPLICA_KEY));
    this.executed.clear();
    this.durable.clear();
    this.starts.clear();
    this.durableStarts.clear();
    this.horizon.clear();
    for (const [origin, { seq, start }] of record.positions) {
      this.executed.set(origin, seq);
      this.durable.set(origin, seq);
      this.starts.set(origin, start);
      this.durableStarts.set(origin, start);
    }
    this.ownSeq = this.executed.get(this.self) ?? 0;
    for (const [origin, seq] of record.horizon) this.horizon.set(origin, seq);
    this.durableHorizon = record.horizon;
    this.clock = new HybridClock(this.self, record.clock, { skewMs: this.limits.maxClockSkewMs });
    this.adopting.clear();
    for (const [origin, seq] of record.ceiling) this.adopting.set(origin, seq);
    this.durableAdopting = record.ceiling;
    this.wasReady = record.wasReady;
    this.logBytes = record.logBytes;
    this.resultBytes = record.resultBytes;
    this.reads.restore(stored.entries);
    this.index.root.set(record.root);
    this.indexPages.restore(stored.entries);
    this.retention.restore(stored.entries);
    this.stampFloor = restoreFloor(stored.entries);
    this.durableRoot = record.root;
  }

  /** What is durable now. The clock may be ahead of it, which no clock minds. */
  private moment(withIndex: boolean): Moment {
    assert(this.inFlight === undefined, 'a view is taken between two batches');
    const versionVector = new Map(this.durable);
    const positions = new Map<ReplicaId, OriginPosition>();
    for (const [origin, seq] of versionVector) {
      positions.set(origin, { seq, start: this.durableStarts.get(origin) ?? 0 });
    }
    const { physical, logical } = this.highestStamp;
    return {
      versionVector,
      positions,
      ceiling: this.durableCeiling,
      horizon: this.durableHorizon,
      clock: { physical, logical },
      root: this.durableRoot,
      index: withIndex ? this.index.freeze() : undefined,
    };
  }

  private closeChunk(): void {
    const open = this.openChunk;
    if (open === undefined) return;
    const bytes = this.chunkWriter.finish();
    this.openChunk = undefined;
    this.forming.isAwaited = true;
    this.forming.chunks.push({
      origin: this.self,
      start: this.start,
      firstSeq: open.firstSeq,
      lastSeq: open.firstSeq + open.transactions - 1,
      bytes,
      at: open.at,
      durableAt: 0,
    });
  }

  private replicaRecord(): Uint8Array {
    const positions = new Map<ReplicaId, { seq: number; start: number }>();
    for (const [origin, seq] of this.executed)
      positions.set(origin, { seq, start: this.starts.get(origin) ?? 0 });
    return encodeReplicaRecord(this.writer, {
      positions,
      clock: this.clock.last,
      root: this.index.root,
      horizon: this.horizon,
      ceiling: this.adopting,
      logBytes: this.logBytes,
      wasReady: this.wasReady,
      resultBytes: this.resultBytes,
    });
  }

  private digestOf(slot: Slot): Digest {
    const digest = new Digest();
    slot.addDigest(digest, this.hasher);
    return digest;
  }
}

const NOTHING: VersionVector = new Map();

/** Of a key that was deleted and put again the put is what came later: deletes are of what was found on disk. */
function withoutPuts(deletes: Uint8Array[], puts: readonly { key: Uint8Array }[]): Uint8Array[] {
  if (deletes.length === 0 || puts.length === 0) return deletes;
  const put = new Set(puts.map(({ key }) => bytesText(key)));
  return deletes.filter((key) => !put.has(bytesText(key)));
}

function valueOf(stored: StoredReplica, key: Uint8Array): Uint8Array {
  const id = bytesText(key);
  const entry = stored.entries.find((candidate) => bytesText(candidate.key) === id);
  if (entry !== undefined) return entry.value;
  throw new CausewayError(
    'CAUSEWAY_DATA_UNREADABLE',
    'the data directory holds no replica record: it is not of this program, or a file of it is lost',
  );
}
