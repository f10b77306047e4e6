/** Digests as the bytes that repair sends. */
import type { Digest } from '@causeway/crdt';
import { NODE_DIGEST_BYTES, ROOT_BYTES } from '@causeway/protocol';

/** 32 bits, little-endian. */
export function writeLane(bytes: Uint8Array, at: number, lane: number): void {
  bytes[at] = lane;
  bytes[at + 1] = lane >>> 8;
  bytes[at + 2] = lane >>> 16;
  bytes[at + 3] = lane >>> 24;
}

/** As a signed integer, which the lanes of a digest are. */
export function readLane(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

export function rootBytes({ a, b, c, d }: Digest): Uint8Array {
  const bytes = new Uint8Array(ROOT_BYTES);
  [a, b, c, d].forEach((lane, index) => {
    writeLane(bytes, 4 * index, lane);
  });
  return bytes;
}

/** The first two lanes of each of the digests in `words`, four lanes each. */
export function digestBytes(words: Int32Array): Uint8Array {
  const bytes = new Uint8Array((words.length / 4) * NODE_DIGEST_BYTES);
  for (let node = 0; node < words.length / 4; node++) {
    writeLane(bytes, node * NODE_DIGEST_BYTES, words[4 * node]!);
    writeLane(bytes, node * NODE_DIGEST_BYTES + 4, words[4 * node + 1]!);
  }
  return bytes;
}
