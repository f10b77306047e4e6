import { expect, test } from 'vitest';
import { minimize } from './minimize.js';

const ids = Array.from({ length: 40 }, (_, id) => id);

test.each([
  { name: 'one fault is to blame', blamed: [17] },
  { name: 'two that are far apart', blamed: [3, 38] },
  { name: 'none: it fails without any', blamed: [] },
])('what is left is what is to blame: $name', ({ blamed }) => {
  const fails = (only: ReadonlySet<number>): boolean => blamed.every((id) => only.has(id));
  expect(minimize(ids, fails, 1000)).toEqual(blamed);
});

test('it asks no more often than it may, and what it returns still fails', () => {
  let asked = 0;
  const fails = (only: ReadonlySet<number>): boolean => {
    asked++;
    return only.has(5) && only.has(6) && only.has(30);
  };
  const left = minimize(ids, fails, 8);
  expect(asked).toBe(8);
  expect(fails(new Set(left))).toBe(true);
});
