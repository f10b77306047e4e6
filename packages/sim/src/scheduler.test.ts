import { expect, test } from 'vitest';
import { Prng } from './prng.js';
import { Scheduler } from './scheduler.js';

test('tasks run in order of time, and at one time in the order asked for', () => {
  const scheduler = new Scheduler();
  const prng = new Prng('order');
  const ran: [number, number][] = [];
  for (let index = 0; index < 500; index++) {
    const at = prng.int(50);
    scheduler.at(at, () => ran.push([scheduler.now, index]));
  }
  scheduler.runUntil(100);
  expect(ran).toHaveLength(500);
  expect(ran).toEqual([...ran].sort(([a, i], [b, j]) => a - b || i - j));
  expect(scheduler.now).toBe(100);
});

test('a task that was called off does not run', () => {
  const scheduler = new Scheduler();
  let ran = false;
  scheduler.cancel(scheduler.after(5, () => (ran = true)));
  expect(scheduler.step()).toBe(false);
  expect(ran).toBe(false);
});

test('a task can ask for more at the same moment without time going on', () => {
  const scheduler = new Scheduler();
  const ran: string[] = [];
  scheduler.at(5, () => {
    ran.push('first');
    scheduler.at(1, () => ran.push(`late at ${scheduler.now}`));
  });
  scheduler.at(5, () => ran.push('second'));
  scheduler.runUntil(5);
  expect(ran).toEqual(['first', 'second', 'late at 5']);
});

test('until ends at its condition, or at its limit', () => {
  const scheduler = new Scheduler();
  let done = false;
  scheduler.at(7, () => (done = true));
  expect(scheduler.until(() => done, 3)).toBe(false);
  expect(scheduler.now).toBe(3);
  expect(scheduler.until(() => done, 10)).toBe(true);
  expect(scheduler.now).toBe(7);
});
