/**
 * Frames that a client sends (client-messages.ts), message by message, each within what a node takes.
 */
import { unreachable } from '@causeway/crdt';
import { ByteWriter } from './byte-writer.js';
import {
  type ClientMessage,
  FRAME_ITEMS_MAX,
  KEY_TYPES,
  OPCODES,
  TRANSACTION,
  UNWATCH,
  WATCH,
} from './client-messages.js';
import { CausewayError } from './errors.js';
import { BODY_BYTES_MAX } from './limits.js';
import {
  beginFrame,
  endFrame,
  writeArrayHeader,
  writeBytes,
  writeElements,
  writeInteger,
  writeNil,
  writeText,
} from './messagepack-writer.js';
import type { Operation, WatchFilter } from './operations.js';

/** Room of a frame's writer at first, and what it keeps after a large frame. */
const KEPT_BYTES = 4 * 1024;
const KEPT_BYTES_MAX = 1024 * 1024;

/** A frame that grows message by message. What is added is sent in order. */
export class ClientFrameWriter {
  #writer = new ByteWriter(KEPT_BYTES);
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
    if (this.#writer.capacity > KEPT_BYTES_MAX) this.#writer = new ByteWriter(KEPT_BYTES);
    beginFrame(this.#writer);
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
    const frame = endFrame(this.#writer, this.#messages);
    this.reset();
    return frame;
  }
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
