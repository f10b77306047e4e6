/** Backups of running nodes, put back; exports; and what an offline verification finds. */
import { cp, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startCluster, until } from './support/cluster.js';
import { causeway } from './support/command.js';
import { HttpClient } from './support/http.js';

const TIMEOUT_MS = 90_000;

async function scratch(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'causeway-backup-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function withToken(): Promise<{ readonly directory: string; readonly token: string }> {
  const directory = await scratch();
  const token = join(directory, 'token');
  await writeFile(token, 'secret-of-the-test\n');
  return { directory, token };
}

/** Writes until stopped, as fast as answers come; counts what was acknowledged. */
function keepWriting(http: string) {
  const client = new HttpClient(http);
  let acknowledged = 0;
  let stopped = false;
  const done = (async () => {
    while (!stopped) {
      const operations = [
        { type: 'counter', key: 'a', op: 'increment', by: 1 },
        { type: 'counter', key: 'b', op: 'increment', by: 1 },
        { type: 'set', key: 's', op: 'add', values: [acknowledged] },
      ];
      const { status } = await client.send('POST', '/v1/transactions', { operations });
      if (status === 200) acknowledged++;
    }
    client.close();
  })();
  return {
    get acknowledged() {
      return acknowledged;
    },
    stop: async () => {
      stopped = true;
      await done;
    },
  };
}

test('a backup is of one moment, although writing goes on; put back, the node has all that the peers have', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { directory, token } = await withToken();
  const regions = ['eu', 'us'];
  const cluster = await startCluster({ regions, flags: ['--admin-token-file', token] });
  const { http, admin } = cluster.node('eu').urls;
  const backup = join(directory, 'backup');
  const env = { CAUSEWAY_ADMIN: admin, CAUSEWAY_ADMIN_TOKEN_FILE: token };

  expect((await causeway(['backup', backup], { CAUSEWAY_ADMIN: admin })).err).toMatch(/CAUSEWAY_FORBIDDEN/);
  const writing = keepWriting(http);
  await until('some writes', () => writing.acknowledged > 50);
  const before = writing.acknowledged;
  expect(await causeway(['backup', backup], env)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^backup of eu\.[0-9a-f]{8} in .*: \d+ records/),
  });
  const after = writing.acknowledged;
  expect((await causeway(['backup', backup], env)).err).toMatch(/is not empty/);
  await until('more writes', () => writing.acknowledged > after + 50);
  await writing.stop();
  await cluster.untilEqual();

  const verified = await causeway(['verify', backup]);
  expect(verified).toMatchObject({ code: 0, out: expect.stringContaining('whole') });

  // Alone it shows what it holds: whole transactions, all from before and none from after.
  const alone = await startCluster({ regions: ['eu'] });
  await alone.node('eu').stop();
  await rm(join(alone.directory, 'eu'), { recursive: true });
  expect((await causeway(['restore', backup, join(alone.directory, 'eu'), '--alone'])).code).toBe(0);
  await alone.node('eu').start();
  await alone.untilReady();
  const reader = new HttpClient(alone.node('eu').urls.http);
  const values = await Promise.all(
    ['counters/a', 'counters/b'].map(async (path) => (await reader.send('GET', `/v1/${path}`)).body),
  );
  reader.close();
  const [a, b] = values as { value: number }[];
  expect(a).toEqual(b);
  expect(a!.value).toBeGreaterThanOrEqual(before);
  expect(a!.value).toBeLessThanOrEqual(after + 1);

  // Put back among its peers it begins anew.
  const old = (await cluster.node('eu').status()).replica;
  await cluster.node('eu').kill();
  const data = join(cluster.directory, 'eu');
  expect((await causeway(['restore', backup, data])).err).toMatch(/holds .*db/);
  await rm(data, { recursive: true });
  expect(await causeway(['restore', backup, data])).toMatchObject({ code: 0 });
  await cluster.node('eu').start();
  await until('eu to begin anew', async () => {
    const { replica, ready } = await cluster.node('eu').status();
    return replica !== old && ready;
  });
  await cluster.untilEqual();
  const log = cluster.node('eu').log().join('\n');
  expect(log).toMatch(/was restored from a backup of .*its identity is left behind/);
  expect(log).toMatch(/leaves its identity behind and joins anew/);
  const { body } = await new HttpClient(http).send('GET', '/v1/counters/a');
  expect(body).toEqual({ value: writing.acknowledged });
});

test('what is exported and imported is what was there, and an import that is begun again counts nothing twice', {
  timeout: TIMEOUT_MS,
}, async () => {
  const directory = await scratch();
  const file = join(directory, 'all.ndjson');
  const from = await startCluster({ regions: ['eu'] });
  const to = await startCluster({ regions: ['us'] });
  const client = new HttpClient(from.node('eu').urls.http);
  const operations = [
    {
      type: 'register',
      key: 'r/ü',
      op: 'set',
      value: { when: { $date: '1815-12-10T00:00:00.000Z' }, n: null },
    },
    { type: 'register', key: 'gone', op: 'set', value: 1 },
    { type: 'set', key: 's', op: 'add', values: [1, 'one', { $bytes: 'AAE=' }] },
    { type: 'set', key: 'empty', op: 'add', values: [1] },
    { type: 'counter', key: 'up', op: 'increment', by: 7 },
    { type: 'counter', key: 'down', op: 'increment', by: -3 },
  ];
  await client.send('POST', '/v1/transactions', { operations });
  await client.send('POST', '/v1/sets/large', { add: Array.from({ length: 2_500 }, (_, i) => i) });
  await client.send('DELETE', '/v1/registers/gone');
  await client.send('DELETE', '/v1/sets/empty');
  client.close();
  const [eu, us] = [from.node('eu').urls.client, to.node('us').urls.client];

  expect(await causeway(['export', '--node', eu, '--output', file])).toMatchObject({ code: 0 });
  expect(await causeway(['import', file, '--node', us])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^imported 7 lines in \d+ transaction/),
  });
  expect((await causeway(['import', file, '--node', us])).code).toBe(0);
  const exported = await causeway(['export', '--node', us]);
  expect(exported.out).toBe((await readFile(file, 'utf8')).trimEnd());
  expect(exported.out.split('\n')).toHaveLength(7);

  await writeFile(file, '{"type":"counter","key":"up","value":1}\n{"type":"flag","key":"x"}\n');
  expect(await causeway(['import', file, '--node', us])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/CAUSEWAY_BAD_REQUEST: line 2/),
  });
});

test('verify finds what is wrong with a directory, and changes nothing in it', {
  timeout: TIMEOUT_MS,
}, async () => {
  const directory = await scratch();
  const cluster = await startCluster({ regions: ['eu'] });
  const data = join(cluster.directory, 'eu');
  const client = new HttpClient(cluster.node('eu').urls.http);
  for (let i = 0; i < 40; i++) {
    const value = `${i} `.repeat(2_000);
    const operations = [
      { type: 'register', key: `r${i}`, op: 'set', value },
      { type: 'set', key: 's', op: 'add', values: [i] },
      { type: 'counter', key: 'c', op: 'increment', by: 1 },
    ];
    await client.send('POST', '/v1/transactions', { operations });
  }
  client.close();
  expect((await causeway(['verify', data])).err).toMatch(/CAUSEWAY_DATA_IN_USE/);
  // A start writes what the log holds as tables.
  await cluster.node('eu').stop();
  await cluster.node('eu').start();
  await cluster.node('eu').stop();

  const whole = await listing(join(data, 'db'));
  const found = await causeway(['verify', data]);
  expect(found).toMatchObject({ code: 0, out: expect.stringMatching(/^eu\.[0-9a-f]{8}: whole/) });
  for (const part of ['registers', 'elements', 'counters', 'log', 'replica', 'index'])
    expect(found.out).toContain(part);
  expect(await listing(join(data, 'db'))).toEqual(whole);

  const damaged = join(directory, 'damaged');
  await cp(data, damaged, { recursive: true });
  await flip(join(damaged, 'db'));
  const lines = await causeway(['verify', damaged]);
  expect(lines.code).toBe(1);
  expect(`${lines.out}${lines.err}`).toMatch(/finding|CAUSEWAY_DATA_UNREADABLE/);
  expect((await causeway(['verify', join(directory, 'nothing')])).code).toBe(1);
});

async function listing(path: string): Promise<string[]> {
  const names = (await readdir(path)).sort();
  return Promise.all(names.map(async (name) => `${name} ${(await stat(join(path, name))).mtimeMs}`));
}

/** One bit in the middle of the largest table. */
async function flip(db: string): Promise<void> {
  const tables = (await readdir(db)).filter((name) => name.endsWith('.ldb'));
  const sizes = await Promise.all(
    tables.map(async (name) => ({ name, size: (await stat(join(db, name))).size })),
  );
  const [largest] = sizes.sort((a, b) => b.size - a.size);
  const file = await open(join(db, largest!.name), 'r+');
  const byte = Buffer.alloc(1);
  const at = Math.floor(largest!.size / 3);
  await file.read(byte, 0, 1, at);
  byte[0] = byte[0]! ^ 0x10;
  await file.write(byte, 0, 1, at);
  await file.close();
}
