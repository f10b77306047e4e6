/**
 * MessagePack for the client protocol, written without objects in between: each field goes straight to the frame. The
 * shortest forms only.
 *
 * A frame is an array of messages whose number is known at the end, so its head is of the long form.
 */
import type { ByteWriter } from './byte-writer.js';
import { CausewayError } from './errors.js';
import { utf8Length } from './keys.js';

const I64_MIN = -(2n ** 63n);
const U64_MAX = 2n ** 64n - 1n;

export function writeArrayHeader(writer: ByteWriter, count: number): void {
  if (count < 16) writer.u8(0x90 | count);
  else if (count < 0x10000) {
    writer.u8(0xdc);
    writer.u16be(count);
  } else {
    writer.u8(0xdd);
    writer.u32be(count);
  }
}

export function writeNil(writer: ByteWriter): void {
  writer.u8(0xc0);
}

export function writeBoolean(writer: ByteWriter, value: boolean): void {
  writer.u8(value ? 0xc3 : 0xc2);
}

/** A safe integer. */
export function writeInteger(writer: ByteWriter, value: number): void {
  if (value >= 0) {
    if (value < 0x80) writer.u8(value);
    else if (value < 0x100) {
      writer.u8(0xcc);
      writer.u8(value);
    } else if (value < 0x10000) {
      writer.u8(0xcd);
      writer.u16be(value);
    } else if (value < 0x1_0000_0000) {
      writer.u8(0xce);
      writer.u32be(value);
    } else {
      writer.u8(0xcf);
      writer.u64be(value);
    }
    return;
  }
  if (value >= -32) writer.u8(value & 0xff);
  else if (value >= -0x80) {
    writer.u8(0xd0);
    writer.u8(value & 0xff);
  } else if (value >= -0x8000) {
    writer.u8(0xd1);
    writer.u16be(value & 0xffff);
  } else if (value >= -0x8000_0000) {
    writer.u8(0xd2);
    writer.u32be(value >>> 0);
  } else writeBig(writer, BigInt(value));
}

/** An integer of any size: beyond 64 bits as decimal text. */
export function writeBigInteger(writer: ByteWriter, value: number | bigint): void {
  if (typeof value === 'number') writeInteger(writer, value);
  else if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
    writeInteger(writer, Number(value));
  } else if (value < I64_MIN || value > U64_MAX) writeText(writer, String(value));
  else writeBig(writer, value);
}

/** Two's complement, in the 64-bit form of its sign. */
function writeBig(writer: ByteWriter, value: bigint): void {
  writer.u8(value < 0n ? 0xd3 : 0xcf);
  writer.big64be(value);
}

/** Throws CAUSEWAY_BAD_VALUE if the text is not well-formed UTF-16. */
export function writeText(writer: ByteWriter, value: string): void {
  const bytes = utf8Length(value);
  if (bytes === -1) throw new CausewayError('CAUSEWAY_BAD_VALUE', 'text with a lone surrogate');
  if (bytes < 32) writer.u8(0xa0 | bytes);
  else if (bytes < 0x100) {
    writer.u8(0xd9);
    writer.u8(bytes);
  } else if (bytes < 0x10000) {
    writer.u8(0xda);
    writer.u16be(bytes);
  } else {
    writer.u8(0xdb);
    writer.u32be(bytes);
  }
  writer.utf8(value, bytes);
}

export function writeBytes(writer: ByteWriter, value: Uint8Array): void {
  const length = value.length;
  if (length < 0x100) {
    writer.u8(0xc4);
    writer.u8(length);
  } else if (length < 0x10000) {
    writer.u8(0xc5);
    writer.u16be(length);
  } else {
    writer.u8(0xc6);
    writer.u32be(length);
  }
  writer.raw(value);
}

/** An array of binaries. */
export function writeElements(writer: ByteWriter, elements: readonly Uint8Array[]): void {
  writeArrayHeader(writer, elements.length);
  for (const element of elements) writeBytes(writer, element);
}

/** Empties the writer and begins a frame. */
export function beginFrame(writer: ByteWriter): void {
  writer.reset();
  writer.u8(0xdd);
  writer.u32be(0);
}

/** The frame, as bytes of its own. `count`: messages that were written since it was begun. */
export function endFrame(writer: ByteWriter, count: number): Uint8Array {
  const swapped = (count << 24) | ((count & 0xff00) << 8) | ((count >>> 8) & 0xff00) | (count >>> 24);
  writer.setU32le(1, swapped);
  return writer.finish();
}
