/**
 * From nodes to clients (subprotocol causeway.client.v1). A frame is a MessagePack array of messages; each message is
 * an array. The requests stand in client-messages.ts.
 *
 *   [0, version, replica, region, software]   hello, the answer to the client's
 *   [0, 0, code, message]                     refused: the connection is closed
 *   [id, 0, result …]                         reply, one result for each operation; a watch that is open has none
 *   [id, 1, code, message]                    failure
 *   [id, 2, type, key, origin, conflict, cursor, …]   change told to the watch `id`, which goes on
 *        register: value?   set: added, removed, cleared   counter: count
 *   [id, 3, code, message]                    the watch is over
 *
 *   result = [opcode, …]   1 value? physical logical replica (or nothing: not there)   2 physical logical replica
 *        4, 7 size   6 has …   8 more value …   9, 10 value   3, 5, 11 nothing
 *
 * Values and elements are bin of canonical bytes, ? may be nil. A count beyond 64 bits is decimal text. A result says
 * which operation it is of, so that a frame is decoded without knowing what was asked.
 */
import { LOGICAL_MAX, PHYSICAL_MAX, type ReplicaId, type Stamp, unreachable } from '@causeway/crdt';
import { ByteWriter } from './byte-writer.js';
import {
  asBadFrame,
  KEY_TYPES,
  OPCODES,
  REQUEST_ID_MAX,
  setCount,
  writeElements,
} from './client-messages.js';
import { CausewayError } from './errors.js';
import { KEY_BYTES_MAX, MESSAGE_LENGTH_MAX } from './limits.js';
import {
  MessageReader,
  writeArrayHeader,
  writeBigInteger,
  writeBoolean,
  writeBytes,
  writeInteger,
  writeNil,
  writeText,
} from './messagepack.js';
import type { KeyChange, KeyType, Result } from './operations.js';
import { internReplicaId } from './replica-ids.js';

export type NodeMessage =
  | {
      readonly type: 'hello';
      readonly version: number;
      readonly replica: ReplicaId;
      readonly region: string;
      /** Version of the software. */
      readonly software: string;
    }
  /** The connection is closed, with code 1002. */
  | { readonly type: 'refused'; readonly error: CausewayError }
  /** One result for each operation; none: the watch that was asked for is open. */
  | { readonly type: 'reply'; readonly id: number; readonly results: readonly Result[] }
  | { readonly type: 'failure'; readonly id: number; readonly error: CausewayError }
  | { readonly type: 'change'; readonly id: number; readonly change: KeyChange }
  | { readonly type: 'watch-end'; readonly id: number; readonly error: CausewayError };

const REPLY = 0;
const FAILURE = 1;
const CHANGE = 2;
const WATCH_END = 3;

/** Code, region, software version, cursor: bytes. */
const LABEL_BYTES_MAX = 128;

/** A frame that grows message by message. */
export class NodeFrameWriter {
  readonly #writer = new ByteWriter(4096);
  #messages = 0;

  constructor() {
    this.reset();
  }

  get messages(): number {
    return this.#messages;
  }

  /** Bytes of the frame so far: it has no bound of its own, but a large one keeps the next waiting. */
  get length(): number {
    return this.#writer.length;
  }

  reset(): void {
    this.#messages = 0;
    this.#writer.reset();
    this.#writer.u8(0xdd);
    this.#writer.u32be(0);
  }

  add(message: NodeMessage): void {
    this.#messages++;
    const writer = this.#writer;
    switch (message.type) {
      case 'reply':
        writeArrayHeader(writer, 2 + message.results.length);
        writeInteger(writer, message.id);
        writer.u8(REPLY);
        for (const result of message.results) writeResult(writer, result);
        return;
      case 'failure':
        writeError(writer, message.id, FAILURE, message.error);
        return;
      case 'change':
        writeChange(writer, message.id, message.change);
        return;
      case 'watch-end':
        writeError(writer, message.id, WATCH_END, message.error);
        return;
      case 'hello':
        writeArrayHeader(writer, 5);
        writer.u8(0);
        writeInteger(writer, message.version);
        writeText(writer, message.replica);
        writeText(writer, message.region);
        writeText(writer, message.software);
        return;
      case 'refused':
        writeError(writer, 0, 0, message.error);
        return;
      default:
        unreachable(message);
    }
  }

  /** The frame, as bytes of its own; the writer starts over. */
  finish(): Uint8Array {
    setCount(this.#writer, this.#messages);
    const frame = this.#writer.finish();
    this.reset();
    return frame;
  }
}

function writeError(writer: ByteWriter, id: number, kind: number, error: CausewayError): void {
  writeArrayHeader(writer, 4);
  writeInteger(writer, id);
  writer.u8(kind);
  writeText(writer, error.code);
  writeText(writer, cut(error.message));
}

/** Well-formed and at most MESSAGE_LENGTH_MAX bytes, whatever stands in a message. */
function cut(message: string): string {
  return message.slice(0, MESSAGE_LENGTH_MAX / 3).replace(/[\ud800-\udfff]/g, '?');
}

function writeResult(writer: ByteWriter, result: Result): void {
  const opcode = OPCODES[result.op];
  switch (result.op) {
    case 'register.get': {
      const { value, stamp } = result;
      writeArrayHeader(writer, stamp !== undefined ? 5 : value !== undefined ? 2 : 1);
      writer.u8(opcode);
      if (value !== undefined) writeBytes(writer, value);
      else if (stamp !== undefined) writeNil(writer);
      if (stamp !== undefined) writeStamp(writer, stamp);
      return;
    }
    case 'register.set':
      writeArrayHeader(writer, 4);
      writer.u8(opcode);
      writeStamp(writer, result.stamp);
      return;
    case 'set.update':
    case 'set.size':
      writeArrayHeader(writer, 2);
      writer.u8(opcode);
      writeInteger(writer, result.size);
      return;
    case 'set.has':
      writeArrayHeader(writer, 1 + result.has.length);
      writer.u8(opcode);
      for (const has of result.has) writeBoolean(writer, has);
      return;
    case 'set.values':
      writeArrayHeader(writer, 2 + result.values.length);
      writer.u8(opcode);
      writeBoolean(writer, result.more);
      for (const value of result.values) writeBytes(writer, value);
      return;
    case 'counter.increment':
    case 'counter.get':
      writeArrayHeader(writer, 2);
      writer.u8(opcode);
      writeBigInteger(writer, result.value);
      return;
    case 'register.delete':
    case 'set.clear':
    case 'counter.reset':
      writeArrayHeader(writer, 1);
      writer.u8(opcode);
      return;
    default:
      unreachable(result);
  }
}

function writeStamp(writer: ByteWriter, stamp: Stamp): void {
  writeInteger(writer, stamp.physical);
  writeInteger(writer, stamp.logical);
  writeText(writer, stamp.replica);
}

function writeChange(writer: ByteWriter, id: number, change: KeyChange): void {
  writeArrayHeader(writer, change.type === 'set' ? 10 : 8);
  writeInteger(writer, id);
  writer.u8(CHANGE);
  writer.u8(KEY_TYPES.indexOf(change.type) + 1);
  writeText(writer, change.key);
  writeText(writer, change.origin);
  writeBoolean(writer, change.conflict);
  writeText(writer, change.cursor);
  switch (change.type) {
    case 'register':
      if (change.value === undefined) writeNil(writer);
      else writeBytes(writer, change.value);
      return;
    case 'set':
      writeElements(writer, change.added ?? []);
      writeElements(writer, change.removed ?? []);
      writeBoolean(writer, change.cleared ?? false);
      return;
    case 'counter':
      writeBigInteger(writer, change.count ?? 0);
      return;
    default:
      unreachable(change.type);
  }
}

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
