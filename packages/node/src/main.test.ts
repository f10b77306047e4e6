/** The process of `causeway start`, as it is built: these tests run what `npm run build` has made. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { describeFlags, runConfig } from './main.js';
import { scratchDirectory } from './testing/scratch.js';

const PROGRAM = `
  import { runStart } from '@causeway/node';
  process.exit(await runStart(process.argv.slice(1), { env: process.env, complain: (text) => console.error(text) }));
`;

interface Running {
  readonly child: ChildProcess;
  readonly log: Record<string, unknown>[];
  stderr(): string;
  /** The log line with this message, when it has come. */
  line(message: string): Promise<Record<string, unknown>>;
  readonly exit: Promise<[code: number | null, signal: string | null]>;
}

function run(args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, '--', ...args], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { PATH: process.env['PATH'], ...env },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const log: Record<string, unknown>[] = [];
  let rest = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) log.push(JSON.parse(line));
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const exit = once(child, 'close') as Running['exit'];
  const line = async (message: string) => {
    const find = () => log.find(({ msg }) => msg === message);
    await expect.poll(find, { interval: 10, timeout: 10_000 }).toBeDefined();
    return find() ?? {};
  };
  return { child, log, stderr: () => errors, line, exit };
}

async function startArgs(): Promise<string[]> {
  const ports = ['client', 'peer', 'admin'].map((port) => `--${port}-listen=127.0.0.1:0`);
  return ['--region', 'eu', '--data', await scratchDirectory(), ...ports];
}

/** A node of another region that is connected to its peer. */
async function startNodeOf(region: string, peer: unknown): Promise<{ node: Running; client: unknown }> {
  const node = run([...(await startArgs()), '--region', region, '--peers', `ws://${peer}`]);
  const { client, admin } = await node.line('listening');
  const peers = async () => (await (await fetch(`http://${admin}/v1/status`)).json()).peers;
  await expect
    .poll(peers, { interval: 20, timeout: 10_000 })
    .toContainEqual(expect.objectContaining({ region: 'eu', state: 'connected' }));
  return { node, client };
}

describe('The process', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 on %s, having said what it did', async (signal) => {
    const node = run(await startArgs());
    const { client, region, replica } = await node.line('listening');
    expect((await fetch(`http://${client}/v1/counters/a`)).status).toBe(200);

    node.child.kill(signal);

    expect(await node.exit).toEqual([0, null]);
    expect([region, replica]).toEqual(['eu', expect.stringMatching(/^eu\.[0-9a-f]{8}$/)]);
    expect(node.log.at(-1)).toMatchObject({ level: 'info', msg: 'stopped', region, replica });
  });

  test('keeps what it acknowledged through SIGKILL', async () => {
    const args = await startArgs();
    const first = run(args);
    const { client } = await first.line('listening');
    const post = () =>
      fetch(`http://${client}/v1/counters/a`, { method: 'POST', body: JSON.stringify({ by: 2 }) });
    expect((await post()).status).toBe(200);
    expect((await post()).status).toBe(200);
    first.child.kill('SIGKILL');
    await first.exit;

    const second = run(args);
    const again = await second.line('listening');

    const answer = await fetch(`http://${again['client']}/v1/counters/a`);
    expect(await answer.json()).toEqual({ value: 4 });
  });

  test('ends with 0 although a peer does not answer, and at once on a second signal', async () => {
    const peer = run(await startArgs());
    const { peer: address } = await peer.line('listening');
    const nodes = await Promise.all([startNodeOf('us', address), startNodeOf('ap', address)]);
    peer.child.kill('SIGSTOP');
    const by = JSON.stringify({ by: 1 });
    const posts = nodes.map(({ client }) =>
      fetch(`http://${client}/v1/counters/a`, { method: 'POST', body: by }),
    );
    await Promise.all(posts);
    const startedAt = performance.now();

    for (const { node } of nodes) node.child.kill('SIGTERM');
    await Promise.all(nodes.map(({ node }) => node.line('stopping')));
    const [patient, hasty] = nodes;
    hasty?.node.child.kill('SIGINT');

    expect(await hasty?.node.exit).toEqual([1, null]);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(await patient?.node.exit).toEqual([0, null]);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  test.each([
    { name: 'an unknown flag', args: ['--region', 'eu', '--colour'], env: {}, says: '--colour' },
    { name: 'no region', args: [], env: {}, says: 'CAUSEWAY_REGION' },
    {
      name: 'a flag of a later version',
      args: ['--region', 'eu', '--tls-ca', 'x'],
      env: {},
      says: 'not implemented',
    },
    {
      name: 'a wrong variable',
      args: ['--region', 'eu'],
      env: { CAUSEWAY_LOG_LEVEL: 'x' },
      says: '--log-level',
    },
    {
      name: 'all interfaces',
      args: ['--region', 'eu', '--peer-listen', '0.0.0.0:0'],
      env: {},
      says: '--insecure',
    },
  ])('ends with 2 on $name, naming it', async ({ args, env, says }) => {
    const node = run(args, env);

    expect((await node.exit)[0]).toBe(2);
    expect(node.stderr()).toContain(says);
  });

  test('ends with 1 when its directory is in use', async () => {
    const args = await startArgs();
    const first = run(args);
    await first.line('listening');

    const second = run(args);

    expect((await second.exit)[0]).toBe(1);
    expect(second.stderr()).toContain('in use');
    expect(await second.line('the node did not start')).toMatchObject({ code: 'CAUSEWAY_DATA_IN_USE' });
  });
});

describe('causeway config', () => {
  test('prints what is in force', () => {
    const printed: string[] = [];

    const code = runConfig(
      ['--region', 'eu'],
      { env: { CAUSEWAY_PEERS: 'ws://us:7500' }, complain: () => undefined },
      (text) => printed.push(text),
    );

    expect(code).toBe(0);
    expect(JSON.parse(printed.join(''))).toMatchObject({
      region: 'eu',
      clientListen: '127.0.0.1:7400',
      peers: ['ws://us:7500'],
    });
  });

  test('names every flag in its help', () => {
    const help = describeFlags();

    for (const flag of ['--region NAME', '--peers', '--allow-origin', '--insecure ', '--config FILE']) {
      expect(help).toContain(flag);
    }
    expect(help).toContain('CAUSEWAY_ADMIN_TOKEN_FILE');
  });
});
