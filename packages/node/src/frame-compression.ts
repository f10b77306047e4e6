/**
 * Compression of large frames between nodes: what a peer catches up with is mostly heads and keys that resemble each other,
 * and between regions bytes cost more than this does.
 *
 *   frame = %xC1 brotli-stream | message                  C1 begins no MessagePack: every message is an array
 *
 * Brotli (RFC 7932) at its lowest level that looks for repetitions: some 4 µs a KiB here, and half of that to undo it.
 * Frames of a steady load are small and stay as they are, and so do frames of what does not compress.
 *
 * Nothing is unpacked to more than RATIO_MAX times what came: a stranger's few bytes cost no more than a stranger's many.
 */
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { CausewayError, PEER_FRAME_BYTES_MAX } from '@causeway/protocol';

const COMPRESSED = 0xc1;
/** Below this the fixed cost is not worth it. */
const BYTES_MIN = 4 << 10;
/** A frame that stays larger than this share of itself is sent as it is. To have tried costs a hundredth of what is in it. */
const SHARE_MAX = 0.9;
const RATIO_MAX = 256;
const OPTIONS = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: 18 },
};

/** The frame to send for an encoded message: that itself, or a shorter one. */
export function compress(message: Uint8Array): Uint8Array {
  if (message.length < BYTES_MIN) return message;
  // In one piece.
  const stream = brotliCompressSync(message, { ...OPTIONS, chunkSize: message.length });
  if (stream.length > message.length * SHARE_MAX || stream.length * RATIO_MAX < message.length)
    return message;
  const frame = new Uint8Array(1 + stream.length);
  frame[0] = COMPRESSED;
  frame.set(stream, 1);
  return frame;
}

export function isCompressed(frame: Uint8Array): boolean {
  return frame[0] === COMPRESSED;
}

/**
 * The encoded message of a compressed frame. No more bytes are made of it than are allowed, whatever it claims.
 *
 * @throws CausewayError CAUSEWAY_BAD_FRAME
 */
export function decompress(frame: Uint8Array): Uint8Array {
  const maxOutputLength = Math.min(PEER_FRAME_BYTES_MAX, frame.length * RATIO_MAX);
  try {
    return brotliDecompressSync(frame.subarray(1), { maxOutputLength });
  } catch (cause) {
    throw new CausewayError('CAUSEWAY_BAD_FRAME', 'a compressed frame is damaged, or too large', { cause });
  }
}
