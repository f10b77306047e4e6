import { replicaId } from '@causeway/crdt';
import { expect, test } from 'vitest';
import type { Store } from '../store/store.js';
import { Link } from './link.js';
import { LogReader } from './log-reader.js';
import type { Members } from './members.js';

test('what a peer says to hold of origins that are no members is not kept: it could invent them without end', () => {
  const [self, member] = [replicaId('eu.00000001'), replicaId('us.00000001')];
  const store = { self } as Store;
  const members = { get: (replica) => (replica === member ? {} : undefined) } as Members;
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const link = new Link(1, undefined, 0, store, members, new LogReader(store, log));
  for (let i = 0; i < 100; i++) {
    const invented = replicaId(`ap.${String(i).padStart(8, '0')}`);
    link.says(
      new Map([
        [invented, 1],
        [member, i],
        [self, 3],
      ] as const),
    );
  }
  link.says(new Map([[member, 2]]));
  expect(link.said).toEqual(
    new Map([
      [member, 99],
      [self, 3],
    ]),
  );
});
