/**
 * From clients to nodes (subprotocol causeway.client.v1). A frame is a MessagePack array of messages, in the order in
 * which they take effect; each message is an array. The answers stand in node-messages.ts.
 *
 *   [0, version, name]                 hello, the first message of a connection
 *   [id, opcode, argument …]           request; id is the client's, 1 to 2^32-1, and comes back with the answer
 *   [id, 20, [[opcode, argument …] …]] transaction
 *   [id, 30, prefix, key?, type?]      watch; key and type may be nil. type: 1 register, 2 set, 3 counter
 *   [id, 31, watch]                    ends the watch that the request with id `watch` began
 *
 *   1 register.get key         2 register.set key value ttlMs?     3 register.delete key
 *   4 set.update key add remove        5 set.clear key             6 set.has key values
 *   7 set.size key             8 set.values key limit? after?
 *   9 counter.increment key by         10 counter.get key          11 counter.reset key
 *
 * Arguments marked ? may be nil, or missing at the end. Values and elements are bin of canonical bytes. What arrives
 * is checked here, field by field, and trusted after. A request that is wrong in itself is refused alone, under its
 * id; a frame in which messages cannot be told apart is CAUSEWAY_BAD_FRAME, and none of it has taken effect.
 */
import { unreachable } from '@causeway/crdt';
import { ByteWriter } from './byte-writer.js';
import { checkCanonical } from './check-canonical.js';
import { CausewayError } from './errors.js';
import { checkKey } from './keys.js';
import {
  BODY_BYTES_MAX,
  KEY_BYTES_MAX,
  MESSAGE_LENGTH_MAX,
  REQUEST_ELEMENTS_MAX,
  SET_ELEMENTS_MAX,
  TRANSACTION_OPERATIONS_MAX,
  TTL_MS_MAX,
  VALUE_BYTES_MAX,
} from './limits.js';
import {
  MessageReader,
  writeArrayHeader,
  writeBytes,
  writeInteger,
  writeNil,
  writeText,
} from './messagepack.js';
import type { KeyType, Operation, WatchFilter } from './operations.js';
import { CLIENT_PROTOCOL_VERSION } from './version.js';

/** What a client sends. Request ids are 1 to REQUEST_ID_MAX. */
export type ClientMessage =
  | { readonly type: 'hello'; readonly version: number; readonly name: string }
  /** All operations take effect together; exactly one unless `transaction`. */
  | {
      readonly type: 'request';
      readonly id: number;
      readonly operations: readonly Operation[];
      readonly transaction: boolean;
    }
  | { readonly type: 'watch'; readonly id: number; readonly filter: WatchFilter }
  | { readonly type: 'unwatch'; readonly id: number; readonly watch: number };

/** What a node finds in a frame: also requests that it must refuse. */
export type ReceivedMessage =
  | ClientMessage
  | { readonly type: 'invalid'; readonly id: number; readonly error: CausewayError };

export const REQUEST_ID_MAX = 0xffff_ffff;

/**
 * Messages, operations and elements of one frame: bounds what a frame of tiny ones takes in memory. The largest
 * request fits.
 */
export const FRAME_ITEMS_MAX = 250_000;

export const OPCODES = {
  'register.get': 1,
  'register.set': 2,
  'register.delete': 3,
  'set.update': 4,
  'set.clear': 5,
  'set.has': 6,
  'set.size': 7,
  'set.values': 8,
  'counter.increment': 9,
  'counter.get': 10,
  'counter.reset': 11,
} as const satisfies Readonly<Record<Operation['op'], number>>;

const TRANSACTION = 20;
const WATCH = 30;
const UNWATCH = 31;

export const KEY_TYPES: readonly KeyType[] = ['register', 'set', 'counter'];

/** Of a frame before its messages: the head of an array whose count is known at the end. */
const FRAME_HEAD_BYTES = 5;

/** A frame that grows message by message. What is added is sent in order. */
export class ClientFrameWriter {
  readonly #writer = new ByteWriter(4096);
  #messages = 0;
  #items = 0;

  constructor() {
    this.reset();
  }

  /** Number of messages in the frame. */
  get messages(): number {
    return this.#messages;
  }

  /** Bytes of the frame so far. */
  get length(): number {
    return this.#writer.length;
  }

  reset(): void {
    this.#messages = 0;
    this.#items = 0;
    this.#writer.reset();
    this.#writer.u8(0xdd);
    this.#writer.u32be(0);
  }

  /**
   * Adds a message; false if the frame has no room for it, which then has to be sent first. Throws
   * CAUSEWAY_TOO_LARGE if no frame has, CAUSEWAY_BAD_VALUE for a key that is none; the frame is then as before.
   */
  add(message: ClientMessage): boolean {
    const items = itemsOf(message);
    const length = this.#writer.length;
    if (this.#items + items <= FRAME_ITEMS_MAX) {
      try {
        writeMessage(this.#writer, message);
      } catch (error) {
        this.#writer.truncate(length);
        throw error;
      }
      if (this.#writer.length <= BODY_BYTES_MAX) {
        this.#items += items;
        this.#messages++;
        return true;
      }
      this.#writer.truncate(length);
    }
    if (this.#messages > 0) return false;
    throw new CausewayError('CAUSEWAY_TOO_LARGE', `a request may have at most ${BODY_BYTES_MAX} bytes`);
  }

  /** The frame, as bytes of its own; the writer starts over. */
  finish(): Uint8Array {
    setCount(this.#writer, this.#messages);
    const frame = this.#writer.finish();
    this.reset();
    return frame;
  }
}

/** The count of a frame's messages, big-endian. */
export function setCount(writer: ByteWriter, count: number): void {
  const swapped = (count << 24) | ((count & 0xff00) << 8) | ((count >>> 8) & 0xff00) | (count >>> 24);
  writer.setU32le(FRAME_HEAD_BYTES - 4, swapped);
}

function itemsOf(message: ClientMessage): number {
  if (message.type !== 'request') return 1;
  let items = 1 + message.operations.length;
  for (const operation of message.operations) {
    if (operation.op === 'set.update') items += operation.add.length + operation.remove.length;
    else if (operation.op === 'set.has') items += operation.values.length;
  }
  return items;
}

function writeMessage(writer: ByteWriter, message: ClientMessage): void {
  switch (message.type) {
    case 'request':
      writeRequest(writer, message.id, message.operations, message.transaction);
      return;
    case 'hello':
      writeArrayHeader(writer, 3);
      writeInteger(writer, 0);
      writeInteger(writer, message.version);
      writeText(writer, message.name);
      return;
    case 'watch':
      writeWatch(writer, message.id, message.filter);
      return;
    case 'unwatch':
      writeArrayHeader(writer, 3);
      writeInteger(writer, message.id);
      writeInteger(writer, UNWATCH);
      writeInteger(writer, message.watch);
      return;
    default:
      unreachable(message);
  }
}

function writeRequest(
  writer: ByteWriter,
  id: number,
  operations: readonly Operation[],
  transaction: boolean,
): void {
  const only = operations[0];
  if (!transaction && only !== undefined) {
    writeArrayHeader(writer, 2 + argumentCount(only));
    writeInteger(writer, id);
    writeOperation(writer, only);
    return;
  }
  writeArrayHeader(writer, 3);
  writeInteger(writer, id);
  writer.u8(TRANSACTION);
  writeArrayHeader(writer, operations.length);
  for (const operation of operations) {
    writeArrayHeader(writer, 1 + argumentCount(operation));
    writeOperation(writer, operation);
  }
}

function argumentCount(operation: Operation): number {
  switch (operation.op) {
    case 'register.set':
      return operation.ttlMs === undefined ? 2 : 3;
    case 'set.update':
      return 3;
    case 'set.values':
      return operation.after !== undefined ? 3 : operation.limit !== undefined ? 2 : 1;
    case 'set.has':
    case 'counter.increment':
      return 2;
    default:
      return 1;
  }
}

/** Opcode and arguments, without the array's head. */
function writeOperation(writer: ByteWriter, operation: Operation): void {
  writer.u8(OPCODES[operation.op]);
  writeText(writer, operation.key);
  switch (operation.op) {
    case 'register.set':
      writeBytes(writer, operation.value);
      if (operation.ttlMs !== undefined) writeInteger(writer, operation.ttlMs);
      return;
    case 'set.update':
      writeElements(writer, operation.add);
      writeElements(writer, operation.remove);
      return;
    case 'set.has':
      writeElements(writer, operation.values);
      return;
    case 'set.values':
      if (operation.limit !== undefined) writeInteger(writer, operation.limit);
      else if (operation.after !== undefined) writeNil(writer);
      if (operation.after !== undefined) writeBytes(writer, operation.after);
      return;
    case 'counter.increment':
      writeInteger(writer, operation.by);
      return;
    case 'register.get':
    case 'register.delete':
    case 'set.clear':
    case 'set.size':
    case 'counter.get':
    case 'counter.reset':
      return;
    default:
      unreachable(operation);
  }
}

export function writeElements(writer: ByteWriter, elements: readonly Uint8Array[]): void {
  writeArrayHeader(writer, elements.length);
  for (const element of elements) writeBytes(writer, element);
}

function writeWatch(writer: ByteWriter, id: number, filter: WatchFilter): void {
  writeArrayHeader(writer, 5);
  writeInteger(writer, id);
  writeInteger(writer, WATCH);
  writeText(writer, filter.prefix);
  if (filter.key === undefined) writeNil(writer);
  else writeText(writer, filter.key);
  if (filter.type === undefined) writeNil(writer);
  else writeInteger(writer, KEY_TYPES.indexOf(filter.type) + 1);
}

/**
 * The messages of a client's frame; values are views of it. Throws CAUSEWAY_BAD_FRAME when they cannot be told apart,
 * CAUSEWAY_TOO_LARGE for a frame over its limit: the connection is to be closed. O(bytes) in time and memory.
 */
export function decodeClientFrame(bytes: Uint8Array): ReceivedMessage[] {
  if (bytes.length > BODY_BYTES_MAX) {
    throw new CausewayError('CAUSEWAY_TOO_LARGE', `a frame may have at most ${BODY_BYTES_MAX} bytes`);
  }
  try {
    return new ClientFrameDecoder(bytes).messages();
  } catch (cause) {
    throw asBadFrame(cause);
  }
}

class ClientFrameDecoder {
  readonly #bytes: Uint8Array;
  #reader: MessageReader;
  /** Messages, operations and elements that the frame may still have. */
  #items = FRAME_ITEMS_MAX;
  /** Elements that the request may still have. */
  #elements = 0;

  constructor(bytes: Uint8Array) {
    // Views of a Buffer would be Buffers, of which slice() is no copy.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#reader = new MessageReader(this.#bytes);
  }

  messages(): ReceivedMessage[] {
    const messages: ReceivedMessage[] = [];
    let left = this.#reader.arrayHeader();
    this.#spend(left);
    for (; left > 0; left--) messages.push(this.#message());
    if (this.#reader.remaining > 0) throw badFrame('bytes after the last message');
    return messages;
  }

  #message(): ReceivedMessage {
    const reader = this.#reader;
    const start = reader.position;
    const length = reader.arrayHeader();
    if (length === 0) throw badFrame('an empty message');
    const id = reader.integer('a request id', 0, REQUEST_ID_MAX);
    this.#elements = REQUEST_ELEMENTS_MAX;
    try {
      return id === 0 ? this.#hello(start, length) : this.#request(id, length);
    } catch (error) {
      if (!(error instanceof CausewayError) || error.code === 'CAUSEWAY_BAD_FRAME') throw error;
      if (id === 0) throw badFrame('a hello that is none');
      this.#skip(start);
      return { type: 'invalid', id, error: refusal(error) };
    }
  }

  /** Of another version only the version is read: what follows it there is not known here. */
  #hello(start: number, length: number): ReceivedMessage {
    const reader = this.#reader;
    if (length < 2) throw badFrame('a hello without a version');
    const version = reader.integer('a version', 0, REQUEST_ID_MAX);
    if (version === CLIENT_PROTOCOL_VERSION && length === 3) {
      return { type: 'hello', version, name: reader.string(MESSAGE_LENGTH_MAX) };
    }
    if (version === CLIENT_PROTOCOL_VERSION) throw badFrame('a hello that is none');
    this.#skip(start);
    return { type: 'hello', version, name: '' };
  }

  #request(id: number, length: number): ReceivedMessage {
    const reader = this.#reader;
    if (length < 2) throw badRequest('a request has an opcode');
    const opcode = reader.integer('an opcode', 0, 0xff);
    switch (opcode) {
      case TRANSACTION:
        argumentsBetween(length - 2, 1, 1);
        return { type: 'request', id, operations: this.#operations(), transaction: true };
      case WATCH:
        argumentsBetween(length - 2, 1, 3);
        return { type: 'watch', id, filter: this.#filter(length - 2) };
      case UNWATCH:
        argumentsBetween(length - 2, 1, 1);
        return { type: 'unwatch', id, watch: reader.integer('a request id', 1, REQUEST_ID_MAX) };
      default:
        return { type: 'request', id, operations: [this.#operation(opcode, length - 2)], transaction: false };
    }
  }

  /** Goes on after the message that starts at `start`. */
  #skip(start: number): void {
    this.#reader = new MessageReader(this.#bytes, start);
    this.#reader.skip();
  }

  #operations(): readonly Operation[] {
    const reader = this.#reader;
    const count = reader.arrayHeader();
    if (count === 0) throw badRequest('a transaction has at least one operation');
    if (count > TRANSACTION_OPERATIONS_MAX) {
      throw new CausewayError(
        'CAUSEWAY_TOO_LARGE',
        `a transaction has at most ${TRANSACTION_OPERATIONS_MAX} operations`,
      );
    }
    this.#spend(count);
    const operations: Operation[] = [];
    for (let i = 0; i < count; i++) {
      const length = reader.arrayHeader();
      if (length === 0) throw badRequest('an operation has an opcode');
      operations.push(this.#operation(reader.integer('an opcode', 0, 0xff), length - 1));
    }
    return operations;
  }

  /** `count`: arguments that follow. */
  #operation(opcode: number, count: number): Operation {
    const reader = this.#reader;
    switch (opcode) {
      case OPCODES['register.get']:
        argumentsBetween(count, 1, 1);
        return { op: 'register.get', key: this.#key() };
      case OPCODES['register.set']: {
        argumentsBetween(count, 2, 3);
        const key = this.#key();
        const value = this.#value();
        if (count === 2 || reader.nil()) return { op: 'register.set', key, value };
        return { op: 'register.set', key, value, ttlMs: reader.integer('ttlMs: a number', 1, TTL_MS_MAX) };
      }
      case OPCODES['register.delete']:
        argumentsBetween(count, 1, 1);
        return { op: 'register.delete', key: this.#key() };
      case OPCODES['set.update']:
        argumentsBetween(count, 3, 3);
        return { op: 'set.update', key: this.#key(), add: this.#values(), remove: this.#values() };
      case OPCODES['set.clear']:
        argumentsBetween(count, 1, 1);
        return { op: 'set.clear', key: this.#key() };
      case OPCODES['set.has']:
        argumentsBetween(count, 2, 2);
        return { op: 'set.has', key: this.#key(), values: this.#values() };
      case OPCODES['set.size']:
        argumentsBetween(count, 1, 1);
        return { op: 'set.size', key: this.#key() };
      case OPCODES['set.values']:
        argumentsBetween(count, 1, 3);
        return this.#page(count);
      case OPCODES['counter.increment']:
        argumentsBetween(count, 2, 2);
        return { op: 'counter.increment', key: this.#key(), by: this.#amount() };
      case OPCODES['counter.get']:
        argumentsBetween(count, 1, 1);
        return { op: 'counter.get', key: this.#key() };
      case OPCODES['counter.reset']:
        argumentsBetween(count, 1, 1);
        return { op: 'counter.reset', key: this.#key() };
      default:
        throw badRequest(`${opcode} is no opcode`);
    }
  }

  #page(count: number): Operation {
    const reader = this.#reader;
    const key = this.#key();
    const limit =
      count < 2 || reader.nil() ? undefined : reader.integer('limit: a number', 1, SET_ELEMENTS_MAX);
    const after = count < 3 || reader.nil() ? undefined : this.#value();
    if (limit === undefined)
      return after === undefined ? { op: 'set.values', key } : { op: 'set.values', key, after };
    return after === undefined ? { op: 'set.values', key, limit } : { op: 'set.values', key, limit, after };
  }

  #filter(count: number): WatchFilter {
    const reader = this.#reader;
    const prefix = reader.string(KEY_BYTES_MAX);
    const key = count < 2 || reader.nil() ? undefined : this.#key();
    const type =
      count < 3 || reader.nil() ? undefined : KEY_TYPES[reader.integer('type: a number', 1, 3) - 1];
    return {
      prefix,
      ...(key === undefined ? undefined : { key }),
      ...(type === undefined ? undefined : { type }),
    };
  }

  /** Text that was read is well-formed: of a key only the length is left to check. */
  #key(): string {
    const key = this.#reader.string(BODY_BYTES_MAX);
    // A unit is at most three bytes.
    if (key.length === 0 || key.length * 3 > KEY_BYTES_MAX) checkKey(key);
    return key;
  }

  #value(): Uint8Array {
    const value = this.#reader.binary();
    if (value.length > VALUE_BYTES_MAX) {
      throw new CausewayError('CAUSEWAY_TOO_LARGE', `a value may have at most ${VALUE_BYTES_MAX} bytes`);
    }
    checkCanonical(value);
    return value;
  }

  #values(): readonly Uint8Array[] {
    const count = this.#reader.arrayHeader();
    if (count > this.#elements) {
      throw new CausewayError('CAUSEWAY_TOO_LARGE', `a request has at most ${REQUEST_ELEMENTS_MAX} elements`);
    }
    this.#elements -= count;
    this.#spend(count);
    const values: Uint8Array[] = [];
    for (let i = 0; i < count; i++) values.push(this.#value());
    return values;
  }

  #amount(): number {
    const by = this.#reader.number();
    if (typeof by === 'number' && Number.isSafeInteger(by)) return by + 0;
    throw new CausewayError('CAUSEWAY_BAD_AMOUNT', 'an amount is an integer within ±(2^53-1)');
  }

  #spend(items: number): void {
    this.#items -= items;
    if (this.#items < 0) throw badFrame(`more than ${FRAME_ITEMS_MAX} messages, operations and elements`);
  }
}

/** What is wrong outside of a single request is wrong with the frame. Faults of our own stay what they are. */
export function asBadFrame(cause: unknown): unknown {
  if (!(cause instanceof CausewayError) || cause.code === 'CAUSEWAY_BAD_FRAME') return cause;
  return new CausewayError('CAUSEWAY_BAD_FRAME', cause.message, { cause });
}

/** Ill-formed UTF-8 is a client's mistake here, not a damaged record. */
function refusal(error: CausewayError): CausewayError {
  return error.code === 'CAUSEWAY_CORRUPT' ? badRequest(error.message) : error;
}

function argumentsBetween(count: number, min: number, max: number): void {
  if (count < min || count > max) throw badRequest(`${count} arguments, ${min} to ${max} were expected`);
}

function badRequest(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_REQUEST', message);
}

function badFrame(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_FRAME', message);
}
