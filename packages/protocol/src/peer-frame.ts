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
import type { Member, PeerHello, PeerMessage, Report } from './peer-messages.js';
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
          ...[...report.members].sort(compareReplicas),
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

function flatMembers(members: readonly Member[]): readonly unknown[] {
  return [...members]
    .sort((a, b) => compareReplicas(a.replica, b.replica))
    .flatMap(({ replica, region, address }) => [replica, region, address]);
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
  return {
    type: 'gossip',
    versionVector: vectorOf(fields[1]),
    reports: asArray(fields[2], REPLICAS_MAX).map(reportOf),
    members: membersOf(fields[3]),
    wall: wallOf(fields[4]),
  };
}

function reportOf(value: unknown): Report {
  const fields = asArray(value, REPLICAS_MAX + 2);
  const members: ReplicaId[] = [];
  for (let i = 2; i < fields.length; i++) members.push(after(members.at(-1), replicaOf(fields[i])));
  return { replica: replicaOf(fields[0]), versionVector: vectorOf(fields[1]), members };
}

function membersOf(value: unknown): readonly Member[] {
  const fields = asArray(value, REPLICAS_MAX * 3);
  if (fields.length % 3 !== 0) throw bad('members that are not whole');
  const members: Member[] = [];
  for (let i = 0; i < fields.length; i += 3) {
    members.push({
      replica: after(members.at(-1)?.replica, replicaOf(fields[i])),
      region: regionTextOf(fields[i + 1]),
      address: addressOf(fields[i + 2]),
    });
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
