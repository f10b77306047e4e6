import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Level } from 'level';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type CausewayNode, createNode } from './node.js';
import type { NodeOptions } from './settings.js';
import { scratchDirectory } from './testing/scratch.js';

async function start(options: Partial<NodeOptions> & { data: string }): Promise<CausewayNode> {
  const node = await createNode({
    region: 'eu',
    clientListen: '127.0.0.1:0',
    peerListen: '127.0.0.1:0',
    adminListen: '127.0.0.1:0',
    logLevel: 'silent',
    ...options,
  });
  onTestFinished(() => node.close());
  return node;
}

const ready = (node: CausewayNode) =>
  expect.poll(() => node.status().ready, { interval: 5, timeout: 10_000 }).toBe(true);

const http = (address: string, path: string, init?: RequestInit) => fetch(`http://${address}${path}`, init);

function sameState(a: CausewayNode, b: CausewayNode): boolean {
  const [x, y] = [a.status(), b.status()];
  const seqs = (status: typeof x) => JSON.stringify([...status.versionVector].sort());
  return x.digest === y.digest && seqs(x) === seqs(y);
}

describe('A node', () => {
  test('without peers is ready at once, and serves its three ports', async () => {
    const node = await start({ data: await scratchDirectory() });
    await ready(node);

    const put = await http(node.addresses.client, '/v1/registers/a', {
      method: 'PUT',
      body: JSON.stringify({ value: { b: 1 } }),
    });
    const got = await http(node.addresses.client, '/v1/registers/a');
    const status = await http(node.addresses.admin, '/v1/status');

    expect(put.status).toBe(200);
    expect(await got.json()).toMatchObject({ value: { b: 1 } });
    expect(await status.json()).toMatchObject({
      replica: node.replica,
      versionVector: { [node.replica]: 1 },
    });
    expect((await http(node.addresses.admin, '/readyz')).status).toBe(200);
    expect((await http(node.addresses.peer, '/')).status).toBe(404);
    expect(await (await http(node.addresses.admin, '/metrics')).text()).toContain(
      'causeway_writes_total{type="register",region="eu"} 1',
    );
  });

  test('looks through its records when it is told to, finds its index again, and counts one that was lost', async () => {
    const data = await scratchDirectory();
    const adminTokenFile = join(data, '..', `${basename(data)}.token`);
    await writeFile(adminTokenFile, 'secret', { mode: 0o600 });
    const passes = (node: CausewayNode) =>
      expect.poll(() => node.status().scrub.passes, { interval: 5, timeout: 10_000 });
    const node = await start({ data, adminTokenFile });
    await ready(node);
    await Promise.all(Array.from({ length: 600 }, (_, i) => node.db.register(`k${i}`).set(i)));

    const headers = { authorization: 'Bearer secret' };
    const told = await http(node.addresses.admin, '/v1/admin/scrub', { method: 'POST', headers });

    expect(told.status).toBe(202);
    await passes(node).toBe(1);
    expect(node.status().scrub).toEqual({
      state: 'idle',
      passes: 1,
      records: 600,
      damaged: 0,
      healed: 0,
      corrected: 0,
    });
    const { digest } = node.status();
    await node.close();

    const again = await start({ data });
    expect(again.status().scrub).toMatchObject({ state: 'idle', passes: 0 });
    await again.close();
    const db = new Level<Uint8Array, Uint8Array>(join(data, 'db'), {
      keyEncoding: 'view',
      valueEncoding: 'view',
    });
    await db.del(Uint8Array.of(0x6b, 0, 7));
    await db.close();

    const third = await start({ data });
    await passes(third).toBe(1);
    expect(third.status()).toMatchObject({ digest, scrub: { state: 'idle', records: 600, corrected: 0 } });
  });

  test('and its peer have each what the other wrote, and equal digests', async () => {
    const eu = await start({ region: 'eu', data: await scratchDirectory() });
    const us = await start({
      region: 'us',
      data: await scratchDirectory(),
      peers: `ws://${eu.addresses.peer}`,
    });
    await ready(us);

    await eu.db.register('a').set('from eu');
    await us.db.set<string>('s').add('from us');
    await us.db.counter('c').increment(3);
    await eu.db.counter('c').increment(4);

    await expect.poll(() => us.db.register('a').get()).toBe('from eu');
    await expect.poll(() => eu.db.set('s').values()).toEqual(['from us']);
    await expect.poll(() => sameState(eu, us)).toBe(true);
    expect(await Promise.all([eu.db.counter('c').value(), us.db.counter('c').value()])).toEqual([7, 7]);
    const metrics = await (await http(us.addresses.admin, '/metrics')).text();
    expect(metrics).toMatch(/causeway_replication_lag_seconds_count\{origin="eu",region="us"\} [1-9]/);
    expect(metrics).toMatch(/causeway_peer_bytes_total\{peer="eu",direction="received",region="us"\} [1-9]/);
  });

  test('has after a restart what it acknowledged, under the same identity', async () => {
    const data = await scratchDirectory();
    const first = await start({ data });
    await ready(first);
    await Promise.all(Array.from({ length: 100 }, (_, i) => first.db.register(`k${i}`).set(i)));
    const { digest } = first.status();
    await first.close();

    const second = await start({ data });
    await ready(second);

    expect(second.replica).toBe(first.replica);
    expect(second.status().digest).toBe(digest);
    expect(await second.db.register('k42').get()).toBe(42);
  });

  test('closes once, however often it is asked, and frees its ports and its directory', async () => {
    const data = await scratchDirectory();
    const node = await start({ data });
    const waiting = http(node.addresses.client, '/v1/ws');
    await waiting;

    await Promise.all([node.close(), node.close()]);

    for (const address of Object.values(node.addresses)) await expect(http(address, '/')).rejects.toThrow();
    await expect(node.db.register('a').get()).rejects.toMatchObject({ code: 'CAUSEWAY_CLOSED' });
    await start({ data });
  });

  test('waits with its stop until its peers have acknowledged everything', async () => {
    const eu = await start({ region: 'eu', data: await scratchDirectory() });
    const us = await start({
      region: 'us',
      data: await scratchDirectory(),
      peers: `ws://${eu.addresses.peer}`,
    });
    await ready(us);
    await expect.poll(() => us.status().peers.map(({ state }) => state)).toEqual(['connected']);
    await Promise.all(Array.from({ length: 500 }, (_, i) => us.db.register(`k${i}`).set('x'.repeat(1000))));
    const held = us.status().versionVector.get(us.replica);

    await us.close();

    expect(eu.status().versionVector.get(us.replica)).toBe(held);
  });

  test.each([
    { name: 'client', setting: 'clientListen' },
    { name: 'peer', setting: 'peerListen' },
    { name: 'admin', setting: 'adminListen' },
  ] as const)(
    'does not start on a $name port that is taken, and leaves nothing open',
    async ({ name, setting }) => {
      const other = await start({ data: await scratchDirectory() });
      const data = await scratchDirectory();

      const starting = start({ data, [setting]: other.addresses[name] });

      await expect(starting).rejects.toMatchObject({
        code: 'CAUSEWAY_BAD_CONFIG',
        message: expect.stringContaining(`--${name}-listen ${other.addresses[name]}`),
      });
      await start({ data });
    },
  );

  test('does not start on the directory of another', async () => {
    const data = await scratchDirectory();
    await start({ data });

    await expect(start({ data })).rejects.toMatchObject({ code: 'CAUSEWAY_DATA_IN_USE' });
  });

  test('does not start with a wrong option', async () => {
    await expect(createNode({ region: 'EU' })).rejects.toThrow(/--region/);
  });
});
