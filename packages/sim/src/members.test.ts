/** Stories of members and of clocks: joins, leaves, removals, evictions; a clock ten minutes ahead, and back. */
import { encodeCanonical, type Operation } from '@causeway/protocol';
import type { Event, Limits } from '@causeway/replica';
import { describe, expect, test } from 'vitest';
import type { NodeProfile } from './cluster.js';
import { type CheckerName, type Simulation, simulate } from './simulator.js';
import { calm } from './testing/calm.js';

/** A member that goes takes what the checkers would wait for along; stability is judged all the same. */
const CHECKERS: readonly CheckerName[] = ['stability'];

function started(nodes: number, change?: (index: number) => Partial<NodeProfile>): Simulation {
  return simulate({ seed: 1, nodes, adjust: calm(change), checkers: CHECKERS });
}

function formed(nodes: number, limits: Partial<Limits> = {}): Simulation {
  const simulation = started(nodes, () => ({ limits }));
  simulation.form();
  simulation.run(2_000);
  return simulation;
}

/** The results of a transaction at a node, or the code that it was refused with. */
function ask({ cluster, scheduler }: Simulation, node: number, ...operations: Operation[]) {
  let told:
    | readonly { readonly op: string; readonly value?: unknown; readonly stamp?: unknown }[]
    | string
    | undefined;
  const session = cluster.connect(node, {
    answered: (answer) => {
      told =
        answer.type === 'failure'
          ? answer.error.code
          : answer.type === 'reply'
            ? answer.results
            : answer.type;
    },
    lost: () => {
      told = 'lost';
    },
  });
  session?.request(1, operations);
  scheduler.until(() => told !== undefined, 5_000);
  return told;
}

const set = (key: string, value: unknown): Operation => ({
  op: 'register.set',
  key,
  value: encodeCanonical(value),
});
const del = (key: string): Operation => ({ op: 'register.delete', key });
const increment: Operation = { op: 'counter.increment', key: 'n', by: 1 };

function valueAt(simulation: Simulation, node: number, key: string): string | undefined {
  const told = ask(simulation, node, { op: 'register.get', key });
  const value = typeof told === 'object' ? (told[0]?.value as Uint8Array | undefined) : undefined;
  return value === undefined ? undefined : Buffer.from(value).toString('hex');
}
const hexOf = (value: unknown): string => Buffer.from(encodeCanonical(value)).toString('hex');

function countAt(simulation: Simulation, node: number): number {
  const told = ask(simulation, node, { op: 'counter.get', key: 'n' });
  return typeof told === 'object' ? Number(told[0]?.value) : Number.NaN;
}

/** When the stamp of the register's value was made, by its own word. */
function stampedAt(simulation: Simulation, node: number, operation: Operation): number {
  const told = ask(simulation, node, operation);
  const stamp = typeof told === 'object' ? (told[0]?.stamp as { physical: number } | undefined) : undefined;
  return stamp?.physical ?? Number.NaN;
}

const step = ({ cluster }: Simulation, node: number, event: Event): void =>
  cluster.node(node).driver?.step(event);
const idOf = ({ cluster }: Simulation, node: number) => cluster.status(node)!.replica;
const reasonsOf = ({ cluster }: Simulation, node: number) => cluster.status(node)?.reasons;
const linksOf = ({ cluster }: Simulation, node: number) =>
  cluster.status(node)?.peers.filter(({ state }) => state === 'connected').length;
const memberAt = ({ cluster }: Simulation, node: number, replica: string) =>
  cluster.status(node)?.members.find((member) => member.replica === replica);
const GARBAGE = 0x67;
const evidenceAt = ({ cluster }: Simulation, node: number) =>
  cluster
    .node(node)
    .disk.entries()
    .filter(({ key }) => key[0] === GARBAGE).length;

function cutOff({ cluster }: Simulation, node: number, isCut: boolean): void {
  for (const { index } of cluster.nodes) if (index !== node) cluster.network.refuse(node, index, isCut);
}

describe('members', () => {
  test('one seed is enough to join, and to meet everybody', () => {
    const simulation = started(5, (index) => ({
      seeds: index === 0 ? [] : [index - 1],
      startAtMs: index * 1_000,
    }));
    simulation.form();
    simulation.run(5_000);
    expect([0, 1, 2, 3, 4].map((node) => linksOf(simulation, node))).toEqual([4, 4, 4, 4, 4]);
    simulation.healAndSettle();
  });

  test('who leaves has handed over, and nothing waits for it any more', () => {
    const simulation = formed(3);
    const gone = idOf(simulation, 2);
    ask(simulation, 2, increment);
    step(simulation, 2, { type: 'leave' });
    simulation.run(1_000);
    expect(memberAt(simulation, 2, gone)).toMatchObject({ state: 'left', finalSeq: 1 });
    simulation.cluster.crash(2, false);
    expect([0, 1].map((node) => countAt(simulation, node))).toEqual([1, 1]);
    ask(simulation, 0, set('a', 1));
    ask(simulation, 1, del('a'));
    simulation.run(10_000);
    expect([0, 1].map((node) => memberAt(simulation, node, gone)?.counts)).toEqual([false, false]);
    expect([0, 1].map((node) => evidenceAt(simulation, node))).toEqual([0, 0]);
  });

  test('who is removed while it is away is waited for no longer, and is told when it comes back', () => {
    const simulation = formed(3);
    const gone = idOf(simulation, 2);
    cutOff(simulation, 2, true);
    expect(ask(simulation, 2, set('a', 'of the removed one'))).toBeInstanceOf(Array);
    ask(simulation, 0, set('a', 1));
    ask(simulation, 1, del('a'));
    simulation.run(10_000);
    expect([0, 1].map((node) => evidenceAt(simulation, node) > 0)).toEqual([true, true]);
    step(simulation, 0, { type: 'remove-member', replica: gone });
    simulation.run(10_000);
    expect([0, 1].map((node) => evidenceAt(simulation, node))).toEqual([0, 0]);

    cutOff(simulation, 2, false);
    simulation.run(10_000);
    expect(reasonsOf(simulation, 2)).toContain('removed');
    expect(ask(simulation, 2, increment)).toBe('CAUSEWAY_REMOVED');
    expect(valueAt(simulation, 0, 'a')).toBeUndefined();
    simulation.cluster.crash(2, false);
    simulation.cluster.start(2);
    simulation.run(2_000);
    expect(reasonsOf(simulation, 2)).toContain('removed');
  });

  test('two that are removed at a time do not wait for each other', () => {
    const simulation = formed(4);
    const gone = [2, 3].map((node) => idOf(simulation, node));
    for (const node of [2, 3]) simulation.cluster.crash(node, false);
    ask(simulation, 0, set('a', 1));
    ask(simulation, 1, del('a'));
    gone.forEach((replica, index) => {
      step(simulation, index, { type: 'remove-member', replica });
    });
    simulation.run(10_000);
    expect([0, 1].map((node) => evidenceAt(simulation, node))).toEqual([0, 0]);
  });

  test('who is away for too long is evicted by the majority; it begins anew, and keeps what it wrote alone', () => {
    const simulation = formed(3, { maxOfflineMs: 10_000 });
    const gone = idOf(simulation, 2);
    cutOff(simulation, 2, true);
    expect(ask(simulation, 2, increment)).toBeInstanceOf(Array);
    ask(simulation, 0, set('a', 1));
    simulation.run(5_000);
    expect(memberAt(simulation, 0, gone)?.state).toBe('active');
    simulation.run(15_000);
    expect([0, 1].map((node) => memberAt(simulation, node, gone)?.state)).toEqual(['evicted', 'evicted']);
    // Alone it cannot evict the two.
    expect([0, 1].map((node) => memberAt(simulation, 2, idOf(simulation, node))?.state)).toEqual([
      'active',
      'active',
    ]);

    cutOff(simulation, 2, false);
    simulation.run(30_000);
    expect(idOf(simulation, 2)).not.toBe(gone);
    expect(reasonsOf(simulation, 2)).toEqual([]);
    expect([0, 1, 2].map((node) => countAt(simulation, node))).toEqual([1, 1, 1]);
    expect(valueAt(simulation, 2, 'a')).toBe(hexOf(1));
  });

  test('of two nobody is evicted', () => {
    const simulation = formed(2, { maxOfflineMs: 10_000 });
    cutOff(simulation, 1, true);
    simulation.run(60_000);
    cutOff(simulation, 1, false);
    simulation.run(2_000);
    expect([0, 1].map((node) => linksOf(simulation, node))).toEqual([1, 1]);
  });
});

describe('a clock that is ten minutes ahead', () => {
  const AHEAD_MS = 600_000;
  const others = [1, 2];
  const trueTime = ({ cluster }: Simulation): number => cluster.node(1).clock.now().wall;

  test('keeps its node from register writes, shuts out nobody, and is right again when it is set back', () => {
    const simulation = formed(3);
    const { clock } = simulation.cluster.node(0);
    ask(simulation, 0, set('a', 'before'));
    clock.set(AHEAD_MS);
    expect(ask(simulation, 0, set('a', 'ahead'))).toBe('CAUSEWAY_CLOCK_SKEW');
    expect(ask(simulation, 0, increment)).toBeInstanceOf(Array);
    expect(reasonsOf(simulation, 0)).toEqual(['clock-skew']);
    expect(others.map((node) => reasonsOf(simulation, node))).toEqual([[], []]);
    simulation.run(1_000);
    ask(simulation, 1, set('a', 'of another'));
    simulation.run(10_000);
    expect([0, 1, 2].map((node) => valueAt(simulation, node, 'a'))).toEqual(
      Array(3).fill(hexOf('of another')),
    );

    clock.set(0);
    expect(stampedAt(simulation, 0, set('b', 'back'))).toBeLessThan(trueTime(simulation) + 500);
    expect(reasonsOf(simulation, 0)).toEqual([]);
    simulation.healAndSettle();
  });

  test('at the start: what its node writes before it knows drags no other clock, and can be overwritten', () => {
    const simulation = started(3, (index) => ({
      clockOffsetMs: index === 0 ? AHEAD_MS : 0,
      seeds: index === 0 ? [] : [0],
    }));
    simulation.start();
    simulation.scheduler.until(() => simulation.cluster.status(0)?.ready === true, 5_000);
    expect(stampedAt(simulation, 0, set('a', 'ahead'))).toBeGreaterThan(trueTime(simulation) + AHEAD_MS / 2);
    simulation.run(5_000);
    expect(reasonsOf(simulation, 0)).toEqual(['clock-skew']);
    for (const node of others) {
      expect(stampedAt(simulation, node, set(`of ${node}`, 1))).toBeLessThan(trueTime(simulation) + 500);
    }
    ask(simulation, 1, set('a', 'of another'));
    simulation.run(2_000);
    expect([0, 1, 2].map((node) => valueAt(simulation, node, 'a'))).toEqual(
      Array(3).fill(hexOf('of another')),
    );
    simulation.healAndSettle();
  });

  test('of two nodes is warned of, and both go on', () => {
    const simulation = formed(2);
    simulation.cluster.node(0).clock.set(AHEAD_MS);
    simulation.run(2_000);
    for (const node of [0, 1]) {
      expect(reasonsOf(simulation, node)).toEqual([]);
      expect(ask(simulation, node, set(`of ${node}`, 1))).toBeInstanceOf(Array);
    }
    const warnings = [...simulation.cluster.told.keys()].filter((what) =>
      what.includes('clocks of this node'),
    );
    expect(warnings).toHaveLength(1);
    simulation.healAndSettle();
  });
});
