/** Random values of every kind that canonical encoding knows, for property tests. */
import fc from 'fast-check';

/** Where a form begins or ends. */
const EDGES = [0, 5, 7, 8, 15, 16, 31, 32, 53, 63, 64].map((bits) => 2 ** bits);
const BIG_EDGES = [63n, 64n, 71n, 72n, 127n, 128n, 8190n, 8191n].map((bits) => 1n << bits);
const LENGTHS = [31, 32, 33, 63, 255, 256, 257, 300];

const number = fc.oneof(
  fc
    .constantFrom(...EDGES)
    .chain((edge) => fc.constantFrom(edge - 1, edge, edge + 1, -edge - 1, -edge, 1 - edge)),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

const bigint = fc.oneof(
  fc.constantFrom(...BIG_EDGES).chain((edge) => fc.constantFrom(edge - 1n, -edge)),
  fc.bigInt({ min: -(1n << 72n), max: 1n << 72n }),
  fc.bigInt({ min: -(1n << 300n), max: 1n << 300n }),
);

const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(...LENGTHS).map((length) => 'a'.repeat(length % 2) + 'ä'.repeat(length / 2)),
);

const key = fc.oneof(
  fc.constantFrom(
    '',
    '$',
    '$$',
    '$bytes',
    '$date',
    '$bigint',
    '__proto__',
    'constructor',
    '10',
    '9',
    '\ufeff',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
);

const binary = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(...LENGTHS).map((length) => new Uint8Array(length)),
);

const date = fc.oneof(
  fc.date({ noInvalidDate: true }),
  fc
    .constantFrom(-8.64e15, -1, 0, 1, 1000, 2 ** 32 * 1000, 2 ** 34 * 1000, 8.64e15)
    .map((time) => new Date(time)),
);

/** An object of these entries; `__proto__` is a key like any other. */
function objectOf(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [name, value] of entries) {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  }
  return object;
}

export const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    fc.constantFrom(null, true, false),
    number,
    bigint,
    text,
    binary,
    date,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 20 }).map(objectOf),
  ),
}));
