/** What a stored record counts in the index, without a slot for it. */
import {
  addCounterDigest,
  addElementDigest,
  addRegisterDigest,
  type Digest,
  type Hasher,
  type VersionVector,
} from '@causeway/crdt';
import { decodeCounter, decodeElement, decodeRegister, decodeSetMeta, unsealValue } from '@causeway/protocol';
import { decodeText, KIND, splitElementKey } from './keyspace.js';

const NOTHING_CLEARED: VersionVector = new Map();

/** Adds the record to the digest. Throws CausewayError when it is damaged. */
export function addStoredDigest(digest: Digest, hasher: Hasher, key: Uint8Array, value: Uint8Array): void {
  const payload = unsealValue(key, value);
  switch (key[0]) {
    case KIND.register: {
      const { register, expired } = decodeRegister(payload);
      if (!expired) addRegisterDigest(digest, hasher, decodeText(key.subarray(1)), register);
      return;
    }
    case KIND.counter:
      return addCounterDigest(digest, hasher, decodeText(key.subarray(1)), decodeCounter(payload));
    case KIND.element: {
      const { key: set, element } = splitElementKey(key);
      return addElementDigest(digest, hasher, set, element, decodeElement(payload), NOTHING_CLEARED);
    }
    case KIND.set:
      decodeSetMeta(payload);
      return;
    default:
  }
}
