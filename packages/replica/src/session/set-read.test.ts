import fc from 'fast-check';
import { expect, test } from 'vitest';
import { add, clear, remove, size, values } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { adds, ScriptedPeer } from '../testing/scripted-peer.js';

/** An element so large that a page from disk holds one. */
const large = (digit: number) => `${digit}`.repeat(600_000);

test('elements come in the order of their canonical bytes', () => {
  const node = new Rig();
  node.run(add('s', 'b', 'a', 'aa', 10, 9, -1, null, true, [1], { z: 1 }, 1n, 'ä', '\u{1f600}', '\uff21'));
  const inOrder = node.one(values('s')) as unknown[];
  node.restart();
  expect(node.one(values('s'))).toEqual(inOrder);
  expect(inOrder.filter((element) => typeof element === 'string')).toEqual([
    'a',
    'b',
    'aa',
    'ä',
    '\uff21',
    '\u{1f600}',
  ]);
});

test('sets whose names begin alike are apart', () => {
  const node = new Rig();
  node.run(add('s', 'x'), add('sx', 'y'), add('', 'z'), add('s\0', 'n'));
  expect(node.run(values('s'), values('sx'), values('s\0'))).toEqual([['x'], ['y'], ['n']]);
});

test('pages together are the whole set, and only the last says that it is the last', () => {
  const node = new Rig();
  node.run(add('s', 1, 2, 3, 4, 5));
  expect(node.one(values('s', { limit: 2 }))).toEqual([1, 2, 'more']);
  expect(node.one(values('s', { limit: 2, after: 2 }))).toEqual([3, 4, 'more']);
  expect(node.one(values('s', { limit: 2, after: 4 }))).toEqual([5]);
  expect(node.one(values('s', { limit: 5 }))).toEqual([1, 2, 3, 4, 5]);
  expect(node.one(values('s', { after: 'z' }))).toEqual([]);
});

test('a page goes on behind an element that has gone since', () => {
  const node = new Rig();
  node.run(add('s', 1, 3, 5, 7));
  expect(node.one(values('s', { limit: 2 }))).toEqual([1, 3, 'more']);
  node.run(remove('s', 3, 5), add('s', 2, 4));
  expect(node.one(values('s', { after: 3 }))).toEqual([4, 7]);
});

test('what changes while the pages are read is seen as it is when the read is executed', () => {
  const node = new Rig();
  for (let i = 0; i < 5; i++) node.run(add('s', large(i)));
  node.restart();
  node.holdScans = true;
  const read = node.ask(1, values('s'));
  node.answerScan(node.scans[0]!);
  node.ask(2, [remove('s', large(0), large(3)), add('s', large(5), 'a')]);
  node.releaseAll();
  const elements = read.results![0] as string[];
  expect(elements.map((element) => element[0])).toEqual(['a', '1', '2', '4', '5']);
});

test('a clear while the pages are read leaves none of them', () => {
  const node = new Rig();
  for (let i = 0; i < 3; i++) node.run(add('s', large(i)));
  node.holdScans = true;
  const read = node.ask(1, values('s'));
  node.answerScan(node.scans[0]!);
  node.ask(2, [clear('s'), add('s', 'n')]);
  node.releaseAll();
  expect(read.results).toEqual([['n']]);
});

test('elements of a batch in flight are there, when it is durable', () => {
  const node = new Rig();
  const peer = new ScriptedPeer(node, 'us').dials();
  node.run(add('s', 1));
  node.holdWrites = true;
  peer.writes(adds('s', 2));
  node.ask(1, remove('s', 1));
  const read = node.ask(2, values('s'));
  expect(read.answered).toBe(false);
  node.releaseAll();
  expect(read.results).toEqual([[2]]);
});

test('a page of a set that the same transaction has cleared is empty and the last', () => {
  const node = new Rig();
  for (let i = 0; i < 3; i++) node.run(add('s', large(i)));
  expect(node.run(clear('s'), values('s', { limit: 1 }))).toEqual([null, []]);
});

test('a page after removals in the same transaction is as long as it can be', () => {
  const node = new Rig();
  for (let i = 0; i < 4; i++) node.run(add('s', large(i)));
  const [, page] = node.run(remove('s', large(0), large(1)), values('s', { limit: 1 }));
  expect((page as string[]).map((element) => element[0])).toEqual(['2', 'm']);
});

test('more than one answer may hold is refused without a limit, and comes in pages with one', () => {
  const node = new Rig();
  for (let i = 0; i < 30; i++) node.run(add('s', `${String.fromCharCode(65 + i)}${large(0)}`));
  expect(node.ask(1, values('s')).code).toBe('CAUSEWAY_TOO_LARGE');
  const page = node.one(values('s', { limit: 1_000 })) as string[];
  expect(page.at(-1)).toBe('more');
  expect(page.length).toBeGreaterThan(20);
  expect(node.one(values('s', { limit: 1_000, after: page.at(-2) }))).toHaveLength(30 - (page.length - 1));
});

test('any page of any set is what a sorted list would give', () => {
  const element = fc.integer({ min: 0, max: 30 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), element), { maxLength: 40 }),
      fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
      fc.option(element, { nil: undefined }),
      (changes, limit, after) => {
        const node = new Rig();
        const model = new Set<number>();
        for (const [adding, each] of changes) {
          node.run(adding ? add('s', each) : remove('s', each));
          if (adding) model.add(each);
          else model.delete(each);
        }
        const behind = [...model].sort((a, b) => a - b).filter((each) => after === undefined || each > after);
        const page = behind.slice(0, limit);
        const want = page.length < behind.length ? [...page, 'more'] : page;
        const asked = {
          ...(limit === undefined ? {} : { limit }),
          ...(after === undefined ? {} : { after }),
        };
        expect(node.run(values('s', asked), size('s'))).toEqual([want, model.size]);
      },
    ),
    { numRuns: 60 },
  );
});
