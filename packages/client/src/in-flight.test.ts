import { REQUEST_ID_MAX } from '@causeway/protocol';
import { expect, test } from 'vitest';
import { InFlight } from './in-flight.js';
import { OperationRequest } from './request.js';
import { RequestQueue } from './request-queue.js';

const nothing = () => {};

function request(): OperationRequest {
  return new OperationRequest([{ op: 'counter.get', key: 'k' }], false, nothing, nothing, nothing, nothing);
}

function send(inFlight: InFlight): OperationRequest {
  const sent = request();
  sent.id = inFlight.nextId;
  inFlight.add(sent);
  return sent;
}

test('requests are found by their id, once, in any order', () => {
  const inFlight = new InFlight(1);
  const [a, b, c] = [send(inFlight), send(inFlight), send(inFlight)];
  expect([a.id, b.id, c.id]).toEqual([1, 2, 3]);
  expect(inFlight.take(2)).toBe(b);
  expect(inFlight.take(2)).toBeUndefined();
  expect(inFlight.all()).toEqual([a, c]);
  expect(inFlight.take(3)).toBe(c);
  expect(inFlight.take(1)).toBe(a);
  expect([inFlight.count, inFlight.bytes]).toEqual([0, 0]);
});

test('ids that were never given out, or long ago, are not found', () => {
  const inFlight = new InFlight(1);
  send(inFlight);
  expect(inFlight.take(0)).toBeUndefined();
  expect(inFlight.take(1 + 16_384)).toBeUndefined();
  expect(inFlight.take(REQUEST_ID_MAX)).toBeUndefined();
});

test('after the largest id but one, which is spare, comes 1, and nothing is mixed up', () => {
  const inFlight = new InFlight(REQUEST_ID_MAX - 5000);
  const sent: OperationRequest[] = [];
  while (!inFlight.full) sent.push(send(inFlight));
  expect(sent).toHaveLength(16_382);
  expect(sent.every(({ id }) => id > 0 && id < REQUEST_ID_MAX)).toBe(true);
  expect(inFlight.all()).toEqual(sent);
  for (const one of sent) expect(inFlight.take(one.id)).toBe(one);
  expect(inFlight.full).toBe(false);
});

test('one request without an answer stops the sending when the ring is once around', () => {
  const inFlight = new InFlight(1);
  const stuck = send(inFlight);
  let count = 1;
  for (; !inFlight.full; count++) inFlight.take(send(inFlight).id);
  expect(count).toBe(16_382);
  inFlight.take(stuck.id);
  expect(inFlight.full).toBe(false);
});

test('the queue keeps order, also for what is put back, and knows its weight', () => {
  const queue = new RequestQueue();
  const all = Array.from({ length: 5000 }, request);
  for (const one of all) queue.push(one);
  const taken = Array.from({ length: 3000 }, () => queue.shift());
  queue.prepend(taken.slice(1000));
  const late = request();
  queue.push(late);
  const rest: unknown[] = [];
  while (queue.peek() !== undefined) rest.push(queue.shift());
  expect(rest).toEqual([...all.slice(1000), late]);
  expect([queue.length, queue.bytes]).toEqual([0, 0]);
});
