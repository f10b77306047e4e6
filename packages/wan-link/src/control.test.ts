import { describe, expect, onTestFinished, test } from 'vitest';
import { serveControl } from './control.js';
import { startRig } from './testing/rig.js';

async function startControl() {
  const rigs = [
    await startRig({ name: 'eu-us', delayMs: 5 }),
    await startRig({ name: 'eu-ap', delayMs: 7 }),
  ] as const;
  const server = await serveControl(rigs.map(({ link }) => link));
  onTestFinished(() => server.close());
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(`http://${server.address}${path}`, { method, headers, body: text ?? null });
    return { code: response.status, body: (await response.json()) as unknown };
  };
  return { rigs, call };
}

describe('the control server', () => {
  test('tells the stats of all links', async () => {
    const { rigs, call } = await startControl();
    const want = JSON.parse(JSON.stringify(rigs.map(({ link }) => link.stats())));
    expect(await call('GET', '/')).toEqual({ code: 200, body: { links: want } });
  });

  test('cuts and heals the link that is named', async () => {
    const { rigs, call } = await startControl();
    const cut = await call('POST', '/cut?link=eu-us&direction=up&mode=silence');
    expect(cut).toMatchObject({ code: 200, body: { links: [{ name: 'eu-us', up: { cut: 'silence' } }] } });
    expect(rigs[0].link.stats().down.cut).toBe('none');
    expect(rigs[1].link.stats().up.cut).toBe('none');
    await call('POST', '/heal', { link: 'eu-us' });
    expect(rigs[0].link.stats().up.cut).toBe('none');
  });

  test('cuts and resets all links when none is named', async () => {
    const { rigs, call } = await startControl();
    const { client } = await rigs[0].pair();
    await call('POST', '/reset');
    expect(await client.closed).toBe('ECONNRESET');
    await call('POST', '/cut', { mode: 'reset' });
    expect(rigs.map(({ link }) => link.stats().up.cut)).toEqual(['reset', 'reset']);
  });

  test.each([
    {
      name: 'the query',
      path: '/set?link=eu-ap&delayMs=40&up.bytesPerSecond=1e6&up.jitterMs=2',
      body: undefined,
    },
    {
      name: 'JSON',
      path: '/set',
      body: { link: 'eu-ap', delayMs: 40, up: { bytesPerSecond: 1e6, jitterMs: 2 } },
    },
  ])('takes settings by $name', async ({ path, body }) => {
    const { rigs, call } = await startControl();
    expect((await call('POST', path, body)).code).toBe(200);
    expect(rigs[1].link.stats()).toMatchObject({
      up: { delayMs: 40, jitterMs: 2, bytesPerSecond: 1e6 },
      down: { delayMs: 40, jitterMs: 0, bytesPerSecond: 0 },
    });
    expect(rigs[0].link.stats().up.delayMs).toBe(5);
  });

  test.each([
    { name: 'an unknown path', method: 'POST', path: '/break', want: 404 },
    { name: 'an unknown link', method: 'POST', path: '/cut?link=us-eu', want: 404 },
    { name: 'a change by GET', method: 'GET', path: '/cut', want: 405 },
    { name: 'an unknown direction', method: 'POST', path: '/cut?direction=left', want: 400 },
    { name: 'an unknown argument', method: 'POST', path: '/cut', body: { dir: 'up' }, want: 400 },
    { name: 'an unknown setting', method: 'POST', path: '/set?delay=5', want: 400 },
    { name: 'a number that is none', method: 'POST', path: '/set?delayMs=', want: 400 },
    {
      name: 'a setting out of range',
      method: 'POST',
      path: '/set',
      body: { delayMs: 40, jitterMs: -1 },
      want: 400,
    },
    { name: 'a body that is no JSON', method: 'POST', path: '/cut', body: '{', want: 400 },
    { name: 'a body that is no object', method: 'POST', path: '/cut', body: [], want: 400 },
    { name: 'too large a body', method: 'POST', path: '/cut', body: ' '.repeat(1_000_000), want: 413 },
    {
      name: 'a web page',
      method: 'POST',
      path: '/cut',
      headers: { origin: 'http://evil.example' },
      want: 403,
    },
  ])('refuses $name, and changes nothing', async ({ method, path, body, headers, want }) => {
    const { rigs, call } = await startControl();
    const before = rigs.map(({ link }) => link.stats());
    expect(await call(method, path, body, headers)).toEqual({
      code: want,
      body: { error: expect.any(String) },
    });
    expect(rigs.map(({ link }) => link.stats())).toEqual(before);
  });

  test('refuses links of one name', async () => {
    const rigs = [await startRig({ name: 'a' }), await startRig({ name: 'a' })];
    await expect(serveControl(rigs.map(({ link }) => link))).rejects.toThrow(RangeError);
  });
});
