/**
 * Frames that a node sends to a client (node-messages.ts), message by message.
 */
import { type Stamp, unreachable } from '@causeway/crdt';
import { ByteWriter } from './byte-writer.js';
import { KEY_TYPES, OPCODES } from './client-messages.js';
import type { CausewayError } from './errors.js';
import { MESSAGE_LENGTH_MAX } from './limits.js';
import {
  beginFrame,
  endFrame,
  writeArrayHeader,
  writeBigInteger,
  writeBoolean,
  writeBytes,
  writeElements,
  writeInteger,
  writeNil,
  writeText,
} from './messagepack-writer.js';
import { CHANGE, FAILURE, type NodeMessage, REPLY, WATCH_END } from './node-messages.js';
import type { KeyChange, Result } from './operations.js';

/** Room of a frame's writer at first, and what it keeps after a large frame. */
const KEPT_BYTES = 4 * 1024;
const KEPT_BYTES_MAX = 1024 * 1024;

/** A frame that grows message by message. */
export class NodeFrameWriter {
  #writer = new ByteWriter(KEPT_BYTES);
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
    if (this.#writer.capacity > KEPT_BYTES_MAX) this.#writer = new ByteWriter(KEPT_BYTES);
    beginFrame(this.#writer);
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
    const frame = endFrame(this.#writer, this.#messages);
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
      writeArrayHeader(writer, result.size === undefined ? 1 : 2);
      writer.u8(opcode);
      if (result.size !== undefined) writeInteger(writer, result.size);
      return;
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
