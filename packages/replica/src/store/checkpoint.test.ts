import { expect, test } from 'vitest';
import { increment, put } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { KIND } from './keyspace.js';

/** Four pages. */
const indexBits = 12;

function index(node: Rig) {
  return node.internals.store.index;
}

/** What a start makes of what is stored is what the node has in memory. */
function expectKept(node: Rig): void {
  const again = new Rig({ store: node.store.clone(), limits: { indexBits } });
  expect(index(again).isWhole).toBe(true);
  const { words } = index(node).leaves;
  expect(index(again).leaves.words.every((word, i) => word === words[i])).toBe(true);
  expect(index(again).leaves.count).toBe(index(node).leaves.count);
}

test('an index survives a crash by its journals alone', () => {
  const node = new Rig({ limits: { indexBits } });
  node.run(put('a', 1), increment('c', 2));
  node.run(put('a', 2));

  expect(node.store.census()).toMatchObject({ j: 2 });
  expectKept(node);
});

test('a stop in good order stores the pages, and leaves no journals to be read', () => {
  const node = new Rig({ limits: { indexBits } });
  for (let i = 0; i < 20; i++) node.run(put(`k${i}`, i));

  node.step({ type: 'drain' });

  expect(node.replica.drained()).toBe(true);
  expect(node.store.all(KIND.indexPage)).toHaveLength(4);
  expect(node.store.all(KIND.indexJournal)).toHaveLength(0);
  expectKept(node);
});

test('only pages that have changed are stored again', () => {
  const node = new Rig({ limits: { indexBits } });
  for (let i = 0; i < 20; i++) node.run(put(`k${i}`, i));
  node.step({ type: 'drain' });
  node.restart();
  node.run(put('k1', 'new'));
  const written = node.written.length;

  node.step({ type: 'drain' });

  const puts = node.written.slice(written).flatMap((batch) => batch.puts);
  expect(puts.filter(({ key }) => key[0] === KIND.indexPage)).toHaveLength(1);
  expect(node.store.all(KIND.indexJournal)).toHaveLength(0);
  expectKept(node);
});

test('when a start would have to read too many journals the pages are stored, while writes go on', () => {
  const node = new Rig({ limits: { indexBits, indexJournalBytesMax: 1_000, housekeepingRecords: 3 } });
  for (let i = 0; i < 200; i++) {
    node.run(put(`k${i % 50}`, i));
    node.pass(100);
    if (i % 20 === 0) expectKept(node);
  }
  expect(node.store.all(KIND.indexJournal).length).toBeLessThan(70);
  expectKept(node);
});

test('a failed write at any time leaves an index that is right', () => {
  const node = new Rig({ limits: { indexBits, indexJournalBytesMax: 100, housekeepingRecords: 1 } });
  let fails = 0;
  for (let i = 0; i < 60; i++) {
    node.holdWrites = true;
    node.queue(1, put(`k${i % 7}`, i));
    node.pass(700);
    if (i % 3 === 0 && node.inFlight !== undefined) {
      node.failWrite(i % 2 === 0);
      node.reopen();
      fails++;
    }
    node.releaseAll();
    expectKept(node);
  }
  expect(fails).toBeGreaterThan(10);
});
