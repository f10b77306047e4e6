import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Commit } from './commit.js';
import { elementId } from './keyspace.js';
import { ElementSlot, RegisterSlot, type Slot } from './slot.js';

const SETS = ['a', 'b', 'c'];

function element(set: string, number: number): ElementSlot {
  return new ElementSlot(set, elementId(set, String(number)));
}

test('the elements of a set are those that were touched, whenever they are asked for', () => {
  const touch = fc.constantFrom<(number: number) => Slot>(
    ...SETS.map((set) => (number: number) => element(set, number)),
    (number) => new RegisterSlot(`r${number}`),
  );
  const steps = fc.array(fc.oneof(touch, fc.constantFrom(...SETS)), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (history) => {
      const commit = new Commit(1);
      for (const [number, step] of history.entries()) {
        if (typeof step !== 'string') {
          commit.touched.push(step(number));
          continue;
        }
        const expected = commit.touched.filter(
          (slot) => slot instanceof ElementSlot && slot.userKey === step,
        );
        expect(commit.elementsOf(step)).toEqual(expected);
      }
    }),
  );
});
