/**
 * Memory for small byte strings that are made by the thousand, written once and soon gone: they share arrays. One of its own
 * costs more than filling it: outside of the host's heap from the start, beyond 64 bytes, or once native code looks at it.
 */

/** Small because one string that is kept keeps all of it. */
const ROOM_BYTES = 8 * 1024;
const SMALL_BYTES_MAX = 1024;
let room = new Uint8Array(0);
let roomAt = 0;

/** Zeroed bytes; their buffer may be larger, and shared. */
export function allocate(length: number): Uint8Array {
  if (length > SMALL_BYTES_MAX) return new Uint8Array(length);
  if (roomAt + length > room.length) {
    room = new Uint8Array(ROOM_BYTES);
    roomAt = 0;
  }
  const at = roomAt;
  roomAt = at + length;
  return room.subarray(at, roomAt);
}
