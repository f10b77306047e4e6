/**
 * Departures: the identities that this directory has left behind, and how far what they had not handed on has been
 * issued again. One record for each, from the first batch of the new store until nothing of it is left to do.
 *
 *   'i' 2 origin → departure          origin is empty when the old store could not be read
 *
 * The own log of the old identity stands under kind 'u' (keyspace.ts), as it was.
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import { ByteReader, ByteWriter, CausewayError, sealValue, unsealValue } from '@causeway/protocol';
import type { ScanEntry } from '../events.js';
import { bytesText, concat, DEPARTURE_PREFIX } from './keyspace.js';

const FORMAT = 1;

/** Transactions of the old identity that were issued again, one for one. */
export interface ReissuedRun {
  /** First seq under the old identity, and how many. */
  readonly from: number;
  readonly count: number;
  /** Who issued them, and its first seq. */
  readonly author: ReplicaId;
  readonly at: number;
}

export interface Departure {
  /** The identity that was left; undefined when nothing of it could be read. */
  readonly origin: ReplicaId | undefined;
  /** Error code and words, for the log. */
  readonly reason: string;
  readonly at: number;
  /** What the old identity had seen, of itself too. */
  readonly seen: VersionVector;
  /** First own seq that stands beside what others know under it; 0 when there is none. */
  readonly fork: number;
  /** Last own seq that others have, once that is settled; undefined before. */
  readonly base: number | undefined;
  /** Every own seq up to here is done with. */
  readonly done: number;
  readonly runs: readonly ReissuedRun[];
}

export function departureKey(origin: ReplicaId | undefined): Uint8Array {
  const text = origin ?? '';
  return concat(
    DEPARTURE_PREFIX,
    Uint8Array.from(text, (unit) => unit.charCodeAt(0)),
  );
}

export function encodeDeparture(departure: Departure): { key: Uint8Array; value: Uint8Array } {
  const key = departureKey(departure.origin);
  const writer = new ByteWriter(256);
  writer.u8(FORMAT);
  writer.text(departure.origin ?? '');
  writer.text(departure.reason);
  writer.varint(departure.at);
  writer.varint(departure.seen.size);
  for (const [origin, seq] of departure.seen) {
    writer.text(origin);
    writer.varint(seq);
  }
  writer.varint(departure.fork);
  writer.varint(departure.base === undefined ? 0 : departure.base + 1);
  writer.varint(departure.done);
  writer.varint(departure.runs.length);
  for (const { from, count, author, at } of departure.runs) {
    writer.varint(from);
    writer.varint(count);
    writer.text(author);
    writer.varint(at);
  }
  return { key, value: sealValue(key, writer.view()) };
}

/** @throws CausewayError CAUSEWAY_CORRUPT or CAUSEWAY_DATA_UNREADABLE */
export function decodeDeparture({ key, value }: ScanEntry): Departure {
  const reader = new ByteReader(unsealValue(key, value));
  const format = reader.u8();
  if (format !== FORMAT) {
    throw new CausewayError('CAUSEWAY_DATA_UNREADABLE', `a departure has format ${format}`);
  }
  const origin = reader.text();
  const reason = reader.text();
  const at = reader.varint();
  const seen = new Map<ReplicaId, number>();
  for (let left = reader.varint(); left > 0; left--) seen.set(reader.text() as ReplicaId, reader.varint());
  const fork = reader.varint();
  const base = reader.varint();
  const done = reader.varint();
  const runs: ReissuedRun[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const [from, count] = [reader.varint(), reader.varint()];
    runs.push({ from, count, author: reader.text() as ReplicaId, at: reader.varint() });
  }
  reader.done();
  return {
    origin: origin === '' ? undefined : (origin as ReplicaId),
    reason,
    at,
    seen,
    fork,
    base: base === 0 ? undefined : base - 1,
    done,
    runs,
  };
}

/** Newest first. @throws as decodeDeparture */
export function departuresOf(entries: readonly ScanEntry[]): Departure[] {
  const prefix = bytesText(DEPARTURE_PREFIX);
  return entries
    .filter(({ key }) => bytesText(key).startsWith(prefix))
    .map(decodeDeparture)
    .sort((a, b) => b.at - a.at);
}
