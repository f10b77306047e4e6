/** What a store holds, read past the replica. */
import {
  addCounterDigest,
  addElementDigest,
  addRegisterDigest,
  Digest,
  Hasher,
  type ReplicaId,
} from '@causeway/crdt';
import { decodeCounter, decodeElement, decodeRegister, unsealValue } from '@causeway/protocol';
import { KIND, logRange, splitElementKey, textOfKey } from '../store/keyspace.js';
import type { MemoryStore } from './memory-store.js';

/** Root digest of the records as they are stored: what the replica record has to say of them. */
export function digestOf(store: MemoryStore): string {
  const digest = new Digest();
  const hasher = new Hasher();
  for (const { key, value } of store.all()) {
    switch (key[0]) {
      case KIND.register: {
        const { register, expired } = decodeRegister(unsealValue(key, value));
        if (!expired) addRegisterDigest(digest, hasher, textOfKey(key), register);
        break;
      }
      case KIND.element: {
        const set = splitElementKey(key);
        const state = decodeElement(unsealValue(key, value));
        addElementDigest(digest, hasher, set.key, set.element, state, new Map());
        break;
      }
      case KIND.counter:
        addCounterDigest(digest, hasher, textOfKey(key), decodeCounter(unsealValue(key, value)));
        break;
      default:
    }
  }
  return digest.toHex();
}

/** The chunks of an origin in the log, oldest first. */
export function logOf(store: MemoryStore, origin: ReplicaId): Uint8Array[] {
  return store.range(logRange(origin, 0)).map(({ value }) => value);
}
