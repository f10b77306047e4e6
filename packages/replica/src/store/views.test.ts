import { expect, test } from 'vitest';
import { VIEWS_MAX } from '../limits.js';
import { get, put } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { KIND, kindRange, textKey } from './keyspace.js';
import type { View } from './views.js';

/** Asks for a view; it is there when no batch is in flight. */
function ask(node: Rig): { view: View | undefined; lost: number } {
  const asked: { view: View | undefined; lost: number } = { view: undefined, lost: 0 };
  const lost = (): void => {
    asked.lost++;
  };
  node.internals.store.views.open(
    (view) => {
      asked.view = view;
    },
    { lost },
  );
  node.step({ type: 'tick' });
  return asked;
}

function registersOf(node: Rig, view: View): number | undefined {
  let found: number | undefined;
  view.scan(kindRange(KIND.register), 100, 1 << 20, (entries) => {
    found = entries?.length;
  });
  node.step({ type: 'tick' });
  return found;
}

test('a view holds what was durable when it was taken, whatever is written afterwards', () => {
  const node = new Rig();
  node.run(put('a', 1));

  const { view } = ask(node);
  const digest = node.digest;
  node.run(put('a', 2), put('b', 2));

  expect(view?.versionVector).toEqual(new Map([[node.id, 1]]));
  expect(view?.positions.get(node.id)).toEqual({ seq: 1, start: node.replica.start });
  expect(view?.root.toHex()).toBe(digest);
  expect(registersOf(node, view!)).toBe(1);
  let values: readonly (Uint8Array | undefined)[] | undefined;
  view!.load([textKey(KIND.register, 'a'), textKey(KIND.register, 'b')], (loaded) => {
    values = loaded;
  });
  node.step({ type: 'tick' });
  expect(values?.map((value) => value !== undefined)).toEqual([true, false]);
});

test('a view waits for the batch in flight, and shows nothing of what is executed behind it', () => {
  const node = new Rig();
  node.holdWrites = true;
  node.queue(1, put('a', 1));
  node.pump();
  node.queue(2, put('b', 1));

  const asked = ask(node);
  expect(asked.view).toBeUndefined();
  node.finishWrite();

  expect(asked.view?.versionVector).toEqual(new Map([[node.id, 1]]));
  expect(registersOf(node, asked.view!)).toBe(1);
});

test('a closed view answers nothing, and its snapshot is let go', () => {
  const node = new Rig();
  const { view } = ask(node);
  let answered = false;
  node.holdScans = true;
  view!.scan(kindRange(KIND.register), 100, 1 << 20, () => {
    answered = true;
  });
  node.step({ type: 'tick' });
  expect(node.snapshots.size).toBe(1);

  view!.close();
  node.releaseAll();
  node.step({ type: 'tick' });

  expect(answered).toBe(false);
  expect(node.snapshots.size).toBe(0);
});

test('a failed write ends all views and tells their owners; a new one is taken when the store is back', () => {
  const node = new Rig();
  node.run(put('a', 1));
  const asked = ask(node);
  node.holdWrites = true;
  node.queue(1, put('b', 1));
  node.pump();

  node.failWrite();
  expect(asked.lost).toBe(1);
  expect(asked.view?.isOpen).toBe(false);
  const again = ask(node);
  expect(again.view).toBeUndefined();
  node.reopen();
  // What waits when the store comes back is asked for anew by whoever wants it.
  const third = again.lost === 0 ? again : ask(node);

  expect(registersOf(node, third.view!)).toBe(1);
  node.releaseAll();
  expect(node.one(get('a'))).toBe(1);
});

test('a view that is still waited for when a write fails is not taken later', () => {
  const node = new Rig();
  node.holdWrites = true;
  node.queue(1, put('a', 1));
  node.pump();
  const asked = ask(node);

  node.failWrite();
  node.reopen();
  node.releaseAll();

  expect(asked).toEqual({ view: undefined, lost: 1 });
  expect(node.snapshots.size).toBe(0);
});

test('there are only so many views, and none is older than it may be', () => {
  const node = new Rig({ limits: { viewAgeMaxMs: 60_000 } });
  const asked = Array.from({ length: VIEWS_MAX }, () => ask(node));
  expect(node.internals.store.views.open(() => undefined)).toBe(false);
  asked[0]!.view!.close();
  expect(ask(node).view).toBeDefined();

  node.pass(70_000);

  expect(asked.map(({ lost }) => lost)).toEqual(asked.map((_, index) => (index === 0 ? 0 : 1)));
  expect(node.snapshots.size).toBe(0);
});
