/** `causeway link` as the regions of docker-compose.yml have it between them: a process that is told over HTTP. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { startCluster } from './support/cluster.js';
import { causeway } from './support/command.js';

const CAUSEWAY = fileURLToPath(new URL('../packages/cli/bin/causeway.js', import.meta.url));
const DELAY_MS = 20;

test('a link delays, is cut and healed over HTTP, and ends at SIGTERM', async () => {
  const echo = createServer((socket) => void socket.pipe(socket)).listen(0, '127.0.0.1');
  onTestFinished(() => void echo.close());
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  const link = await startLink(`echo=127.0.0.1:0,127.0.0.1:${port}`, '--delay-ms', String(DELAY_MS));

  expect(await roundTripMs(link.address)).toBeGreaterThan(4 * DELAY_MS - 2);

  expect((await fetch(new URL('/cut?mode=reset', link.control), { method: 'POST' })).status).toBe(200);
  await expect(roundTripMs(link.address)).rejects.toThrow(/ECONNRESET/);

  expect((await fetch(new URL('/heal', link.control), { method: 'POST' })).status).toBe(200);
  expect(await roundTripMs(link.address)).toBeGreaterThan(4 * DELAY_MS - 2);

  link.child.kill('SIGTERM');
  expect(await once(link.child, 'close')).toEqual([0, null]);
});

test('the load writes and reads in every region, for as long as it is told', {
  timeout: 60_000,
}, async () => {
  const cluster = await startCluster({ regions: ['eu', 'us'] });
  const nodes = cluster.nodes.map(({ urls }) => urls.client).join(',');

  const { code, out } = await causeway(['load', '--node', nodes, '--writes', '50', '--seconds', '2']);

  expect(code).toBe(0);
  const lines = out.split('\n');
  expect(lines).toHaveLength(2);
  for (const line of lines) expect(line).toMatch(/: \d+ writes\/s, \d+ reads\/s, writes p50 .*ms, p99 .*ms$/);
  const metrics = await (await fetch(`${cluster.nodes[0]!.urls.admin}/metrics`)).text();
  for (const type of ['register', 'set', 'counter']) {
    expect(metrics).toMatch(new RegExp(`causeway_writes_total\\{[^}]*type="${type}"[^}]*\\} [1-9]`));
  }
  await cluster.untilEqual();
});

async function startLink(...args: string[]) {
  const command = [CAUSEWAY, 'link', ...args, '--control', '127.0.0.1:0'];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let address = '';
  for await (const line of createInterface({ input: child.stdout })) {
    address ||= /^echo: (\S+) to /.exec(line)?.[1] ?? '';
    const control = /^control: (\S+)$/.exec(line)?.[1];
    if (control !== undefined) return { child, address, control };
  }
  throw new Error('the link did not start');
}

/** From the dial to the echo of what was sent: two round trips. */
async function roundTripMs(address: string): Promise<number> {
  const [host = '', port] = address.split(':');
  const beganAt = performance.now();
  const socket = connect(Number(port), host);
  socket.write('hello');
  await once(socket, 'data');
  const tookMs = performance.now() - beganAt;
  socket.end();
  await once(socket, 'close');
  return tookMs;
}
