import { replicaId } from '@causeway/crdt';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SLOT_BYTES } from '../limits.js';
import { bytes, get, put } from '../testing/operations.js';
import { Rig } from '../testing/rig.js';
import { KIND, textKey } from './keyspace.js';
import { RegisterSlot } from './slot.js';
import { SlotCache } from './slot-cache.js';
import { Unstable } from './unstable.js';

function slot(id: string, bytes = 100): RegisterSlot {
  const made = new RegisterSlot(id);
  made.bytes = bytes;
  made.loaded = true;
  return made;
}
const room = (count: number) => count * (100 + SLOT_BYTES);

test('what fits stays, and what does not goes', () => {
  const cache = new SlotCache(room(3));
  for (const id of ['a', 'b', 'c']) cache.add(cache.registers, slot(id));
  cache.trim();
  expect(['a', 'b', 'c'].filter((id) => cache.get(cache.registers, id) !== undefined)).toHaveLength(3);
  for (const id of ['d', 'e']) cache.add(cache.registers, slot(id));
  cache.trim();
  const kept = ['a', 'b', 'c', 'd', 'e'].filter((id) => cache.get(cache.registers, id) !== undefined);
  expect(kept).toHaveLength(3);
});

test('what was used lately gets a second chance', () => {
  for (const used of ['a', 'b', 'c']) {
    const cache = new SlotCache(room(2));
    for (const id of ['a', 'b', 'c']) cache.add(cache.registers, slot(id));
    cache.get(cache.registers, used);
    cache.trim();
    expect(cache.get(cache.registers, used)?.name).toBe(used);
  }
});

test('however many come at once, one trim is enough when they are written', () => {
  const cache = new SlotCache(room(10));
  const all = Array.from({ length: 50_000 }, (_, index) => slot(`${index}`));
  for (const each of all) {
    each.dirty = 1;
    cache.add(cache.registers, each);
    cache.get(cache.registers, each.name);
  }
  cache.trim();
  for (const each of all) each.dirty = 0;
  cache.trim();
  expect(all.filter(({ table }) => table !== undefined)).toHaveLength(10);
});

test('names that are alike at their ends are told apart', () => {
  const cache = new SlotCache(room(1_000));
  const name = (index: number) => `${'a'.repeat(100)}${index}${'z'.repeat(100)}`;
  for (let index = 0; index < 500; index++) cache.add(cache.registers, slot(name(index)));
  for (let index = 0; index < 500; index++) {
    expect(cache.get(cache.registers, name(index))?.name).toBe(name(index));
  }
  expect([...cache.registers.values()]).toHaveLength(500);
});

test('what is pinned or dirty stays, whatever the bound says', () => {
  const cache = new SlotCache(0);
  const [pinned, dirty, free] = [slot('pinned'), slot('dirty'), slot('free')];
  pinned.pins = 1;
  dirty.dirty = 3;
  for (const each of [pinned, dirty, free]) cache.add(cache.registers, each);
  for (let i = 0; i < 3; i++) cache.trim();
  expect([
    cache.get(cache.registers, 'pinned'),
    cache.get(cache.registers, 'dirty'),
    cache.get(cache.registers, 'free'),
  ]).toEqual([pinned, dirty, undefined]);
});

test('the bound holds whatever is added, grows, shrinks or takes another’s place', () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('add' as const), id: fc.nat(9), bytes: fc.nat(300) }),
    fc.record({ type: fc.constant('resize' as const), id: fc.nat(9), bytes: fc.nat(300) }),
    fc.record({ type: fc.constant('get' as const), id: fc.nat(9), bytes: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const bound = 3 * (300 + SLOT_BYTES);
      const cache = new SlotCache(bound);
      for (const { type, id, bytes } of steps) {
        const held = cache.get(cache.registers, `${id}`);
        if (type === 'add') cache.add(cache.registers, slot(`${id}`, bytes));
        else if (type === 'resize' && held !== undefined) cache.resize(held, bytes);
        cache.trim();
        let sum = 0;
        for (let i = 0; i < 10; i++) {
          const each = cache.get(cache.registers, `${i}`);
          if (each !== undefined) sum += each.bytes + SLOT_BYTES;
        }
        expect(sum).toBeLessThanOrEqual(bound);
      }
    }),
  );
});

test('a replica with hardly any cache answers as one with plenty', () => {
  const node = new Rig({ limits: { cacheBytesMax: 1_000 } });
  for (let i = 0; i < 50; i++) node.run(put(`k${i % 7}`, i), put(`l${i % 5}`, i));
  expect(node.run(...Array.from({ length: 7 }, (_, i) => get(`k${i}`)))).toEqual([
    49, 43, 44, 45, 46, 47, 48,
  ]);
  for (let i = 0; i < 5; i++) node.run(put(`other${i}`, i));
  node.holdLoads = true;
  node.ask(1, get('k0'));
  expect(node.loads.length).toBeGreaterThan(0);
});

test('records at hand that are only read keep to the bound as well', () => {
  const node = new Rig({ limits: { cacheBytesMax: 3 * (100 + SLOT_BYTES) } });
  for (let i = 0; i < 100; i++) node.run(put(`k${i}`, i));
  node.restart();
  node.readsNow = true;
  for (let i = 0; i < 100; i++) expect(node.one(get(`k${i}`))).toBe(i);
  const kept = Array.from({ length: 100 }, (_, i) =>
    node.internals.store.records.peek(textKey(KIND.register, `k${i}`)),
  );
  expect(kept.filter((slot) => slot !== undefined).length).toBeLessThan(6);
});

test('however many records one request finds at hand, what is in use is looked through once', () => {
  const node = new Rig({ limits: { cacheBytesMax: 1_000 } });
  node.readsNow = true;
  const trim = vi.spyOn(SlotCache.prototype, 'trim');
  onTestFinished(() => trim.mockRestore());
  const elements = Array.from({ length: 1_000 }, (_, i) => bytes(i));
  expect(node.one({ op: 'set.has', key: 's', values: elements })).toHaveLength(1_000);
  expect(trim.mock.calls.length).toBeLessThan(10);
});

test('the oldest write that is not everywhere is as old as the sample that first saw it', () => {
  const us = replicaId('us.00000001');
  const at = (seq: number) => new Map([[us, seq]]);
  const unstable = new Unstable();
  expect(unstable.age(5_000)).toBe(0);
  unstable.sample(at(1), at(0), 1_000);
  unstable.sample(at(2), at(0), 2_000);
  expect(unstable.age(5_000)).toBe(4);
  unstable.sample(at(3), at(1), 3_000);
  expect(unstable.age(5_000)).toBe(3);
  unstable.sample(at(3), at(3), 4_000);
  expect(unstable.age(5_000)).toBe(0);
  for (let i = 0; i < 5_000; i++) unstable.sample(at(4 + i), at(3), 10_000 + i);
  expect(unstable.age(20_000)).toBe(10);
});
