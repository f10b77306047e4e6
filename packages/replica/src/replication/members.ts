/**
 * Members: every replica ever met, what each has reported, and what follows from it: causal stability and what
 * of the log everybody has.
 *
 * Invariants
 * - A member counts from the moment it is heard of, and is stored before it is served a byte.
 * - A dot is stable when every counted member has given a report that covers it and this replica's own durable
 *   version vector covers that whole report (after Baquero, Almeida, Shoker 2014). The oldest report that is not
 *   covered yet is kept and newer ones wait, or stability would never come under load.
 * - A report says whom the reporter knew. One that speaks of a member that is not held here is not taken, so nobody
 *   compacts past a joiner that it has not heard of.
 * - Only durable registers are told: who says that it holds a retirement holds it after a crash too.
 * - A retired member counts until every member that counts besides has reported, and is covered, that it holds the
 *   retirement: from then on nothing that it alone had can come (`settleRetired`).
 */
import { meetVersionVectors, type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import { ByteReader, ByteWriter, isRetired, type Member, sealValue, unsealValue } from '@causeway/protocol';
import type { ScanEntry } from '../events.js';
import { MEMBERS_MAX, RETIRED_MAX } from '../limits.js';
import { KIND, textKey, textOfKey } from '../store/keyspace.js';
import type { Store } from '../store/store.js';
import {
  decodeMember,
  encodeMember,
  isSameMember,
  joinMembers,
  type MemberRecord,
} from './member-register.js';
import { MemberState, NOTHING_REPORTED, type Reported } from './member-state.js';

export class Members {
  /** Counts what is told: who was told less has news to get. */
  version = 0;
  /** This replica's own register, with what others have said of it. */
  self: Member;
  private selfTold: Member | undefined;
  private readonly states = new Map<ReplicaId, MemberState>();
  private readonly writer = new ByteWriter(256);
  /** Members met and retirements learnt of, counted together. */
  private events = 0;

  constructor(
    private readonly store: Store,
    private readonly region: string,
    private readonly address: string,
  ) {
    this.self = this.newcomer();
  }

  /** Takes in what the store holds. */
  restore(entries: readonly ScanEntry[]): void {
    const { durable, now } = this.store;
    this.states.clear();
    this.self = this.newcomer();
    this.selfTold = undefined;
    this.version++;
    for (const { key, value } of entries) {
      if (key[0] !== KIND.member) continue;
      const replica = textOfKey(key) as ReplicaId;
      const record = decodeMember(replica, new ByteReader(unsealValue(key, value)));
      this.events = Math.max(this.events, record.met, record.retiredAt);
      if (replica === this.store.self) {
        this.self = this.selfTold = record.member;
        continue;
      }
      const state = MemberState.restored(record, now.monotonic);
      this.states.set(replica, state);
      state.accept({ ...NOTHING_REPORTED, versionVector: record.latest }, durable);
    }
  }

  /** All but this replica itself. */
  all(): Iterable<MemberState> {
    return this.states.values();
  }

  /** Those that are not retired. */
  *living(): Iterable<MemberState> {
    for (const state of this.states.values()) if (!state.isRetired) yield state;
  }

  get(replica: ReplicaId): MemberState | undefined {
    return this.states.get(replica);
  }

  get size(): number {
    return this.states.size;
  }

  /** Registers as they are told to others: all that is durable of them, this replica's own among them. */
  list(): Member[] {
    const list = this.selfTold === undefined ? [] : [this.selfTold];
    for (const { told } of this.states.values()) if (told !== undefined) list.push(told);
    return list;
  }

  /** Whether it would be known after a crash. */
  isTold(replica: ReplicaId): boolean {
    return replica === this.store.self
      ? this.selfTold !== undefined
      : this.states.get(replica)?.told !== undefined;
  }

  // Registers

  /** Changes what this replica says of itself. A retired one says nothing more. */
  declare(change: Partial<Pick<Member, 'region' | 'address' | 'state'>>): void {
    const { self } = this;
    const next = { ...self, ...change };
    if (isRetired(self) || (self.version > 0 && isSameMember(next, self))) return;
    const finalSeq = isRetired(next) ? seqOf(this.store.durable, this.store.self) : 0;
    this.self = { ...next, version: self.version + 1, finalSeq };
    this.saveSelf();
  }

  /**
   * What is news of a member: that it is there, where it is, its state; undefined when nothing is. Nothing is taken
   * in beyond MEMBERS_MAX living and RETIRED_MAX retired ones. `byItself`: it also stands beside one of its version.
   */
  add(told: Member, byItself: boolean): 'met' | 'changed' | 'retired' | undefined {
    if (told.replica === this.store.self) return this.addSelf(told);
    const state = this.states.get(told.replica);
    if (state === undefined) {
      if (!this.hasRoomFor(told)) return undefined;
      const met = new MemberState(told, ++this.events, this.store.now.monotonic);
      if (isRetired(told)) met.retiredAt = this.events;
      this.states.set(told.replica, met);
      this.save(met);
      return isRetired(told) ? 'retired' : 'met';
    }
    const before = state.member;
    let after = joinMembers(before, told);
    if (byItself && !isRetired(after) && told.version === before.version) after = told;
    if (isSameMember(before, after)) return undefined;
    state.member = after;
    const retires = isRetired(after) && !isRetired(before);
    if (retires) state.retiredAt = ++this.events;
    this.save(state);
    return retires ? 'retired' : 'changed';
  }

  /** The register of a member that is retired from here, with all that anybody is known to have of it. */
  retirement(replica: ReplicaId, to: 'removed' | 'evicted'): Member | undefined {
    const state = this.states.get(replica);
    if (state === undefined) return undefined;
    return {
      ...state.member,
      state: to,
      finalSeq: Math.max(state.member.finalSeq, this.newestSeqOf(replica)),
    };
  }

  // Reports

  /** `knows` is missing in acknowledgements, which tell of what was durable under the members told before. */
  report(
    replica: ReplicaId,
    versionVector: VersionVector,
    knows?: { readonly members: readonly ReplicaId[]; readonly retired: readonly ReplicaId[] },
  ): void {
    const state = this.states.get(replica);
    if (state === undefined) return;
    if (knows?.members.some((member) => !this.isKnown(member))) return;
    // Origins that are no members are nobody's: they would stay for ever.
    const known = new Map([...versionVector].filter(([origin]) => this.isKnown(origin)));
    const report: Reported = {
      versionVector: known,
      members: knows === undefined ? state.latest.members : new Set(knows.members),
      retired: knows === undefined ? state.latest.retired : new Set(knows.retired),
    };
    if (state.report(report, this.store.durable)) state.unsaved = true;
  }

  /** Somebody heard of it so long ago. */
  heard(replica: ReplicaId, quietMs: number, now: number): void {
    const state = this.states.get(replica);
    if (state !== undefined) state.heardAt = Math.max(state.heardAt, now - quietMs);
  }

  /** While this node stood still it heard of nobody. */
  stoodStill(ms: number): void {
    for (const state of this.states.values()) state.heardAt += ms;
  }

  /** Looks again which reports are covered. */
  settle(): void {
    for (const state of this.states.values()) state.settle(this.store.durable);
  }

  /** Stores the reports that have moved: what a member once reported is never less after a restart. */
  saveReports(now: number): void {
    for (const state of this.states.values()) {
      const moved = Math.abs(state.quietMs(now) - state.savedQuietMs);
      if (state.unsaved || moved > this.store.limits.maxOfflineMs / QUIET_STEPS) this.save(state);
    }
  }

  // What follows from them

  /** Everything that is causally stable here. Without any other member nothing is: one may still join. */
  stable(): VersionVector {
    const counted = [...this.states.values()].filter(({ settled }) => !settled);
    if (counted.length === 0) return new Map();
    return meetVersionVectors([this.store.durable, ...counted.map(({ covered }) => covered.versionVector)]);
  }

  /** What every member has, as far as is known. Who is retired is served nothing, and holds nothing. */
  held(): VersionVector {
    const living = [...this.living()];
    if (living.length === 0) return new Map();
    return meetVersionVectors([this.store.durable, ...living.map(({ latest }) => latest.versionVector)]);
  }

  /**
   * Which of the retired stop counting now: the largest group of whom every other counted member is known to hold
   * the retirements. From its report on such a member takes nothing from them, and what it had taken before is here.
   * They go as a group, since one of them might have the other's last writes and still be listened to by somebody.
   */
  settleRetired(): ReplicaId[] {
    const counted = [...this.states.values()].filter(({ settled }) => !settled);
    let group = counted.filter(({ told }) => told !== undefined && isRetired(told));
    for (;;) {
      const others = counted.filter((state) => !group.includes(state));
      const left = group.filter(({ member }) =>
        others.every(({ covered }) => covered.retired.has(member.replica)),
      );
      if (left.length === group.length) break;
      group = left;
    }
    for (const state of group) {
      state.settled = true;
      this.save(state);
    }
    return group.map(({ member }) => member.replica);
  }

  /** It is retired, and nothing of it can come any more: what it wrote beyond what is here is lost. */
  isSettled(replica: ReplicaId): boolean {
    return this.states.get(replica)?.settled === true;
  }

  /**
   * Up to where chunks of `origin` may be taken from a neighbour. Of a retired origin that is what the members of
   * that time have: one that came later may have heard the retired one itself, after others stopped waiting for it.
   */
  takenUpTo(origin: ReplicaId, from: ReplicaId): number {
    const retired = this.states.get(origin);
    if (retired === undefined || !retired.isRetired) return Number.POSITIVE_INFINITY;
    if (retired.settled) return seqOf(this.store.durable, origin);
    if ((this.states.get(from)?.met ?? 0) < retired.retiredAt) return Number.POSITIVE_INFINITY;
    // Who has nothing has met nobody of that time, and takes what his source has.
    if (this.store.executed.size === 0) return Number.POSITIVE_INFINITY;
    let most = retired.member.finalSeq;
    for (const { met, latest } of this.living()) {
      if (met < retired.retiredAt) most = Math.max(most, seqOf(latest.versionVector, origin));
    }
    return most;
  }

  /** A retired origin of which `versionVector` has more than there is here. */
  foreign(
    versionVector: VersionVector,
  ): { readonly origin: ReplicaId; readonly settled: boolean } | undefined {
    let unsettled: ReplicaId | undefined;
    for (const { member, isRetired, settled } of this.states.values()) {
      const { replica: origin } = member;
      if (!isRetired || seqOf(versionVector, origin) <= seqOf(this.store.durable, origin)) continue;
      if (settled) return { origin, settled };
      unsettled ??= origin;
    }
    return unsettled === undefined ? undefined : { origin: unsettled, settled: false };
  }

  // Helpers

  private newcomer(): Member {
    const { region, address, store } = this;
    return { replica: store.self, region, address, state: 'joining', version: 0, finalSeq: 0 };
  }

  private addSelf(told: Member): 'retired' | undefined {
    if (!isRetired(told) || isRetired(this.self)) return undefined;
    this.self = joinMembers(this.self, told);
    this.saveSelf();
    return 'retired';
  }

  private hasRoomFor(member: Member): boolean {
    let living = 0;
    for (const _ of this.living()) living++;
    return isRetired(member) ? this.states.size - living < RETIRED_MAX : living < MEMBERS_MAX;
  }

  private newestSeqOf(replica: ReplicaId): number {
    let newest = seqOf(this.store.durable, replica);
    for (const { latest } of this.states.values())
      newest = Math.max(newest, seqOf(latest.versionVector, replica));
    return newest;
  }

  /**
   * All of them, as a store that begins anew is told of them: where they are, and nothing that they have reported. This
   * replica stands among them as one that nobody is to wait for any more, unless another goes on under its name.
   */
  introductions(retires: boolean): { key: Uint8Array; value: Uint8Array }[] {
    const records: MemberRecord[] = [...this.states.values()].map(({ member, met, retiredAt }) => ({
      member,
      met,
      retiredAt,
      settled: false,
      quietMs: 0,
      latest: new Map(),
    }));
    if (retires) {
      // A directory that was rolled back has less of itself than the others.
      const { self } = this.store;
      const finalSeq = Math.max(seqOf(this.store.durable, self), this.mostHeld(self));
      const member = joinMembers(this.self, { ...this.self, state: 'evicted', finalSeq });
      const event = this.events + 1;
      records.push({ member, met: event, retiredAt: event, settled: false, quietMs: 0, latest: new Map() });
    }
    return records.map((record) => this.encode(record));
  }

  /** The highest seq of `origin` that any other member is known to have. */
  mostHeld(origin: ReplicaId): number {
    let most = 0;
    for (const { latest } of this.living()) most = Math.max(most, seqOf(latest.versionVector, origin));
    return most;
  }

  private isKnown(replica: ReplicaId): boolean {
    return replica === this.store.self || this.states.has(replica);
  }

  private save(state: MemberState): void {
    const { member, met, retiredAt, settled, latest } = state;
    const quietMs = state.quietMs(this.store.now.monotonic);
    state.unsaved = false;
    state.savedQuietMs = quietMs;
    this.put({ member, met, retiredAt, settled, quietMs, latest: latest.versionVector });
    if (state.told === member) return;
    this.store.whenDurable(() => {
      // What was read from the store again, after a failed write, is another state.
      if (this.states.get(member.replica) !== state) return;
      state.told = member;
      this.version++;
    });
  }

  private saveSelf(): void {
    const { self } = this;
    this.put({ member: self, met: 0, retiredAt: 0, settled: false, quietMs: 0, latest: new Map() });
    this.store.whenDurable(() => {
      this.selfTold = self;
      this.version++;
    });
  }

  private put(record: MemberRecord): void {
    const { key, value } = this.encode(record);
    this.store.put(key, value);
  }

  private encode(record: MemberRecord): { key: Uint8Array; value: Uint8Array } {
    const key = textKey(KIND.member, record.member.replica);
    return { key, value: sealValue(key, encodeMember(this.writer, record)) };
  }
}

/** How long a member has been silent is stored in so many steps of the time after which it may be evicted. */
const QUIET_STEPS = 16;
