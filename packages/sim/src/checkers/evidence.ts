/**
 * Evidence of removal goes: when all members have seen everything, no tombstone, no removed dot, no clear record
 * and no spent counter entry is left, and the log is cut to its floor.
 */
import { decodeCounter, decodeElement, decodeRegister, decodeSetMeta, unsealValue } from '@causeway/protocol';
import type { ScanEntry } from '@causeway/replica';
import { show } from '../violation.js';
import { COUNTER, ELEMENT, LOG, REGISTER, SET } from './stored-keys.js';

/** What should have gone from a store at rest, as text; empty when there is nothing. */
export function evidenceIn(stored: readonly ScanEntry[], logFloorTransactions: number): string[] {
  const left = stored.filter(isEvidence).map(({ key }) => show(String.fromCharCode(...key)));
  const chunks = stored.filter(({ key }) => key[0] === LOG).length;
  // Where the floor is 0 only the newest chunk of each origin may stay: one may still be read.
  if (logFloorTransactions === 0 && chunks > MEMBERS_MOST) left.push(`${chunks} chunks`);
  return left;
}

/** More members than any simulated cluster has. */
const MEMBERS_MOST = 10;

function isEvidence({ key, value }: ScanEntry): boolean {
  switch (key[0]) {
    case REGISTER: {
      const { register, expired } = decodeRegister(unsealValue(key, value));
      return expired || register.value === undefined;
    }
    case SET: {
      const { clear, purge } = decodeSetMeta(unsealValue(key, value));
      return clear !== undefined || purge !== undefined;
    }
    case ELEMENT: {
      const { adds, removals } = decodeElement(unsealValue(key, value));
      return removals.length > 0 || adds.length === 0;
    }
    case COUNTER:
      return decodeCounter(unsealValue(key, value)).entries.some(
        ({ p, n, bp, bn, by }) => by !== undefined && p === bp && n === bn,
      );
    default:
      return false;
  }
}
