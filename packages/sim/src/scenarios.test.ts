/** Stories told once, under virtual time: a cut is routed around, a rolled-back or copied directory is refused. */
import { describe, expect, test } from 'vitest';
import type { Profile } from './profile.js';
import { type CheckerName, type Simulation, simulate } from './simulator.js';

const LINK_MS = 40;

/** Three machines, equal links, fast disks, right clocks. */
function calm(profile: Profile): Profile {
  const { nodes } = profile.cluster;
  const fixed = (least: number) => ({ least, jitter: 0, tail: 0, most: least });
  return {
    ...profile,
    cluster: {
      link: () => ({ delay: fixed(LINK_MS), bandwidth: 1e5 }),
      nodes: nodes.map((node, index) => ({
        ...node,
        region: ['eu-west', 'us-east', 'ap-south'][index] as string,
        seeds: [0, 1, 2].filter((other) => other !== index),
        startAtMs: 0,
        clockOffsetMs: 0,
        clockRate: 1,
        limits: {},
        disk: { write: fixed(1), read: fixed(0.05), open: fixed(1) },
        host: { turn: fixed(0.05), lateness: fixed(0.05), dialTimeoutMs: 5000 },
      })),
    },
  };
}

function formed(checkers?: readonly CheckerName[]): Simulation {
  const simulation = simulate({ seed: 1, nodes: 3, adjust: calm, ...(checkers && { checkers }) });
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
  test('rolled back: its peers tell it so, and it takes no writes', () => {
    const simulation = formed(NOBODY);
    const { cluster } = simulation;
    const { disk } = cluster.node(0);
    const old = disk.entries();
    for (let write = 0; write < 5; write++) expect(increment(simulation, 0)).toBe('reply');
    simulation.run(1000);
    cluster.crash(0, false);
    disk.restore(old);
    cluster.start(0);
    simulation.run(10_000);
    expect(cluster.status(0)?.reasons).toContain('amnesia');
    expect(increment(simulation, 0)).toBe('CAUSEWAY_AMNESIA');
    expect(cluster.status(1)?.ready).toBe(true);
    expect(increment(simulation, 1)).toBe('reply');
  });

  test('copied: the second node with the identity is refused, and told why', () => {
    const simulation = formed(NOBODY);
    const { cluster } = simulation;
    cluster.crash(2, false);
    cluster.node(2).disk.restore(cluster.node(0).disk.entries());
    cluster.start(2);
    simulation.run(10_000);
    const errors = [...cluster.told.keys()].filter((what) => what.startsWith('log error'));
    expect(errors.join('\n')).toMatch(/copy/);
    expect(increment(simulation, 2)).toBe('CAUSEWAY_DUPLICATE_IDENTITY');
    expect(increment(simulation, 1)).toBe('reply');
  });
});
