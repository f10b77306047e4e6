import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeFrame, encodeFrame } from './frame.js';
import { FRAME_COST_MAX } from './limits.js';
import { seeded } from './testing/damaged.js';
import { codeOf, mutate, randomBytes } from './testing/mutations.js';

const BAD_FRAME = 'CAUSEWAY_BAD_FRAME';
const BYTES_MAX = 64 * 1024 * 1024;

const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const decode = (bytes: Uint8Array): unknown => decodeFrame(bytes, BYTES_MAX);

const { message } = fc.letrec<{ message: unknown }>((tie) => ({
  message: fc.oneof(
    { maxDepth: 6, depthSize: 'small' },
    fc.constantFrom(null, true, false, 0, 31, 63, 64, 127, 128, -1, -32, -33, 2 ** 32, 2 ** 53 - 1),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double().map((value) => value + 0),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc.constantFrom('\ufeff'.padEnd(100, 'x'), 'é'.repeat(20_000)),
    fc.uint8Array({ maxLength: 100 }),
    fc.array(tie('message'), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 5 }), tie('message'), { maxKeys: 20 }),
  ),
}));

describe('a frame', () => {
  test('comes back as the message that it was', () => {
    fc.assert(
      fc.property(message, (value) => {
        expect(plain(decode(encodeFrame(value)))).toStrictEqual(plain(value));
      }),
      { numRuns: 1000 },
    );
  });

  test('of version 1 is read for ever', () => {
    const bytes = fromHex(readFileSync(new URL('./testdata/frame.v1.txt', import.meta.url), 'utf8').trim());
    const want = [
      [1, 2, 'key', Uint8Array.of(0xa4, 0x6d, 0x69, 0x6c, 0x6b), null],
      [true, false, -1, -129, 70_000, 4_294_967_296, 1.5, 18446744073709551615n, -1n],
      { text: 'é'.repeat(20), '': [] },
    ];
    expect(decode(bytes)).toStrictEqual(want);
    expect(Buffer.from(encodeFrame(want)).toString('hex')).toBe(Buffer.from(bytes).toString('hex'));
  });

  test('takes null for what is undefined', () => {
    expect(decode(encodeFrame([1, undefined]))).toEqual([1, null]);
  });

  test('hands out bytes as views that are no Buffers', () => {
    const bytes = Buffer.from(encodeFrame([Uint8Array.of(1, 2, 3)]));
    const [view] = decode(bytes) as [Uint8Array];
    expect(view.constructor).toBe(Uint8Array);
    expect(view.buffer).toBe(bytes.buffer);
  });

  test.each([
    { name: 'all forms of 5', bytes: '96 05 cc05 cd0005 ce00000005 d005 d10005', want: [5, 5, 5, 5, 5, 5] },
    { name: 'a float of 32 bits', bytes: 'ca 3fc00000', want: 1.5 },
    { name: 'a short text with a long header', bytes: 'db 00000001 61', want: 'a' },
    { name: 'a short array with a long header', bytes: 'dd 00000001 c0', want: [null] },
  ])('of another encoder is read: $name', ({ bytes, want }) => {
    expect(decode(fromHex(bytes))).toEqual(want);
  });

  test('with a key __proto__ changes no prototype', () => {
    const value = decode(fromHex('81 a9 5f5f70726f746f5f5f 81 a161 01')) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(['__proto__']);
  });
});

describe('what is no frame is refused:', () => {
  test.each([
    { name: 'nothing', bytes: '' },
    { name: 'two values', bytes: '90 90' },
    { name: 'a byte that means nothing', bytes: 'c1' },
    { name: 'an extension', bytes: 'd4 00 00' },
    { name: "a record of msgpackr's", bytes: 'd4 72 40' },
    { name: 'a long extension', bytes: 'c7 01 01 00' },
    { name: 'a timestamp', bytes: 'd6 ff 00000000' },
    { name: 'an array that promises what is not there', bytes: 'dd ffffffff' },
    { name: 'an object that promises what is not there', bytes: 'df ffffffff' },
    { name: 'bytes that promise what is not there', bytes: 'c6 ffffffff' },
    { name: 'text that promises what is not there', bytes: 'db ffffffff' },
    { name: 'ill-formed text', bytes: 'a2 c080' },
    { name: 'a surrogate in UTF-8', bytes: 'a3 eda080' },
    { name: 'a key that is a number', bytes: '81 01 01' },
    { name: 'a key that is an array', bytes: '81 90 01' },
    { name: 'nesting of 17', bytes: `${'91'.repeat(16)}90` },
    { name: 'nesting without end', bytes: '91'.repeat(1_000_000) },
  ])('$name', ({ bytes }) => {
    expect(codeOf(() => decode(fromHex(bytes)))).toBe(BAD_FRAME);
  });

  test('more bytes than allowed, before they are looked at', () => {
    expect(codeOf(() => decodeFrame(new Uint8Array(11).fill(0xc1), 10))).toBe(BAD_FRAME);
  });

  test('more parts than a frame may have, but none of a frame of a megabyte', () => {
    const empties = (count: number, part: number[]): Uint8Array => {
      const bytes = new Uint8Array(5 + count * part.length);
      bytes.set([0xdd, count >>> 24, count >>> 16, count >>> 8, count]);
      for (let i = 0; i < count; i++) bytes.set(part, 5 + i * part.length);
      return bytes;
    };
    expect(decode(empties(FRAME_COST_MAX, [0x90]))).toHaveLength(FRAME_COST_MAX);
    expect(codeOf(() => decode(empties(FRAME_COST_MAX + 1, [0x90])))).toBe(BAD_FRAME);
    expect(decode(empties(FRAME_COST_MAX / 2, [0xc4, 0]))).toHaveLength(FRAME_COST_MAX / 2);
    expect(codeOf(() => decode(empties(FRAME_COST_MAX / 4 + 1, [0xc4, 2, 0, 0])))).toBe(BAD_FRAME);
    expect(
      decodeFrame(empties(FRAME_COST_MAX + 1, [0x90]), BYTES_MAX, Number.POSITIVE_INFINITY),
    ).toHaveLength(FRAME_COST_MAX + 1);
  });

  test('room for what an array promises is bounded, however often it promises', () => {
    // Each of 15 nested arrays promises all the bytes that are left.
    const bytes = new Uint8Array(BYTES_MAX).fill(0xc0);
    for (let i = 0; i < 15; i++) bytes.set([0xdd, 0x00, 0x0f, 0x00, 0x00], i * 5);
    const before = process.memoryUsage().heapUsed;
    expect(codeOf(() => decode(bytes))).toBe(BAD_FRAME);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
  });

  test('random, truncated and damaged bytes, unless they are a message after all', () => {
    const seed = 99;
    const random = seeded(seed);
    const whole = fc.sample(message, { seed, numRuns: 300 }).map((value) => encodeFrame(value));
    let accepted = 0;
    for (let i = 0; i < 30_000; i++) {
      const short = whole[i % whole.length]!;
      const bytes = i % 3 === 0 || short.length > 500 ? randomBytes(random, 24) : mutate(short, random);
      const code = codeOf(() => {
        const again = encodeFrame(decode(bytes));
        expect(Buffer.compare(encodeFrame(decode(again)), again)).toBe(0);
      });
      if (code === undefined) accepted++;
      else expect(code, `seed ${seed}, round ${i}`).toBe(BAD_FRAME);
    }
    expect(accepted).toBeGreaterThan(1500);
    expect(accepted).toBeLessThan(28_500);
  });
});

/** Objects without their prototypes, which do not travel. */
function plain(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.entries(value).map(([key, member]): unknown => [key, plain(member)]);
}
