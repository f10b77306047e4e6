/**
 * Seals: the checksum that every stored value carries, because LevelDB does not verify its tables when it reads.
 *
 *   value = checksum(u32, little-endian) payload
 *
 * The checksum of the key is the seed of the payload's: a value that turns up under another key is as wrong as a
 * flipped bit.
 */
import { checksum } from './checksum.js';
import { CausewayError } from './errors.js';
import { allocate } from './room.js';

const CHECKSUM_BYTES = 4;

/** The value to store under `key`: one copy of `payload` behind its checksum, written once and never changed. */
export function sealValue(key: Uint8Array, payload: Uint8Array): Uint8Array {
  const value = allocate(CHECKSUM_BYTES + payload.length);
  value.set(payload, CHECKSUM_BYTES);
  const sum = checksum(payload, checksum(key, 0));
  value[0] = sum;
  value[1] = sum >>> 8;
  value[2] = sum >>> 16;
  value[3] = sum >>> 24;
  return value;
}

/** The payload of a stored value, as a view of it. Throws CAUSEWAY_CORRUPT if it is not what was sealed. */
export function unsealValue(key: Uint8Array, value: Uint8Array): Uint8Array {
  const length = value.length - CHECKSUM_BYTES;
  if (length >= 0) {
    const sum = (value[0]! | (value[1]! << 8) | (value[2]! << 16) | (value[3]! << 24)) >>> 0;
    // A view of a Buffer would be a Buffer, of which slice() is no copy.
    if (sum === checksum(value, checksum(key, 0), CHECKSUM_BYTES)) {
      return new Uint8Array(value.buffer, value.byteOffset + CHECKSUM_BYTES, length);
    }
  }
  throw new CausewayError('CAUSEWAY_CORRUPT', 'a stored value does not match its checksum');
}
