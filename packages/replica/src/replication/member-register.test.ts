import { replicaId } from '@causeway/crdt';
import { ByteReader, ByteWriter, MEMBERSHIPS, type Member } from '@causeway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMember, encodeMember, joinMembers, type MemberRecord } from './member-register.js';

const US = replicaId('us.0000000a');
const member = (change: Partial<Member> = {}): Member => ({
  replica: US,
  region: 'us',
  address: 'ws://us',
  state: 'active',
  version: 1,
  finalSeq: 0,
  ...change,
});

describe('two registers of one member', () => {
  test.each<{ name: string; a: Partial<Member>; b: Partial<Member>; want: Partial<Member> }>([
    {
      name: 'what it said last stands',
      a: { version: 2, address: 'ws://new' },
      b: { version: 1, address: 'ws://old', state: 'draining' },
      want: { version: 2, address: 'ws://new', state: 'active' },
    },
    {
      name: 'a removal beats whatever it says later',
      a: { state: 'removed', finalSeq: 7 },
      b: { version: 9, address: 'ws://new' },
      want: { state: 'removed', finalSeq: 7, version: 9, address: 'ws://new' },
    },
    {
      name: 'the gentler of two retirements stands, with the higher final seq',
      a: { state: 'left', finalSeq: 5 },
      b: { state: 'evicted', finalSeq: 7 },
      want: { state: 'left', finalSeq: 7 },
    },
  ])('$name', ({ a, b, want }) => {
    expect(joinMembers(member(a), member(b))).toEqual(member(want));
    expect(joinMembers(member(b), member(a))).toEqual(member(want));
  });

  test('nothing new leaves the first one, the very same', () => {
    const a = member({ state: 'removed', finalSeq: 7, version: 3 });
    expect(joinMembers(a, member({ version: 2 }))).toBe(a);
  });

  const registers = fc
    .record({
      version: fc.nat({ max: 5 }),
      state: fc.constantFrom(...MEMBERSHIPS),
      finalSeq: fc.nat({ max: 9 }),
    })
    .map(({ version, state, finalSeq }) => {
      const living = MEMBERSHIPS[version % 3]!;
      const retired = MEMBERSHIPS.indexOf(state) > 2;
      return member({
        version,
        address: `ws://${version}`,
        state: retired ? state : living,
        finalSeq: retired ? finalSeq : 0,
      });
    });

  test('join in any order, any grouping and again to the same', () => {
    fc.assert(
      fc.property(registers, registers, registers, (a, b, c) => {
        const all = joinMembers(joinMembers(a, b), c);
        expect(joinMembers(a, joinMembers(b, c))).toEqual(all);
        expect(joinMembers(joinMembers(c, b), a)).toEqual(all);
        expect(joinMembers(all, b)).toBe(all);
      }),
    );
  });
});

describe('what is stored of a member', () => {
  const record: MemberRecord = {
    member: member({ state: 'evicted', version: 300, finalSeq: 70_000 }),
    met: 3,
    retiredAt: 5,
    settled: true,
    quietMs: 1_500,
    latest: new Map([[US, 69_999]]),
  };
  const GOLDEN =
    '0202757307' +
    '77733a2f2f7573' +
    '06' +
    'ac02' +
    'f0a204' +
    '0305' +
    '01' +
    'dc0b' +
    '01' +
    '0b75732e3030303030303061' +
    'efa204';

  test('is written as ever, and read', () => {
    const bytes = encodeMember(new ByteWriter(64), record);
    expect(Buffer.from(bytes).toString('hex')).toBe(GOLDEN);
    expect(decodeMember(US, new ByteReader(bytes))).toEqual(record);
  });

  test('in format 1 is a living member', () => {
    const bytes = Uint8Array.from(Buffer.from('0102757307' + '77733a2f2f7573' + '00', 'hex'));
    expect(decodeMember(US, new ByteReader(bytes))).toMatchObject({
      member: member({ version: 0 }),
      settled: false,
      latest: new Map(),
    });
  });

  test('of a later format is not read', () => {
    expect(() => decodeMember(US, new ByteReader(Uint8Array.of(3)))).toThrow(
      expect.objectContaining({ code: 'CAUSEWAY_DATA_UNREADABLE' }),
    );
  });
});
