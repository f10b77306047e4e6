/**
 * The grammar of the stored keys, as far as checkers read it, written down a second time on purpose.
 *
 * 'r' key · 'c' key · 's' key · 'e' keyLength(u16) key element · 'l' originLength(u8) origin firstSeq(u64) ·
 * 'm' replica · 'i' 1 → replica record. Keys of the workload are ASCII.
 */
import type { ReplicaId } from '@causeway/crdt';

export const REGISTER = 0x72;
export const COUNTER = 0x63;
export const SET = 0x73;
export const ELEMENT = 0x65;
export const LOG = 0x6c;
export const MEMBER = 0x6d;
export const IDENTITY = 0x69;

export function asciiOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Origin of a chunk in the log. */
export function originOf(logKey: Uint8Array): ReplicaId {
  return asciiOf(logKey.subarray(2, 2 + (logKey[1] as number))) as ReplicaId;
}
