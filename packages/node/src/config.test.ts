import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { checkConfig, describeConfig } from './config.js';
import { readAdminToken, readConfig } from './config-sources.js';
import { scratchDirectory } from './testing/scratch.js';

describe('The configuration', () => {
  test('of a region alone has the documented defaults', () => {
    expect(readConfig(['--region', 'eu'], {})).toEqual({
      region: 'eu',
      data: './data/eu',
      clientListen: { host: '127.0.0.1', port: 7400 },
      peerListen: { host: '127.0.0.1', port: 7500 },
      adminListen: { host: '127.0.0.1', port: 7600 },
      peers: [],
      durability: 'sync',
      logLevel: 'info',
      insecure: false,
      allowOrigin: [],
      maxOffline: 604_800_000,
      maxClockSkew: 500,
      logMaxAge: 1_209_600_000,
      logMaxSize: 4_294_967_296,
      cacheSize: expect.any(Number),
    });
  });

  test('keeps records in an eighth of what V8 may take, and leaves it half', () => {
    const heap = getHeapStatistics().heap_size_limit;
    const { cacheSize } = readConfig(['--region', 'eu'], {});
    expect(cacheSize).toBeLessThanOrEqual(Math.max(8 << 20, heap / 8));
    expect(cacheSize).toBeGreaterThanOrEqual(8 << 20);
    expect(cacheSize).toBeLessThanOrEqual(512 << 20);
    expect(checkConfig({ region: 'eu' }).cacheSize).toBe(96 << 20);
    const more = Math.min(2 ** 31, 2 ** 20 * Math.ceil(heap / 2 ** 20));
    if (more > heap / 2) {
      expect(() => checkConfig({ region: 'eu', cacheSize: more })).toThrow(/--max-old-space-size/);
    }
  });

  test('takes flags over environment over file', async () => {
    const file = join(await scratchDirectory(), 'node.json');
    await writeFile(
      file,
      JSON.stringify({ region: 'file', data: '/file', logLevel: 'debug', peers: ['ws://a:1'] }),
    );

    const config = readConfig(['--config', file, '--region=flag'], {
      CAUSEWAY_REGION: 'variable',
      CAUSEWAY_DATA: '/variable',
      CAUSEWAY_LOG_LEVEL: '',
    });

    expect(config).toMatchObject({
      region: 'flag',
      data: '/variable',
      logLevel: 'debug',
      peers: ['ws://a:1'],
    });
  });

  test.each([
    { name: 'host and port', text: 'localhost:0', want: { host: 'localhost', port: 0 } },
    { name: 'IPv6', text: '[::1]:7400', want: { host: '::1', port: 7400 } },
    { name: 'a port alone, which is loopback', text: ':7500', want: { host: '127.0.0.1', port: 7500 } },
  ])('understands $name', ({ text, want }) => {
    expect(readConfig(['--region', 'eu', '--client-listen', text], {}).clientListen).toEqual(want);
  });

  test('takes peers as a comma-separated list, in one spelling', () => {
    const peers = 'ws://US.example:7500/, wss://[::1]:80,';

    expect(checkConfig({ region: 'eu', peers }).peers).toEqual(['ws://us.example:7500', 'wss://[::1]:80']);
  });

  test('that is printed is one that can be read again', async () => {
    const config = checkConfig({ region: 'eu', clientListen: '[::1]:1', allowOrigin: 'https://app.example' });
    const file = join(await scratchDirectory(), 'node.json');
    await writeFile(file, JSON.stringify(describeConfig(config)));

    expect(readConfig(['--config', file], {})).toEqual(config);
  });

  test.each([
    { name: 'no region', args: ['--region', ''], says: ['--region', 'CAUSEWAY_REGION', 'a-z'] },
    { name: 'a region in capitals', args: ['--region', 'EU'], says: ['--region', 'CAUSEWAY_REGION', 'a-z'] },
    {
      name: 'a listen address without port',
      args: ['--peer-listen', 'here'],
      says: ['CAUSEWAY_PEER_LISTEN', 'host:port'],
    },
    { name: 'a port too high', args: ['--peer-listen', 'here:65536'], says: ['--peer-listen', '65535'] },
    {
      name: 'an HTTP peer',
      args: ['--peers', 'http://a:1'],
      says: ['--peers', 'CAUSEWAY_PEERS', 'ws://host:port'],
    },
    { name: 'a peer without port', args: ['--peers', 'ws://a'], says: ['--peers', 'ws://host:port'] },
    { name: 'a peer with a password', args: ['--peers', 'ws://a:b@c:1'], says: ['--peers'] },
    { name: 'a log level unheard of', args: ['--log-level', 'loud'], says: ['CAUSEWAY_LOG_LEVEL', 'silent'] },
    {
      name: 'a durability unheard of',
      args: ['--durability', 'maybe'],
      says: ['CAUSEWAY_DURABILITY', 'sync or async'],
    },
    { name: 'TLS', args: ['--tls-cert', 'a'], says: ['--tls-cert', 'not implemented'] },
    { name: 'an unknown flag', args: ['--colour', 'red'], says: ['--colour', '--region'] },
    { name: 'a word too many', args: ['now'], says: ['now'] },
    { name: 'a flag without value', args: ['--data'], says: ['--data', 'value'] },
    {
      name: 'a switch with a strange value',
      args: ['--insecure=maybe'],
      says: ['--insecure', 'CAUSEWAY_INSECURE'],
    },
    {
      name: 'an origin with a path',
      args: ['--allow-origin', 'https://a/b'],
      says: ['CAUSEWAY_ALLOW_ORIGIN'],
    },
    { name: 'a file that is missing', args: ['--config', '/none.json'], says: ['--config', '/none.json'] },
    {
      name: 'all interfaces',
      args: ['--client-listen', '0.0.0.0:1'],
      says: ['CAUSEWAY_CLIENT_LISTEN', '--insecure'],
    },
  ])('refuses $name', ({ args, says }) => {
    let message = '';
    try {
      readConfig(['--region', 'eu', ...args], {});
    } catch (error) {
      expect(error).toMatchObject({ code: 'CAUSEWAY_BAD_CONFIG' });
      message = (error as Error).message;
    }
    for (const part of says) expect(message).toContain(part);
  });

  test.each([
    { name: 'TLS', env: { CAUSEWAY_TLS_KEY: 'a' } },
    { name: 'a switch with a strange value', env: { CAUSEWAY_INSECURE: 'maybe' } },
  ])('refuses $name in the environment', ({ env }) => {
    expect(() => readConfig(['--region', 'eu'], env)).toThrow(
      expect.objectContaining({ code: 'CAUSEWAY_BAD_CONFIG' }),
    );
  });

  test('names everything that is wrong at once', () => {
    expect(() => readConfig(['--region', 'EU', '--log-level', 'loud'], {})).toThrow(
      /--region(.|\n)*--log-level/,
    );
  });

  test('refuses settings it does not know in a file', () => {
    expect(() => checkConfig({ region: 'eu', colour: 'red' })).toThrow(/"colour"/);
    expect(() => checkConfig({ region: 'eu', tlsCert: 'red' })).toThrow(/tlsCert.*not implemented/);
  });

  test('allows all interfaces with --insecure', () => {
    expect(checkConfig({ region: 'eu', clientListen: '0.0.0.0:1', insecure: true }).insecure).toBe(true);
  });

  test('reads the admin token from its file', async () => {
    const adminTokenFile = join(await scratchDirectory(), 'token');
    const config = checkConfig({ region: 'eu', adminTokenFile });

    expect(() => readAdminToken(config)).toThrow(/--admin-token-file/);
    await writeFile(adminTokenFile, 'secret\n');
    expect(readAdminToken(config)).toBe('secret');
    await writeFile(adminTokenFile, '\n');
    expect(() => readAdminToken(config)).toThrow(/--admin-token-file/);
  });
});

test.each([
  { flag: '--max-offline', text: '12h', name: 'maxOffline', want: 43_200_000 },
  { flag: '--max-offline', text: '1000', name: 'maxOffline', want: 1_000 },
  { flag: '--max-clock-skew', text: '2s', name: 'maxClockSkew', want: 2_000 },
  { flag: '--log-max-age', text: '30d', name: 'logMaxAge', want: 2_592_000_000 },
  { flag: '--log-max-size', text: '64MiB', name: 'logMaxSize', want: 67_108_864 },
  { flag: '--cache-size', text: '128MiB', name: 'cacheSize', want: 134_217_728 },
] as const)('$flag $text is $want', ({ flag, text, name, want }) => {
  const config = readConfig(['--region', 'eu', flag, text], {});
  expect(config[name]).toBe(want);
  expect(checkConfig({ region: 'eu', [name]: describeConfig(config)[name] })[name]).toBe(want);
});

test.each(['7 days', '-1s', '0ms', '99y', '11111d'])(
  '--max-offline %s is refused, with what is allowed',
  (text) => {
    expect(() => readConfig(['--region', 'eu', '--max-offline', text], {})).toThrow(
      /--max-offline .*from 1s to 3650d/,
    );
  },
);
