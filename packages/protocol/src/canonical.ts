/**
 * Canonical encoding: the one encoding of a value, which decides identity and order of set elements, equality and
 * size. It is MessagePack, of which each value uses exactly one form:
 *
 * | value | form |
 * |---|---|
 * | null, false, true | c0, c2, c3 |
 * | number, integral, -2^31 to 2^32-1 (also 1.0; -0 is 0) | the shortest of fixint, uint 8 to 32, int 8 to 32 |
 * | every other finite number | float 64 |
 * | bigint, 0 to 2^64-1; -2^63 to -1 | uint 64; int 64 (used for nothing else, so that 1n is not 1) |
 * | other bigint, up to BIGINT_BYTES_MAX | extension 0x42: two's complement, big-endian, the fewest bytes |
 * | string, well-formed | the shortest str |
 * | Uint8Array | the shortest bin |
 * | Date, whole milliseconds | extension -1 (timestamp), the shortest of its three forms |
 * | array | the shortest array |
 * | plain object | the shortest map; keys are str, strictly ascending by their UTF-8 bytes |
 *
 * Everything else is CAUSEWAY_BAD_VALUE: undefined (also in an array or an object), functions, symbols, NaN,
 * infinities, Map, Set, instances of classes, lone surrogates, nesting beyond NESTING_MAX. Of an object only own
 * enumerable properties with string names count.
 */
export { checkCanonical } from './check-canonical.js';
export { decodeCanonical } from './decode-canonical.js';
export { encodeCanonical } from './encode-canonical.js';
