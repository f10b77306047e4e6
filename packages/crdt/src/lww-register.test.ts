import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Digest, Hasher } from './digest.js';
import { type Dot, replicaId } from './dot.js';
import { compareStamps, HybridClock, type Stamp } from './hlc.js';
import {
  addRegisterDigest,
  compactRegister,
  isDeadRegister,
  joinRegisters,
  type Register,
} from './lww-register.js';
import { checkHistory, happenedBefore, historyOf, type Subject } from './testing/history.js';
import { checkJoinLaws, checkSameObject, same } from './testing/laws.js';

const A = replicaId('a.00000001');
const B = replicaId('b.00000002');

function register(
  stamp: Partial<Stamp>,
  value?: readonly number[],
  more: { dot?: Dot; expiresAt?: number } = {},
): Register {
  const whole = { physical: 1_000, logical: 0, replica: A, ...stamp };
  const base = { stamp: whole, dot: { replica: whole.replica, seq: 1 }, ...more };
  return value === undefined ? base : { ...base, value: Uint8Array.from(value) };
}

function show(state: Register | undefined): string {
  if (state === undefined) return '-';
  const { stamp, dot, value, expiresAt } = state;
  const dotText = `${dot.replica}:${dot.seq}`;
  return `${stamp.physical}/${stamp.logical}/${stamp.replica} ${dotText} ${value ?? 'dead'} ${expiresAt ?? ''}`;
}

const join = (a: Register | undefined, b: Register | undefined): Register | undefined =>
  b === undefined ? a : joinRegisters(a, b);

type Op = { readonly value?: number; readonly ttlMs?: number };

const subject: Subject<Op, Register | undefined> = {
  op: fc.oneof(
    { weight: 3, arbitrary: fc.record({ value: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ value: fc.nat(9), ttlMs: fc.constantFrom(1, 500, 30_000) }) },
    { weight: 3, arbitrary: fc.constant({}) },
  ),
  empty: undefined,
  join,
  show,
  mutate: (state, op, dot, _seen, { wallMs, clock }) => {
    const stamp = clock.tickAbove(wallMs, state?.stamp);
    if (op.value === undefined) return { stamp, dot };
    const value = Uint8Array.of(op.value);
    return op.ttlMs === undefined
      ? { stamp, dot, value }
      : { stamp, dot, value, expiresAt: wallMs + op.ttlMs };
  },
  observe: (arriving, { wallMs, clock }) => {
    if (arriving !== undefined) clock.observe(arriving.stamp, wallMs);
  },
  compact: (state, isStable, { wallMs, clock }) =>
    state === undefined ? undefined : compactRegister(state, isStable, clock.last, wallMs),
  value: (state, wallMs) => visible(state, wallMs),
  live: (state, wallMs) => (state === undefined || isDeadRegister(state, wallMs) ? '-' : show(state)),
  digest: (state, wallMs) => {
    const digest = new Digest();
    if (state !== undefined && !isDeadRegister(state, wallMs)) {
      addRegisterDigest(digest, new Hasher(), 'key', state);
    }
    return digest.toHex();
  },
  defined: (writes, wallMs) => {
    let winner: (typeof writes)[number] | undefined;
    for (const write of writes) {
      if (winner === undefined || compareStamps(write.delta!.stamp, winner.delta!.stamp) > 0) winner = write;
    }
    if (winner === undefined) return '-';
    for (const write of writes)
      same(String(happenedBefore(winner, write)), 'false', 'who has seen a value beats it');
    return visible(winner.delta, wallMs);
  },
  residue: (state, wallMs) => Number(state !== undefined && isDeadRegister(state, wallMs)),
};

function visible(state: Register | undefined, wallMs: number): string {
  return state === undefined || isDeadRegister(state, wallMs) ? '-' : String(state.value);
}

test('a register keeps every property on random histories', () => {
  fc.assert(
    fc.property(historyOf(subject.op, 80), (history) => checkHistory(subject, history)),
    { numRuns: 500 },
  );
});

const anyRegister: fc.Arbitrary<Register> = fc
  .record({
    physical: fc.nat(2),
    logical: fc.nat(2),
    replica: fc.constantFrom(A, B),
    seq: fc.integer({ min: 1, max: 3 }),
    value: fc.option(fc.uint8Array({ maxLength: 2, max: 2 }), { nil: undefined }),
    expiresAt: fc.option(fc.nat(2), { nil: undefined }),
  })
  .map(({ physical, logical, replica, seq, value, expiresAt }) => ({
    stamp: { physical, logical, replica },
    dot: { replica, seq },
    ...(value && { value }),
    ...(expiresAt !== undefined && { expiresAt }),
  }));

test('join keeps its laws on any registers, equal stamps included', () => {
  fc.assert(
    fc.property(anyRegister, anyRegister, anyRegister, (a, b, c) => {
      checkJoinLaws({ join, show }, a, b, c);
      checkSameObject({ join, show }, a, b);
    }),
    { numRuns: 1_000 },
  );
});

describe('joinRegisters', () => {
  const early = register({ logical: 1 }, [1]);
  test.each([
    { name: 'the later time wins', a: register({ physical: 2_000 }, [1]), b: register({}, [2]), want: 'a' },
    { name: 'then the logical part', a: early, b: register({ logical: 2 }, [0]), want: 'b' },
    { name: 'then the replica', a: register({ replica: B }, [1]), b: register({}, [2]), want: 'a' },
    { name: 'then the bytes of the value', a: register({}, [1, 2]), b: register({}, [2]), want: 'b' },
    { name: 'a longer value is above its prefix', a: register({}, [1]), b: register({}, [1, 0]), want: 'b' },
    { name: 'a tombstone is below the empty value', a: register({}), b: register({}, []), want: 'b' },
    {
      name: 'no expiry is above any',
      a: register({}, [1]),
      b: register({}, [1], { expiresAt: 9_000 }),
      want: 'a',
    },
    {
      name: 'last the dot',
      a: register({}, [1], { dot: { replica: A, seq: 2 } }),
      b: register({}, [1], { dot: { replica: A, seq: 3 } }),
      want: 'b',
    },
    { name: 'equal ones leave the first', a: early, b: { ...early }, want: 'a' },
    { name: 'nothing is below everything', a: undefined, b: register({ physical: 0 }), want: 'b' },
  ])('$name', ({ a, b, want }) => {
    expect(joinRegisters(a, b)).toBe(want === 'a' ? a : b);
  });
});

describe('compactRegister', () => {
  const clock = { physical: 1_000, logical: 5 };
  const dead = register({ logical: 5 });
  const expiring = register({}, [1], { expiresAt: 2_000 });
  const yes = () => true;
  test.each([
    { name: 'drops a stable tombstone', state: dead, isStable: yes, clock, wallMs: 0, want: undefined },
    { name: 'keeps what is not stable', state: dead, isStable: () => false, clock, wallMs: 0, want: dead },
    {
      name: 'keeps a tombstone that is ahead of the clock',
      state: dead,
      isStable: yes,
      clock: { physical: 1_000, logical: 4 },
      wallMs: 0,
      want: dead,
    },
    { name: 'keeps a value', state: expiring, isStable: yes, clock, wallMs: 1_999, want: expiring },
    { name: 'drops an expired value', state: expiring, isStable: yes, clock, wallMs: 2_000, want: undefined },
  ])('$name', ({ state, isStable, clock: local, wallMs, want }) => {
    expect(compactRegister(state, isStable, local, wallMs)).toBe(want);
  });
});

test('a joiner that was handed the clock beats a tombstone that only others still hold', () => {
  const source = new HybridClock(A);
  const tombstone: Register = { stamp: source.tick(5_000), dot: { replica: A, seq: 1 } };
  expect(compactRegister(tombstone, () => true, source.last, 5_000)).toBeUndefined();
  // Its own wall clock is far behind, and the tombstone never reached it.
  const joiner = new HybridClock(B, source.last);
  const written: Register = {
    stamp: joiner.tickAbove(10, undefined),
    dot: { replica: B, seq: 1 },
    value: Uint8Array.of(1),
  };
  expect(joinRegisters(tombstone, written)).toBe(written);
});

test('a digest tells registers apart by key, stamp and dot, and passes over tombstones', () => {
  const text = (key: string, state: Register) => {
    const digest = new Digest();
    addRegisterDigest(digest, new Hasher(), key, state);
    return digest.toHex();
  };
  const texts = [
    text('k', register({}, [1])),
    text('l', register({}, [1])),
    text('k', register({ physical: 1_001 }, [1])),
    text('k', register({ logical: 1 }, [1])),
    text('k', register({ replica: B }, [1])),
    text('k', register({}, [1], { dot: { replica: A, seq: 2 } })),
    text('k', register({}, [1], { dot: { replica: B, seq: 1 } })),
    text('k', register({})),
  ];
  expect(new Set(texts).size).toBe(texts.length);
  expect(texts.at(-1)).toBe('0'.repeat(32));
});
