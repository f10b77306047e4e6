/**
 * Frames of a repair (repair-messages.ts). What arrives is checked here, field by field, and trusted after; whether it
 * fits the session is the receiver's to judge.
 */
import { unreachable } from '@causeway/crdt';
import { ByteReader } from './byte-reader.js';
import { ByteWriter } from './byte-writer.js';
import { CausewayError } from './errors.js';
import { PEER_FRAME_BYTES_MAX, REPAIR_LEVEL_MAX, REPAIR_NODES_MAX, REPLICAS_MAX } from './limits.js';
import { asArray, bad, binaryAt, count, flatVector, integerAt, vectorOf } from './peer-fields.js';
import {
  REPAIR_OUTCOMES,
  type RecordState,
  type RepairMessage,
  type RepairMode,
  type RepairView,
} from './repair-messages.js';

const OPEN = 15;
const VIEW = 16;
const STATES = 17;
const MARK = 18;
const COMPARE = 19;
const DIGESTS = 20;
const WALK = 21;
const IDS = 22;
const WANT = 23;
const CREDIT = 24;
const END = 25;

const MODES: readonly RepairMode[] = ['compare', 'catch-up', 'bootstrap', 'restore'];
const MARKS = ['evidence', 'walked'] as const;

export const ROOT_BYTES = 16;
export const NODE_DIGEST_BYTES = 8;
export const RECORD_ID_BYTES = 16;

export function repairFieldsOf(message: RepairMessage): readonly unknown[] {
  const { session } = message;
  switch (message.type) {
    case 'repair-open': {
      const { mode, versionVector, horizon, root } = message;
      return [OPEN, session, MODES.indexOf(mode), flatVector(versionVector), flatVector(horizon), root];
    }
    case 'repair-view':
      return [
        VIEW,
        session,
        flatVector(message.versionVector),
        message.starts,
        flatVector(message.ceiling),
        flatVector(message.horizon),
        message.clock.physical,
        message.clock.logical,
        message.bits,
        message.count,
        message.root,
        message.level,
        message.digests,
      ];
    case 'repair-states':
      return [STATES, session, ...message.records.flatMap(({ key, state }) => [key, state])];
    case 'repair-mark':
      return [MARK, session, MARKS.indexOf(message.what)];
    case 'repair-compare':
      return [COMPARE, session, message.level, encodeAscending(message.nodes), message.depth];
    case 'repair-digests':
      return [DIGESTS, session, message.digests];
    case 'repair-walk': {
      const { level, ceiling, byId, whole } = message;
      return [WALK, session, level, flatVector(ceiling), encodeAscending(byId), encodeAscending(whole)];
    }
    case 'repair-ids':
      return [IDS, session, message.batch, message.ids, message.through ?? null];
    case 'repair-want':
      return [WANT, session, message.batch, encodeAscending(message.indices)];
    case 'repair-credit':
      return [CREDIT, session, message.bytes];
    case 'repair-end':
      return [END, session, REPAIR_OUTCOMES.indexOf(message.outcome)];
    default:
      return unreachable(message);
  }
}

/** Undefined when it is no message of a repair. */
export function decodeRepairFields(fields: readonly unknown[]): RepairMessage | undefined {
  switch (fields[0]) {
    case OPEN:
      count(fields, 6);
      return {
        type: 'repair-open',
        session: integerAt(fields, 1),
        mode: oneOf(MODES, fields, 2),
        versionVector: vectorOf(fields[3]),
        horizon: vectorOf(fields[4]),
        root: binaryAt(fields, 5, ROOT_BYTES, ROOT_BYTES),
      };
    case VIEW:
      return viewOf(fields);
    case STATES:
      return { type: 'repair-states', session: integerAt(fields, 1), records: recordsOf(fields) };
    case MARK:
      count(fields, 3);
      return { type: 'repair-mark', session: integerAt(fields, 1), what: oneOf(MARKS, fields, 2) };
    case COMPARE: {
      count(fields, 5);
      const level = levelAt(fields, 2);
      const depth = levelAt(fields, 4);
      const nodes = nodesAt(fields, 3, level);
      if (nodes.length * 2 ** depth > REPAIR_NODES_MAX) throw bad('more digests than a tree has');
      return { type: 'repair-compare', session: integerAt(fields, 1), level, nodes, depth };
    }
    case DIGESTS:
      count(fields, 3);
      return { type: 'repair-digests', session: integerAt(fields, 1), digests: digestsAt(fields, 2) };
    case WALK: {
      count(fields, 6);
      const level = levelAt(fields, 2);
      return {
        type: 'repair-walk',
        session: integerAt(fields, 1),
        level,
        ceiling: vectorOf(fields[3]),
        byId: nodesAt(fields, 4, level),
        whole: nodesAt(fields, 5, level),
      };
    }
    case IDS: {
      count(fields, 5);
      const ids = binaryAt(fields, 3, 0, PEER_FRAME_BYTES_MAX);
      if (ids.length % RECORD_ID_BYTES !== 0) throw bad('ids that are not whole');
      const through = fields[4] === null ? undefined : binaryAt(fields, 4, 1, PEER_FRAME_BYTES_MAX);
      return { type: 'repair-ids', session: integerAt(fields, 1), batch: integerAt(fields, 2), ids, through };
    }
    case WANT:
      count(fields, 4);
      return {
        type: 'repair-want',
        session: integerAt(fields, 1),
        batch: integerAt(fields, 2),
        indices: decodeAscending(binaryAt(fields, 3, 0, PEER_FRAME_BYTES_MAX), REPAIR_NODES_MAX),
      };
    case CREDIT:
      count(fields, 3);
      return { type: 'repair-credit', session: integerAt(fields, 1), bytes: integerAt(fields, 2) };
    case END:
      count(fields, 3);
      return {
        type: 'repair-end',
        session: integerAt(fields, 1),
        outcome: oneOf(REPAIR_OUTCOMES, fields, 2),
      };
    default:
      return undefined;
  }
}

function viewOf(fields: readonly unknown[]): RepairView {
  count(fields, 13);
  const versionVector = vectorOf(fields[2]);
  const list = asArray(fields[3], REPLICAS_MAX);
  const starts = list.map((_, index) => integerAt(list, index));
  if (starts.length > 0 && starts.length !== versionVector.size) throw bad('starts of other replicas');
  const level = levelAt(fields, 11);
  const digests = digestsAt(fields, 12);
  if (digests.length > 0 && digests.length !== NODE_DIGEST_BYTES * 2 ** level)
    throw bad('digests of part of a level');
  return {
    type: 'repair-view',
    session: integerAt(fields, 1),
    versionVector,
    starts,
    ceiling: vectorOf(fields[4]),
    horizon: vectorOf(fields[5]),
    clock: { physical: integerAt(fields, 6), logical: integerAt(fields, 7) },
    bits: levelAt(fields, 8),
    count: integerAt(fields, 9),
    root: binaryAt(fields, 10, ROOT_BYTES, ROOT_BYTES),
    level,
    digests,
  };
}

function recordsOf(fields: readonly unknown[]): RecordState[] {
  if (fields.length % 2 !== 0) throw bad('a record without a state');
  const records: RecordState[] = [];
  for (let at = 2; at < fields.length; at += 2) {
    const key = binaryAt(fields, at, 2, PEER_FRAME_BYTES_MAX);
    records.push({ key, state: binaryAt(fields, at + 1, 1, PEER_FRAME_BYTES_MAX) });
  }
  return records;
}

function digestsAt(fields: readonly unknown[], index: number): Uint8Array {
  const digests = binaryAt(fields, index, 0, REPAIR_NODES_MAX * NODE_DIGEST_BYTES);
  if (digests.length % NODE_DIGEST_BYTES !== 0) throw bad('digests that are not whole');
  return digests;
}

function levelAt(fields: readonly unknown[], index: number): number {
  const level = integerAt(fields, index);
  if (level > REPAIR_LEVEL_MAX) throw bad('a level that no tree has');
  return level;
}

function nodesAt(fields: readonly unknown[], index: number, level: number): number[] {
  return decodeAscending(binaryAt(fields, index, 0, PEER_FRAME_BYTES_MAX), 2 ** level);
}

function oneOf<T>(list: readonly T[], fields: readonly unknown[], index: number): T {
  const value = list[integerAt(fields, index)];
  if (value === undefined) throw bad('a kind that there is not');
  return value;
}

function encodeAscending(numbers: readonly number[]): Uint8Array {
  const writer = new ByteWriter(numbers.length + 16);
  let next = 0;
  for (const number of numbers) {
    writer.varint(number - next);
    next = number + 1;
  }
  return writer.finish();
}

/** Numbers below `end`. */
function decodeAscending(bytes: Uint8Array, end: number): number[] {
  const reader = new ByteReader(bytes);
  const numbers: number[] = [];
  for (let next = 0; reader.remaining > 0; next++) {
    next += stepOf(reader);
    if (next >= end) throw bad('a number out of range');
    numbers.push(next);
  }
  return numbers;
}

function stepOf(reader: ByteReader): number {
  try {
    return reader.varint();
  } catch (error) {
    if (error instanceof CausewayError) throw bad('a number that is not whole');
    throw error;
  }
}
