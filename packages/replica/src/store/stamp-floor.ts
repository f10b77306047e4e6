/**
 * Stamp floor: what a local write is above although nothing is there that it replaces.
 *
 * A tombstone goes when the local clock is at its stamp: what is written here afterwards is above it, and loses to no
 * copy of it elsewhere. Who takes over a state from which it has gone needs a stamp above it too, and may not follow the
 * clock of the source: that would let one wrong clock drag another along. It keeps the reading as a floor instead.
 *
 * Invariant: every tombstone that has gone here, or where the state here was taken from, has a stamp at or below the
 * clock or the floor.
 *
 * Key 'i' 4 → physical logical
 */
import { type ClockReading, compareReadings } from '@causeway/crdt';
import { ByteReader, ByteWriter, sealValue, unsealValue } from '@causeway/protocol';
import type { ScanEntry } from '../events.js';
import { bytesText, FLOOR_KEY } from './keyspace.js';

/** The highest of them, undefined without any. */
export function highest(a: ClockReading | undefined, b: ClockReading | undefined): ClockReading | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareReadings(a, b) >= 0 ? a : b;
}

/** @throws CausewayError CAUSEWAY_CORRUPT: without it acknowledged writes could be lost. */
export function restoreFloor(entries: readonly ScanEntry[]): ClockReading | undefined {
  const id = bytesText(FLOOR_KEY);
  const entry = entries.find(({ key }) => bytesText(key) === id);
  if (entry === undefined) return undefined;
  const reader = new ByteReader(unsealValue(FLOOR_KEY, entry.value));
  const floor = { physical: reader.varint(), logical: reader.varint() };
  reader.done();
  return floor;
}

export function encodeFloor({ physical, logical }: ClockReading): ScanEntry {
  const writer = new ByteWriter(16);
  writer.varint(physical);
  writer.varint(logical);
  return { key: FLOOR_KEY, value: sealValue(FLOOR_KEY, writer.view()) };
}
