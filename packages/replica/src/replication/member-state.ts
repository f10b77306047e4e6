/**
 * One other member as this replica knows it: its register, what it has reported, how long it has been silent.
 */
import { dominates, joinVersionVectors, type ReplicaId, type VersionVector } from '@causeway/crdt';
import { isRetired, type Member } from '@causeway/protocol';
import type { MemberRecord } from './member-register.js';

/** A version vector, and who was known, and known to be retired, by whoever had it. Both only ever grow. */
export interface Reported {
  readonly versionVector: VersionVector;
  readonly members: ReadonlySet<ReplicaId>;
  readonly retired: ReadonlySet<ReplicaId>;
}

const NOBODY: ReadonlySet<ReplicaId> = new Set();
export const NOTHING_REPORTED: Reported = { versionVector: new Map(), members: NOBODY, retired: NOBODY };

export class MemberState {
  /** The register as it is known after a crash: only this is told to others. */
  told: Member | undefined;
  /** Newest report, told by itself or relayed. */
  latest = NOTHING_REPORTED;
  /** Newest report that this replica's durable version vector covers. */
  covered = NOTHING_REPORTED;
  /** Oldest report that it does not cover yet. */
  pending: Reported | undefined;
  /** `latest` differs from what is stored. */
  unsaved = false;
  retiredAt = 0;
  /** Retired, and no longer counted. */
  settled = false;
  /** Monotonic ms at which it was last heard of, by anybody: before the start if it was silent then already. */
  heardAt: number;
  savedQuietMs = 0;

  constructor(
    public member: Member,
    readonly met: number,
    now: number,
  ) {
    this.heardAt = now;
  }

  static restored(record: MemberRecord, now: number): MemberState {
    const state = new MemberState(record.member, record.met, now - record.quietMs);
    state.told = record.member;
    state.retiredAt = record.retiredAt;
    state.settled = record.settled;
    state.savedQuietMs = record.quietMs;
    return state;
  }

  get isRetired(): boolean {
    return isRetired(this.member);
  }

  quietMs(now: number): number {
    return Math.max(0, now - this.heardAt);
  }

  /** Whether the report says anything new. */
  report(report: Reported, durable: VersionVector): boolean {
    const { latest } = this;
    if (
      dominates(latest.versionVector, report.versionVector) &&
      includes(latest.members, report.members) &&
      includes(latest.retired, report.retired)
    ) {
      return false;
    }
    this.accept(
      {
        versionVector: joinVersionVectors(latest.versionVector, report.versionVector),
        members: union(latest.members, report.members),
        retired: union(latest.retired, report.retired),
      },
      durable,
    );
    return true;
  }

  accept(latest: Reported, durable: VersionVector): void {
    this.latest = latest;
    if (dominates(durable, latest.versionVector)) {
      this.covered = latest;
      this.pending = undefined;
    } else {
      this.pending ??= latest;
    }
  }

  /** The durable version vector has moved. */
  settle(durable: VersionVector): void {
    if (this.pending === undefined || !dominates(durable, this.pending.versionVector)) return;
    this.covered = this.pending;
    this.pending = undefined;
    this.accept(this.latest, durable);
  }
}

function includes(all: ReadonlySet<ReplicaId>, some: ReadonlySet<ReplicaId>): boolean {
  for (const one of some) if (!all.has(one)) return false;
  return true;
}

function union(a: ReadonlySet<ReplicaId>, b: ReadonlySet<ReplicaId>): ReadonlySet<ReplicaId> {
  if (includes(a, b)) return a;
  return includes(b, a) ? b : new Set([...a, ...b]);
}
