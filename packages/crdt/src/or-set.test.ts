import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Digest, Hasher } from './digest.js';
import { type Dot, type ReplicaId, replicaId } from './dot.js';
import {
  addElementDigest,
  compactElement,
  EMPTY_ELEMENT,
  elementAdd,
  elementDelta,
  elementRemove,
  isClearStable,
  isLive,
  joinClears,
  joinElements,
  liveDots,
  type SetClear,
  type SetElement,
} from './or-set.js';
import { checkHistory, happenedBefore, historyOf, type Subject, type Write } from './testing/history.js';
import { checkJoinLaws, checkSameObject } from './testing/laws.js';
import { EMPTY_VERSION_VECTOR, joinVersionVectors, seqOf, type VersionVector } from './version-vector.js';

const A = replicaId('a.00000001');
const B = replicaId('b.00000002');
const C = replicaId('c.00000003');
const dot = (replica: ReplicaId, seq: number): Dot => ({ replica, seq });

/** A whole set. An element that is joined drops its dead adds at once, the others wait for the purge. */
interface OrSet {
  readonly elements: ReadonlyMap<string, SetElement>;
  readonly clear?: SetClear;
}

const through = (set: OrSet): VersionVector => set.clear?.through ?? EMPTY_VERSION_VECTOR;
const never = () => false;

function joinSets(a: OrSet, b: OrSet): OrSet {
  const clear = b.clear === undefined ? a.clear : joinClears(a.clear, b.clear);
  const elements = new Map(a.elements);
  for (const [name, element] of b.elements) {
    const joined = joinElements(elements.get(name) ?? EMPTY_ELEMENT, element);
    elements.set(name, compactElement(joined, clear?.through ?? EMPTY_VERSION_VECTOR, never));
  }
  return { elements, ...(clear && { clear }) };
}

function compactElements(set: OrSet, isStable: (dot: Dot) => boolean): OrSet {
  const elements = new Map<string, SetElement>();
  for (const [name, element] of set.elements) {
    const kept = compactElement(element, through(set), isStable);
    if (kept.adds.length + kept.removals.length > 0) elements.set(name, kept);
  }
  return { ...set, elements };
}

const dotText = ({ replica, seq }: Dot) => `${replica[0]}${seq}`;
const vectorText = (vector: VersionVector) => [...vector].map(([r, s]) => r[0]! + s).sort();

function showElement(element: SetElement): string {
  const removals = element.removals.map((r) => `${dotText(r)}by${dotText(r.by)}`);
  return `+${element.adds.map(dotText)}-${removals}`;
}

function show(set: OrSet): string {
  const seen = [...compactElements(set, never).elements];
  const elements = seen.map(([name, element]) => name + showElement(element)).sort();
  const clear = set.clear && `${vectorText(set.clear.through)} by ${vectorText(set.clear.by)}`;
  return `${elements.join(' ')} | ${clear ?? ''}`;
}

/** Operations of one transaction, in order. */
type Op = readonly { readonly op: 'add' | 'remove' | 'clear'; readonly name: string }[];

/** Folds a transaction into one delta per record, as the store does. */
function mutate(set: OrSet, ops: Op, by: Dot, seen: VersionVector): OrSet | undefined {
  const added = new Map<string, boolean>();
  const removed = new Set<string>();
  let clear: SetClear | undefined;
  for (const { op, name } of ops) {
    if (op === 'clear') {
      clear = { through: seen, by: new Map([[by.replica, by.seq]]) };
      added.clear();
    } else {
      added.set(name, op === 'add');
      if (op === 'remove') removed.add(name);
    }
  }
  const elements = new Map<string, SetElement>();
  for (const name of removed) {
    const delta = elementRemove(set.elements.get(name) ?? EMPTY_ELEMENT, through(set), by);
    if (delta !== undefined) elements.set(name, delta);
  }
  for (const [name, add] of added) {
    if (add) elements.set(name, joinElements(elements.get(name) ?? EMPTY_ELEMENT, elementAdd(by)));
  }
  if (elements.size === 0 && clear === undefined) return undefined;
  return { elements, ...(clear && { clear }) };
}

/** Whether the transaction leaves the element added, and whether it takes out what it has seen of it. */
function effect(ops: Op, name: string): { adds: boolean; removes: boolean } {
  const own = ops.filter((op) => op.op === 'clear' || op.name === name);
  return { adds: own.at(-1)?.op === 'add', removes: own.some((op) => op.op !== 'add') };
}

/** An element is in the set if some add of it was not seen by any remove or clear. */
function members(writes: readonly Write<Op, OrSet>[]): string[] {
  return NAMES.filter((name) =>
    writes.some(
      (add) =>
        effect(add.op, name).adds &&
        !writes.some((other) => effect(other.op, name).removes && happenedBefore(add, other)),
    ),
  );
}

const NAMES = ['x', 'y', 'z'];

const subject: Subject<Op, OrSet> = {
  op: fc.array(
    fc.record({
      op: fc.constantFrom('add', 'add', 'add', 'add', 'remove', 'remove', 'remove', 'clear'),
      name: fc.constantFrom(...NAMES),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  empty: { elements: new Map() },
  join: joinSets,
  show,
  mutate,
  compact: (set, isStable) => {
    // The whole purge in one step: then the clear may go when it is stable.
    const { clear, ...rest } = compactElements(set, isStable);
    return clear === undefined || isClearStable(clear, isStable) ? rest : { ...rest, clear };
  },
  value: (set) =>
    NAMES.filter((name) => isLive(set.elements.get(name) ?? EMPTY_ELEMENT, through(set))).join(),
  live: (set) =>
    NAMES.map(
      (name) => name + liveDots(set.elements.get(name) ?? EMPTY_ELEMENT, through(set)).map(dotText),
    ).join(),
  digest: (set) => {
    const digest = new Digest();
    const hasher = new Hasher();
    for (const [name, element] of set.elements) {
      addElementDigest(digest, hasher, 'key', Uint8Array.of(name.charCodeAt(0)), element, through(set));
    }
    return digest.toHex();
  },
  defined: (writes) => members(writes).join(),
  residue: (set) =>
    Number(set.clear !== undefined) +
    [...set.elements.values()].filter((element) => element.removals.length > 0 || element.adds.length === 0)
      .length,
};

test('a set keeps every property on random histories, with clears and transactions', () => {
  fc.assert(
    fc.property(historyOf(subject.op, 80), (history) => checkHistory(subject, history)),
    { numRuns: 500 },
  );
});

const anyDot = fc.record({ replica: fc.constantFrom(A, B, C), seq: fc.integer({ min: 1, max: 4 }) });

const anyElement: fc.Arbitrary<SetElement> = fc
  .array(fc.tuple(anyDot, fc.boolean(), fc.array(anyDot, { maxLength: 3 })), { maxLength: 4 })
  .map((deltas) =>
    deltas
      .map(([by, add, removed]) =>
        elementDelta(
          { ...by, seq: by.seq + 4 * Number(!add) },
          add,
          removed.filter((d) => d.seq < by.seq),
        ),
      )
      .reduce(joinElements, EMPTY_ELEMENT),
  );

test('join keeps its laws on any elements, and their form', () => {
  const lattice = { join: joinElements, show: showElement };
  fc.assert(
    fc.property(anyElement, anyElement, anyElement, (a, b, c) => {
      checkJoinLaws(lattice, a, b, c);
      checkSameObject(lattice, a, b);
      const { adds, removals } = joinElements(a, b);
      for (const list of [adds, removals]) {
        const replicas = list.map((entry) => entry.replica);
        expect(replicas).toEqual([...new Set(replicas)].sort());
      }
      for (const add of adds) {
        expect(removals.every((r) => r.replica !== add.replica || r.seq < add.seq)).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('join keeps its laws on clears', () => {
  const anyVector = fc
    .array(anyDot, { maxLength: 3 })
    .map((dots) => dots.reduce((v, d) => joinVersionVectors(v, new Map([[d.replica, d.seq]])), new Map()));
  const anyClear = fc.record({ through: anyVector, by: anyVector });
  const lattice = {
    join: joinClears as (a: SetClear, b: SetClear) => SetClear,
    show: (c: SetClear) => `${vectorText(c.through)} by ${vectorText(c.by)}`,
  };
  fc.assert(
    fc.property(anyClear, anyClear, anyClear, (a, b, c) => {
      checkJoinLaws(lattice, a, b, c);
      checkSameObject(lattice, a, b);
    }),
  );
});

describe('one element', () => {
  const none = EMPTY_VERSION_VECTOR;
  const added = elementAdd(dot(A, 1));

  test('an add wins over a concurrent remove', () => {
    const removed = elementRemove(added, none, dot(B, 1))!;
    const addedAgain = joinElements(added, elementAdd(dot(C, 1)));
    const both = joinElements(addedAgain, removed);
    expect(liveDots(both, none)).toEqual([dot(C, 1)]);
    expect(isLive(joinElements(added, removed), none)).toBe(false);
  });

  test('an add of the same replica that the remove had not seen wins, too', () => {
    const removed = elementRemove(added, none, dot(B, 1))!;
    const both = joinElements(joinElements(added, elementAdd(dot(A, 3))), removed);
    expect(liveDots(both, none)).toEqual([dot(A, 3)]);
  });

  test('what is not there needs no removal', () => {
    expect(elementRemove(EMPTY_ELEMENT, none, dot(B, 1))).toBeUndefined();
    expect(elementRemove(added, new Map([[A, 1]]), dot(B, 1))).toBeUndefined();
  });

  test('a removal never takes out its own dot', () => {
    expect(elementRemove(added, none, dot(A, 1))).toBeUndefined();
    expect(() => elementDelta(dot(A, 1), false, [dot(A, 1)])).toThrow('assertion');
  });

  test('a delta from the wire is put in order, the highest dot of a replica standing for the others', () => {
    expect(elementDelta(dot(B, 9), true, [dot(C, 1), dot(A, 2), dot(A, 5), dot(A, 3)])).toEqual({
      adds: [dot(B, 9)],
      removals: [
        { replica: A, seq: 5, by: dot(B, 9) },
        { replica: C, seq: 1, by: dot(B, 9) },
      ],
    });
  });

  test('a removal goes when it is stable, and not when only what it removed is', () => {
    const state = joinElements(added, elementRemove(added, none, dot(B, 1))!);
    const stableTo = (vector: VersionVector) => (d: Dot) => d.seq <= seqOf(vector, d.replica);
    expect(compactElement(state, none, stableTo(new Map([[A, 1]])))).toBe(state);
    expect(compactElement(state, none, stableTo(new Map([[B, 1]])))).toEqual(EMPTY_ELEMENT);
  });

  test('a clear hides the adds that it covers, and compaction drops them before it is stable', () => {
    const state = joinElements(added, elementAdd(dot(B, 5)));
    const cleared = new Map([
      [A, 7],
      [B, 4],
    ]);
    expect(liveDots(state, cleared)).toEqual([dot(B, 5)]);
    expect(compactElement(state, cleared, () => false)).toEqual(elementAdd(dot(B, 5)));
    const live = elementAdd(dot(B, 5));
    expect(compactElement(live, cleared, () => false)).toBe(live);
  });

  test('a clear is stable when the latest clear of every replica is', () => {
    const clear = {
      through: none,
      by: new Map([
        [A, 2],
        [B, 3],
      ]),
    };
    expect(isClearStable(clear, () => true)).toBe(true);
    expect(isClearStable(clear, (d) => d.replica === A)).toBe(false);
  });
});

test('a digest tells elements apart by key, element and dot, and passes over what is removed', () => {
  const text = (key: string, element: number, state: SetElement, cleared = EMPTY_VERSION_VECTOR) => {
    const digest = new Digest();
    addElementDigest(digest, new Hasher(), key, Uint8Array.of(element), state, cleared);
    return digest.toHex();
  };
  const added = elementAdd(dot(A, 1));
  const twice = joinElements(added, elementAdd(dot(B, 2)));
  const texts = [
    text('k', 1, added),
    text('l', 1, added),
    text('k', 2, added),
    text('k', 1, elementAdd(dot(A, 2))),
    text('k', 1, elementAdd(dot(B, 1))),
    text('k', 1, twice),
    text('k', 1, elementRemove(added, EMPTY_VERSION_VECTOR, dot(B, 1))!),
  ];
  expect(new Set(texts).size).toBe(texts.length);
  expect(texts.at(-1)).toBe('0'.repeat(32));
  expect(text('k', 1, twice, new Map([[B, 2]]))).toBe(texts[0]);
});
