import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { seededRandom } from './random.js';
import { measureAccuracy, median } from './testing/accuracy.js';
import { after, Peer, startRig } from './testing/rig.js';
import { createWanLink } from './wan-link.js';

/** What a timer may be early by, and a busy machine late by beyond what this process itself stood still. Milliseconds. */
const EARLY_MS = 1.5;
const LATE_MS = 250;
const TICK_MS = 5;

/** How much later than due the timers of this process were, since the test began, all together. */
let stoodStillMs = 0;
let ticks: NodeJS.Timeout;

beforeEach(() => {
  stoodStillMs = 0;
  let before = performance.now();
  ticks = setInterval(() => {
    const now = performance.now();
    stoodStillMs += Math.max(0, now - before - 2 * TICK_MS);
    before = now;
  }, TICK_MS);
});

afterEach(() => clearInterval(ticks));

function expectNear(measuredMs: number, wantMs: number): void {
  expect(measuredMs).toBeGreaterThan(wantMs - EARLY_MS);
  expect(measuredMs).toBeLessThan(wantMs + LATE_MS + stoodStillMs);
}

describe('delay', () => {
  test.each([
    { delayMs: 5, count: 60 },
    { delayMs: 40, count: 15 },
    { delayMs: 120, count: 7 },
  ])('a delay of $delayMs ms is kept within 1 ms at the median', async ({ delayMs, count }) => {
    const { link, pair } = await startRig({});
    const { client, remote } = await pair();
    link.set({ delayMs });
    const samples = await measureAccuracy(client, remote, delayMs, count, seededRandom(7));
    for (const { errorMs } of samples) expect(errorMs).toBeGreaterThan(-1);
    // On a busy machine every timer is late, which is not the link's doing.
    const ownErrorsMs = samples.map(({ errorMs, timerErrorMs }) => errorMs - Math.max(0, timerErrorMs));
    expect(Math.abs(median(ownErrorsMs))).toBeLessThan(1);
  });

  test('each direction has a delay of its own', async () => {
    const { pair } = await startRig({ delayMs: 1, up: { delayMs: 30 }, down: { delayMs: 60 } });
    const { client, remote } = await pair();
    const start = performance.now();
    client.socket.write('a');
    expectNear((await remote.hears(2)) - start, 30);
    const back = performance.now();
    remote.socket.write('b');
    expectNear((await client.hears(1)) - back, 60);
  });

  test('a new connection pays one round trip before its first bytes', async () => {
    const { dial, arrival } = await startRig({ delayMs: 25 });
    const start = performance.now();
    const client = await dial();
    client.socket.write('hello');
    const remote = await arrival();
    expectNear(performance.now() - start, 25);
    remote.socket.write('welcome');
    expectNear((await client.hears(7)) - start, 50);
    expectNear((await remote.hears(5)) - start, 75);
  });

  test('the bytes of a stream keep their order through jitter and changes of the delay', async () => {
    const { link, pair } = await startRig({ delayMs: 10, jitterMs: 10, seed: 3 });
    const { client, remote } = await pair();
    const lines = Array.from({ length: 400 }, (_, number) => `${number}\n`);
    for (const [number, line] of lines.entries()) {
      client.socket.write(line);
      if (number % 50 === 25) link.set({ delayMs: number % 100 === 25 ? 2 : 12 });
      await new Promise(setImmediate);
    }
    await remote.hears(1 + lines.join('').length);
    expect(remote.text).toBe(`?${lines.join('')}`);
  });
});

describe('bandwidth', () => {
  test('a stream takes as long as its bytes take, with the delay once', async () => {
    const { link, pair } = await startRig({ delayMs: 20 });
    const { client, remote } = await pair();
    link.set({ bytesPerSecond: 1_000_000 });
    const start = performance.now();
    client.socket.write(randomBytes(200_000));
    expectNear((await remote.hears(1 + 20_000)) - start, 40);
    expectNear((await remote.hears(1 + 200_000)) - start, 220);
  });

  test('more bandwidth is for what waits already, too', async () => {
    const { link, pair } = await startRig({});
    const { client, remote } = await pair();
    link.set({ bytesPerSecond: 10 });
    client.socket.write(randomBytes(100_000));
    await after(5);
    expect(link.stats().up.bytesQueued).toBeGreaterThan(50_000);
    link.set({ bytesPerSecond: 0 });
    await remote.hears(1 + 100_000);
  });

  test('the limit is of one direction, and shared by its connections', async () => {
    const { link, pair } = await startRig({});
    const [first, second] = [await pair(), await pair()];
    link.set({ up: { bytesPerSecond: 500_000 } });
    const start = performance.now();
    first.client.socket.write(randomBytes(50_000));
    second.client.socket.write(randomBytes(50_000));
    first.remote.socket.write(randomBytes(1_000_000));
    const times = await Promise.all([first.remote.hears(50_001), second.remote.hears(50_001)]);
    expectNear(Math.max(...times) - start, 200);
    await first.client.hears(1_000_000);
  });
});

describe('backpressure', () => {
  test('a source is not read while more than queueBytesMax is under way, and nothing is lost', async () => {
    const queueBytesMax = 100_000;
    const { link, pair } = await startRig({ queueBytesMax });
    const { client, remote } = await pair();
    link.cut({ mode: 'silence' });
    const sent = randomBytes(32 * 1024 * 1024);
    client.socket.write(sent);
    await after(50);
    expect(link.stats().up.bytesQueued).toBeGreaterThan(queueBytesMax);
    expect(link.stats().up.bytesQueued).toBeLessThanOrEqual(queueBytesMax + 64 * 1024);
    expect(client.socket.writableLength).toBeGreaterThan(0);
    link.heal();
    await remote.hears(1 + sent.length);
    expect(digest(remote.buffer.subarray(1))).toBe(digest(sent));
    expect(link.stats().up.bytesQueued).toBe(0);
  });

  test('a sink that does not read stops the source, and goes on where it was', async () => {
    const { link, pair } = await startRig({ queueBytesMax: 100_000, delayMs: 1 });
    const { client, remote } = await pair();
    remote.socket.pause();
    const sent = randomBytes(32 * 1024 * 1024);
    client.socket.write(sent);
    await after(50);
    expect(link.stats().up.bytesQueued).toBeLessThanOrEqual(100_000 + 64 * 1024);
    remote.socket.resume();
    await remote.hears(1 + sent.length);
    expect(digest(remote.buffer.subarray(1))).toBe(digest(sent));
  });
});

describe('the end of a connection', () => {
  test('a half-close arrives after the delay and leaves the way back open', async () => {
    const { link, pair } = await startRig({ delayMs: 20 });
    const { client, remote } = await pair();
    const start = performance.now();
    client.socket.end('last');
    expectNear((await remote.ended) - start, 20);
    expect(remote.text).toBe('?last');
    remote.socket.end('answer');
    await client.ended;
    expect(client.text).toBe('answer');
    expect(await client.closed).toBeUndefined();
    expect(await remote.closed).toBeUndefined();
    await after(1);
    expect(link.stats().open).toBe(0);
  });

  test('what a client sends and ends before the handshake is over arrives', async () => {
    const { dial, arrival } = await startRig({ delayMs: 20 });
    (await dial()).socket.end('fire and forget');
    const remote = await arrival();
    await remote.ended;
    expect(remote.text).toBe('fire and forget');
  });

  test.each(['client', 'remote'] as const)(
    'a reset by the %s arrives behind its bytes, after the delay',
    async (side) => {
      const { pair } = await startRig({ delayMs: 20 });
      const { client, remote } = await pair();
      const [from, to] = side === 'client' ? [client, remote] : [remote, client];
      const start = performance.now();
      const bytes = to.bytes;
      from.socket.write('last');
      await new Promise(setImmediate);
      from.socket.resetAndDestroy();
      expect(await to.closed).toBe('ECONNRESET');
      expectNear(performance.now() - start, 20);
      expect(to.bytes).toBe(bytes + 4);
    },
  );

  test('a reset reaches a sink that does not read', async () => {
    const { link, pair } = await startRig({ delayMs: 1 });
    const { client, remote } = await pair();
    remote.socket.pause();
    client.socket.write(randomBytes(8 * 1024 * 1024));
    await after(50);
    client.socket.resetAndDestroy();
    await client.closed;
    await expect.poll(() => link.stats().open).toBe(0);
  });

  test('bytes before a reset arrive though the sink cannot take them at once', async () => {
    const { link, pair } = await startRig({ delayMs: 20 });
    const { client, remote } = await pair();
    // More than a sink takes without a word, and less than the window of who reads: a reset takes back what the system
    // has not sent.
    const sent = randomBytes(48_000);
    client.socket.write(sent);
    link.cut();
    while (link.stats().up.bytesQueued < sent.length) await new Promise(setImmediate);
    link.heal();
    client.socket.resetAndDestroy();
    expect(await remote.closed).toBe('ECONNRESET');
    expect(digest(remote.buffer.subarray(1))).toBe(digest(sent));
  });

  test('writes to a side that is gone come back as a reset', async () => {
    const { pair } = await startRig({ delayMs: 5 });
    const { client, remote } = await pair();
    remote.socket.destroy();
    await client.ended;
    // A socket that has heard the end is told of a reset by its next write only, with a link and without.
    while (!client.socket.destroyed) {
      client.socket.write('too late');
      await after(15);
    }
    expect(['ECONNRESET', 'EPIPE']).toContain(await client.closed);
  });

  test('a target that refuses is a reset for the client, after a round trip, and is told by the stats', async () => {
    const gone = await createWanLink({ to: '127.0.0.1:1' });
    const { port } = gone;
    await gone.close();
    const link = await createWanLink({ to: `127.0.0.1:${port}`, delayMs: 15 });
    onTestFinished(() => link.close());
    const start = performance.now();
    const client = new Peer(connect(link.port, '127.0.0.1'));
    expect(await client.closed).toBe('ECONNRESET');
    expectNear(performance.now() - start, 30);
    expect(link.stats()).toMatchObject({ accepted: 1, lastError: expect.stringContaining('ECONNREFUSED') });
  });

  test('close resets what is open, frees the port and may be called twice', async () => {
    const { link, pair } = await startRig({ delayMs: 5 });
    const { client, remote } = await pair();
    await Promise.all([link.close(), link.close()]);
    expect(await client.closed).toBe('ECONNRESET');
    expect(await remote.closed).toBe('ECONNRESET');
    const again = await createWanLink({ to: '127.0.0.1:1', listen: link.address });
    expect(again.address).toBe(link.address);
    await again.close();
  });
});

describe('options', () => {
  test.each([
    { name: 'an address without a port', options: { to: 'localhost' } },
    { name: 'a negative delay', options: { to: '127.0.0.1:1', delayMs: -1 } },
    { name: 'a seed that is no integer', options: { to: '127.0.0.1:1', seed: 0.5 } },
    { name: 'an unknown setting', options: { to: '127.0.0.1:1', delay: 1 } },
  ])('$name is refused', async ({ options }) => {
    await expect(createWanLink(options)).rejects.toThrow(RangeError);
  });

  test('a port that is taken is an error of the system', async () => {
    const { link } = await startRig({});
    await expect(createWanLink({ to: '127.0.0.1:1', listen: link.address })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  test('stats count the bytes of each direction', async () => {
    const { link, pair } = await startRig({ name: 'eu-us', delayMs: 2, down: { jitterMs: 1 } });
    const { client, remote } = await pair();
    client.socket.write('12345');
    await remote.hears(6);
    remote.socket.write('123');
    await client.hears(3);
    expect(link.stats()).toMatchObject({
      name: 'eu-us',
      address: `127.0.0.1:${link.port}`,
      accepted: 1,
      open: 1,
      lastError: null,
      up: { delayMs: 2, jitterMs: 0, bytesDelivered: 6, bytesQueued: 0, cut: 'none' },
      down: { delayMs: 2, jitterMs: 1, bytesDelivered: 3, bytesQueued: 0, cut: 'none' },
    });
  });
});

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
