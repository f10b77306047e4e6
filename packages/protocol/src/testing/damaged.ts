/**
 * Damaged bytes: what an attacker, a broken program or a broken disk may hand to a decoder. Seeded, so that a failure
 * comes back.
 */

/** Mulberry32 (Ettinger): uniform in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** Bytes that structures are made of: heads that promise much, extremes, nothing. */
const HARD_BYTES = [
  0x00, 0x01, 0x7f, 0x80, 0xff, 0xc0, 0xc1, 0xc6, 0xdb, 0xdc, 0xdd, 0xdf, 0xc9, 0xcf, 0xcb, 0x91,
];

/** `count` damaged forms of the samples: cut, flipped, overwritten, spliced, or nothing but noise. */
export function* damaged(seed: number, samples: readonly Uint8Array[], count: number): Generator<Uint8Array> {
  const random = seeded(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  for (let i = 0; i < count; i++) {
    // A copy also of a Buffer, whose slice() is none.
    const sample = new Uint8Array(samples[below(samples.length)]!);
    const bytes = sample.slice();
    switch (below(6)) {
      case 0:
        yield sample.slice(0, below(sample.length));
        break;
      case 1:
        yield Uint8Array.from({ length: below(200) }, () => below(256));
        break;
      case 2: {
        const from = below(sample.length);
        const other = samples[below(samples.length)]!;
        yield Uint8Array.of(...sample.slice(0, from), ...other.slice(below(other.length)));
        break;
      }
      case 3:
        for (let left = 1 + below(4); left > 0; left--) bytes[below(bytes.length)] = HARD_BYTES[below(16)]!;
        yield bytes;
        break;
      case 4:
        for (let left = 1 + below(3); left > 0; left--) bytes[below(bytes.length)]! ^= 1 << below(8);
        yield bytes;
        break;
      default: {
        const at = below(sample.length);
        yield Uint8Array.of(...sample.slice(0, at), HARD_BYTES[below(16)]!, ...sample.slice(at));
      }
    }
  }
}
