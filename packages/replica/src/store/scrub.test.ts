import { decodeCanonical } from '@causeway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { add, clear, del, get, increment, put, remove, reset, size } from '../testing/operations.js';
import { Rig, type RigOptions } from '../testing/rig.js';
import { adds, puts, ScriptedPeer } from '../testing/scripted-peer.js';
import { digestOf } from '../testing/stored.js';
import { elementKey, KIND, splitElementKey, textKey } from './keyspace.js';
import { Leaves, nodeOf } from './merkle.js';

const RECORD_TYPES = [KIND.register, KIND.element, KIND.counter];

/** One record to a page, and time passes between pages. */
const slowly: RigOptions = {
  limits: { scrubIntervalMs: 1e12, scrubBytesPerSecond: 100, recountBytesPerSecond: 100 },
};

/** The index is that of what is stored: counted here by nothing but the digests of each kind. */
function expectRight(node: Rig): void {
  const { index } = node.internals.store;
  expect(index.isWhole).toBe(true);
  expect(node.digest).toBe(digestOf(node.store));
  expect(index.root.toHex()).toBe(node.digest);
  expect(index.leaves.node(0, 0)).toEqual(index.root);
}

function scrub(node: Rig): void {
  const { passes } = node.status.scrub;
  node.step({ type: 'scrub' });
  node.passUntil(() => node.status.scrub.passes > passes, 1_000_000);
  node.pass(1_000);
}

function filled(options: RigOptions = {}): Rig {
  const node = new Rig(options);
  for (let i = 0; i < 20; i++) node.run(put(`r${i}`, i), add('s', i), increment(`c${i}`, i + 1));
  return node;
}

/** The node starts again on what is stored, without what was stored of the index. */
function withoutIndex(node: Rig): void {
  for (const { key } of [...node.store.all(KIND.indexJournal), ...node.store.all(KIND.indexPage)]) {
    node.store.delete(key);
  }
  node.restart();
}

const warnings = (node: Rig) =>
  node.logged.filter(({ level }) => level === 'warn').map(({ message }) => message);

describe('a lost index', () => {
  test('is counted from the records, while the node serves, and is stored then', () => {
    const node = filled();
    withoutIndex(node);
    node.pass(5_000);

    expectRight(node);
    expect(node.status.scrub).toMatchObject({ state: 'idle', passes: 1 });
    expect(node.store.all(KIND.indexPage).length).toBeGreaterThan(0);
    expect(warnings(node)).toEqual([]);
    node.restart();
    expect(node.internals.store.index.isWhole).toBe(true);
  });

  test('is frozen for nobody before it is counted', () => {
    const node = filled(slowly);
    withoutIndex(node);
    expect(node.status.scrub.state).toBe('counting');
    let frozen: unknown = 'not taken';
    node.internals.store.views.open((view) => {
      frozen = view.index;
      view.close();
    });
    node.step({ type: 'tick' });

    expect(frozen).toBeUndefined();
  });

  test('of a store of before there was one is counted', () => {
    const node = filled();
    const leaves = node.internals.store.index.leaves.words.slice();
    withoutIndex(node);
    node.pass(5_000);
    expect(node.internals.store.index.leaves.words).toEqual(leaves);
  });
});

const keys = fc.integer({ min: 0, max: 6 });
const operations = fc.oneof(
  keys.map((i) => put(`r${i}`, i)),
  keys.map((i) => put(`r${i}`, 'short', 300)),
  keys.map((i) => del(`r${i}`)),
  keys.map((i) => increment(`c${i}`)),
  keys.map((i) => reset(`c${i}`)),
  keys.map((i) => add('s', i)),
  keys.map((i) => remove('s', i)),
  fc.constant(clear('s')),
);
/** What happens, and how long after it. */
const moments = fc.array(
  fc.record({
    operation: operations,
    ms: fc.integer({ min: 0, max: 900 }),
    disk: fc.constantFrom('', '', '', 'slow reads', 'slow writes', 'fails', 'fails and keeps', 'crash'),
  }),
  { minLength: 1, maxLength: 60 },
);

test.each([
  { name: 'a lost index', lost: true },
  { name: 'an index', lost: false },
])(
  'property: $name is right after being counted under writes, slow disks, failed ones and crashes',
  ({ lost }) => {
    fc.assert(
      fc.property(moments, (history) => {
        const node = new Rig({
          limits: {
            indexBits: 4,
            indexJournalBytesMax: 200,
            scrubIntervalMs: 500,
            scrubBytesPerSecond: 2_000,
            recountBytesPerSecond: 2_000,
          },
        });
        for (let i = 0; i < 7; i++) node.run(put(`r${i}`, i), add('s', i), increment(`c${i}`));
        if (lost) withoutIndex(node);
        for (const { operation, ms, disk } of history) {
          node.holdScans = disk === 'slow reads';
          node.holdWrites = disk !== '' && disk !== 'slow reads';
          node.queue(1, operation);
          node.pass(ms);
          if (disk === 'crash') node.restart();
          else if (disk.startsWith('fails') && node.inFlight !== undefined) {
            node.failWrite(disk === 'fails and keeps');
            node.pass(50);
            node.reopen();
          }
          node.releaseAll();
        }
        node.pass(20_000);

        expectRight(node);
        expect(warnings(node).filter((message) => /index|sets/.test(message))).toEqual([]);
        expect(node.status.scrub.passes).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  },
);

describe('a scrub', () => {
  test('finds nothing where nothing is wrong, writes nothing, and looks at every record', () => {
    const node = filled(slowly);
    const written = node.written.length;
    scrub(node);
    expect(node.status.scrub).toMatchObject({ passes: 1, records: 61, damaged: 0, corrected: 0 });
    expect(node.written.slice(written).flatMap(({ puts }) => puts.map(({ key }) => key[0]))).toEqual([]);
  });

  test('comes by itself', () => {
    const node = filled({ limits: { scrubIntervalMs: 60_000 } });
    node.pass(200_000);
    expect(node.status.scrub.passes).toBe(3);
  });

  test('keeps its pace', () => {
    const node = filled(slowly);
    node.step({ type: 'scrub' });
    node.pass(3_000);
    expect(node.status.scrub.state).toBe('scrubbing');
  });

  test.each(RECORD_TYPES)('takes a damaged record of kind %i out of the digest, and tells of it', (kind) => {
    const node = filled();
    const before = node.digest;
    node.restart();
    const { key } = node.store.all(kind)[3]!;
    node.store.damage(key);
    const told: (readonly Uint8Array[])[] = [];
    node.internals.housekeeping.scrub.found = (damaged) => told.push(damaged);

    scrub(node);

    expect(told).toEqual([[key]]);
    expect(node.status.scrub).toMatchObject({ damaged: 1, corrected: 1 });
    expect(node.errors).toContain('a stored record is damaged');
    expect(node.digest).not.toBe(before);
    node.store.delete(key);
    expectRight(node);
  });

  test('writes a damaged record anew that is still in memory', () => {
    const node = filled();
    const before = node.digest;
    node.store.damage(textKey(KIND.register, 'r3'));

    scrub(node);

    expect(node.status.scrub).toMatchObject({ damaged: 0, healed: 1, corrected: 0 });
    expect(node.digest).toBe(before);
    expectRight(node);
    node.restart();
    expect(node.one(get('r3'))).toBe(3);
  });

  test('corrects the digests of records that were lost without a trace, and reads what is there', () => {
    const node = filled();
    for (let i = 0; i < 10; i++) node.store.delete(textKey(KIND.register, `r${i}`));

    scrub(node);
    node.run(put('r1', 'new'));

    expect(node.status.scrub.corrected).toBeGreaterThan(5);
    expect(warnings(node)).toContain('the index was not that of the stored records, and is now');
    expect(node.one(get('r0'))).toBeUndefined();
    expectRight(node);
  });

  test('does not go on using what is lost, also what was in use when it was found', () => {
    const node = filled();
    const { store } = node.internals;
    const slot = store.records.register('r3');
    node.store.delete(slot.key);
    scrub(node);
    store.records.release(slot);
    expect(node.one(get('r3'))).toBeUndefined();
  });

  test('corrects an index that is wrong by itself, also for the next start', () => {
    const node = filled();
    const { leaves } = node.internals.store.index;
    const right = leaves.words.slice();
    leaves.words[0]! += 7;
    leaves.words[4]! -= 7;

    scrub(node);
    node.restart();

    expect(node.internals.store.index.isWhole).toBe(true);
    expect(node.internals.store.index.leaves.words).toEqual(right);
  });

  test('follows when a read met a damaged record', () => {
    const node = filled(slowly);
    node.restart();
    const key = textKey(KIND.register, 'r3');
    node.store.damage(key);
    expect(() => node.one(get('r3'))).toThrow();

    node.passUntil(() => node.status.scrub.passes === 1, 1_000_000);

    node.store.delete(key);
    expect(node.internals.store.index.root.toHex()).toBe(digestOf(node.store));
  });

  test('counts what is written over a damaged record while its page is read', () => {
    const node = filled();
    node.restart();
    const key = textKey(KIND.register, 'r3');
    node.store.damage(key);
    const peer = new ScriptedPeer(node, 'us').dials();
    node.holdScans = true;
    node.step({ type: 'scrub' });
    for (;;) {
      node.passUntil(() => node.scans.length > 0);
      const [scan] = node.scans;
      if (scan!.snapshot !== undefined && scan!.from[0] === KIND.register) break;
      node.answerScan(scan!);
    }
    peer.writes(puts('r3', 'new'));
    node.releaseAll();
    node.passUntil(() => node.status.scrub.passes === 1, 1_000_000);
    node.pass(1_000);

    expectRight(node);
    expect(node.status.scrub.damaged).toBe(1);
  });

  test('counts what was written over a damaged record as it is stored', () => {
    const node = filled();
    node.restart();
    const key = textKey(KIND.register, 'r3');
    node.store.damage(key);
    new ScriptedPeer(node, 'us').dials().writes(puts('r3', 'new'));
    scrub(node);
    expectRight(node);
    scrub(node);
    expect(node.status.scrub.corrected).toBe(1);
    expect(() => node.one(get('r3'))).toThrow();
  });
});

describe('the size of a set', () => {
  const lost = textKey(KIND.set, 's');

  test.each([
    { name: 'whose record was lost', lose: (node: Rig) => node.store.delete(lost), want: 20 },
    {
      name: 'whose record was lost before an add',
      lose: (node: Rig) => {
        node.store.delete(lost);
        node.run(add('s', 'new'));
      },
      want: 21,
    },
    {
      name: 'of which all elements were lost',
      lose: (node: Rig) => {
        for (const { key } of node.store.all(KIND.element)) node.store.delete(key);
      },
      want: 0,
    },
    {
      name: 'of which an element was lost',
      lose: (node: Rig) =>
        node.store.delete(elementKey('s', node.store.all(KIND.element)[3]!.key.subarray(4))),
      want: 19,
    },
  ])('$name is counted anew', ({ lose, want }) => {
    const node = filled();
    node.restart();
    lose(node);
    scrub(node);
    node.restart();
    expect(node.one(size('s'))).toBe(want);
    scrub(node);
    expect(warnings(node).filter((message) => message.includes('sets'))).toHaveLength(1);
  });

  test('does not count an element twice that a peer has added while it was damaged', () => {
    const node = filled(slowly);
    node.restart();
    const { key } = node.store.all(KIND.element)[3]!;
    node.store.damage(key);
    const peer = new ScriptedPeer(node, 'us').dials();
    peer.writes(adds('s', decodeCanonical(splitElementKey(key).element)));
    expect(node.one(size('s'))).toBe(21);
    node.internals.housekeeping.mend([key]);
    node.pass(1_000);
    expect(node.one(size('s'))).toBe(20);
  });

  test('is right while elements come and go on both sides of where the scrub stands', () => {
    const node = new Rig({ ...slowly, limits: { ...slowly.limits, scrubBytesPerSecond: 20_000 } });
    for (let i = 0; i < 1_000; i++) node.run(add('s', i), add('t', i));
    node.step({ type: 'scrub' });
    for (let i = 0; node.status.scrub.passes === 0; i++) {
      node.run(remove('s', (i * 7) % 1_000), add('s', 1_000 + i), remove('t', (i * 3) % 1_000));
      node.pass(20);
    }
    expect(warnings(node)).toEqual([]);
  });
});

test('leaves that are counted are the leaves of the records', () => {
  const node = filled();
  withoutIndex(node);
  node.pass(5_000);
  const present = new Set<number>();
  for (const kind of RECORD_TYPES) for (const { key } of node.store.all(kind)) present.add(nodeOf(key, 8));
  const { words } = node.internals.store.index.leaves;
  const found = new Set<number>();
  for (let at = 0; at < words.length; at++) if (words[at] !== 0) found.add(at >> 2);
  expect(found).toEqual(present);
  expect(node.internals.store.index.leaves).toBeInstanceOf(Leaves);
});
