/**
 * Keyspace: every key that a replica writes to its store, and the text under which records are kept in memory.
 *
 * Invariants
 * - The first byte is the kind, so that one kind is one range.
 * - Keys of one kind sort by bytes, never by UTF-16 order: a listing is the same in all regions.
 *
 *   'r' key                                   → register
 *   's' key                                   → set: size, clear record, purge position
 *   'e' keyLength(u16) key element            → one element of a set
 *   'c' key                                   → counter
 *   'l' originLength(u8) origin firstSeq(u64) → chunk
 *   'g' originLength(u8) origin seq(u64) recordKey → removal evidence that waits for the stability of a dot
 *   'x' at(u64, ms) recordKey                 → register that expires then
 *   'p' key                                   → set whose clear is being purged
 *   'o' id                                    → result of an operation that carried an idempotency key
 *   'q' at(u64, ms) id                        → when that result may be forgotten
 *   'd' recordKey                             → that record was damaged, and lacks something since
 *   'm' replica                               → member
 *   'k' page(u16)                             → page of the Merkle index
 *   'j' number(u64)                           → changes of the Merkle index by one commit
 *   'u' originLength(u8) origin firstSeq(u64) → chunk of an identity that was left behind, until it is issued again
 *   'i' 0                                     → identity · 'i' 1 → replica record · 'i' 2 origin → departure
 *   'i' 3                                     → clock of results · 'i' 4 → stamp floor
 */

import type { Dot, ReplicaId } from '@causeway/crdt';
import { allocate, ByteReader } from '@causeway/protocol';

export const KIND = {
  register: 0x72,
  set: 0x73,
  element: 0x65,
  counter: 0x63,
  log: 0x6c,
  garbage: 0x67,
  expiry: 0x78,
  purge: 0x70,
  result: 0x6f,
  resultExpiry: 0x71,
  member: 0x6d,
  damaged: 0x64,
  indexPage: 0x6b,
  indexJournal: 0x6a,
  identity: 0x69,
  stash: 0x75,
} as const;

export interface KeyRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** The value of a key that says everything. */
export const NO_BYTES = new Uint8Array(0);

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);
// Keys are not sealed: a damaged one names a record that is not there, which harms nobody.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export const IDENTITY_KEY = Uint8Array.of(KIND.identity, 0);
export const REPLICA_KEY = Uint8Array.of(KIND.identity, 1);
export const RETENTION_KEY = Uint8Array.of(KIND.identity, 3);
export const FLOOR_KEY = Uint8Array.of(KIND.identity, 4);
export const DEPARTURE_PREFIX = Uint8Array.of(KIND.identity, 2);

/** What a host reads before the first step, in this order. */
export const START_RANGES: readonly KeyRange[] = [
  kindRange(KIND.identity),
  kindRange(KIND.member),
  kindRange(KIND.purge),
  kindRange(KIND.damaged),
  kindRange(KIND.indexPage),
  kindRange(KIND.indexJournal),
];

export function kindRange(kind: number): KeyRange {
  return { from: Uint8Array.of(kind), to: Uint8Array.of(kind + 1) };
}

/** Kinds whose key is the kind byte and UTF-8 text. */
export function textKey(kind: number, text: string): Uint8Array {
  const length = text.length;
  const key = allocate(length + 1);
  key[0] = kind;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return concat(Uint8Array.of(kind), encoder.encode(text));
    key[i + 1] = unit;
  }
  return key;
}

export function textOfKey(key: Uint8Array): string {
  return decoder.decode(key.subarray(1));
}

export function elementKey(key: string, element: Uint8Array): Uint8Array {
  return concat(elementPrefix(key), element);
}

/** All elements of one set share it and no other key does. */
export function elementPrefix(key: string): Uint8Array {
  const text = textKey(KIND.element, key);
  const prefix = new Uint8Array(text.length + 2);
  prefix[0] = KIND.element;
  prefix[1] = (text.length - 1) >>> 8;
  prefix[2] = (text.length - 1) & 0xff;
  prefix.set(text.subarray(1), 3);
  return prefix;
}

export function splitElementKey(bytes: Uint8Array): { key: string; element: Uint8Array } {
  const end = 3 + ((bytes[1] ?? 0) << 8) + (bytes[2] ?? 0);
  return { key: decoder.decode(bytes.subarray(3, end)), element: bytes.subarray(end) };
}

/** Elements of a set strictly after `after`, or all. */
export function elementRange(key: string, after?: Uint8Array): KeyRange {
  const prefix = elementPrefix(key);
  return {
    from: after === undefined ? prefix : concat(prefix, after, Uint8Array.of(0)),
    to: prefixEnd(prefix),
  };
}

export function logKey(origin: ReplicaId, firstSeq: number): Uint8Array {
  return originKey(KIND.log, origin, firstSeq);
}

/** Chunks of an origin whose firstSeq is in [from, to). */
export function logRange(origin: ReplicaId, from: number, to = Number.MAX_SAFE_INTEGER): KeyRange {
  return { from: logKey(origin, from), to: logKey(origin, to) };
}

/** Chunks of an identity that was left behind, whose firstSeq is in [from, to). */
export function stashRange(origin: ReplicaId, from: number, to = Number.MAX_SAFE_INTEGER): KeyRange {
  return { from: originKey(KIND.stash, origin, from), to: originKey(KIND.stash, origin, to) };
}

export function garbageKey(origin: ReplicaId, seq: number, recordKey: Uint8Array): Uint8Array {
  return concat(originKey(KIND.garbage, origin, seq), recordKey);
}

/** Evidence that waits for dots (origin, up to and with `seq`). */
export function garbageRange(origin: ReplicaId, seq: number): KeyRange {
  return { from: originKey(KIND.garbage, origin, 0), to: originKey(KIND.garbage, origin, seq + 1) };
}

/** Whose stability lets the evidence go. */
export function dotOfGarbage(key: Uint8Array): Dot {
  const end = 2 + (key[1] ?? 0);
  const replica = decoder.decode(key.subarray(2, end)) as ReplicaId;
  return { replica, seq: new ByteReader(key.subarray(end, end + 8)).u64be() };
}

export function recordKeyOfGarbage(key: Uint8Array): Uint8Array {
  return key.subarray(2 + (key[1] ?? 0) + 8);
}

export function expiryKey(at: number, recordKey: Uint8Array): Uint8Array {
  return timedKey(KIND.expiry, at, recordKey);
}

export function resultExpiryKey(at: number, id: string): Uint8Array {
  return timedKey(KIND.resultExpiry, at, encoder.encode(id));
}

/** Entries of a timed kind that are due by `at`. */
export function dueRange(kind: number, at: number): KeyRange {
  return { from: Uint8Array.of(kind), to: timedKey(kind, at + 1, new Uint8Array(0)) };
}

export function timeOfKey(key: Uint8Array): number {
  return new ByteReader(key.subarray(1, 9)).u64be();
}

export function restOfTimedKey(key: Uint8Array): Uint8Array {
  return key.subarray(9);
}

export function damagedKey(recordKey: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(KIND.damaged), recordKey);
}

export function indexPageKey(page: number): Uint8Array {
  return Uint8Array.of(KIND.indexPage, page >>> 8, page & 0xff);
}

export function indexJournalKey(number: number): Uint8Array {
  return timedKey(KIND.indexJournal, number, NOTHING);
}

/** Of an index journal. */
export function numberOfKey(key: Uint8Array): number {
  return timeOfKey(key);
}

export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

function timedKey(kind: number, at: number, rest: Uint8Array): Uint8Array {
  const key = new Uint8Array(9 + rest.length);
  key[0] = kind;
  writeU64(key, 1, at);
  key.set(rest, 9);
  return key;
}

function originKey(kind: number, origin: ReplicaId, seq: number): Uint8Array {
  const { length } = origin;
  const key = new Uint8Array(2 + length + 8);
  key[0] = kind;
  key[1] = length;
  for (let i = 0; i < length; i++) key[2 + i] = origin.charCodeAt(i);
  writeU64(key, 2 + length, seq);
  return key;
}

/** Big-endian, so that keys sort by it. */
function writeU64(key: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  for (let i = 0; i < 4; i++) {
    key[at + i] = high >>> (24 - 8 * i);
    key[at + 4 + i] = value >>> (24 - 8 * i);
  }
}

/** Smallest key above every key with the prefix. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end--;
  const bound = prefix.slice(0, end);
  bound[end - 1] = (bound[end - 1] ?? 0) + 1;
  return bound;
}

/** The bytes as memory of their own, where they are a small view of something large that would be kept with them. */
export function detached(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.length + 1024 ? new Uint8Array(bytes) : bytes;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The bytes that `bytesText` made the text of. Small ones share memory with others: not to be kept for long. */
export function textBytes(text: string): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(text, 'latin1');
  // Of a Buffer slice() would be no copy.
  return new Uint8Array(buffer, byteOffset, length);
}

/** Bytes as a text of the same length and order: for maps, and to be kept as one object that points to nothing. */
export function bytesText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** Names an element, of which `element` is the text: ids of one set share a prefix and sort like the elements' bytes. */
export function elementId(key: string, element: string): string {
  return `e${key.length}:${key}${element}`;
}

/** The bytes of the element that `id` names, of the set `key`. */
export function elementOfId(id: string, key: string): Uint8Array {
  return textBytes(id.slice(id.indexOf(':') + 1 + key.length));
}
