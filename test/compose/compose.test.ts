/**
 * docker-compose.yml, for real: built, started, written to, broken and removed again.
 *
 * The tests go on where the one before ended. Grafana is left out: its dashboard is tested by the expressions in it.
 * The times are printed; what they are held to is generous, since the machine may be busy.
 */
import { areEqual, type NodeStatus, readStatus, until } from '@causeway/cli';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Project, whatIsMissing } from './project.js';
import { dashboardExpressions, Prometheus, seriesOf } from './prometheus.js';
import { Traffic } from './traffic.js';

const REGIONS = ['eu-west', 'us-east', 'ap-south'] as const;
type Region = (typeof REGIONS)[number];
/** At the load balancer. */
const CLIENT_PORTS: Readonly<Record<Region, number>> = { 'eu-west': 7400, 'us-east': 7401, 'ap-south': 7402 };
const BASE_IMAGE = 'node:24-bookworm-slim';
const OWN_BYTES_MAX = 40e6;
const EU_US_ONE_WAY_MS = 37.5;
/** How long a region has to be ready before clients are sent to it, at least. */
const STEADY_MS = 2_000;
/** How long after the death of a region its connections may take to end, on a busy machine. */
const IN_FLIGHT_MS = 1_000;

const missing = await whatIsMissing();
const project = new Project();
const times: string[] = [];

if (missing !== undefined) console.info(`Compose is not tested: ${missing}`);

describe.skipIf(missing !== undefined)('Compose', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    await timed('build', () => project.build());
    const { own, all } = await project.imageBytes(BASE_IMAGE);
    times.push(`image: ${megabytes(all)}, of which ${megabytes(own)} beyond ${BASE_IMAGE}`);
    expect(own).toBeLessThan(OWN_BYTES_MAX);
    await timed('up, until all are healthy', () => project.up());
  }, 400_000);

  afterAll(async () => {
    if ((await project.remains()).length > 0) {
      console.info(await project.logs());
      await project.remove();
    }
    console.info(times.join('\n'));
  }, 120_000);

  test('what is written in each region is in all of them', async () => {
    for (const region of REGIONS) {
      const client = await clientUrl(region);
      // The load balancer looks at a region several times before it sends anybody there.
      await until(`the port of ${region}`, async () => (await send('GET', client, '/v1/keys')).ok);
      await write('PUT', region, '/v1/registers/latest', { value: region });
      await write('POST', region, '/v1/sets/regions', { add: [region] });
      await write('POST', region, '/v1/counters/visits', { by: 1 });
    }
    await timed('three regions equal after writes in each', untilEqual);

    for (const region of REGIONS) {
      expect(await read(region, '/v1/registers/latest')).toMatchObject({ value: expect.any(String) });
      expect(await read(region, '/v1/sets/regions')).toMatchObject({
        values: expect.arrayContaining([...REGIONS]),
      });
      expect(await read(region, '/v1/counters/visits')).toEqual({ value: 3 });
    }
  });

  test('a region runs without privileges, below an init, and knows no way to another but the links', async () => {
    const found = await project.exec(
      'eu-west',
      'sh',
      '-c',
      'id -u; cat /proc/1/comm; touch /app/file 2>&1; getent hosts link-eu-us us-east ap-south || true',
    );
    const [user, init, file, ...names] = found.split('\n');
    expect({ user, init, file }).toEqual({
      user: '1000',
      init: 'tini',
      file: expect.stringContaining('Read-only file system'),
    });
    expect(names).toEqual([expect.stringContaining('link-eu-us')]);
  });

  test('a region that dies: its clients go on in the next one, and come back', async () => {
    const before = await project.url('lb', CLIENT_PORTS['eu-west']);
    const traffic = new Traffic(before, 'failover', 4);
    try {
      await until('traffic', () => traffic.acknowledged >= 100);
      const killBeganAt = performance.now();
      const deadAt = await project.kill('eu-west');
      await until('traffic in the next region', () => traffic.since(deadAt) >= 200);
      times.push(`failover: ${ms(traffic.longestGapMs(killBeganAt))} without an answer`);
      // In flight: begun before the region was gone, and over with it. What waits for a region is no failure.
      for (const failed of traffic.failures) {
        const story = `dead at ${deadAt}: ${JSON.stringify(failed)}`;
        expect(failed.beganAt, story).toBeLessThan(deadAt);
        expect(failed.endedAt, story).toBeLessThan(deadAt + IN_FLIGHT_MS);
      }
      const failuresSoFar = traffic.failures.length;

      const startedAt = performance.now();
      await project.start('eu-west');
      await until('readiness', async () => (await statusOf('eu-west')).ready);
      const readyAt = performance.now();
      await until('the load balancer to send clients back', () => isUp('eu-west'));
      const backAt = performance.now();
      expect(backAt - readyAt).toBeGreaterThan(STEADY_MS);
      await until('traffic in the region that is back', () => traffic.since(backAt) >= 100);
      times.push(
        `region back: ready after ${ms(readyAt - startedAt)}, clients after ${ms(backAt - startedAt)}`,
      );
      expect(traffic.failures.length).toBe(failuresSoFar);
    } finally {
      await traffic.stop();
    }
    await timed('three regions equal after the failover', untilEqual);

    // Those that failed may have taken effect.
    for (const region of REGIONS) {
      const { value } = (await read(region, '/v1/counters/failover')) as { value: number };
      expect(value).toBeGreaterThanOrEqual(traffic.acknowledged);
      expect(value).toBeLessThanOrEqual(traffic.sent.length);
    }
    times.push(
      `failover: ${traffic.acknowledged} requests answered, ${traffic.failures.length} failed in flight`,
    );
  });

  test('a region that is cut off by its links takes writes, and converges when they are healed', async () => {
    for (const link of ['link-eu-ap', 'link-us-ap']) await control(link, 'cut');
    await write('POST', 'eu-west', '/v1/sets/islands', { add: ['eu-west'] });
    await write('POST', 'ap-south', '/v1/sets/islands', { add: ['ap-south'] });
    await until('the other two', async () => {
      const { values } = (await read('us-east', '/v1/sets/islands')) as { values: string[] };
      return values.includes('eu-west');
    });
    expect(await read('ap-south', '/v1/sets/islands')).toEqual({ values: ['ap-south'] });
    expect(await statusOf('ap-south')).toMatchObject({ ready: true });
    await until('the backlog to be told', async () => {
      const { peers } = await statusOf('eu-west');
      return peers.some(
        ({ region, backlogTransactions }) => region === 'ap-south' && backlogTransactions > 0,
      );
    });

    for (const link of ['link-eu-ap', 'link-us-ap']) await control(link, 'heal');
    await timed('three regions equal after the heal', untilEqual);
    expect(await read('us-east', '/v1/sets/islands')).toEqual({ values: ['eu-west', 'ap-south'] });
  });

  test('every target is up, and every rule and every expression of the dashboard has data', async () => {
    await project.up('load');
    const prometheus = new Prometheus(await project.url('prometheus', 9090));
    const rules = await prometheus.rules();
    const recording = rules.filter(({ type }) => type === 'recording');
    const alerting = rules.filter(({ type }) => type === 'alerting');
    expect(recording.length).toBeGreaterThan(0);
    expect(alerting.length).toBeGreaterThan(0);
    const expressions = [
      ...recording.map(({ name, query }) => ({ panel: name, expression: query })),
      ...recording.map(({ name }) => ({ panel: 'recorded', expression: name })),
      ...(await dashboardExpressions()),
      // The expression of an alert has data when it fires only; what it looks at has to be there.
      ...alerting.flatMap(({ name, query }) =>
        seriesOf(query).map((series) => ({ panel: name, expression: series })),
      ),
    ];
    let lacking: unknown[] = [];
    const look = async () => {
      const found = await Promise.all(expressions.map((each) => lacks(prometheus, each)));
      lacking = found.filter((each) => each !== undefined);
      return lacking.length === 0;
    };
    await timed('load, until every expression has data', () =>
      until('data', look, { timeoutMs: 60_000, everyMs: 500 }).catch((error: Error) => {
        throw new Error(`${error.message}: ${JSON.stringify(lacking, undefined, 1)}`);
      }),
    );

    expect(await prometheus.targets()).toEqual({
      'eu-west:7600': 'up',
      'us-east:7600': 'up',
      'ap-south:7600': 'up',
      'lb:8404': 'up',
    });
    for (const { name, health, lastError } of await prometheus.rules()) {
      expect({ name, health, lastError }).toEqual({ name, health: 'ok', lastError: undefined });
    }
    const [lag] = await prometheus.query(
      'region_origin:causeway_replication_lag_seconds:p50_1m{origin="eu-west", region="us-east"} * 1000',
    );
    times.push(`lag eu-west to us-east under load: p50 ${ms(lag?.value ?? Number.NaN)}`);
    expect(lag?.value).toBeGreaterThan(EU_US_ONE_WAY_MS - 3);
  });

  test('every alert fires on what it is for', async () => {
    const tested = await project.exec(
      'prometheus',
      'promtool',
      'test',
      'rules',
      '/etc/prometheus/alerts.test.yml',
    );
    expect(tested).toContain('SUCCESS');
  });

  test('nothing is left of it', async () => {
    await timed('down', () => project.remove());
    expect(await project.remains()).toEqual([]);
  });
});

/** What is wrong with the data of an expression now; undefined if nothing is. */
async function lacks(
  prometheus: Prometheus,
  { panel, expression }: { panel: string; expression: string },
): Promise<{ panel: string; expression: string; samples: number; nan: number } | undefined> {
  const samples = await prometheus.query(expression);
  const nan = samples.filter(({ value }) => Number.isNaN(value)).length;
  return samples.length < seriesLeast(expression) || nan > 0
    ? { panel, expression, samples: samples.length, nan }
    : undefined;
}

/** Of a recorded name: a series for each region, and for each pair of regions. */
function seriesLeast(expression: string): number {
  const { length } = REGIONS;
  if (/^region:/.test(expression)) return length;
  if (/^region_(origin|peer):/.test(expression)) return length * (length - 1);
  return 1;
}

async function untilEqual(): Promise<NodeStatus[]> {
  let seen: NodeStatus[] = [];
  const look = async () => {
    seen = await Promise.all(REGIONS.map(statusOf));
    return areEqual(seen) && seen;
  };
  return until('all regions to hold the same', look).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(seen)}`);
  });
}

async function statusOf(region: Region): Promise<NodeStatus> {
  return readStatus(await project.url(region, 7600));
}

async function isUp(region: Region): Promise<boolean> {
  const response = await fetch(new URL('/;csv', await project.url('lb', 8404)));
  const line = (await response.text()).split('\n').find((each) => each.startsWith(`${region},${region},`));
  return line?.split(',').includes('UP') ?? false;
}

async function control(link: string, action: 'cut' | 'heal'): Promise<void> {
  const response = await send('POST', await project.url(link, 7900), `/${action}`);
  expect(response.status).toBe(200);
}

function clientUrl(region: Region): Promise<string> {
  return project.url('lb', CLIENT_PORTS[region]);
}

async function write(method: string, region: Region, path: string, body: unknown): Promise<void> {
  const response = await send(method, await clientUrl(region), path, body);
  expect(response.status, await response.text()).toBe(200);
}

async function read(region: Region, path: string): Promise<unknown> {
  const response = await send('GET', await clientUrl(region), path);
  return response.json();
}

function send(method: string, url: string, path: string, body?: unknown): Promise<Response> {
  return fetch(new URL(path, url), {
    method,
    signal: AbortSignal.timeout(10_000),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function timed(what: string, action: () => Promise<unknown>): Promise<void> {
  const beganAt = performance.now();
  await action();
  times.push(`${what}: ${ms(performance.now() - beganAt)}`);
}

function ms(value: number): string {
  return value < 1_000 ? `${value.toFixed(1)} ms` : `${(value / 1_000).toFixed(1)} s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
