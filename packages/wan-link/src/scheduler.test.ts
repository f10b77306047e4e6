import { expect, test } from 'vitest';
import { seededRandom } from './random.js';
import { EARLY_MS, Scheduler } from './scheduler.js';

test('calls come in order of their due times, each not before it is due', async () => {
  const scheduler = new Scheduler();
  const random = seededRandom(11);
  const start = scheduler.now();
  const dues = Array.from({ length: 500 }, () => start + random() * 30);
  const called: number[] = [];
  // The timer of a scheduler does not keep a process alive, so something of the test's own has to.
  const alive = setInterval(() => {}, 1000);
  await new Promise<void>((resolve) => {
    for (const due of dues) {
      scheduler.at(due, (nominal) => {
        expect(scheduler.now()).toBeGreaterThan(nominal - EARLY_MS);
        if (called.push(nominal) === dues.length) resolve();
      });
    }
  });
  clearInterval(alive);
  expect(called).toEqual(dues.toSorted((a, b) => a - b));
});

test('calls that are due at one time come in the order in which they were asked for', async () => {
  const scheduler = new Scheduler();
  const due = scheduler.now() + 2;
  const called: number[] = [];
  await new Promise<void>((resolve) => {
    for (let number = 0; number < 20; number++) scheduler.at(due, () => called.push(number));
    scheduler.at(due, () => resolve());
  });
  expect(called).toEqual(Array.from({ length: 20 }, (_, number) => number));
});

test('a call may ask for an earlier one than those that wait', async () => {
  const scheduler = new Scheduler();
  const start = scheduler.now();
  const called: string[] = [];
  await new Promise<void>((resolve) => {
    scheduler.at(start + 20, () => {
      called.push('late');
      resolve();
    });
    scheduler.at(start + 3, () => {
      called.push('first');
      scheduler.at(start + 6, () => called.push('second'));
    });
  });
  expect(called).toEqual(['first', 'second', 'late']);
});
