/**
 * Stability: no evidence of a removal goes too early, and neither does a chunk.
 *
 * Judged on what lands on the disks, by what every replica has in truth, not by what anybody was told. When the
 * evidence of a dot goes at one replica,
 * - every member has applied the dot, and
 * - the replica has everything that a member wrote before it had applied the dot: nothing that the removal would
 *   have won against is still on its way.
 *
 * A member counts from the moment at which any replica of the cluster has stored it (introductions.ts). What its
 * introducer had by then it is brought by a stream or a repair from the introducer; every later report of the introducer
 * names it.
 */
import { type Dot, joinVersionVectors, type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import {
  ByteReader,
  CausewayError,
  chunkHead,
  decodeCounter,
  decodeElement,
  decodeRegister,
  decodeSetMeta,
  isChunkWhole,
  isRetired,
  unsealValue,
} from '@causeway/protocol';
import { decodeIdentity, decodeMember, decodeReplicaRecord, IDENTITY_KEY } from '@causeway/replica';
import type { ClusterNode, Landing } from '../cluster.js';
import { show, Violation } from '../violation.js';
import type { Checker } from './checker.js';
import { Introductions } from './introductions.js';
import { asciiOf, COUNTER, ELEMENT, IDENTITY, LOG, MEMBER, originOf, REGISTER, SET } from './stored-keys.js';

/** What one replica has applied, and when: its own seq is its time. */
class Applied {
  versionVector: VersionVector = new Map();
  /** Of each origin: once `seq` was applied, `own` was the seq of the replica's newest write before that. */
  private readonly moments = new Map<ReplicaId, { readonly seq: number; readonly own: number }[]>();

  constructor(private readonly replica: ReplicaId) {}

  progress(next: VersionVector): void {
    const own = seqOf(this.versionVector, this.replica);
    for (const [origin, seq] of next) {
      if (origin === this.replica || seqOf(this.versionVector, origin) >= seq) continue;
      const moments = this.moments.get(origin);
      if (moments === undefined) this.moments.set(origin, [{ seq, own }]);
      else moments.push({ seq, own });
    }
    this.versionVector = new Map(next);
  }

  /** The replica's writes up to this one surely came before it had applied the dot. */
  writtenBefore({ replica, seq }: Dot): number {
    const moments = this.moments.get(replica) ?? [];
    let low = 0;
    let high = moments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((moments[middle] as { seq: number }).seq < seq) low = middle + 1;
      else high = middle;
    }
    return moments[low]?.own ?? 0;
  }
}

export class StabilityChecker implements Checker {
  /** Dots whose evidence has gone, by what held it, and chunks that were cut from a log. */
  readonly dropped = { register: 0, element: 0, clear: 0, counter: 0, chunk: 0 };
  private readonly brokenOnes = new Set<ReplicaId>();
  /** What they had before that, and may have told to have. */
  private readonly hadBefore = new Map<ReplicaId, VersionVector>();
  private readonly applied = new Map<ReplicaId, Applied>();
  private readonly names = new WeakMap<Uint8Array, ReplicaId>();
  private readonly introductions = new Introductions();
  /** Retired members, with those who hold the retirement. */
  private readonly retired = new Map<ReplicaId, Set<ReplicaId>>();

  constructor(
    /** The node's log has a cap that is reached: chunks go although a member lacks them. */
    private readonly capsLog: (node: number) => boolean,
    /** Two clusters that formed apart have met, and both have written. */
    private readonly onMeeting: () => void,
  ) {}

  /** It counts no more, and nothing that it does is held against what the others have. */
  broken(_node: ClusterNode, replica: ReplicaId): void {
    this.brokenOnes.add(replica);
    const before = this.hadBefore.get(replica) ?? new Map();
    this.hadBefore.set(replica, joinVersionVectors(before, this.appliedBy(replica).versionVector));
  }

  landing({ index }: ClusterNode, { batch, before }: Landing): void {
    const identity = before(IDENTITY_KEY);
    // The first batch of a store drops nothing.
    if (identity === undefined) return;
    const self = this.nameIn(identity);
    const record = batch.puts.find(({ key }) => key[0] === IDENTITY && key[1] === 1);
    if (record !== undefined) this.appliedBy(self).progress(positionsOf(record.value));
    const isBroken = this.brokenOnes.has(self);
    for (const { key, value } of batch.puts) {
      if (key[0] === MEMBER) this.memberAt(self, asciiOf(key.subarray(1)) as ReplicaId, key, value);
      else if (isRecord(key) && !isBroken) this.judgeRecord(self, key, before(key), value);
    }
    if (isBroken) return;
    for (const key of batch.deletes) {
      const old = before(key);
      if (old === undefined) continue;
      if (key[0] === LOG) this.judgeChunk(self, key, old, this.capsLog(index));
      else if (isRecord(key)) this.judgeRecord(self, key, old, undefined);
    }
  }

  /** What a replica says of itself introduces it to nobody. */
  private memberAt(by: ReplicaId, replica: ReplicaId, key: Uint8Array, value: Uint8Array): void {
    const { member } = decodeMember(replica, new ByteReader(unsealValue(key, value)));
    if (isRetired(member)) {
      const holders = this.retired.get(replica) ?? new Set();
      this.retired.set(replica, holders.add(by));
    }
    if (by === replica) return;
    const met = this.introductions.stored(by, replica, this.appliedBy(by).versionVector);
    const hasWritten = (cluster: ReadonlySet<ReplicaId>): boolean =>
      [...cluster].some((one) => this.appliedBy(one).versionVector.size > 0);
    if (met !== undefined && hasWritten(met.ours) && hasWritten(met.theirs)) this.onMeeting();
  }

  /** It is retired, and nobody of those who are not will take anything from it. */
  private isGone(member: ReplicaId, others: Iterable<ReplicaId>): boolean {
    const holders = this.retired.get(member);
    if (holders === undefined) return false;
    for (const other of others)
      if (!this.retired.has(other) && !holders.has(other) && !this.brokenOnes.has(other)) return false;
    return true;
  }

  private judgeRecord(
    self: ReplicaId,
    key: Uint8Array,
    before: Uint8Array | undefined,
    after: Uint8Array | undefined,
  ): void {
    if (before === undefined) return;
    for (const [kind, dot] of droppedDots(key, before, after)) {
      this.dropped[kind]++;
      this.judge(
        self,
        dot,
        () => `the evidence of ${show(dot)} in ${kind} ${show(asciiOf(key.subarray(1)))}`,
      );
    }
  }

  private judgeChunk(self: ReplicaId, key: Uint8Array, chunk: Uint8Array, isCapped: boolean): void {
    if (!isChunkWhole(chunk)) return;
    this.dropped.chunk++;
    const replica = originOf(key);
    const { lastSeq: seq } = chunkHead(chunk);
    if (isCapped) {
      const others = [...this.introductions.to(self).keys()];
      // What one has told to have, before its directory was put back, nobody can know to be gone.
      const isHeld = others.some((member) =>
        [this.appliedBy(member).versionVector, this.hadBefore.get(member) ?? new Map()].some(
          (had) => seqOf(had, replica) >= seq,
        ),
      );
      if (replica !== self || isHeld) return;
      throw new Violation('stability', `${self} cuts its own ${seq} from its log, which nobody else has`);
    }
    for (const [member, introducedAt] of this.introductions.to(self)) {
      if (
        this.brokenOnes.has(member) ||
        this.retired.get(member)?.has(self) ||
        seqOf(introducedAt, replica) >= seq
      )
        continue;
      if (seqOf(this.appliedBy(member).versionVector, replica) >= seq) continue;
      throw new Violation('stability', `${self} cuts ${replica} ${seq} from its log, which ${member} lacks`);
    }
  }

  private judge(self: ReplicaId, dot: Dot, what: () => string): void {
    const own = this.appliedBy(self).versionVector;
    const members = this.introductions.to(self);
    for (const [member, introducedAt] of members) {
      if (this.brokenOnes.has(member) || member === dot.replica || this.isGone(member, members.keys()))
        continue;
      if (seqOf(introducedAt, dot.replica) >= dot.seq) continue;
      const applied = this.appliedBy(member);
      if (seqOf(applied.versionVector, dot.replica) < dot.seq) {
        throw new Violation('stability', `${self} drops ${what()}, which ${member} has not applied`);
      }
      const written = applied.writtenBefore(dot);
      if (seqOf(own, member) < written) {
        const detail = `and lacks ${member} ${written}, which was written without it`;
        throw new Violation('stability', `${self} drops ${what()}, ${detail}`);
      }
    }
  }

  /** Records of identity are written once, so their bytes are known again. */
  private nameIn(identity: Uint8Array): ReplicaId {
    const name = this.names.get(identity) ?? decodeIdentity(identity);
    this.names.set(identity, name);
    return name;
  }

  private appliedBy(replica: ReplicaId): Applied {
    let applied = this.applied.get(replica);
    if (applied === undefined) {
      applied = new Applied(replica);
      this.applied.set(replica, applied);
    }
    return applied;
  }
}

function positionsOf(replicaRecord: Uint8Array): VersionVector {
  const { positions } = decodeReplicaRecord(replicaRecord);
  return new Map([...positions].map(([origin, { seq }]) => [origin, seq]));
}

type Kind = 'register' | 'element' | 'clear' | 'counter';

function isRecord(key: Uint8Array): boolean {
  return key[0] === REGISTER || key[0] === ELEMENT || key[0] === SET || key[0] === COUNTER;
}

/** Nothing is known of a damaged record. */
function droppedDots(key: Uint8Array, before: Uint8Array, after: Uint8Array | undefined): [Kind, Dot][] {
  try {
    return dropped(key, before, after);
  } catch (error) {
    if (error instanceof CausewayError) return [];
    throw error;
  }
}

/** Dots that `before` has evidence of and `after` has not; what a later removal has replaced is not dropped. */
function dropped(key: Uint8Array, before: Uint8Array, after: Uint8Array | undefined): [Kind, Dot][] {
  const old = unsealValue(key, before);
  const next = after && unsealValue(key, after);
  switch (key[0]) {
    case REGISTER: {
      const { register, expired } = decodeRegister(old);
      if (next !== undefined) return [];
      if (!expired && register.value !== undefined && register.expiresAt === undefined) {
        throw new Violation('stability', `register ${asciiOf(key.subarray(1))} goes although it is alive`);
      }
      return [['register', register.dot]];
    }
    case ELEMENT: {
      const left = next === undefined ? [] : decodeElement(next).removals;
      return decodeElement(old)
        .removals.filter(({ replica, seq }) => !left.some((one) => one.replica === replica && one.seq >= seq))
        .map(({ by }) => ['element', by]);
    }
    case SET: {
      const { clear } = decodeSetMeta(old);
      if (clear === undefined || (next !== undefined && decodeSetMeta(next).clear !== undefined)) return [];
      return [...clear.by].map(([replica, seq]) => ['clear', { replica, seq }]);
    }
    default: {
      const left = next === undefined ? [] : decodeCounter(next).entries;
      return decodeCounter(old)
        .entries.filter(
          ({ dot }) => !left.some((one) => one.dot.replica === dot.replica && one.dot.seq === dot.seq),
        )
        .flatMap(({ by }): [Kind, Dot][] => (by === undefined ? [] : [['counter', by]]));
    }
  }
}
