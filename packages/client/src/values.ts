/**
 * The edge between what applications handle and the canonical bytes that nodes compare, hash and store.
 */
import { CausewayError, encodeCanonical, REQUEST_ELEMENTS_MAX, VALUE_BYTES_MAX } from '@causeway/protocol';

/** Throws CAUSEWAY_BAD_VALUE for what cannot be stored, CAUSEWAY_TOO_LARGE for what is over the limit. */
export function encodeValue(value: unknown): Uint8Array {
  const bytes = encodeCanonical(value);
  if (bytes.length <= VALUE_BYTES_MAX) return bytes;
  throw new CausewayError(
    'CAUSEWAY_TOO_LARGE',
    `the value has ${bytes.length} bytes, the limit is ${VALUE_BYTES_MAX}`,
  );
}

/** As `encodeValue`, for the elements of one request. */
export function encodeValues(values: readonly unknown[]): Uint8Array[] {
  if (values.length <= REQUEST_ELEMENTS_MAX) return values.map(encodeValue);
  throw new CausewayError(
    'CAUSEWAY_TOO_LARGE',
    `${values.length} elements in one call, the limit is ${REQUEST_ELEMENTS_MAX}`,
  );
}
