import { addRegisterDigest, Digest, Hasher, type Register, replicaId } from '@causeway/crdt';
import { ByteWriter, encodeRegister, encodeSetMeta, sealValue } from '@causeway/protocol';
import type { ScanEntry, Status } from '@causeway/replica';
import { expect, test } from 'vitest';
import type { NodeContents } from '../rest.js';
import { evidenceIn } from './evidence.js';
import { StoredRecordsChecker } from './stored-records.js';

const replica = replicaId('eu-west.00000001');
const alive: Register = {
  stamp: { physical: 5, logical: 0, replica },
  dot: { replica, seq: 1 },
  value: Uint8Array.of(1),
};
const dead: Register = { stamp: { physical: 6, logical: 0, replica }, dot: { replica, seq: 2 } };

function stored(kind: string, name: string, encode: (writer: ByteWriter) => void): ScanEntry {
  const writer = new ByteWriter();
  encode(writer);
  const key = Uint8Array.from(kind + name, (unit) => unit.charCodeAt(0));
  return { key, value: sealValue(key, writer.finish()) };
}

const registerAt = (name: string, register: Register): ScanEntry =>
  stored('r', name, (writer) => encodeRegister(writer, register, false));

function digestOf(...names: string[]): string {
  const digest = new Digest();
  for (const name of names) addRegisterDigest(digest, new Hasher(), name, alive);
  return digest.toHex();
}

function judge(digest: string, entries: ScanEntry[], found: Partial<Status['scrub']> = {}): void {
  const scrub = { damaged: 0, healed: 0, corrected: 0, ...found };
  new StoredRecordsChecker().atRest([
    { node: 0, status: { digest, scrub }, stored: entries } as unknown as NodeContents,
  ]);
}

test('the digest told is that of the live records', () => {
  judge(digestOf('a', 'b'), [registerAt('a', alive), registerAt('b', alive), registerAt('c', dead)]);
  expect(() => judge(digestOf('a'), [registerAt('a', alive), registerAt('b', alive)])).toThrow(
    'stored-records',
  );
});

test('an index that had to be corrected is only excused by records that were damaged', () => {
  expect(() => judge(digestOf(), [], { corrected: 1 })).toThrow('index');
  judge(digestOf(), [], { corrected: 1, damaged: 1 });
});

test('a record that does not pass its checksum is found', () => {
  const entry = registerAt('a', alive);
  entry.value[entry.value.length - 1]! ^= 1;
  expect(() => judge(digestOf('a'), [entry])).toThrow('checksum');
});

test('the size that a set keeps is that of its live elements', () => {
  const empty = stored('s', 'set', (writer) => encodeSetMeta(writer, { size: 0 }));
  const wrong = stored('s', 'set', (writer) => encodeSetMeta(writer, { size: 1 }));
  judge(digestOf(), [empty]);
  expect(() => judge(digestOf(), [wrong])).toThrow('set set');
});

test('tombstones and clear records are evidence, and so are chunks beyond a floor of none', () => {
  const clear = { through: new Map([[replica, 1]]), by: new Map([[replica, 2]]) };
  const cleared = stored('s', 'set', (writer) => encodeSetMeta(writer, { size: 0, clear }));
  expect(evidenceIn([registerAt('a', alive)], 0)).toEqual([]);
  expect(evidenceIn([registerAt('a', dead), cleared], 0)).toHaveLength(2);
  const chunks = Array.from({ length: 11 }, (_, index) => stored('l', String(index), () => undefined));
  expect([evidenceIn(chunks, 0).length, evidenceIn(chunks, 10_000).length]).toEqual([1, 0]);
});
