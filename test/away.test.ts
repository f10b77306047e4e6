/**
 * A region that is away for longer than the log of the others reaches, on real processes: it is repaired on its return,
 * what was deleted meanwhile stays deleted on both sides, and what it wrote by itself is there.
 */
import { expect, test } from 'vitest';
import { type NodeProcess, startCluster, until } from './support/cluster.js';
import { HttpClient } from './support/http.js';

const REGIONS = ['eu', 'us', 'ap'];
const LOG_BYTES = 64 << 10;
const KEYS = 40;
/** Several times the cap, so that the log is cut. */
const VALUE = 'x'.repeat(8 << 10);

const http = async <T>(node: NodeProcess, work: (client: HttpClient) => Promise<T>): Promise<T> => {
  const client = new HttpClient(node.urls.http);
  try {
    return await work(client);
  } finally {
    client.close();
  }
};

async function send(client: HttpClient, method: string, path: string, body?: unknown): Promise<void> {
  expect((await client.send(method, path, body)).status, `${method} ${path}`).toBe(200);
}

/** All that a region holds, as clients read it. */
async function contents(node: NodeProcess): Promise<Record<string, unknown>> {
  return http(node, async (client) => {
    const { body } = await client.send('GET', '/v1/keys?limit=1000');
    const held: Record<string, unknown> = {};
    for (const { type, key } of (body as { keys: { type: string; key: string }[] }).keys) {
      held[`${type} ${key}`] = (await client.send('GET', `/v1/${type}s/${key}`)).body;
    }
    return held;
  });
}

test('a region that was away past the end of the log is equal again, and nothing deleted comes back', {
  timeout: 120_000,
}, async () => {
  const cluster = await startCluster({
    regions: REGIONS,
    delayMs: 5,
    flags: ['--log-max-size', `${LOG_BYTES}`],
  });
  const [eu, us, ap] = REGIONS.map((region) => cluster.node(region)) as [
    NodeProcess,
    NodeProcess,
    NodeProcess,
  ];
  await http(eu, async (client) => {
    for (let i = 0; i < KEYS; i++) {
      await send(client, 'PUT', `/v1/registers/r${i}`, { value: i });
      await send(client, 'POST', '/v1/sets/basket', { add: [i] });
      await send(client, 'POST', '/v1/sets/cleared', { add: [i] });
      await send(client, 'POST', `/v1/counters/c${i}`, { by: i + 1 });
    }
  });
  await cluster.untilEqual();

  const pairs = [cluster.links.between('ap', 'eu'), cluster.links.between('ap', 'us')];
  for (const pair of pairs) pair.cut();
  // What was sent into a link that is still held to be alive would come when it is healed.
  await until('the links to be given up', async () => {
    const held = await Promise.all([eu.status(), us.status()]);
    return held.every(({ peers }) =>
      peers.every(({ region, state }) => region !== 'ap' || state !== 'connected'),
    );
  });
  await http(eu, async (client) => {
    for (let i = 0; i < KEYS; i++) await send(client, 'PUT', `/v1/registers/large${i}`, { value: VALUE });
    for (let i = 0; i < 10; i++) {
      await send(client, 'DELETE', `/v1/registers/r${i}`);
      await send(client, 'POST', '/v1/sets/basket', { remove: [i] });
      await send(client, 'DELETE', `/v1/counters/c${i}`);
    }
    await send(client, 'DELETE', '/v1/sets/cleared');
  });
  await http(ap, async (client) => {
    for (let i = 0; i < KEYS; i++) await send(client, 'PUT', `/v1/registers/alone${i}`, { value: VALUE });
    for (let i = 20; i < 30; i++) {
      await send(client, 'DELETE', `/v1/registers/r${i}`);
      await send(client, 'POST', '/v1/sets/basket', { remove: [i] });
    }
    await send(client, 'POST', '/v1/sets/cleared', { add: ['late'] });
    await send(client, 'POST', '/v1/counters/c0', { by: 100 });
    await send(client, 'POST', '/v1/counters/c15', { by: 100 });
  });
  await until('the logs to be cut', async () => {
    const held = await Promise.all([eu.status(), us.status()]);
    return held.every(({ logBytes }) => logBytes <= LOG_BYTES);
  });

  for (const pair of pairs) pair.heal();
  await cluster.untilEqual({ timeoutMs: 60_000 });
  await until('the repair to be told', () =>
    ap.log().some((line) => /"mode":"catch-up","outcome":"done".*a repair has ended/.test(line)),
  );

  const [here, ...others] = await Promise.all([eu, us, ap].map(contents));
  for (const other of others) expect(other).toEqual(here);
  const names = new Set(Object.keys(here!));
  for (let i = 0; i < KEYS; i++) {
    const isDeleted = i < 10 || (i >= 20 && i < 30);
    expect(names.has(`register r${i}`), `register r${i}`).toBe(!isDeleted);
    expect(names.has(`register large${i}`) && names.has(`register alone${i}`)).toBe(true);
  }
  const left = Array.from({ length: KEYS }, (_, i) => i).filter((i) => i >= 30 || (i >= 10 && i < 20));
  expect(here!['set basket']).toEqual({ values: left });
  expect(here!['set cleared']).toEqual({ values: ['late'] });
  expect(here!['counter c0']).toEqual({ value: 100 });
  expect(here!['counter c15']).toEqual({ value: 116 });
});
