/**
 * Stored records that go bad: a bit of one is flipped, or it is lost. The process does not know.
 *
 * Until all is at rest nobody is held to what stood in such a record; then it has to be as everywhere else.
 */
import { asciiOf, COUNTER, ELEMENT, REGISTER, SET } from './checkers/stored-keys.js';
import type { ClusterNode } from './cluster.js';
import type { History } from './history.js';
import type { Prng } from './prng.js';

/** Stands for all other nodes, where none of them has what was in a record. */
const NOWHERE = -1;

/** Whether there was a record to strike. */
export function damageRecord(
  node: ClusterNode,
  others: readonly ClusterNode[],
  lost: boolean,
  history: History,
  prng: Prng,
): boolean {
  const records = node.disk.entries().filter(({ key }) => nameOfRecord(key) !== undefined);
  if (records.length === 0) return false;
  const { key, value } = prng.pick(records);
  const spoilt = value.slice();
  const at = prng.int(spoilt.length);
  spoilt[at] = (spoilt[at] as number) ^ (1 << prng.int(8));
  node.disk.spoil(key, lost ? undefined : spoilt);
  history.taint(nameOfRecord(key) as string, node.index);
  // One that is far behind may no longer find it in any log.
  const isSame = (copy: Uint8Array | undefined): boolean =>
    copy?.length === value.length && copy.every((byte, index) => byte === value[index]);
  if (!others.some(({ disk }) => isSame(disk.at(key)))) history.taint(nameOfRecord(key) as string, NOWHERE);
  return true;
}

/** As `nameOf` names what an operation touches; undefined for what is no user's record. */
export function nameOfRecord(key: Uint8Array): string | undefined {
  switch (key[0]) {
    case REGISTER:
      return `register ${asciiOf(key.subarray(1))}`;
    case COUNTER:
      return `counter ${asciiOf(key.subarray(1))}`;
    case SET:
      return `set ${asciiOf(key.subarray(1))}`;
    case ELEMENT:
      return `set ${asciiOf(key.subarray(3, 3 + ((key[1] as number) << 8) + (key[2] as number)))}`;
    default:
      return undefined;
  }
}
