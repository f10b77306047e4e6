/**
 * Members: every replica ever met, what each has reported, and what follows from it: causal stability and what
 * of the log everybody has.
 *
 * Invariants
 * - A member counts from the moment it is heard of, and is stored before it is served a byte.
 * - A dot is stable when every member has given a report that covers it and this replica's own durable version
 *   vector covers that whole report (after Baquero, Almeida, Shoker 2014). The oldest report that is not covered
 *   yet is kept and newer ones wait, or stability would never come under load.
 */
import {
  dominates,
  joinVersionVectors,
  meetVersionVectors,
  type ReplicaId,
  type VersionVector,
} from '@causeway/crdt';
import { ByteReader, ByteWriter, type Member, sealValue, unsealValue } from '@causeway/protocol';
import type { ScanEntry } from '../events.js';
import { MEMBERS_MAX } from '../limits.js';
import { KIND, textKey, textOfKey } from '../store/keyspace.js';
import type { Store } from '../store/store.js';

const FORMAT = 1;

export class MemberState {
  /** Newest report, told by itself or relayed. */
  latest: VersionVector = new Map();
  /** Newest report that this replica's durable version vector covers. */
  covered: VersionVector = new Map();
  /** Oldest report that it does not cover yet. */
  pending: VersionVector | undefined;
  /** Commit that has stored it first; 0 when the store held it at the start. */
  storedIn: number | undefined;
  /** `latest` differs from what is stored. */
  unsaved = false;

  constructor(public member: Member) {}
}

export class Members {
  private readonly states = new Map<ReplicaId, MemberState>();

  constructor(private readonly store: Store) {}

  /** Takes in what the store holds. */
  restore(entries: readonly ScanEntry[]): void {
    this.states.clear();
    for (const { key, value } of entries) {
      if (key[0] !== KIND.member) continue;
      const replica = textOfKey(key) as ReplicaId;
      const reader = new ByteReader(unsealValue(key, value));
      reader.u8();
      const state = new MemberState({ replica, region: reader.text(), address: reader.text() });
      const latest = new Map<ReplicaId, number>();
      for (let left = reader.varint(); left > 0; left--)
        latest.set(reader.text() as ReplicaId, reader.varint());
      state.storedIn = 0;
      this.states.set(replica, state);
      this.accept(state, latest);
    }
  }

  /** All but this replica itself. */
  all(): Iterable<MemberState> {
    return this.states.values();
  }

  get(replica: ReplicaId): MemberState | undefined {
    return this.states.get(replica);
  }

  get size(): number {
    return this.states.size;
  }

  /**
   * Whether it is new, or has moved. Only a member itself says where it is; others but introduce it. Nothing is taken
   * in beyond MEMBERS_MAX.
   */
  add(member: Member, byItself: boolean): boolean {
    if (member.replica === this.store.self) return false;
    let state = this.states.get(member.replica);
    if (state === undefined) {
      if (this.states.size >= MEMBERS_MAX) return false;
      state = new MemberState(member);
      this.states.set(member.replica, state);
    } else if (!byItself || isSame(state.member, member)) {
      return false;
    }
    state.member = member;
    this.save(state);
    return true;
  }

  /** It would be known after a crash. */
  isStored(replica: ReplicaId): boolean {
    const storedIn = this.states.get(replica)?.storedIn;
    return storedIn !== undefined && this.store.isDurable(storedIn);
  }

  report(replica: ReplicaId, versionVector: VersionVector): void {
    const state = this.states.get(replica);
    if (state === undefined) return;
    // Origins that are no members are nobody's: they would stay for ever.
    const known = new Map([...versionVector].filter(([origin]) => this.isKnown(origin)));
    if (dominates(state.latest, known)) return;
    state.unsaved = true;
    this.accept(state, joinVersionVectors(state.latest, known));
  }

  /** Looks again which reports are covered. */
  settle(): void {
    const { durable } = this.store;
    for (const state of this.states.values()) {
      if (state.pending === undefined || !dominates(durable, state.pending)) continue;
      state.covered = state.pending;
      state.pending = undefined;
      this.accept(state, state.latest);
    }
  }

  /** Stores the reports that have moved: what a member once reported is never less after a restart. */
  saveReports(): void {
    for (const state of this.states.values()) if (state.unsaved) this.save(state);
  }

  /** Everything that is causally stable here. Without any other member nothing is: one may still join. */
  stable(): VersionVector {
    if (this.states.size === 0) return new Map();
    return meetVersionVectors([
      this.store.durable,
      ...[...this.states.values()].map(({ covered }) => covered),
    ]);
  }

  /** What every member has, as far as is known. */
  held(): VersionVector {
    if (this.states.size === 0) return new Map();
    return meetVersionVectors([this.store.durable, ...[...this.states.values()].map(({ latest }) => latest)]);
  }

  private isKnown(replica: ReplicaId): boolean {
    return replica === this.store.self || this.states.has(replica);
  }

  private accept(state: MemberState, latest: VersionVector): void {
    state.latest = latest;
    if (dominates(this.store.durable, latest)) {
      state.covered = latest;
      state.pending = undefined;
    } else {
      state.pending ??= latest;
    }
  }

  private save(state: MemberState): void {
    state.unsaved = false;
    const { replica, region, address } = state.member;
    const key = textKey(KIND.member, replica);
    const writer = new ByteWriter(128);
    writer.u8(FORMAT);
    writer.text(region);
    writer.text(address);
    writer.varint(state.latest.size);
    for (const [origin, seq] of state.latest) {
      writer.text(origin);
      writer.varint(seq);
    }
    this.store.put(key, sealValue(key, writer.view()));
    state.storedIn ??= this.store.newestCommit;
  }
}

function isSame(a: Member, b: Member): boolean {
  return a.address === b.address && a.region === b.region;
}
