/** Stories told once, under virtual time: a cut is routed around, a rolled-back or copied directory is refused. */
import type { Limits } from '@causeway/replica';
import { describe, expect, test } from 'vitest';
import { type CheckerName, type Simulation, simulate } from './simulator.js';
import { calm, LINK_MS } from './testing/calm.js';

function formed(checkers?: readonly CheckerName[], limits: Partial<Limits> = {}): Simulation {
  const adjust = calm(() => ({ limits }));
  const simulation = simulate({ seed: 1, nodes: 3, adjust, ...(checkers && { checkers }) });
  simulation.form();
  simulation.run(2000);
  return simulation;
}

/** Writes at node 0 every 20 ms for `ms`, and returns how long each took from its acknowledgement to node 1. */
function lagsAt1(simulation: Simulation, ms: number): number[] {
  const { cluster, scheduler } = simulation;
  const client = simulation.client(0);
  client.connect();
  const seqOfWriter = (node: number): number =>
    cluster.status(node)?.versionVector.get(cluster.status(0)!.replica) ?? 0;
  const lags: number[] = [];
  const waiting: { seq: number; since: number }[] = [];
  const end = scheduler.now + ms;
  for (let next = scheduler.now; scheduler.now < end; ) {
    if (scheduler.now >= next) {
      next += 20;
      const call = client.call([{ op: 'counter.increment', key: 'sum:0', by: 1 }]);
      scheduler.until(() => call?.outcome === 'acknowledged', 1000);
      waiting.push({ seq: seqOfWriter(0), since: scheduler.now });
    }
    simulation.run(1);
    while (waiting[0] !== undefined && seqOfWriter(1) >= waiting[0].seq) {
      lags.push(scheduler.now - (waiting.shift()?.since ?? 0));
    }
  }
  return lags;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Infinity;
const duplicates = ({ cluster }: Simulation): number => cluster.told.get('duplicate chunks') ?? 0;

describe('the link between two of three is cut', () => {
  test.each([
    { name: 'silently: noticed within 3 s', cut: 'hold', noticedMs: 3000 },
    { name: 'by a reset: noticed within 500 ms', cut: 'refuse', noticedMs: 500 },
  ])('$name', ({ cut, noticedMs }) => {
    const simulation = formed();
    const { network } = simulation.cluster;
    const whole = lagsAt1(simulation, 2000);
    expect(median(whole)).toBeLessThan(LINK_MS + 5);

    const cutOff = (isCut: boolean): void => {
      if (cut === 'refuse') network.refuse(0, 1, isCut);
      else
        for (const [from, to] of [
          [0, 1],
          [1, 0],
        ] as const)
          network.hold(from, to, isCut);
    };
    cutOff(true);
    lagsAt1(simulation, noticedMs);
    const rerouted = lagsAt1(simulation, 4000);
    expect(median(rerouted)).toBeLessThan(2 * LINK_MS + 20);

    cutOff(false);
    lagsAt1(simulation, 3000);
    const healed = lagsAt1(simulation, 2000);
    expect(median(healed)).toBeLessThan(LINK_MS + 5);
    expect(duplicates(simulation)).toBeLessThan(20);
    simulation.healAndSettle();
  });
});

/** The type of the answer, or its error code. */
function increment({ cluster, scheduler }: Simulation, node: number): string | undefined {
  let told: string | undefined;
  const session = cluster.connect(node, {
    answered: (answer) => {
      told = answer.type === 'failure' ? answer.error.code : answer.type;
    },
    lost: () => {
      told = 'lost';
    },
  });
  session?.request(1, [{ op: 'counter.increment', key: 'sum:0', by: 1 }]);
  scheduler.until(() => told !== undefined, 5000);
  return told;
}

/** The checkers would object, rightly: a disk that goes back is no disk. */
const NOBODY: readonly CheckerName[] = [];

describe('a directory that is not what it was', () => {
  const COUNT = [{ op: 'counter.get', key: 'sum:0' }] as const;
  const sumAt = (simulation: Simulation, node: number): number => {
    const client = simulation.client(node);
    client.connect();
    const call = client.call(COUNT);
    simulation.scheduler.until(() => call?.outcome === 'acknowledged', 5000);
    const [result] = call?.results ?? [];
    return result?.op === 'counter.get' ? Number(result.value) : Number.NaN;
  };
  const idOf = ({ cluster }: Simulation, node: number) => cluster.status(node)?.replica;
  const isReady = ({ cluster }: Simulation, node: number) => cluster.status(node)?.ready === true;
  const cutOff = ({ cluster }: Simulation, isCut: boolean): void => {
    for (const other of [1, 2]) {
      for (const [from, to] of [
        [0, other],
        [other, 0],
      ] as const)
        cluster.network.refuse(from, to, isCut);
    }
  };
  const digests = ({ cluster }: Simulation) => [0, 1, 2].map((node) => cluster.status(node)?.digest);

  test('rolled back: it begins anew under another identity, and nothing is lost or counted twice', () => {
    const simulation = formed(NOBODY);
    const { cluster } = simulation;
    const { disk } = cluster.node(0);
    const old = disk.entries();
    const before = idOf(simulation, 0);
    for (let write = 0; write < 5; write++) expect(increment(simulation, 0)).toBe('reply');
    simulation.run(1000);
    cluster.crash(0, false);
    disk.restore(old);
    cluster.start(0);
    simulation.run(20_000);
    expect(isReady(simulation, 0)).toBe(true);
    expect(idOf(simulation, 0)).not.toBe(before);
    expect(cluster.node(0).aside).toHaveLength(1);
    expect(increment(simulation, 0)).toBe('reply');
    simulation.run(1000);
    expect([0, 1, 2].map((node) => sumAt(simulation, node))).toEqual([6, 6, 6]);
    expect(new Set(digests(simulation)).size).toBe(1);
  });

  test.each([
    { log: 'is whole', logFloorTransactions: 10_000 },
    { log: 'has been cut', logFloorTransactions: 0 },
  ])(
    'rolled back, and written before it met anybody: all of that is issued again; the log $log',
    (limits) => {
      const simulation = formed(NOBODY, { logFloorTransactions: limits.logFloorTransactions });
      const { cluster } = simulation;
      const { disk } = cluster.node(0);
      for (let write = 0; write < 3; write++) expect(increment(simulation, 0)).toBe('reply');
      simulation.run(10_000);
      const old = disk.entries();
      for (let write = 0; write < 4; write++) expect(increment(simulation, 0)).toBe('reply');
      simulation.run(10_000);
      cluster.crash(0, false);
      disk.restore(old);
      cutOff(simulation, true);
      cluster.start(0);
      simulation.run(2000);
      for (let write = 0; write < 2; write++) expect(increment(simulation, 0)).toBe('reply');
      cutOff(simulation, false);
      simulation.run(30_000);
      expect(isReady(simulation, 0)).toBe(true);
      expect([0, 1, 2].map((node) => sumAt(simulation, node))).toEqual([9, 9, 9]);
      expect(new Set(digests(simulation)).size).toBe(1);
    },
  );

  test('copied: the copy begins anew, the original goes on', () => {
    const simulation = formed(NOBODY);
    const { cluster } = simulation;
    const original = idOf(simulation, 0);
    expect(increment(simulation, 0)).toBe('reply');
    simulation.run(1000);
    cluster.crash(2, false);
    cluster.node(2).disk.restore(cluster.node(0).disk.entries());
    cluster.start(2);
    expect(increment(simulation, 0)).toBe('reply');
    simulation.run(40_000);
    expect(idOf(simulation, 0)).toBe(original);
    expect(idOf(simulation, 2)).not.toBe(original);
    expect(increment(simulation, 0)).toBe('reply');
    expect(isReady(simulation, 2)).toBe(true);
    expect(increment(simulation, 2)).toBe('reply');
    simulation.run(1000);
    expect([0, 1, 2].map((node) => sumAt(simulation, node))).toEqual([4, 4, 4]);
  });

  test('restored: it begins anew as soon as a peer answers, and takes no writes before', () => {
    const simulation = formed(NOBODY);
    const { cluster } = simulation;
    const node = cluster.node(0);
    const before = idOf(simulation, 0);
    cutOff(simulation, true);
    expect(increment(simulation, 0)).toBe('reply');
    const backup = node.disk.entries();
    cluster.crash(0, false);
    node.disk.restore(backup);
    node.leave = 'the directory was restored';
    cluster.start(0);
    simulation.run(2000);
    expect(increment(simulation, 0)).toBe('CAUSEWAY_REJOINING');
    cutOff(simulation, false);
    simulation.run(30_000);
    expect(idOf(simulation, 0)).not.toBe(before);
    expect(isReady(simulation, 0)).toBe(true);
    // What it had written while it was cut off nobody had.
    expect([0, 1, 2].map((each) => sumAt(simulation, each))).toEqual([1, 1, 1]);
  });
});
