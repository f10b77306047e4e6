/**
 * Frames between nodes (peer-messages.ts), one message each. What arrives is checked here, field by field, and trusted
 * after.
 */
import { compareReplicas, type ReplicaId } from '@causeway/crdt';
import { CausewayError } from './errors.js';
import { decodeFrame, encodeFrame } from './frame.js';
import {
  ADDRESS_LENGTH_MAX,
  CHUNK_BYTES_MAX,
  MESSAGE_LENGTH_MAX,
  PEER_FRAME_BYTES_MAX,
  REPLICAS_MAX,
} from './limits.js';
import {
  after,
  asArray,
  bad,
  count,
  flatVector,
  integerAt,
  replicaOf,
  textOf,
  vectorOf,
} from './peer-fields.js';
import {
  isRetired,
  MEMBERSHIPS,
  type Member,
  type PeerHello,
  type PeerMessage,
  type Report,
} from './peer-messages.js';
import { decodeRepairFields, repairFieldsOf } from './repair-frame.js';
import { PEER_PROTOCOL_VERSION } from './version.js';

const HELLO = 1;
const HEARD = 2;
const REFUSE = 4;
const SUBSCRIBE = 5;
const UNSUBSCRIBE = 6;
const CHUNKS = 7;
const GAP = 8;
const CREDIT = 9;
const ACK = 10;
const GOSSIP = 11;
const PING = 12;
const PONG = 13;
const BYE = 14;

const REGION = /^[a-z0-9-]{1,32}$/;
/** Printable ASCII without blanks: what a URL is made of. */
const ADDRESS = /^[!-~]+$/;

export function encodePeerMessage(message: PeerMessage): Uint8Array {
  return encodeFrame(fieldsOf(message));
}

function fieldsOf(message: PeerMessage): readonly unknown[] {
  switch (message.type) {
    case 'hello':
      return [
        HELLO,
        message.version,
        message.replica,
        message.region,
        message.start,
        message.address,
        flatVector(message.versionVector),
        flatVector(message.horizon),
        flatMembers(message.members),
      ];
    case 'heard':
      return [HEARD, message.seq, message.start, flatVector(message.versionVector)];
    case 'refuse':
      return [REFUSE, message.code, message.message.slice(0, MESSAGE_LENGTH_MAX)];
    case 'subscribe':
      return [SUBSCRIBE, message.origin, message.after];
    case 'unsubscribe':
      return [UNSUBSCRIBE, message.origin];
    case 'chunks':
      return [CHUNKS, message.origin, message.durableAt, ...message.chunks];
    case 'gap':
      return [GAP, message.origin, message.after, message.first];
    case 'credit':
      return [CREDIT, message.origin, message.bytes];
    case 'ack':
      return [ACK, flatVector(message.versionVector)];
    case 'gossip':
      return [
        GOSSIP,
        flatVector(message.versionVector),
        message.reports.map((report) => [
          report.replica,
          flatVector(report.versionVector),
          report.quietMs,
          knowledgeOf(report, sortedMembers(message.members)),
        ]),
        flatMembers(message.members),
        message.wall,
      ];
    case 'ping':
      return [PING, message.id, message.wall];
    case 'pong':
      return [PONG, message.id, message.wall, message.receivedAt];
    case 'bye':
      return [BYE];
    default:
      return repairFieldsOf(message);
  }
}

function sortedMembers(members: readonly Member[]): Member[] {
  return [...members].sort((a, b) => compareReplicas(a.replica, b.replica));
}

function flatMembers(members: readonly Member[]): readonly unknown[] {
  return sortedMembers(members).flatMap(({ replica, region, address, state, version, finalSeq }) => [
    replica,
    region,
    address,
    MEMBERSHIPS.indexOf(state) + 1,
    version,
    finalSeq,
  ]);
}

const KNOWN = 1;
const KNOWN_RETIRED = 2;

function knowledgeOf(report: Report, members: readonly Member[]): Uint8Array {
  const known = new Set(report.members);
  const retired = new Set(report.retired);
  const knowledge = new Uint8Array(members.length);
  let count = 0;
  members.forEach(({ replica }, index) => {
    if (!known.has(replica)) return;
    count++;
    knowledge[index] = retired.has(replica) ? KNOWN_RETIRED : KNOWN;
  });
  // Who knows less than it does would have others compact past whom it has heard of.
  if (count < known.size)
    throw new Error('invariant broken: a report speaks of members that the gossip names');
  return knowledge;
}

/**
 * The message of a frame; chunks are views of `bytes`. Throws CAUSEWAY_BAD_FRAME for what is no message, and
 * CAUSEWAY_BAD_VERSION for the hello of a version that is not ours.
 */
export function decodePeerMessage(bytes: Uint8Array): PeerMessage {
  const fields = asArray(decodeFrame(bytes, PEER_FRAME_BYTES_MAX), PEER_FRAME_BYTES_MAX);
  switch (fields[0]) {
    case HELLO:
      return helloOf(fields);
    case HEARD:
      count(fields, 4);
      return {
        type: 'heard',
        seq: integerAt(fields, 1),
        start: integerAt(fields, 2),
        versionVector: vectorOf(fields[3]),
      };
    case REFUSE:
      count(fields, 3);
      return { type: 'refuse', code: textOf(fields[1], 128), message: textOf(fields[2], MESSAGE_LENGTH_MAX) };
    case SUBSCRIBE:
      count(fields, 3);
      return { type: 'subscribe', origin: replicaOf(fields[1]), after: integerAt(fields, 2) };
    case UNSUBSCRIBE:
      count(fields, 2);
      return { type: 'unsubscribe', origin: replicaOf(fields[1]) };
    case CHUNKS:
      return {
        type: 'chunks',
        origin: replicaOf(fields[1]),
        durableAt: wallOf(fields[2]),
        chunks: fields.slice(3).map(chunkOf),
      };
    case GAP:
      count(fields, 4);
      return {
        type: 'gap',
        origin: replicaOf(fields[1]),
        after: integerAt(fields, 2),
        first: integerAt(fields, 3),
      };
    case CREDIT:
      count(fields, 3);
      return { type: 'credit', origin: replicaOf(fields[1]), bytes: integerAt(fields, 2) };
    case ACK:
      count(fields, 2);
      return { type: 'ack', versionVector: vectorOf(fields[1]) };
    case GOSSIP:
      return gossipOf(fields);
    case PING:
      count(fields, 3);
      return { type: 'ping', id: integerAt(fields, 1), wall: wallOf(fields[2]) };
    case PONG:
      count(fields, 4);
      return {
        type: 'pong',
        id: integerAt(fields, 1),
        wall: wallOf(fields[2]),
        receivedAt: wallOf(fields[3]),
      };
    case BYE:
      count(fields, 1);
      return { type: 'bye' };
    default: {
      const repair = decodeRepairFields(fields);
      if (repair === undefined) throw bad('a message of an unknown type');
      return repair;
    }
  }
}

function helloOf(fields: readonly unknown[]): PeerHello {
  const version = integerAt(fields, 1);
  if (version !== PEER_PROTOCOL_VERSION) {
    throw new CausewayError(
      'CAUSEWAY_BAD_VERSION',
      `the peer speaks version ${version} of the replication protocol, this node ${PEER_PROTOCOL_VERSION}`,
    );
  }
  count(fields, 9);
  return {
    type: 'hello',
    version,
    replica: replicaOf(fields[2]),
    region: regionTextOf(fields[3]),
    start: integerAt(fields, 4),
    address: addressOf(fields[5]),
    versionVector: vectorOf(fields[6]),
    horizon: vectorOf(fields[7]),
    members: membersOf(fields[8]),
  };
}

function gossipOf(fields: readonly unknown[]): PeerMessage {
  count(fields, 5);
  const members = membersOf(fields[3]);
  return {
    type: 'gossip',
    versionVector: vectorOf(fields[1]),
    reports: asArray(fields[2], REPLICAS_MAX).map((report) => reportOf(report, members)),
    members,
    wall: wallOf(fields[4]),
  };
}

function reportOf(value: unknown, all: readonly Member[]): Report {
  const fields = asArray(value, 4);
  count(fields, 4);
  const knowledge = fields[3];
  if (!(knowledge instanceof Uint8Array) || knowledge.length !== all.length)
    throw bad('no knowledge of members');
  const members: ReplicaId[] = [];
  const retired: ReplicaId[] = [];
  all.forEach(({ replica }, index) => {
    const known = knowledge[index] as number;
    if (known > KNOWN_RETIRED) throw bad('no knowledge of a member');
    if (known > 0) members.push(replica);
    if (known === KNOWN_RETIRED) retired.push(replica);
  });
  return {
    replica: replicaOf(fields[0]),
    versionVector: vectorOf(fields[1]),
    quietMs: integerAt(fields, 2),
    members,
    retired,
  };
}

const MEMBER_FIELDS = 6;

function membersOf(value: unknown): readonly Member[] {
  const fields = asArray(value, REPLICAS_MAX * MEMBER_FIELDS);
  if (fields.length % MEMBER_FIELDS !== 0) throw bad('members that are not whole');
  const members: Member[] = [];
  for (let i = 0; i < fields.length; i += MEMBER_FIELDS) {
    const state = MEMBERSHIPS[integerAt(fields, i + 3) - 1];
    if (state === undefined) throw bad('no state of a member');
    const member = {
      replica: after(members.at(-1)?.replica, replicaOf(fields[i])),
      region: regionTextOf(fields[i + 1]),
      address: addressOf(fields[i + 2]),
      state,
      version: integerAt(fields, i + 4),
      finalSeq: integerAt(fields, i + 5),
    };
    if (member.finalSeq > 0 && !isRetired(member)) throw bad('a final seq of a member that is not retired');
    members.push(member);
  }
  return members;
}

/** Wall time in ms; fractions are allowed. */
function wallOf(value: unknown): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= Number.MAX_SAFE_INTEGER))
    throw bad('no wall time');
  return value;
}

function regionTextOf(value: unknown): string {
  if (typeof value !== 'string' || !REGION.test(value)) throw bad('no region');
  return value;
}

function addressOf(value: unknown): string {
  const address = textOf(value, ADDRESS_LENGTH_MAX);
  if (!ADDRESS.test(address)) throw bad('no address');
  return address;
}

function chunkOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length === 0 || value.length > CHUNK_BYTES_MAX) {
    throw bad('no chunk');
  }
  return value;
}
