/**
 * Three nodes that are killed in turn while clients increment counters over HTTP.
 *
 * As part of `npm test` six kills as fast as the nodes come back, a few seconds. At full length, with at least 5,000
 * acknowledged increments, and figures on standard output:
 *
 *   CAUSEWAY_KILL_SECONDS=30 npx vitest run test/kill.test.ts
 *
 * CAUSEWAY_KILL_SEED chooses who is killed when, as far as the machine repeats itself; a failure prints it.
 */
import { expect, test } from 'vitest';
import { seeded } from '../bench/suites/random.js';
import { type Cluster, startCluster, until } from './support/cluster.js';
import { HttpClient } from './support/http.js';
import { Books, type Increment, send } from './support/increments.js';

const REGIONS = ['eu', 'us', 'ap'];
const CLIENTS = 8;
/** Requests that each client has under way, each on a connection of its own. */
const LANES = 2;
const COUNTERS = 32;
const KILLS_MIN = 6;

const full = process.env['CAUSEWAY_KILL_SECONDS'];
const SECONDS = Number(full ?? 4);
const ACKNOWLEDGED_MIN = full === undefined ? 500 : 5_000;
const SEED = Number(process.env['CAUSEWAY_KILL_SEED'] ?? Math.floor(Math.random() * 1e9));
const TIMEOUT_MS = SECONDS * 1_000 + 100_000;

test(
  'killed with SIGKILL six times, nodes count every acknowledged increment once, and unknown ones at most once',
  async ({ onTestFailed }) => {
    onTestFailed(() => console.error(`CAUSEWAY_KILL_SEED=${SEED}`));
    const cluster = await startCluster({ regions: REGIONS, delayMs: 10 });
    const load = new Load(cluster);
    const kills = await load.during(() => killInTurn(cluster, load));

    // Before any of the unknown ones is asked for again.
    const settled = await cluster.untilReady().then(() => cluster.untilEqual());
    expect(settled).toHaveLength(REGIONS.length);
    const unknown = load.books.count('unknown');
    const acknowledged = load.books.count('acknowledged');
    expect(await problems(cluster, load.books)).toEqual([]);

    // The same keys again at the same nodes: the unknown become exact, the acknowledged repeat their answer.
    const repeated = load.books.entries.filter(
      ({ outcome }, index) => outcome === 'unknown' || index % 20 === 0,
    );
    const answers = repeated.map(({ value }) => value);
    await eachAtItsNode(cluster, repeated);
    for (const [index, { value }] of repeated.entries()) {
      if (answers[index] !== undefined) expect(value).toBe(answers[index]);
    }
    expect(load.books.count('unknown')).toBe(0);
    await cluster.untilEqual();
    expect(await problems(cluster, load.books)).toEqual([]);

    expect(acknowledged).toBeGreaterThanOrEqual(ACKNOWLEDGED_MIN);
    expect(kills).toBeGreaterThanOrEqual(KILLS_MIN);
    expect(complaints(cluster)).toEqual([]);
    if (full !== undefined) {
      console.log(
        `${kills} kills in ${SECONDS} s: ${acknowledged} acknowledged, ${unknown} unknown, all exact`,
      );
    }
  },
  TIMEOUT_MS,
);

/** One node at a time, at a moment of its own choosing, until the time is up. Returns how often. */
async function killInTurn(cluster: Cluster, load: Load): Promise<number> {
  const random = seeded(SEED);
  const endsAt = performance.now() + SECONDS * 1_000;
  let kills = 0;
  while (kills < KILLS_MIN || performance.now() < endsAt) {
    const node = cluster.nodes[Math.floor(random() * REGIONS.length)]!;
    const enough = load.acknowledgedBy(node.region) + 20 + Math.floor(random() * 200);
    const isOfUse = () => load.acknowledgedBy(node.region) >= enough;
    await until(`${node.region} to be of use`, isOfUse, { everyMs: 1 });
    await node.kill();
    kills++;
    await node.start();
  }
  return kills;
}

/** Clients that increment counters at one node as long as it answers, then go on to the next. */
class Load {
  readonly books = new Books();
  private readonly random = seeded(SEED + 1);
  private readonly acknowledged = new Map<string, number>();
  private running = false;

  constructor(private readonly cluster: Cluster) {}

  acknowledgedBy(region: string): number {
    return this.acknowledged.get(region) ?? 0;
  }

  async during<T>(story: () => Promise<T>): Promise<T> {
    this.running = true;
    const lanes = Array.from({ length: CLIENTS * LANES }, (_, index) => this.lane(index));
    const failed = Promise.all(lanes).then(() => new Promise<never>(() => undefined));
    try {
      return await Promise.race([story(), failed]);
    } finally {
      this.running = false;
      await Promise.allSettled(lanes);
    }
  }

  private async lane(index: number): Promise<void> {
    const clients = this.cluster.nodes.map(({ urls }) => new HttpClient(urls.http));
    let at = Math.floor(index / LANES) % clients.length;
    let again: Increment | undefined;
    for (let number = 0; this.running; number++) {
      const { region } = this.cluster.nodes[at]!;
      const increment = again ?? this.next(region, `lane ${index} number ${number}`);
      again = undefined;
      await send(increment, clients[at]!);
      if (increment.outcome === 'acknowledged') {
        this.acknowledged.set(region, this.acknowledgedBy(region) + 1);
        continue;
      }
      // Every other client asks again at once, the same node under the same key; the others leave it open.
      if (increment.outcome === 'unknown' && index % 2 === 0) {
        again = increment;
        await until(`${region} again`, () => !this.running || this.cluster.nodes[at]!.running, {
          everyMs: 1,
        });
      } else at = (at + 1) % clients.length;
    }
    for (const client of clients) client.close();
  }

  private next(region: string, idempotencyKey: string): Increment {
    const counter = `counter ${Math.floor(this.random() * COUNTERS)}`;
    const by = Math.floor(this.random() * 1e6) - 3e5;
    const increment: Increment = { counter, by, idempotencyKey, region, outcome: 'not sent' };
    this.books.enter(increment);
    return increment;
  }
}

/** What is wrong with the counters, at any node. */
async function problems(cluster: Cluster, books: Books): Promise<string[]> {
  const found: string[] = [];
  for (const { region, urls } of cluster.nodes) {
    const client = new HttpClient(urls.http);
    for (const counter of books.counters) {
      const { body } = await client.send('GET', `/v1/counters/${encodeURIComponent(counter)}`);
      const problem = books.problem(counter, (body as { value: number }).value);
      if (problem !== undefined) found.push(`${region}: ${problem}`);
    }
    client.close();
  }
  return found;
}

async function eachAtItsNode(cluster: Cluster, increments: readonly Increment[]): Promise<void> {
  const clients = new Map(cluster.nodes.map(({ region, urls }) => [region, new HttpClient(urls.http)]));
  for (const increment of increments) await send(increment, clients.get(increment.region)!);
  for (const client of clients.values()) client.close();
}

/** Lines of the logs that a person should look at. */
function complaints(cluster: Cluster): string[] {
  return cluster.nodes.flatMap((node) => node.log().filter((line) => /"level":"(error|fatal)"/.test(line)));
}
