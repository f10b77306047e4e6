import { CausewayError } from '@causeway/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AdminServer, type AdminServerOptions } from './admin-server.js';
import { memoryLog } from './testing/scratch.js';
import { status } from './testing/status.js';

const nobody: AdminServerOptions['membership'] = {
  list: () => status().members,
  remove: () => Promise.reject(new Error('not asked for')),
  drain: () => undefined,
  resume: () => undefined,
  leave: () => Promise.reject(new Error('not asked for')),
};

async function start(
  change: Partial<AdminServerOptions> = {},
): Promise<{ url: string; server: AdminServer }> {
  const server = new AdminServer({
    status: () => status(),
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('causeway_ready 1\n') },
    membership: nobody,
    adminToken: undefined,
    scrub: () => undefined,
    backup: () => Promise.reject(new Error('not asked for')),
    allowOrigin: [],
    log: memoryLog(),
    ...change,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.close());
  return { url: `http://127.0.0.1:${port}`, server };
}

describe('The admin port', () => {
  test('says that the process lives, whatever the replica is', async () => {
    const { url } = await start({ status: () => status({ ready: false, reasons: ['joining'] }) });

    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test('is ready when the replica is', async () => {
    const { url } = await start();

    const answer = await fetch(`${url}/readyz`);

    expect([answer.status, await answer.json()]).toEqual([200, { ready: true, reasons: [] }]);
  });

  test('is not ready, with the reasons, while the replica joins', async () => {
    const { url } = await start({ status: () => status({ ready: false, reasons: ['joining'] }) });

    const answer = await fetch(`${url}/readyz`);

    expect([answer.status, await answer.json()]).toEqual([503, { ready: false, reasons: ['joining'] }]);
  });

  test('is not ready once the node stops', async () => {
    const { url, server } = await start();
    server.stop('stopping');

    const answer = await fetch(`${url}/readyz`);

    expect([answer.status, await answer.json()]).toEqual([503, { ready: false, reasons: ['stopping'] }]);
  });

  test('tells the status', async () => {
    const { url } = await start();

    expect(await (await fetch(`${url}/v1/status`)).json()).toMatchObject({
      replica: 'eu.00000001',
      region: 'eu',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      ready: true,
      versionVector: { 'eu.00000001': 7, 'us.00000002': 3 },
      digest: { root: '0123456789abcdef0123456789abcdef' },
      conflicts: { register: 1, set: 2, counter: 0 },
      settled: true,
      peers: [
        {
          replica: 'us.00000002',
          region: 'us',
          address: 'ws://us.example:7500',
          state: 'connected',
          lagMs: 41,
          backlogTransactions: 3,
          clockOffsetMs: -2,
        },
      ],
    });
  });

  test('serves metrics and a page', async () => {
    const { url } = await start();

    expect(await (await fetch(`${url}/metrics`)).text()).toBe('causeway_ready 1\n');
    expect(await (await fetch(url)).text()).toContain('us.00000002');
  });

  test('shows what a peer calls itself as text', async () => {
    const [peer] = status().peers;
    const peers = peer ? [{ ...peer, address: '<script>' }] : [];
    const { url } = await start({ status: () => status({ peers }) });

    expect(await (await fetch(url)).text()).not.toContain('<script>');
  });

  test.each([
    {
      name: 'no token, none configured',
      token: undefined,
      given: undefined,
      path: '/v1/admin/drain',
      want: 403,
    },
    {
      name: 'a token, none configured',
      token: undefined,
      given: 'secret',
      path: '/v1/admin/drain',
      want: 403,
    },
    { name: 'no token', token: 'secret', given: undefined, path: '/v1/admin/drain', want: 403 },
    { name: 'a wrong token', token: 'secret', given: 'Secret', path: '/v1/admin/drain', want: 403 },
    {
      name: 'no token, on a path that is not there',
      token: 'secret',
      given: undefined,
      path: '/x',
      want: 403,
    },
    {
      name: 'the token, for later',
      token: 'secret',
      given: 'secret',
      path: '/v1/admin/quarantine',
      want: 501,
    },
    {
      name: 'the token, on a path that is not there',
      token: 'secret',
      given: 'secret',
      path: '/x',
      want: 404,
    },
    { name: 'the token, where only GET goes', token: 'secret', given: 'secret', path: '/readyz', want: 405 },
  ])('answers a POST with $name by $want', async ({ token, given, path, want }) => {
    const { url } = await start({ adminToken: token });

    const answer = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: given === undefined ? {} : { authorization: `Bearer ${given}` },
    });

    expect(answer.status).toBe(want);
    expect(await answer.json()).toMatchObject({ error: { code: expect.stringMatching(/^CAUSEWAY_/) } });
  });

  test('begins a scrub for who has the token, and for nobody else', async () => {
    let scrubs = 0;
    const { url } = await start({ adminToken: 'secret', scrub: () => scrubs++ });
    const post = (token: string) =>
      fetch(`${url}/v1/admin/scrub`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });

    expect((await post('wrong')).status).toBe(403);
    expect(scrubs).toBe(0);
    expect((await post('secret')).status).toBe(202);
    expect(scrubs).toBe(1);
  });

  test('lists the members, with the final seq of the retired', async () => {
    const [self, peer] = status().members;
    const list = () => [self!, { ...peer!, state: 'removed' as const, finalSeq: 7, counts: false }];
    const { url } = await start({ membership: { ...nobody, list } });

    expect(await (await fetch(`${url}/v1/members`)).json()).toEqual({
      members: [
        {
          replica: 'eu.00000001',
          region: 'eu',
          address: 'ws://eu.example:7500',
          state: 'active',
          quietMs: 0,
          counts: true,
        },
        expect.objectContaining({ replica: 'us.00000002', state: 'removed', finalSeq: 7, counts: false }),
      ],
    });
  });

  test.each([
    { method: 'POST', path: '/v1/admin/drain', want: 'drain' },
    { method: 'POST', path: '/v1/admin/resume', want: 'resume' },
    { method: 'POST', path: '/v1/admin/leave', want: 'leave' },
    { method: 'DELETE', path: '/v1/members/us.00000002', want: 'remove us.00000002' },
    { method: 'DELETE', path: '/v1/members/us%2E00000002', want: 'remove us.00000002' },
    { method: 'DELETE', path: '/v1/members/%zz', want: 'remove %zz' },
  ])(
    'with the token, $method $path does what it says, and without it nothing',
    async ({ method, path, want }) => {
      const done: string[] = [];
      const member = status().members[1]!;
      const { url } = await start({
        adminToken: 'secret',
        membership: {
          list: () => [],
          remove: (replica) => Promise.resolve(member).finally(() => done.push(`remove ${replica}`)),
          drain: () => void done.push('drain'),
          resume: () => void done.push('resume'),
          leave: () => Promise.resolve(member).finally(() => done.push('leave')),
        },
      });

      expect((await fetch(`${url}${path}`, { method })).status).toBe(403);
      expect(done).toEqual([]);
      const answer = await fetch(`${url}${path}`, { method, headers: { authorization: 'Bearer secret' } });

      expect([answer.status, done]).toEqual([200, [want]]);
    },
  );

  test('tells why a member cannot be removed', async () => {
    const remove = () => Promise.reject(new CausewayError('CAUSEWAY_NOT_FOUND', 'no such member'));
    const { url } = await start({ adminToken: 'secret', membership: { ...nobody, remove } });

    const answer = await fetch(`${url}/v1/members/x`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer secret' },
    });

    expect([answer.status, await answer.json()]).toMatchObject([
      404,
      { error: { code: 'CAUSEWAY_NOT_FOUND' } },
    ]);
  });

  test.each([
    { name: 'an unknown path', path: '/v2', method: 'GET', want: 404 },
    { name: 'PUT', path: '/readyz', method: 'PUT', want: 405 },
  ])('refuses $name', async ({ path, method, want }) => {
    const { url } = await start();

    expect((await fetch(`${url}${path}`, { method })).status).toBe(want);
  });

  test('refuses a browser, except of an allowed origin', async () => {
    const { url } = await start({ allowOrigin: ['https://good.example'] });
    const get = (origin: string) => fetch(`${url}/v1/status`, { headers: { origin } });

    const refused = await get('https://evil.example');

    expect([refused.status, await refused.json()]).toMatchObject([
      403,
      { error: { code: 'CAUSEWAY_ORIGIN_REFUSED' } },
    ]);
    expect((await get('https://good.example')).status).toBe(200);
  });

  test('answers 500 and lives when figures cannot be had', async () => {
    let failing = true;
    const text = () => (failing ? Promise.reject(new Error('no')) : Promise.resolve('figures'));
    const { url } = await start({ metrics: { contentType: 'text/plain', text } });

    expect((await fetch(`${url}/metrics`)).status).toBe(500);
    failing = false;
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });
});
