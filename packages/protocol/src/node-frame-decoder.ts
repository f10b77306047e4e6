/**
 * Frames that a client receives from a node (node-messages.ts): checked field by field, and trusted after.
 */
import { LOGICAL_MAX, PHYSICAL_MAX, type ReplicaId, type Stamp, unreachable } from '@causeway/crdt';
import { KEY_TYPES, OPCODES, REQUEST_ID_MAX } from './client-messages.js';
import { CausewayError } from './errors.js';
import { KEY_BYTES_MAX, MESSAGE_LENGTH_MAX } from './limits.js';
import { asBadFrame, MessageReader } from './messagepack-reader.js';
import { CHANGE, FAILURE, type NodeMessage, REPLY, WATCH_END } from './node-messages.js';
import type { KeyChange, KeyType, Result } from './operations.js';
import { internReplicaId } from './replica-ids.js';

/** Code, region, software version, cursor: bytes. */
const LABEL_BYTES_MAX = 128;

/**
 * The messages of a node's frame; values are views of it. Throws CAUSEWAY_BAD_FRAME for everything that no node
 * sends; whether values are canonical is left to who decodes them.
 */
export function decodeNodeFrame(bytes: Uint8Array): NodeMessage[] {
  try {
    // Views of a Buffer would be Buffers, of which slice() is no copy.
    const reader = new MessageReader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    const messages: NodeMessage[] = [];
    for (let left = reader.arrayHeader(); left > 0; left--) messages.push(readMessage(reader));
    if (reader.remaining > 0) throw bad('bytes after the last message');
    return messages;
  } catch (cause) {
    throw asBadFrame(cause);
  }
}

function readMessage(reader: MessageReader): NodeMessage {
  const length = reader.arrayHeader();
  if (length < 2) throw bad('a message without its kind');
  const id = reader.integer('an id', 0, REQUEST_ID_MAX);
  const kind = reader.integer('a kind', 0, 0xff);
  if (id === 0) return readGreeting(reader, kind, length);
  switch (kind) {
    case REPLY: {
      const results: Result[] = [];
      for (let i = 2; i < length; i++) results.push(readResult(reader));
      return { type: 'reply', id, results };
    }
    case FAILURE:
      return { type: 'failure', id, error: readError(reader, length) };
    case CHANGE:
      return { type: 'change', id, change: readChange(reader, length) };
    case WATCH_END:
      return { type: 'watch-end', id, error: readError(reader, length) };
    default:
      throw bad('a message of an unknown kind');
  }
}

function readGreeting(reader: MessageReader, version: number, length: number): NodeMessage {
  if (version === 0) return { type: 'refused', error: readError(reader, length) };
  if (length !== 5) throw bad('a hello that is none');
  const replica = readReplicaText(reader);
  const region = reader.string(LABEL_BYTES_MAX);
  return { type: 'hello', version, replica, region, software: reader.string(LABEL_BYTES_MAX) };
}

function readError(reader: MessageReader, length: number): CausewayError {
  if (length !== 4) throw bad('an error that is none');
  const code = reader.string(LABEL_BYTES_MAX);
  return CausewayError.fromWire(code, reader.string(MESSAGE_LENGTH_MAX));
}

function readResult(reader: MessageReader): Result {
  const length = reader.arrayHeader();
  if (length === 0) throw bad('a result that is none');
  const opcode = reader.integer('an opcode', 0, 0xff);
  switch (opcode) {
    case OPCODES['register.get']: {
      if (length === 1) return { op: 'register.get' };
      const value = reader.nil() ? undefined : reader.binary();
      if (length === 2) return value === undefined ? { op: 'register.get' } : { op: 'register.get', value };
      const stamp = readStamp(reader, length - 2);
      return value === undefined ? { op: 'register.get', stamp } : { op: 'register.get', value, stamp };
    }
    case OPCODES['register.set']:
      return { op: 'register.set', stamp: readStamp(reader, length - 1) };
    case OPCODES['set.update']:
      if (length === 1) return { op: 'set.update' };
      expect(length, 2);
      return { op: 'set.update', size: readSize(reader) };
    case OPCODES['set.size']:
      expect(length, 2);
      return { op: 'set.size', size: readSize(reader) };
    case OPCODES['set.has']: {
      const has: boolean[] = [];
      for (let i = 1; i < length; i++) has.push(reader.boolean());
      return { op: 'set.has', has };
    }
    case OPCODES['set.values']: {
      if (length < 2) throw bad('a result that is none');
      const more = reader.boolean();
      const values: Uint8Array[] = [];
      for (let i = 2; i < length; i++) values.push(reader.binary());
      return { op: 'set.values', values, more };
    }
    case OPCODES['counter.increment']:
      expect(length, 2);
      return { op: 'counter.increment', value: reader.bigInteger() };
    case OPCODES['counter.get']:
      expect(length, 2);
      return { op: 'counter.get', value: reader.bigInteger() };
    case OPCODES['register.delete']:
      expect(length, 1);
      return { op: 'register.delete' };
    case OPCODES['set.clear']:
      expect(length, 1);
      return { op: 'set.clear' };
    case OPCODES['counter.reset']:
      expect(length, 1);
      return { op: 'counter.reset' };
    default:
      throw bad('a result of an unknown operation');
  }
}

function readStamp(reader: MessageReader, fields: number): Stamp {
  expect(fields, 3);
  const physical = reader.integer('a time', 0, PHYSICAL_MAX);
  const logical = reader.integer('a count', 0, LOGICAL_MAX);
  return { physical, logical, replica: readReplicaText(reader) };
}

function readReplicaText(reader: MessageReader): ReplicaId {
  const ascii = reader.stringBytes(LABEL_BYTES_MAX);
  const replica = internReplicaId(ascii, 0, ascii.length);
  if (replica === undefined) throw bad('not a replica id');
  return replica;
}

function readSize(reader: MessageReader): number {
  return reader.integer('a size', 0, Number.MAX_SAFE_INTEGER);
}

function readChange(reader: MessageReader, length: number): KeyChange {
  if (length < 8) throw bad('a change that is none');
  const type: KeyType = KEY_TYPES[reader.integer('a type', 1, 3) - 1]!;
  expect(length, type === 'set' ? 10 : 8);
  const key = reader.string(KEY_BYTES_MAX);
  if (key === '') throw bad('not a key');
  const origin = reader.string(LABEL_BYTES_MAX);
  const conflict = reader.boolean();
  const cursor = reader.string(LABEL_BYTES_MAX);
  const change = { type, key, origin, conflict, cursor };
  switch (type) {
    case 'register':
      return reader.nil() ? change : { ...change, value: reader.binary() };
    case 'counter':
      return { ...change, count: reader.bigInteger() };
    case 'set': {
      const added = readElements(reader);
      const removed = readElements(reader);
      return reader.boolean() ? { ...change, added, removed, cleared: true } : { ...change, added, removed };
    }
    default:
      return unreachable(type);
  }
}

function readElements(reader: MessageReader): Uint8Array[] {
  const elements: Uint8Array[] = [];
  for (let left = reader.arrayHeader(); left > 0; left--) elements.push(reader.binary());
  return elements;
}

function expect(length: number, want: number): void {
  if (length !== want) throw bad('a message with the wrong number of fields');
}

function bad(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_FRAME', message);
}
