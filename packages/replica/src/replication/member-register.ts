/**
 * The register of one member: which of two versions of it stands, and how it is stored.
 *
 * A living member is what it has said of itself last (`version` counts that). Retirement is for good: it beats
 * whatever the member says. Of two retirements the gentler name stays (left, removed, evicted), with the higher
 * final seq. So the join is commutative, associative and idempotent, and every replica ends with the same list.
 *
 *   member = format(2) region address state(u8) version finalSeq met retiredAt flags(u8) quietMs vv
 *   vv     = count *(replica seq)          format 1: region address vv
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import {
  type ByteReader,
  type ByteWriter,
  CausewayError,
  isRetired,
  MEMBERSHIPS,
  type Member,
} from '@causeway/protocol';

const FORMAT = 2;
const SETTLED = 1;

/**
 * The register that stands: `a` itself when `b` says nothing new. Of two that say different things under one version,
 * which only an identity that is used twice does, the first stays.
 */
export function joinMembers(a: Member, b: Member): Member {
  const newest = b.version > a.version ? b : a;
  if (!isRetired(a) && !isRetired(b)) return newest;
  const state = [a, b]
    .filter(isRetired)
    .map((member) => member.state)
    .reduce((gentler, other) => (rank(other) < rank(gentler) ? other : gentler));
  const finalSeq = Math.max(a.finalSeq, b.finalSeq);
  const { region, address, version } = newest;
  const joined = { replica: a.replica, region, address, state, version, finalSeq };
  return isSameMember(joined, a) ? a : joined;
}

export function isSameMember(a: Member, b: Member): boolean {
  return (
    a.address === b.address &&
    a.region === b.region &&
    a.state === b.state &&
    a.version === b.version &&
    a.finalSeq === b.finalSeq
  );
}

function rank(state: Member['state']): number {
  return MEMBERSHIPS.indexOf(state);
}

/** What is stored of a member. */
export interface MemberRecord {
  readonly member: Member;
  /** Order in which this replica has met members and learnt of retirements: one count for both; 0: not retired. */
  readonly met: number;
  readonly retiredAt: number;
  /** Retired, and no longer counted. */
  readonly settled: boolean;
  /** For how long nobody had heard of it, ms. */
  readonly quietMs: number;
  /** Newest report. */
  readonly latest: VersionVector;
}

export function encodeMember(writer: ByteWriter, record: MemberRecord): Uint8Array {
  const { member } = record;
  writer.reset();
  writer.u8(FORMAT);
  writer.text(member.region);
  writer.text(member.address);
  writer.u8(rank(member.state) + 1);
  writer.varint(member.version);
  writer.varint(member.finalSeq);
  writer.varint(record.met);
  writer.varint(record.retiredAt);
  writer.u8(record.settled ? SETTLED : 0);
  writer.varint(Math.floor(record.quietMs));
  writer.varint(record.latest.size);
  for (const [origin, seq] of record.latest) {
    writer.text(origin);
    writer.varint(seq);
  }
  return writer.view();
}

/** @throws CausewayError CAUSEWAY_DATA_UNREADABLE when it is of a later format. */
export function decodeMember(replica: ReplicaId, reader: ByteReader): MemberRecord {
  const format = reader.u8();
  if (format !== 1 && format !== FORMAT) {
    throw new CausewayError(
      'CAUSEWAY_DATA_UNREADABLE',
      `a member has format ${format}, this version reads ${FORMAT}`,
    );
  }
  const region = reader.text();
  const address = reader.text();
  if (format === 1) {
    const member: Member = { replica, region, address, state: 'active', version: 0, finalSeq: 0 };
    return { member, met: 0, retiredAt: 0, settled: false, quietMs: 0, latest: vectorOf(reader) };
  }
  const state = MEMBERSHIPS[reader.u8() - 1];
  if (state === undefined) throw new CausewayError('CAUSEWAY_DATA_UNREADABLE', 'a member has no state');
  const member: Member = {
    replica,
    region,
    address,
    state,
    version: reader.varint(),
    finalSeq: reader.varint(),
  };
  return {
    member,
    met: reader.varint(),
    retiredAt: reader.varint(),
    settled: reader.u8() === SETTLED,
    quietMs: reader.varint(),
    latest: vectorOf(reader),
  };
}

function vectorOf(reader: ByteReader): VersionVector {
  const vector = new Map<ReplicaId, number>();
  for (let left = reader.varint(); left > 0; left--) vector.set(reader.text() as ReplicaId, reader.varint());
  return vector;
}
