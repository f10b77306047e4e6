/**
 * What stands in the stores at rest: every record passes its checksum and decodes, the digest that the node
 * tells is that of its records, and the size that a set keeps is that of its live elements.
 */
import {
  addCounterDigest,
  addElementDigest,
  addRegisterDigest,
  Digest,
  EMPTY_VERSION_VECTOR,
  Hasher,
  isLive,
  type VersionVector,
} from '@causeway/crdt';
import { decodeCounter, decodeElement, decodeRegister, decodeSetMeta, unsealValue } from '@causeway/protocol';
import type { ScanEntry } from '@causeway/replica';
import type { History } from '../history.js';
import type { NodeContents } from '../rest.js';
import { show, Violation } from '../violation.js';
import type { Checker } from './checker.js';
import { asciiOf, COUNTER, ELEMENT, REGISTER, SET } from './stored-keys.js';

interface StoredSet {
  cleared: VersionVector;
  /** Absent while a purge counts. */
  size: number | undefined;
  live: number;
}

export class StoredRecordsChecker implements Checker {
  /** Records judged. */
  judged = 0;

  atRest(nodes: readonly NodeContents[], history?: History): void {
    for (const { node, status, stored } of nodes) {
      const digest = this.digestOf(node, stored).toHex();
      if (digest !== status.digest) {
        throw new Violation('stored-records', `n${node} tells ${status.digest}, its records make ${digest}`);
      }
      const { corrected, damaged, healed } = status.scrub;
      if (corrected > 0 && damaged + healed === 0 && history?.hasTaints !== true) {
        throw new Violation('index', `n${node} corrected ${corrected} leaves although no record was damaged`);
      }
    }
  }

  private digestOf(node: number, stored: readonly ScanEntry[]): Digest {
    const digest = new Digest();
    const hasher = new Hasher();
    const sets = setsOf(stored);
    for (const { key, value } of stored) {
      const kind = key[0];
      if (kind === REGISTER) {
        const { register, expired } = decodeRegister(unsealValue(key, value));
        if (!expired) addRegisterDigest(digest, hasher, asciiOf(key.subarray(1)), register);
      } else if (kind === COUNTER) {
        addCounterDigest(digest, hasher, asciiOf(key.subarray(1)), decodeCounter(unsealValue(key, value)));
      } else if (kind === ELEMENT) {
        const end = 3 + ((key[1] as number) << 8) + (key[2] as number);
        const name = asciiOf(key.subarray(3, end));
        const set = sets.get(name);
        const element = decodeElement(unsealValue(key, value));
        const cleared = set?.cleared ?? EMPTY_VERSION_VECTOR;
        addElementDigest(digest, hasher, name, key.subarray(end), element, cleared);
        if (set !== undefined && isLive(element, cleared)) set.live++;
      } else continue;
      this.judged++;
    }
    for (const [name, set] of sets) {
      if (set.size === undefined || set.live === set.size) continue;
      throw new Violation('stored-records', `n${node}, set ${name}: ${show(set)}`);
    }
    return digest;
  }
}

function setsOf(stored: readonly ScanEntry[]): Map<string, StoredSet> {
  const sets = new Map<string, StoredSet>();
  for (const { key, value } of stored) {
    if (key[0] !== SET) continue;
    const { clear, size } = decodeSetMeta(unsealValue(key, value));
    sets.set(asciiOf(key.subarray(1)), { cleared: clear?.through ?? EMPTY_VERSION_VECTOR, size, live: 0 });
  }
  return sets;
}
