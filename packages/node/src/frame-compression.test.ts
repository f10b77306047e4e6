import { randomBytes } from 'node:crypto';
import { brotliCompressSync } from 'node:zlib';
import { PEER_FRAME_BYTES_MAX } from '@causeway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compress, decompress, isCompressed } from './frame-compression.js';

/** A message is an array: what begins a MessagePack array of few fields. */
const message = (body: Uint8Array) => Uint8Array.from([0x94, ...body]);

describe('compress', () => {
  test('leaves what is small as it is', () => {
    const small = message(new Uint8Array(1_000));

    expect(compress(small)).toBe(small);
  });

  test('gives back what was compressed, in fewer bytes', () => {
    const heads = message(
      Buffer.from(
        Array.from({ length: 1_000 }, (_, index) => `eu-west.00000001 key:${index * 7919} `).join(''),
      ),
    );

    const frame = compress(heads);

    expect(frame.length).toBeLessThan(heads.length / 3);
    expect(isCompressed(frame)).toBe(true);
    expect(Buffer.from(decompress(frame))).toEqual(Buffer.from(heads));
  });

  test('sends what does not compress as it is', () => {
    const noise = message(randomBytes(8 << 10));

    expect(compress(noise)).toBe(noise);
  });

  test('sends as it is what would be unpacked to much more than came', () => {
    const even = message(new Uint8Array(1 << 20));

    expect(compress(even)).toBe(even);
    expect(() => decompress(Buffer.concat([Uint8Array.of(0xc1), brotliCompressSync(even)]))).toThrow();
  });

  test('keeps every message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 400 }), (part, times) => {
        const whole = message(Buffer.concat(Array.from({ length: times }, () => part)));
        const frame = compress(whole);
        expect(Buffer.from(isCompressed(frame) ? decompress(frame) : frame)).toEqual(Buffer.from(whole));
      }),
    );
  });
});

describe('decompress', () => {
  test.each([
    { name: 'nothing', stream: Buffer.alloc(0) },
    // Of random bytes one in 26 begins with an empty stream, and what follows a stream is not looked at.
    { name: 'no Brotli', stream: Buffer.alloc(100, 0xff) },
    { name: 'part of a stream', stream: brotliCompressSync(randomBytes(1_000)).subarray(0, 500) },
    {
      name: 'more than a frame may have',
      stream: brotliCompressSync(Buffer.alloc(PEER_FRAME_BYTES_MAX + 1)),
    },
  ])('refuses $name', ({ stream }) => {
    const frame = Buffer.concat([Uint8Array.of(0xc1), stream]);

    expect(() => decompress(frame)).toThrow(expect.objectContaining({ code: 'CAUSEWAY_BAD_FRAME' }));
  });
});
