/** The commands of `causeway` against a node: what they print, for people and for programs, and their exit codes. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { startCluster } from './support/cluster.ts';

const CAUSEWAY = fileURLToPath(new URL('../packages/cli/bin/causeway.js', import.meta.url));

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function causeway(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env['PATH'], NO_COLOR: '1', ...env } };
    const child = execFile(process.execPath, [CAUSEWAY, ...args], options, (_, out, err) => {
      resolve({ code: child.exitCode ?? -1, out: out.trimEnd(), err: err.trimEnd() });
    });
  });
}

test('the data commands do what their help says', { timeout: 60_000 }, async () => {
  const cluster = await startCluster({ regions: ['eu'] });
  const { client, admin } = cluster.node('eu').urls;
  const run = (line: string, ...more: string[]) =>
    causeway([...line.split(' '), ...more], { CAUSEWAY_NODE: client, CAUSEWAY_ADMIN: admin });

  expect(await run('set greeting hello')).toMatchObject({ code: 0, out: 'greeting = hello' });
  expect(await run('get greeting')).toMatchObject({ code: 0, out: 'hello' });
  expect(await run('set user', '{"age": 36, "born": {"$date": "1815-12-10"}}')).toMatchObject({ code: 0 });
  const user = '{"age":36,"born":{"$date":"1815-12-10T00:00:00.000Z"}}';
  expect(await run('get user')).toMatchObject({ out: user });
  expect(await run('get user --json')).toMatchObject({ out: `{"key":"user","value":${user}}` });
  expect(await run('delete user')).toMatchObject({ code: 0 });
  expect(await run('get user')).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringMatching(/^CAUSEWAY_NOT_FOUND: /),
  });

  expect(await run('add cart tea milk 7')).toMatchObject({ out: 'added to cart; it has 3 now' });
  expect(await run('remove cart milk')).toMatchObject({ out: 'removed from cart; it has 2 now' });
  expect(await run('values cart')).toMatchObject({ out: '7\ntea' });
  expect(await run('values cart --json')).toMatchObject({ out: '7\n"tea"' });
  expect(await run('has cart tea')).toMatchObject({ code: 0, out: 'yes' });
  expect(await run('has cart "7"')).toMatchObject({ code: 1, out: 'no' });

  expect(await run('incr likes 5')).toMatchObject({ out: '5' });
  expect(await run('decr likes 7')).toMatchObject({ out: '-2' });
  expect(await run('count likes --json')).toMatchObject({ out: '{"key":"likes","value":-2}' });
  expect(await run('keys')).toMatchObject({ out: 'counter   likes\nregister  greeting\nset       cart' });
  expect(await run('reset likes')).toMatchObject({ code: 0 });
  expect(await run('keys --type counter')).toMatchObject({ code: 0, out: '' });
  expect(await run('conflicts')).toMatchObject({ code: 0, out: 'no conflicts' });

  expect(await run('status')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^eu\.[0-9a-f]{8} +ready /m),
  });
  expect(JSON.parse((await run('status --json')).out)).toMatchObject({ region: 'eu', ready: true });
});

test('a watch prints changes as they come', async () => {
  const cluster = await startCluster({ regions: ['eu'] });
  const { client, http } = cluster.node('eu').urls;
  const watch = causeway(['watch', '--json', '--prefix', 'a', '--limit', '1', '--node', client]);

  // Nothing says when the watch stands: writes go on until it has seen one.
  let ended = false;
  void watch.finally(() => {
    ended = true;
  });
  while (!ended) await fetch(`${http}/v1/counters/a`, { method: 'POST', body: '{"by": 1}' });

  const { code, out } = await watch;
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ type: 'counter', key: 'a', conflict: false });
});

test('a scrub is waited for, and tells what it has found', { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'causeway-scrub-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const token = join(directory, 'token');
  await writeFile(token, 'secret', { mode: 0o600 });
  const cluster = await startCluster({ regions: ['eu'], flags: ['--admin-token-file', token] });
  const { client, admin } = cluster.node('eu').urls;
  const run = (line: string, env: NodeJS.ProcessEnv = {}) =>
    causeway(line.split(' '), { CAUSEWAY_NODE: client, CAUSEWAY_ADMIN: admin, ...env });
  await run('add cart tea milk');

  const found = await run('scrub', { CAUSEWAY_ADMIN_TOKEN_FILE: token });
  const json = await run('scrub --json', { CAUSEWAY_ADMIN_TOKEN_FILE: token });

  expect(found).toMatchObject({ code: 0, out: '3 records: 0 damaged, 0 written anew from memory' });
  expect(JSON.parse(json.out)).toEqual({ records: 3, damaged: 0, healed: 0, corrected: 0 });
  expect(await run('scrub')).toMatchObject({ code: 1, err: expect.stringMatching(/^CAUSEWAY_FORBIDDEN: /) });
});

test.each([
  { name: 'help', args: ['--help'], want: { code: 0, out: /^Usage: causeway/ } },
  {
    name: 'the help of start',
    args: ['start', '--help'],
    want: { code: 0, out: /--region NAME +CAUSEWAY_REGION/ },
  },
  { name: 'the version', args: ['--version'], want: { code: 0, out: /^\d+\.\d+\.\d+$/ } },
  { name: 'no command', args: [], want: { code: 2, err: /^Usage: causeway/ } },
  { name: 'an unknown command', args: ['gett'], want: { code: 2, err: /unknown command 'gett'/ } },
  { name: 'a missing argument', args: ['get'], want: { code: 2, err: /missing required argument 'key'/ } },
  {
    name: 'an unknown flag',
    args: ['get', 'a', '--colour'],
    want: { code: 2, err: /unknown option '--colour'/ },
  },
  { name: 'half an increment', args: ['incr', 'a', '0.5'], want: { code: 2, err: /whole number/ } },
  {
    name: 'an odd URL',
    args: ['get', 'a', '--node', 'no where'],
    want: { code: 2, err: /not the URL of a node/ },
  },
  {
    name: 'nobody there',
    args: ['count', 'a', '--node', 'ws://127.0.0.1:1'],
    want: { code: 1, err: /^CAUSEWAY_UNREACHABLE: .*\n.*--node URL/ },
  },
  {
    name: 'no status',
    args: ['status', '--admin', 'http://127.0.0.1:1'],
    want: { code: 1, err: /^CAUSEWAY_UNREACHABLE: http:\/\/127\.0\.0\.1:1: / },
  },
  { name: 'a node without region', args: ['start'], want: { code: 2, err: /--region \(CAUSEWAY_REGION\)/ } },
  { name: 'a wrong setting', args: ['config', '--region', 'EU'], want: { code: 2, err: /--region/ } },
  { name: 'the settings', args: ['config', '--region', 'eu'], want: { code: 0, out: /"region": "eu"/ } },
  { name: 'half a route', args: ['link', 'a=127.0.0.1:0'], want: { code: 2, err: /NAME=LISTEN,TO/ } },
  { name: 'no address', args: ['link', 'a=here,there'], want: { code: 2, err: /not an address/ } },
  {
    name: 'a negative delay',
    args: ['link', 'a=127.0.0.1:0,127.0.0.1:1', '--delay-ms', '-1'],
    want: { code: 2, err: /milliseconds, 0 or more/ },
  },
  { name: 'a missing file', args: ['replay', '/none.csv'], want: { code: 2, err: /no such file/ } },
])('$name: exit code and words', async ({ args, want }) => {
  const { code, out, err } = await causeway(args);

  expect({ code, out, err }).toEqual({
    code: want.code,
    out: 'out' in want ? expect.stringMatching(want.out) : '',
    err: 'err' in want ? expect.stringMatching(want.err) : '',
  });
});
