/** Members that come and go, with real nodes: joining by one seed, leaving, removal, what the removed one is told. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CausewayNode, createNode } from '@causeway/node';
import { expect, onTestFinished, test } from 'vitest';
import { until } from './support/cluster.js';

const CAUSEWAY = fileURLToPath(new URL('../packages/cli/bin/causeway.js', import.meta.url));

interface Setup {
  /** Starts a node, in a directory that is the same for the same name; resolves when it is ready. */
  start(
    region: string,
    peers?: readonly string[],
    options?: { directory?: string; ready?: boolean },
  ): Promise<CausewayNode>;
  /** Runs a command against the admin port of the node. */
  run(node: CausewayNode, ...args: readonly string[]): Promise<{ code: number; out: string; err: string }>;
}

async function setup(): Promise<Setup> {
  const root = await mkdtemp(join(tmpdir(), 'causeway-'));
  const token = join(root, 'token');
  await writeFile(token, 'a token of more than sixteen letters\n'.replaceAll(' ', '-'));
  const nodes: CausewayNode[] = [];
  onTestFinished(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await rm(root, { recursive: true, force: true });
  });
  return {
    start: async (region, peers = [], { directory = region, ready = true } = {}) => {
      const node = await createNode({
        region,
        data: join(root, directory),
        clientListen: '127.0.0.1:0',
        peerListen: '127.0.0.1:0',
        adminListen: '127.0.0.1:0',
        peers,
        adminTokenFile: token,
        logLevel: 'silent',
      });
      nodes.push(node);
      if (ready) await until(`${region} to be ready`, () => node.status().ready);
      return node;
    },
    run: (node, ...args) =>
      new Promise((resolve) => {
        const env = {
          PATH: process.env['PATH'],
          NO_COLOR: '1',
          CAUSEWAY_ADMIN: `http://${node.addresses.admin}`,
          CAUSEWAY_ADMIN_TOKEN_FILE: token,
        };
        const child = execFile(process.execPath, [CAUSEWAY, ...args], { env }, (_, out, err) => {
          resolve({ code: child.exitCode ?? -1, out: out.trimEnd(), err: err.trimEnd() });
        });
      }),
  };
}

const seed = (node: CausewayNode) => `ws://${node.addresses.peer}`;
const linkedTo = (node: CausewayNode) =>
  node
    .status()
    .peers.filter(({ state }) => state === 'connected')
    .map(({ region }) => region)
    .sort();
const memberOf = (node: CausewayNode, of: CausewayNode) =>
  node.status().members.find(({ replica }) => replica === of.replica);
const value = (node: CausewayNode, key: string) => node.db.register(key).get();

test('one seed address is enough to join, and a member that has moved is found again', {
  timeout: 60_000,
}, async () => {
  const { start } = await setup();
  const eu = await start('eu');
  const us = await start('us', [seed(eu)]);
  await eu.db.register('a').set('eu');
  const ap = await start('ap', [seed(us)]);
  await until('all to be linked', () => [eu, us, ap].every((node) => linkedTo(node).length === 2));
  expect(await value(ap, 'a')).toBe('eu');

  // Nobody has its new address, and it knows nobody's but by the members.
  await ap.close();
  const moved = await start('ap', []);
  expect(moved.replica).toBe(ap.replica);
  await until('all to be linked again', () => [eu, us, moved].every((node) => linkedTo(node).length === 2));
  await until('all to know', () => [eu, us].every((node) => memberOf(node, ap)?.address === seed(moved)));
});

test('a node leaves when its peers have everything, and the others go on', { timeout: 60_000 }, async () => {
  const { start, run } = await setup();
  const eu = await start('eu');
  const us = await start('us', [seed(eu)]);
  const ap = await start('ap', [seed(eu)]);
  await ap.db.counter('hits').increment(7);

  const listed = await run(eu, 'members', '--json');
  expect(listed.out.split('\n').map((line) => JSON.parse(line).state)).toEqual([
    'active',
    'active',
    'active',
  ]);
  expect(await run(ap, 'members', 'leave')).toMatchObject({
    code: 0,
    out: `${ap.replica} has left; its peers have all of its 1 transaction`,
  });
  await ap.left;
  await ap.close();

  for (const node of [eu, us]) {
    await until('all to know', () => memberOf(node, ap)?.state === 'left');
    expect(memberOf(node, ap)?.finalSeq).toBe(1);
    expect(await node.db.counter('hits').value()).toBe(7);
    await until('it to count no longer', () => memberOf(node, ap)?.counts === false);
  }
  expect((await run(eu, 'members')).out).toMatch(
    new RegExp(`${ap.replica} +left .* made 1 transaction$`, 'm'),
  );

  // Started again by mistake, it takes no writes and says why.
  const again = await start('ap', [seed(eu)], { ready: false });
  expect(again.status()).toMatchObject({ ready: false, reasons: ['removed'] });
  await expect(again.db.counter('hits').increment(1)).rejects.toMatchObject({ code: 'CAUSEWAY_REMOVED' });
});

test('a removed member is refused and told so; its region comes back as another replica', {
  timeout: 60_000,
}, async () => {
  const { start, run } = await setup();
  const eu = await start('eu');
  const us = await start('us', [seed(eu)]);
  const ap = await start('ap', [seed(eu)]);
  await until('all to be linked', () => linkedTo(eu).length === 2);
  await ap.close();
  await eu.db.register('a').set(1);

  expect(await run(eu, 'members', 'remove', 'nobody.00000000')).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^CAUSEWAY_NOT_FOUND: /),
  });
  expect(await run(eu, 'members', 'remove', eu.replica)).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^CAUSEWAY_BAD_REQUEST: /),
  });
  expect(await run(eu, 'members', 'remove', ap.replica)).toMatchObject({
    code: 0,
    out: expect.stringContaining(`${ap.replica} is removed`),
  });
  await until('us to know', () => memberOf(us, ap)?.state === 'removed');
  expect(linkedTo(us)).toEqual(['eu']);

  const back = await start('ap', [seed(eu)], { ready: false });
  await until('it to be told', () => back.status().reasons.includes('removed'));
  await expect(back.db.register('a').set(2)).rejects.toMatchObject({ code: 'CAUSEWAY_REMOVED' });
  await back.close();

  const anew = await start('ap', [seed(us)], { directory: 'ap-2' });
  expect(await value(anew, 'a')).toBe(1);
  await until('all to be linked', () => linkedTo(anew).length === 2);
});

test('a node that cannot hand over stays', { timeout: 60_000 }, async () => {
  const { start, run } = await setup();
  const eu = await start('eu');
  await eu.db.register('a').set(1);

  const { code, err } = await run(eu, 'members', 'leave');

  expect(code).toBe(1);
  expect(err).toMatch(/^CAUSEWAY_NOT_HANDED_OVER: there is no other member/);
  expect(eu.status().ready).toBe(true);
  await eu.db.register('a').set(2);
});

test('a node is drained and resumed', { timeout: 60_000 }, async () => {
  const { start } = await setup();
  const eu = await start('eu');
  const us = await start('us', [seed(eu)]);
  const ask = (what: string) =>
    fetch(`http://${us.addresses.admin}/v1/admin/${what}`, {
      method: 'POST',
      headers: { authorization: 'Bearer a-token-of-more-than-sixteen-letters' },
    });

  expect((await ask('drain')).status).toBe(200);
  expect(us.status()).toMatchObject({ ready: false, reasons: ['draining'] });
  await expect(us.db.register('a').set(1)).rejects.toMatchObject({ code: 'CAUSEWAY_DRAINING' });
  await until('the other to know', () => memberOf(eu, us)?.state === 'draining');
  await eu.db.register('a').set(1);

  expect((await ask('resume')).status).toBe(200);
  await until('the other to know', () => memberOf(eu, us)?.state === 'active');
  expect(await value(us, 'a')).toBe(1);
});
