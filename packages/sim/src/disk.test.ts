import type { Batch } from '@causeway/replica';
import { beforeEach, expect, test } from 'vitest';
import { Disk } from './disk.js';
import { Prng } from './prng.js';
import { Scheduler } from './scheduler.js';

const delay = { least: 5, jitter: 5, tail: 0, most: 20 };
let scheduler: Scheduler;
let disk: Disk;

beforeEach(() => {
  scheduler = new Scheduler();
  disk = new Disk(scheduler, new Prng('disk'), { write: delay, read: delay, readNow: 0, open: delay });
});

const put = (...keys: number[]): Batch => ({
  puts: keys.map((key) => ({ key: Uint8Array.of(key), value: Uint8Array.of(key) })),
  deletes: [],
});
const keys = (): number[] => disk.entries().map(({ key }) => key[0] as number);

test('a batch is there, all of it, before its writer is told', () => {
  let told = false;
  disk.write(put(2, 1)).then(() => {
    told = true;
    expect(keys()).toEqual([1, 2]);
  });
  expect(keys()).toEqual([]);
  scheduler.runUntil(100);
  expect(told).toBe(true);
});

test('a batch under way at a crash is there whole or not at all, either way in some seed', () => {
  const outcomes = new Set<number>();
  for (let seed = 0; seed < 50; seed++) {
    const one = new Disk(scheduler, new Prng(`crash ${seed}`), {
      write: delay,
      read: delay,
      readNow: 0,
      open: delay,
    });
    let told = false;
    one.write(put(1, 2, 3)).then(() => {
      told = true;
    });
    one.crash();
    scheduler.runUntil(scheduler.now + 100);
    expect(told).toBe(false);
    outcomes.add(one.entries().length);
  }
  expect([...outcomes].sort()).toEqual([0, 3]);
});

test('after a failed write the handle acknowledges and keeps nothing, until the store is opened anew', () => {
  const outcomes: string[] = [];
  disk.failing = 1;
  disk.write(put(1)).then(
    () => outcomes.push('written'),
    () => outcomes.push('failed'),
  );
  scheduler.runUntil(100);
  disk.failing = 0;
  disk.write(put(2)).then(() => outcomes.push('acknowledged'));
  scheduler.runUntil(200);
  expect(outcomes).toEqual(['failed', 'acknowledged']);
  expect(keys()).toEqual([]);
  disk.reopen(() => outcomes.push('opened'));
  scheduler.runUntil(300);
  disk.write(put(3));
  scheduler.runUntil(400);
  expect(outcomes.at(-1)).toBe('opened');
  expect(keys()).not.toContain(2);
  expect(keys()).toContain(3);
});

test('a scan sees the moment it was asked at, a load some moment until its answer', () => {
  let scanned: number | undefined;
  let loaded: readonly (Uint8Array | undefined)[] = [];
  disk.write(put(1));
  scheduler.runUntil(100);
  disk
    .scan({ id: 1, from: Uint8Array.of(0), to: Uint8Array.of(9), entriesMax: 10, bytesMax: 100 })
    .then((entries) => {
      scanned = entries.length;
    });
  disk.load([Uint8Array.of(1), Uint8Array.of(5)]).then((values) => {
    loaded = values;
  });
  disk.write(put(2));
  scheduler.runUntil(200);
  expect(scanned).toBe(1);
  expect(loaded).toEqual([Uint8Array.of(1), undefined]);
});

test('a scan keeps its bounds: from, to, entries and bytes', () => {
  disk.write(put(1, 2, 3, 4, 5));
  scheduler.runUntil(100);
  const read = (...limits: [number?, number?]) =>
    disk.read(Uint8Array.of(2), Uint8Array.of(5), ...limits).length;
  expect([read(), read(2), read(10, 3)]).toEqual([3, 2, 2]);
});

test('a snapshot holds what was stored when it was taken, until the store is opened anew', () => {
  const seen: unknown[] = [];
  const look = (): void => {
    disk.load([Uint8Array.of(1), Uint8Array.of(2)], 7).then(
      (values) => seen.push(values.map((value) => value !== undefined)),
      (error: unknown) => seen.push((error as Error).name),
    );
  };
  disk.write(put(1));
  scheduler.runUntil(100);
  disk.openSnapshot(7);
  disk.write(put(2));
  scheduler.runUntil(200);
  look();
  scheduler.runUntil(300);
  disk.reopen(() => undefined);
  scheduler.runUntil(400);
  look();
  scheduler.runUntil(500);
  expect(seen).toEqual([[true, false], 'DiskFailure']);
});

test('an opening waits for the reads under way, and reads wait for the opening', () => {
  const order: string[] = [];
  disk.load([]).then(() => order.push('read before'));
  disk.reopen(() => order.push('opened'));
  disk.load([]).then(() => order.push('read after'));
  scheduler.runUntil(500);
  expect(order).toEqual(['read before', 'opened', 'read after']);
});
