import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Digest, Hasher } from './digest.js';
import { compareDots, type Dot, type ReplicaId, replicaId, sameDot } from './dot.js';
import {
  addCounterDigest,
  type Counter,
  type CounterEntry,
  compactCounter,
  counterValue,
  EMPTY_COUNTER,
  ENTRY_TOTAL_MAX,
  incrementEntry,
  joinCounter,
  resetEntries,
} from './pn-counter.js';
import { checkHistory, happenedBefore, historyOf, type Subject } from './testing/history.js';
import { checkJoinLaws, checkSameObject } from './testing/laws.js';

const A = replicaId('a.00000001');
const B = replicaId('b.00000002');
const dot = (replica: ReplicaId, seq: number): Dot => ({ replica, seq });

const dotText = (d: Dot | undefined) => (d === undefined ? '' : `${d.replica[0]}${d.seq}`);
const entryText = ({ dot: d, p, n, bp, bn, by }: CounterEntry) =>
  `${dotText(d)}:+${p}-${n} over +${bp}-${bn} ${dotText(by)}`;
const show = (counter: Counter) => counter.entries.map(entryText).join(' | ');
const join = (a: Counter, b: Counter) => joinCounter(a, b.entries);
const isSpent = (entry: CounterEntry) => entry.p === entry.bp && entry.n === entry.bn;

/** Amounts and resets of one transaction, in order. */
type Op = readonly (bigint | 'reset')[];

/** Folds a transaction into one delta per entry, as the store does. */
function mutate(state: Counter, ops: Op, by: Dot): Counter | undefined {
  let working = state;
  let delta = EMPTY_COUNTER;
  for (const op of ops) {
    const entries = op === 'reset' ? resetEntries(working, by) : [incrementEntry(working, by, op)];
    if (op === 'reset') {
      working = without(working, by);
      delta = without(delta, by);
    }
    working = joinCounter(working, entries);
    delta = joinCounter(delta, entries);
  }
  if (delta.entries.length === 0) return undefined;
  for (const entry of delta.entries) checkGrowth(state, entry, by);
  return joinCounter(EMPTY_COUNTER, delta.entries.map(asOnWire));
}

const without = (counter: Counter, by: Dot): Counter => ({
  entries: counter.entries.filter((entry) => !sameDot(entry.dot, by)),
});

/** The wire carries an increment's totals and a reset's baselines; of a reset in full, the baseline alone. */
function asOnWire(entry: CounterEntry): CounterEntry {
  return isSpent(entry) && entry.by !== undefined ? { ...entry, p: 0n, n: 0n } : entry;
}

/** Only the own replica's entries grow, and only while they have no baseline. */
function checkGrowth(state: Counter, entry: CounterEntry, by: Dot): void {
  const old = state.entries.find((other) => sameDot(other.dot, entry.dot));
  const grows = old === undefined || entry.p > old.p || entry.n > old.n;
  if (!grows) return;
  if (entry.dot.replica !== by.replica) throw new Error('broken: only the own replica increments an entry');
  if (old?.by !== undefined) throw new Error('broken: an entry with a baseline is never incremented again');
}

function sum(ops: Op): bigint {
  const afterReset = ops.slice(ops.lastIndexOf('reset') + 1) as bigint[];
  return afterReset.reduce((total, amount) => total + amount, 0n);
}

const amount = fc.oneof(fc.bigInt({ min: -3n, max: 5n }), fc.constantFrom(2n ** 61n, -(2n ** 61n)));

const subject: Subject<Op, Counter> = {
  op: fc.array(
    fc.oneof({ weight: 3, arbitrary: amount }, { weight: 1, arbitrary: fc.constant('reset' as const) }),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
  empty: EMPTY_COUNTER,
  join,
  show,
  mutate,
  compact: compactCounter,
  value: (counter) => String(counterValue(counter)),
  live: (counter) =>
    counter.entries
      .filter((entry) => !isSpent(entry))
      .map(({ by: _, ...entry }) => entryText(entry))
      .join(),
  digest: (counter) => {
    const digest = new Digest();
    addCounterDigest(digest, new Hasher(), 'key', counter);
    return digest.toHex();
  },
  // The sum of the increments that no reset has seen.
  defined: (writes) => {
    const resets = writes.filter((write) => write.op.includes('reset'));
    const counted = writes.filter((write) => !resets.some((reset) => happenedBefore(write, reset)));
    return String(counted.reduce((total, write) => total + sum(write.op), 0n));
  },
  residue: (counter) => counter.entries.filter(isSpent).length,
};

test('a counter keeps every property on random histories, with resets and transactions', () => {
  fc.assert(
    fc.property(historyOf(subject.op, 80), (history) => checkHistory(subject, history)),
    { numRuns: 500 },
  );
});

const small = fc.bigInt({ min: 0n, max: 3n });
const anyDot = fc.record({ replica: fc.constantFrom(A, B), seq: fc.integer({ min: 1, max: 2 }) });
const anyEntry: fc.Arbitrary<CounterEntry> = fc
  .record({ dot: anyDot, p: small, n: small, bp: small, bn: small, by: anyDot })
  .map(({ by, ...entry }) => (entry.bp + entry.bn > 0n ? { ...entry, by } : entry));
const anyCounter = fc.array(anyEntry, { maxLength: 4 }).map((entries) => joinCounter(EMPTY_COUNTER, entries));

test('join keeps its laws on any counters, baselines that no history makes included', () => {
  fc.assert(
    fc.property(anyCounter, anyCounter, anyCounter, (a, b, c) => {
      checkJoinLaws({ join, show }, a, b, c);
      checkSameObject({ join, show }, a, b);
      const { entries } = join(a, b);
      expect(entries).toEqual([...entries].sort((x, y) => compareDots(x.dot, y.dot)));
      expect(entries.every(({ p, n, bp, bn }) => p >= bp && n >= bn)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

describe('a counter', () => {
  const five = joinCounter(EMPTY_COUNTER, [incrementEntry(EMPTY_COUNTER, dot(A, 1), 5n)]);

  test('grows in one entry of its replica until a reset', () => {
    const seven = joinCounter(five, [incrementEntry(five, dot(A, 2), 2n)]);
    expect(seven.entries).toEqual([{ dot: dot(A, 1), p: 7n, n: 0n, bp: 0n, bn: 0n }]);
    const reset = joinCounter(seven, resetEntries(seven, dot(B, 1)));
    expect(counterValue(reset)).toBe(0n);
    expect(incrementEntry(reset, dot(A, 3), 1n)).toEqual({ dot: dot(A, 3), p: 1n, n: 0n, bp: 0n, bn: 0n });
  });

  test('keeps an increment that the reset had not seen', () => {
    const reset = resetEntries(five, dot(B, 1));
    const seven = joinCounter(five, [incrementEntry(five, dot(A, 2), 2n)]);
    const both = joinCounter(seven, reset);
    expect(counterValue(both)).toBe(2n);
    expect(compactCounter(both, () => true)).toBe(both);
  });

  test('counts increments and decrements apart, each above its baseline', () => {
    const down = joinCounter(five, [incrementEntry(five, dot(A, 2), -7n)]);
    expect(counterValue(down)).toBe(-2n);
    expect(down.entries).toEqual([{ dot: dot(A, 1), p: 5n, n: 7n, bp: 0n, bn: 0n }]);
  });

  test('takes a baseline that comes alone for counted', () => {
    const [reset] = resetEntries(five, dot(B, 1));
    const alone = joinCounter(EMPTY_COUNTER, [{ ...reset!, p: 0n, n: 0n }]);
    expect(alone.entries).toEqual([reset]);
    expect(counterValue(joinCounter(alone, five.entries))).toBe(0n);
  });

  test('has nothing to reset twice, nor in what the same transaction added', () => {
    const reset = joinCounter(five, resetEntries(five, dot(B, 1)));
    expect(resetEntries(reset, dot(B, 2))).toEqual([]);
    expect(resetEntries(five, dot(A, 1))).toEqual([]);
  });

  test('opens a new entry rather than pass 2^62, but never two under one dot', () => {
    const full = joinCounter(five, [incrementEntry(five, dot(A, 2), ENTRY_TOTAL_MAX - 5n)]);
    expect(full.entries).toHaveLength(1);
    const next = incrementEntry(full, dot(A, 3), 1n);
    expect(next.dot).toEqual(dot(A, 3));
    const more = joinCounter(full, [next]);
    expect(incrementEntry(more, dot(A, 3), ENTRY_TOTAL_MAX).p).toBe(ENTRY_TOTAL_MAX + 1n);
    expect(() => incrementEntry(more, dot(A, 3), ENTRY_TOTAL_MAX * 2n)).toThrow('assertion');
  });

  test('drops an entry when its reset is stable, and one that never counted anything', () => {
    const reset = joinCounter(five, resetEntries(five, dot(B, 1)));
    expect(compactCounter(reset, (d) => d.replica === A)).toBe(reset);
    expect(compactCounter(reset, (d) => d.replica === B)).toEqual(EMPTY_COUNTER);
    const zero = joinCounter(EMPTY_COUNTER, [incrementEntry(EMPTY_COUNTER, dot(A, 1), 0n)]);
    expect(compactCounter(zero, () => false)).toEqual(EMPTY_COUNTER);
  });
});

test('a digest tells counters apart by key, entries and baselines, and passes over spent entries', () => {
  const text = (key: string, entries: readonly CounterEntry[]) => {
    const digest = new Digest();
    addCounterDigest(digest, new Hasher(), key, joinCounter(EMPTY_COUNTER, entries));
    return digest.toHex();
  };
  const entry: CounterEntry = { dot: dot(A, 1), p: 5n, n: 3n, bp: 1n, bn: 1n, by: dot(B, 1) };
  const spent: CounterEntry = { dot: dot(A, 9), p: 5n, n: 0n, bp: 5n, bn: 0n, by: dot(B, 1) };
  const texts = [
    text('k', [entry]),
    text('l', [entry]),
    text('k', [{ ...entry, dot: dot(A, 2) }]),
    text('k', [{ ...entry, dot: dot(B, 1) }]),
    text('k', [{ ...entry, p: 6n }]),
    text('k', [{ ...entry, n: 4n }]),
    text('k', [{ ...entry, bp: 2n }]),
    text('k', [{ ...entry, bn: 2n }]),
    text('k', [spent]),
  ];
  expect(new Set(texts).size).toBe(texts.length);
  expect(texts.at(-1)).toBe('0'.repeat(32));
  expect(text('k', [entry, spent])).toBe(texts[0]);
  expect(text('k', [{ ...entry, by: dot(B, 2) }])).toBe(texts[0]);
});
