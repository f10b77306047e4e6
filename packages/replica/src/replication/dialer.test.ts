import { replicaId } from '@causeway/crdt';
import { expect, test } from 'vitest';
import { REDIAL_MAX_MS, REDIAL_MIN_MS, REFUSED_REDIAL_MS } from '../limits.js';
import { Dialer } from './dialer.js';

const US = replicaId('us.00000001');
const AP = replicaId('ap.00000001');

/** A dialer, with what it has dialled and the replicas that are up. */
function setup(...seeds: string[]) {
  const dialled: { link: number; address: string; at: number }[] = [];
  const up = new Set<string>();
  let monotonic = 1_000;
  const env = { random: () => 0.5 } as ConstructorParameters<typeof Dialer>[1];
  const dialer = new Dialer(seeds, env, (link, address, now) => {
    dialled.push({ link, address, at: now.monotonic });
  });
  const now = () => ({ monotonic, wall: 0 });
  return {
    dialer,
    dialled,
    up,
    now,
    run: (passMs = 0) => {
      monotonic += passMs;
      dialer.run(now(), (replica) => up.has(replica));
      return dialled.map(({ address }) => address);
    },
    fail: () => dialer.ended(dialled.at(-1)!.link, now()),
  };
}

test('every seed is dialled at once, each once', () => {
  const { run } = setup('ws://us', 'ws://ap');
  expect(run()).toEqual(['ws://us', 'ws://ap']);
  expect(run(10_000)).toEqual(['ws://us', 'ws://ap']);
});

test('links that it names are even, and never used again', () => {
  const { run, dialled, fail } = setup('ws://us');
  for (let i = 0; i < 5; i++) {
    run(1_000);
    fail();
  }
  const links = dialled.map(({ link }) => link);
  expect(new Set(links).size).toBe(5);
  expect(links.every((link) => link % 2 === 0)).toBe(true);
});

test('a dial that failed is tried again, later each time, up to half a second', () => {
  const { run, dialled, fail, dialer, now } = setup('ws://us');
  run();
  const pauses: number[] = [];
  for (let i = 0; i < 10; i++) {
    fail();
    pauses.push(Math.round(dialer.deadline - now().monotonic));
    run(pauses.at(-1)! + 1);
    expect(dialled).toHaveLength(i + 2);
  }
  expect(pauses[0]).toBe(REDIAL_MIN_MS);
  expect(pauses.at(-1)).toBe(REDIAL_MAX_MS);
  expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
});

test('a link that stood is dialled anew at once', () => {
  const { run, fail, dialer, now } = setup('ws://us');
  for (let i = 0; i < 8; i++) {
    run(1_000);
    fail();
  }
  run(1_000);
  dialer.linked('ws://us');
  fail();
  expect(dialer.deadline - now().monotonic).toBe(REDIAL_MIN_MS);
});

test('who refused is asked again seconds later', () => {
  const { run, fail, dialer, now } = setup('ws://us');
  run();
  dialer.answered('ws://us', US);
  dialer.refused('ws://us');
  fail();
  expect(dialer.deadline - now().monotonic).toBe(REFUSED_REDIAL_MS);
});

test('whom a link stands to is not dialled, and wakes nobody', () => {
  const { run, up, dialer, fail } = setup('ws://us');
  run();
  dialer.answered('ws://us', US);
  fail();
  up.add(US);
  expect(run(10_000)).toHaveLength(1);
  expect(dialer.deadline).toBe(Number.POSITIVE_INFINITY);
  up.delete(US);
  expect(run()).toHaveLength(2);
});

test('a seed that answered as a replica stays the only address used for it', () => {
  const { run, dialer } = setup('ws://seed');
  dialer.advertised(US, 'ws://us');
  run();
  dialer.answered('ws://seed', US);
  dialer.advertised(US, 'ws://us-moved');
  expect(run(10_000)).toEqual(['ws://seed', 'ws://us']);
  expect(dialer.deadline).toBe(Number.POSITIVE_INFINITY);
});

test('a member is dialled where it says, and where it has moved to', () => {
  const { run, dialer } = setup();
  dialer.advertised(US, 'ws://us');
  dialer.advertised(US, 'ws://us');
  dialer.advertised(AP, 'ws://ap');
  expect(run()).toEqual(['ws://us', 'ws://ap']);
  dialer.advertised(US, 'ws://us-2');
  expect(run()).toEqual(['ws://us', 'ws://ap', 'ws://us-2']);
});
