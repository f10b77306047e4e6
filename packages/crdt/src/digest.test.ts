import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Digest, Hasher } from './digest.js';

const hasher = new Hasher();

function hashed(feed: (h: Hasher) => void, seed = 1): Digest {
  const digest = new Digest();
  feed(hasher.start(seed));
  hasher.addTo(digest);
  return digest;
}

function sum(...digests: Digest[]): Digest {
  const total = new Digest();
  for (const digest of digests) total.add(digest);
  return total;
}

const lane = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const anyDigest = fc
  .tuple(lane, lane, lane, lane)
  .map(([a, b, c, d]) => Object.assign(new Digest(), { a, b, c, d }));

describe('digests', () => {
  test('form a commutative group under add', () => {
    fc.assert(
      fc.property(anyDigest, anyDigest, anyDigest, (x, y, z) => {
        expect(sum(x, y).toHex()).toBe(sum(y, x).toHex());
        expect(sum(sum(x, y), z).equals(sum(x, sum(y, z)))).toBe(true);
        const back = sum(x, y);
        back.subtract(y);
        expect(back.equals(x)).toBe(true);
        back.subtract(x);
        expect(back.isZero()).toBe(true);
        expect(Digest.fromHex(x.toHex())).toEqual(x);
      }),
      { numRuns: 500 },
    );
  });

  test('are copied and cleared', () => {
    const one = hashed((h) => h.text('x'));
    const copy = new Digest();
    copy.set(one);
    expect(copy.equals(one)).toBe(true);
    copy.clear();
    expect([copy.isZero(), one.isZero()]).toEqual([true, false]);
    expect(copy.toHex()).toBe('0'.repeat(32));
  });

  test.each(['', '0'.repeat(31), 'G'.repeat(32), 'A'.repeat(32)])('are not read from %j', (text) => {
    expect(() => Digest.fromHex(text)).toThrow(RangeError);
  });
});

describe('a hash', () => {
  test('never changes: it is stored, and compared between machines', () => {
    const all = hashed((h) =>
      h
        .uint(0)
        .uint(Number.MAX_SAFE_INTEGER)
        .big(-5n)
        .big(2n ** 63n)
        .text('kéy')
        .bytes(Uint8Array.of(1, 2, 3, 4, 5)),
    );
    expect(all.toHex()).toMatchInlineSnapshot(`"e37fb3191648b58ea0b5b9d87c1b75eb"`);
    expect(hasher.start(7).text('checksum').word()).toMatchInlineSnapshot(`1761715770`);
    expect(hashed(() => undefined, 0).toHex()).toMatchInlineSnapshot(`"cad7bd8ebea56f0af9e84f0f2c0a255b"`);
  });

  test('depends on every field, its order, its length and the seed', () => {
    const feeds: ((h: Hasher) => void)[] = [
      () => undefined,
      (h) => h.uint(0),
      (h) => h.uint(0).uint(0),
      (h) => h.uint(1),
      (h) => h.uint(2 ** 32),
      (h) => h.uint(2 ** 32 + 5),
      (h) => h.uint(2 ** 53 - 1),
      (h) => h.big(1n),
      (h) => h.big(-1n),
      (h) => h.big(2n ** 63n),
      (h) => h.big(-(2n ** 63n)),
      (h) => h.big(2n ** 64n - 1n),
      (h) => h.big(2n ** 64n),
      (h) => h.text(''),
      (h) => h.text('a'),
      (h) => h.text('a\0'),
      (h) => h.text('ab'),
      (h) => h.text('ba'),
      (h) => h.text('a').text('b'),
      (h) => h.text('ab').text(''),
      (h) => h.text('').text('ab'),
      (h) => h.bytes(Uint8Array.of(1)),
      (h) => h.bytes(Uint8Array.of(1, 0)),
      (h) => h.bytes(Uint8Array.of(1, 0, 0, 0)),
      (h) => h.bytes(Uint8Array.of(1, 0, 0, 0, 0)),
      (h) => h.bytes(Uint8Array.of(0, 0, 0, 1)),
    ];
    const texts = feeds.flatMap((feed) => [hashed(feed).toHex(), hashed(feed, 2).toHex()]);
    // Kinds of field are not told apart, only contents: the fields of a record are fixed by its seed.
    expect(new Set(texts).size).toBe(texts.length);
  });

  test('of bytes is that of their content, wherever they lie', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(7), (content, offset) => {
        const wide = new Uint8Array(content.length + 16).fill(0xaa);
        wide.set(content, offset);
        const view = wide.subarray(offset, offset + content.length);
        expect(hashed((h) => h.bytes(view)).toHex()).toBe(hashed((h) => h.bytes(content)).toHex());
      }),
    );
  });

  test('of 40,000 near keys has no collision, not even in half of its bits, and evenly set bits', () => {
    const count = 40_000;
    const high = new Set<string>();
    const low = new Set<string>();
    const ones = new Array<number>(128).fill(0);
    for (let i = 0; i < count; i++) {
      const digest = hashed((h) => h.text(`key:${i}`).uint(1));
      const hex = digest.toHex();
      high.add(hex.slice(0, 16));
      low.add(hex.slice(16));
      if (i >= 10_000) continue;
      const lanes = [digest.a, digest.b, digest.c, digest.d];
      for (let bit = 0; bit < 128; bit++) ones[bit]! += (lanes[bit >> 5]! >>> (bit & 31)) & 1;
    }
    expect([high.size, low.size]).toEqual([count, count]);
    // Ten standard deviations (50) of 10,000 fair coins.
    for (const n of ones) expect(Math.abs(n - 5_000)).toBeLessThan(500);
  });

  test('changes about half of its bits with any one bit of the input', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(), (content, n) => {
        const flipped = Uint8Array.from(content);
        flipped[n % content.length]! ^= 1 << (n % 8);
        const difference = hashed((h) => h.bytes(content));
        difference.subtract(hashed((h) => h.bytes(flipped)));
        for (const part of [difference.a, difference.b, difference.c, difference.d]) {
          expect(part).not.toBe(0);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
