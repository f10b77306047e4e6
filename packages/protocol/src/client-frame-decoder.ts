/**
 * Frames that a node receives from a client (client-messages.ts): checked field by field, and trusted after.
 */
import { checkCanonical } from './check-canonical.js';
import {
  FRAME_INVALID_MAX,
  FRAME_ITEMS_MAX,
  KEY_TYPES,
  OPCODES,
  REQUEST_ID_MAX,
  type ReceivedMessage,
  TRANSACTION,
  UNWATCH,
  WATCH,
} from './client-messages.js';
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
import { asBadFrame, MessageReader } from './messagepack-reader.js';
import type { Operation, WatchFilter } from './operations.js';
import { CLIENT_PROTOCOL_VERSION } from './version.js';

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
  /** Requests that the frame may still have and that are wrong. */
  #invalid = FRAME_INVALID_MAX;
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
      if (--this.#invalid < 0) throw badFrame(`more than ${FRAME_INVALID_MAX} wrong requests`);
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
