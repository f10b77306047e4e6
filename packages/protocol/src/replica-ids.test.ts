import { type ReplicaId, replicaId } from '@causeway/crdt';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader, ByteWriter, utf8Bytes } from './bytes.js';
import { internReplicaId, readVersionVector, writeVersionVector } from './replica-ids.js';
import { AP, EU, US, vectors } from './testing/arbitraries.js';

function intern(text: string): ReplicaId | undefined {
  const ascii = utf8Bytes(`..${text}..`);
  return internReplicaId(ascii, 2, ascii.length - 2);
}

test('a replica id is found whether it was seen before or not', () => {
  // More than are remembered, twice.
  const ids = Array.from({ length: 600 }, (_, i) => `r${i % 7}.${i.toString(16).padStart(8, '0')}`);
  for (const id of [...ids, ...ids]) expect(intern(id)).toBe(id);
});

test.each([
  '',
  'eu',
  'EU.00000001',
  'eu.0000000g',
  'eu.000000010',
  '.00000001',
  `${'x'.repeat(33)}.00000001`,
  'eü.0000001',
])('no replica id: %j', (text) => {
  expect(intern(text)).toBeUndefined();
});

test('an id that differs from a known one in any place is another', () => {
  expect(intern(EU)).toBe(EU);
  expect(intern(EU.replace('eu', 'au'))).toBe('au-west.00000001');
  expect(intern(EU.replace('1', '2'))).toBe('eu-west.00000002');
});

test('version vectors come back, and their order of insertion leaves no trace', () => {
  fc.assert(
    fc.property(vectors, (vector) => {
      const bytes = encode(vector);
      expect(readVersionVector(new ByteReader(bytes))).toEqual(vector);
      expect(encode(new Map([...vector].reverse()))).toEqual(bytes);
    }),
  );
});

test('zeros of a version vector are left out', () => {
  expect(
    encode(
      new Map([
        [EU, 0],
        [US, 7],
      ]),
    ),
  ).toEqual(encode(new Map([[US, 7]])));
});

test.each([
  {
    name: 'out of order',
    entries: [
      [US, 1],
      [AP, 1],
    ],
  },
  {
    name: 'twice',
    entries: [
      [US, 1],
      [US, 2],
    ],
  },
  { name: 'with a zero', entries: [[US, 0]] },
  { name: 'of something else', entries: [['us-east' as ReplicaId, 1]] },
] as { name: string; entries: [ReplicaId, number][] }[])(
  'a version vector $name is refused',
  ({ entries }) => {
    const writer = new ByteWriter();
    writer.varint(entries.length);
    for (const [replica, seq] of entries) {
      writer.text(replica);
      writer.varint(seq);
    }
    expect(() => readVersionVector(new ByteReader(writer.finish()))).toThrow(
      expect.objectContaining({ code: 'CAUSEWAY_CORRUPT' }),
    );
  },
);

test('a count that promises millions is refused at once', () => {
  const writer = new ByteWriter();
  writer.varint(2 ** 50);
  expect(() => readVersionVector(new ByteReader(writer.finish()))).toThrow('too many replicas');
});

function encode(vector: ReadonlyMap<ReplicaId, number>): Uint8Array {
  const writer = new ByteWriter();
  writeVersionVector(writer, vector);
  return writer.finish();
}

test('ids of the longest and the shortest form are ids', () => {
  for (const id of [`${'x'.repeat(32)}.12345678`, 'a.00000000']) expect(intern(id)).toBe(replicaId(id));
});
