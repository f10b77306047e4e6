import { beforeEach, expect, test } from 'vitest';
import { type Endpoint, Network } from './network.js';
import { Prng } from './prng.js';
import { Scheduler } from './scheduler.js';

class Process implements Endpoint {
  readonly events: string[] = [];
  private inbound = 1;
  constructor(readonly scheduler: Scheduler) {}

  accept(): number {
    this.inbound += 2;
    return this.inbound;
  }
  opened(link: number, address: string | undefined): void {
    this.events.push(`opened ${link} ${address ?? 'inbound'}`);
  }
  received(link: number, bytes: Uint8Array): void {
    this.events.push(`received ${link} ${bytes.join()}`);
  }
  closed(link: number, _address: string | undefined, reason: string): void {
    this.events.push(`closed ${link} ${reason}`);
  }
}

let scheduler: Scheduler;
let network: Network;
let a: Process;
let b: Process;

beforeEach(() => {
  scheduler = new Scheduler();
  const profile = { delay: { least: 10, jitter: 5, tail: 0.2, most: 100 }, bandwidth: 1000 };
  network = new Network(scheduler, new Prng('network'), ['ws://a', 'ws://b'], () => profile);
  a = new Process(scheduler);
  b = new Process(scheduler);
  network.attach(0, a);
  network.attach(1, b);
});

function connect(): void {
  network.dial(0, 2, 'ws://b');
  scheduler.runUntil(scheduler.now + 1000);
  a.events.length = 0;
  b.events.length = 0;
}

test('a dial opens at both ends, the listener first', () => {
  network.dial(0, 2, 'ws://b');
  scheduler.runUntil(1000);
  expect(a.events).toEqual(['opened 2 ws://b']);
  expect(b.events).toEqual(['opened 3 inbound']);
});

test('messages arrive in order, whatever their delays are', () => {
  connect();
  for (let index = 0; index < 50; index++) network.send(0, 2, Uint8Array.of(index));
  scheduler.runUntil(5000);
  expect(b.events).toEqual(Array.from({ length: 50 }, (_, index) => `received 3 ${index}`));
});

test('a silent cut holds messages, both those under way and new ones, and a heal lets them through in order', () => {
  connect();
  network.send(0, 2, Uint8Array.of(1));
  network.hold(0, 1, true);
  network.send(0, 2, Uint8Array.of(2));
  network.send(1, 3, Uint8Array.of(3));
  scheduler.runUntil(10_000);
  expect(b.events).toEqual([]);
  expect(a.events).toEqual(['received 2 3']);
  network.hold(0, 1, false);
  scheduler.runUntil(20_000);
  expect(b.events).toEqual(['received 3 1', 'received 3 2']);
});

test('a dial into a silent cut hangs until the heal', () => {
  network.hold(1, 0, true);
  network.dial(0, 2, 'ws://b');
  scheduler.runUntil(10_000);
  expect(a.events).toEqual([]);
  network.hold(1, 0, false);
  scheduler.runUntil(20_000);
  expect(a.events).toEqual(['opened 2 ws://b']);
});

test('a reset cut closes both ends and refuses dials until the heal', () => {
  connect();
  network.refuse(0, 1, true);
  scheduler.runUntil(2000);
  expect([a.events, b.events]).toEqual([['closed 2 connection reset'], ['closed 3 connection reset']]);
  network.dial(0, 4, 'ws://b');
  scheduler.runUntil(3000);
  expect(a.events.at(-1)).toBe('closed 4 connection refused');
  network.refuse(0, 1, false);
  network.dial(0, 6, 'ws://b');
  scheduler.runUntil(4000);
  expect(a.events.at(-1)).toBe('opened 6 ws://b');
});

test('a killed process closes its links, after what it had sent', () => {
  connect();
  network.send(1, 3, Uint8Array.of(9));
  network.detach(1, false);
  scheduler.runUntil(2000);
  expect(a.events).toEqual(['received 2 9', 'closed 2 connection reset by peer']);
  expect(b.events).toEqual([]);
});

test('a power cut is not told: the peer learns of it when it sends to the machine that is back', () => {
  connect();
  network.detach(1, true);
  network.send(0, 2, Uint8Array.of(1));
  scheduler.runUntil(60_000);
  expect(a.events).toEqual([]);
  network.attach(1, b);
  network.send(0, 2, Uint8Array.of(2));
  scheduler.runUntil(61_000);
  expect(a.events).toEqual(['closed 2 connection refused']);
});

test('a dial to a process that is not there is refused by its machine, and unanswered without power', () => {
  network.detach(1, false);
  network.dial(0, 2, 'ws://b');
  network.dial(0, 4, 'ws://nowhere');
  scheduler.runUntil(1000);
  expect(a.events.sort()).toEqual(['closed 2 connection refused', 'closed 4 no such host']);
  network.detach(1, true);
  network.dial(0, 6, 'ws://b');
  scheduler.runUntil(60_000);
  expect(a.events).toHaveLength(2);
});

test('closing ends a link once at each end, also one that is still being dialled', () => {
  connect();
  network.close(0, 2, 'enough');
  network.close(0, 2, 'enough');
  network.dial(0, 4, 'ws://b');
  network.close(0, 4, 'never mind');
  scheduler.runUntil(2000);
  expect(a.events.sort()).toEqual(['closed 2 enough', 'closed 4 never mind']);
  expect(b.events.filter((event) => !event.includes(' 3 '))).toEqual([
    'opened 5 inbound',
    'closed 5 never mind',
  ]);
  expect(b.events).toContain('closed 3 enough');
});

test('a planted fault can change or lose a message', () => {
  connect();
  network.tamper = (_from, _to, bytes) => (bytes[0] === 1 ? undefined : Uint8Array.of(7));
  network.send(0, 2, Uint8Array.of(1));
  network.send(0, 2, Uint8Array.of(2));
  scheduler.runUntil(2000);
  expect(b.events).toEqual(['received 3 7']);
});
