/**
 * Seals: the checksum that every stored value carries, because LevelDB does not verify its tables when it reads.
 *
 *   value = checksum(u32, little-endian) payload
 *
 * The checksum is over the key too: a value that turns up under another key is as wrong as a flipped bit.
 */
import { Hasher } from '@causeway/crdt';
import { CausewayError } from './errors.js';

const SEAL_SEED = 0x5ea1;
const CHECKSUM_BYTES = 4;
const hasher = new Hasher();

/** The value to store under `key`: one copy of `payload` behind its checksum. */
export function sealValue(key: Uint8Array, payload: Uint8Array): Uint8Array {
  const value = new Uint8Array(CHECKSUM_BYTES + payload.length);
  value.set(payload, CHECKSUM_BYTES);
  const checksum = hasher.start(SEAL_SEED).bytes(key).bytes(payload).word();
  value[0] = checksum;
  value[1] = checksum >>> 8;
  value[2] = checksum >>> 16;
  value[3] = checksum >>> 24;
  return value;
}

/** The payload of a stored value, as a view of it. Throws CAUSEWAY_CORRUPT if it is not what was sealed. */
export function unsealValue(key: Uint8Array, value: Uint8Array): Uint8Array {
  if (value.length >= CHECKSUM_BYTES) {
    // A view of a Buffer would be a Buffer, of which slice() is no copy.
    const payload = new Uint8Array(
      value.buffer,
      value.byteOffset + CHECKSUM_BYTES,
      value.length - CHECKSUM_BYTES,
    );
    const checksum = hasher.start(SEAL_SEED).bytes(key).bytes(payload).word();
    if ((value[0]! | (value[1]! << 8) | (value[2]! << 16) | (value[3]! << 24)) >>> 0 === checksum)
      return payload;
  }
  throw new CausewayError('CAUSEWAY_CORRUPT', 'a stored value does not match its checksum');
}
