import { describe, expect, test } from 'vitest';
import { after, startRig } from './testing/rig.js';

describe('a silent cut', () => {
  test('keeps both ends connected and hearing nothing; what is written arrives one delay after the heal', async () => {
    const { link, pair } = await startRig({ delayMs: 20 });
    const { client, remote } = await pair();
    link.cut({ mode: 'silence' });
    client.socket.write('up');
    remote.socket.write('down');
    await after(60);
    expect([client.text, remote.text]).toEqual(['', '?']);
    expect([client.socket.destroyed, remote.socket.destroyed]).toEqual([false, false]);
    expect(link.stats()).toMatchObject({ open: 1, up: { cut: 'silence' }, down: { cut: 'silence' } });

    const healed = performance.now();
    link.heal();
    const heard = Math.min(await remote.hears(3), await client.hears(4));
    expect(heard - healed).toBeGreaterThan(18.5);
    expect([client.text, remote.text]).toEqual(['down', '?up']);
    expect(link.stats()).toMatchObject({ up: { cut: 'none' }, down: { cut: 'none' } });
  });

  test('takes what was under way, too', async () => {
    const { link, pair } = await startRig({});
    const { client, remote } = await pair();
    link.set({ delayMs: 150 });
    client.socket.write('under way');
    while (link.stats().up.bytesQueued === 0) await new Promise(setImmediate);
    link.cut();
    await after(200);
    expect(remote.text).toBe('?');
    link.set({ delayMs: 20 });
    const healed = performance.now();
    link.heal();
    expect((await remote.hears(10)) - healed).toBeGreaterThan(18.5);
    expect(remote.text).toBe('?under way');
  });

  test.each([
    { direction: 'up', want: { up: '?', down: 'b' } },
    { direction: 'down', want: { up: '?a', down: '' } },
  ] as const)('of $direction leaves the other direction alone', async ({ direction, want }) => {
    const { link, pair } = await startRig({ delayMs: 2 });
    const { client, remote } = await pair();
    link.cut({ direction });
    client.socket.write('a');
    remote.socket.write('b');
    await after(20);
    expect({ up: remote.text, down: client.text }).toEqual(want);
    link.heal();
    await Promise.all([remote.hears(2), client.hears(1)]);
  });

  test('cuts of two directions add up', async () => {
    const { link } = await startRig({});
    link.cut({ direction: 'up' });
    link.cut({ direction: 'down' });
    expect(link.stats()).toMatchObject({ up: { cut: 'silence' }, down: { cut: 'silence' } });
  });

  test('a dial hangs, and goes through after the heal', async () => {
    const { link, dial, arrival, arrived } = await startRig({ delayMs: 10 });
    link.cut({ direction: 'down' });
    const client = await dial();
    client.socket.write('hello');
    await after(50);
    expect(arrived()).toBe(0);
    const healed = performance.now();
    link.heal();
    const remote = await arrival();
    expect((await remote.hears(5)) - healed).toBeGreaterThan(28.5);
  });

  test('a cut between dial and answer holds the first bytes until the heal', async () => {
    const { link, dial, arrival } = await startRig({ up: { delayMs: 2 }, down: { delayMs: 40 } });
    const client = await dial();
    client.socket.write('hello');
    const remote = await arrival();
    link.cut({ direction: 'down' });
    await after(80);
    expect(remote.text).toBe('');
    link.heal();
    await remote.hears(5);
  });

  test('a dial that its client gives up before the heal leaves no trace', async () => {
    const { link, dial, arrived } = await startRig({ delayMs: 5 });
    link.cut();
    const [given, kept] = [await dial(), await dial()];
    given.socket.write('never sent');
    await after(20);
    given.socket.destroy();
    await given.closed;
    await after(5);
    expect(link.stats().open).toBe(1);
    link.heal();
    kept.socket.write('hello');
    await after(50);
    expect(arrived()).toBe(1);
  });

  test('ends of streams and resets are held like bytes, in their order', async () => {
    const { link, pair } = await startRig({ delayMs: 5 });
    const [ended, reset] = [await pair(), await pair()];
    link.cut();
    ended.client.socket.end('bye');
    reset.client.socket.resetAndDestroy();
    await after(30);
    expect([ended.remote.text, reset.remote.socket.destroyed]).toEqual(['?', false]);
    link.heal();
    await ended.remote.ended;
    expect(ended.remote.text).toBe('?bye');
    expect(await reset.remote.closed).toBe('ECONNRESET');
  });
});

describe('a reset cut', () => {
  test('resets what is open and what dials, until the heal', async () => {
    const { link, dial, pair } = await startRig({ delayMs: 20 });
    const { client, remote } = await pair();
    link.cut({ mode: 'reset' });
    expect(await client.closed).toBe('ECONNRESET');
    expect(await remote.closed).toBe('ECONNRESET');
    expect(await (await dial()).closed).toBe('ECONNRESET');
    expect(link.stats()).toMatchObject({
      accepted: 1,
      open: 0,
      up: { cut: 'reset' },
      down: { cut: 'reset' },
    });
    link.heal();
    await pair();
    expect(link.stats()).toMatchObject({ accepted: 2, open: 1, up: { cut: 'none' } });
  });

  test('takes a dial that hangs in a silent cut, too', async () => {
    const { link, dial } = await startRig({});
    link.cut();
    const client = await dial();
    await after(5);
    link.cut({ mode: 'reset' });
    expect(await client.closed).toBe('ECONNRESET');
  });

  test('once, by reset(): what is open goes, what dials is taken', async () => {
    const { link, pair } = await startRig({ delayMs: 2 });
    const { client, remote } = await pair();
    link.reset();
    expect([await client.closed, await remote.closed]).toEqual(['ECONNRESET', 'ECONNRESET']);
    await pair();
  });
});

test('a cut of an unknown direction or mode is refused and cuts nothing', async () => {
  const { link } = await startRig({});
  expect(() => link.cut({ direction: 'left' as 'up' })).toThrow(RangeError);
  expect(() => link.cut({ mode: 'drop' as 'silence' })).toThrow(RangeError);
  expect(link.stats()).toMatchObject({ up: { cut: 'none' }, down: { cut: 'none' } });
});
