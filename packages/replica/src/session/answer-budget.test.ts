/**
 * What waits of answers is bounded over all sessions.
 */
import { expect, test } from 'vitest';
import { add, get, put, values } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';

/** So large that a page from disk holds one. */
const large = (digit: number) => `${digit}`.repeat(600_000);

function node(answersBytesMax: number): Rig {
  const rig = new Rig({ limits: { answersBytesMax } });
  for (let i = 0; i < 3; i++) rig.run(add('s', large(i)));
  return rig;
}

test('of two large sets that are read at a time and are too much together one is read', () => {
  const rig = node(5 << 20);
  rig.holdScans = true;
  const asks = [rig.ask(1, values('s')), rig.ask(2, values('s'))];
  while (rig.scans.length > 0) rig.answerScan(rig.scans[0]!);
  expect(asks.filter(({ code }) => code === 'CAUSEWAY_OVERLOADED')).toHaveLength(1);
  expect(asks.find(({ results }) => results !== undefined)?.results?.[0]).toHaveLength(3);
  rig.holdScans = false;
  for (let round = 0; round < 10; round++) expect(rig.one(values('s'))).toHaveLength(3);
});

test('what a closed session or a failed write leaves of reads is given back', () => {
  const rig = node(5 << 20);
  for (let round = 0; round < 10; round++) {
    rig.holdScans = true;
    rig.ask(round, values('s'));
    rig.answerScan(rig.scans[0]!);
    rig.holdWrites = true;
    rig.ask(100 + round, put('a', round));
    rig.failWrite();
    rig.holdWrites = false;
    rig.reopen();
    rig.holdScans = false;
    rig.releaseAll();
  }
  expect(rig.one(values('s'))).toHaveLength(3);
});

test('reads that wait for a commit are refused beyond the bound, and writes are not', () => {
  const rig = new Rig({ limits: { answersBytesMax: 2_000_000 } });
  for (let round = 0; round < 3; round++) {
    rig.holdWrites = true;
    const write = rig.ask(1, put('a', large(round)));
    const reads = [2, 3, 4, 5].map((session) => rig.ask(session, get('a')));
    const both = rig.ask(6, [get('a'), put('b', round)]);
    rig.holdWrites = false;
    rig.releaseAll();
    expect(reads.map(({ code }) => code)).toEqual([undefined, undefined, undefined, 'CAUSEWAY_OVERLOADED']);
    expect([write.code, both.code]).toEqual([undefined, undefined]);
    expect(reads.slice(0, 3).every(({ results }) => results?.[0] === large(round))).toBe(true);
    expect(both.results?.[0]).toBe(large(round));
  }
});

test('listings of keys have their share', () => {
  const rig = node(4 << 20);
  rig.holdScans = true;
  const listings = [1, 2, 3].map((session) => rig.listKeys({}, session));
  rig.holdScans = false;
  rig.releaseAll();
  const answers = listings.map(({ session, request }) => rig.answersTo(session, request)[0]);
  expect(answers).toMatchObject([
    { type: 'keys' },
    { type: 'keys' },
    { type: 'failure', error: { code: 'CAUSEWAY_OVERLOADED' } },
  ]);
  expect(rig.keys().keys).toEqual(['set:s']);
});

test('an answer that waits for a commit keeps no more memory than it is counted with', () => {
  const rig = new Rig();
  rig.run(put('a', 'before'), add('s', 'before'));
  rig.holdWrites = true;
  rig.ask(1, [put('a', 'after'), add('s', 'after')]);
  const reads = [rig.ask(2, get('a')), rig.ask(3, values('s'))];
  rig.holdWrites = false;
  rig.releaseAll();
  expect(reads.map(({ code }) => code)).toEqual([undefined, undefined]);
  const kept: Uint8Array[] = [];
  for (const send of rig.sent) {
    if (send.type !== 'reply') continue;
    for (const result of send.results) {
      if (result.op === 'register.get' && result.value !== undefined) kept.push(result.value);
      if (result.op === 'set.values') kept.push(...result.values);
    }
  }
  expect(kept.length).toBeGreaterThanOrEqual(3);
  for (const bytes of kept) expect(bytes.buffer.byteLength).toBeLessThanOrEqual(2 * bytes.length + 1_024);
});
