/**
 * One seed from its first event to the verdict, the verdict as text, and the sums of many seeds.
 */
import { type PlannedFault, textOfFault } from './fault-plan.js';
import { minimize } from './minimize.js';
import { type Simulation, type SimulationOptions, simulate } from './simulator.js';
import { Violation } from './violation.js';

export interface SeedReport {
  readonly seed: number;
  readonly nodes: number;
  readonly failure: { readonly property: string; readonly message: string } | undefined;
  /** Same seed, same code: same hash. */
  readonly hash: string;
  readonly virtualMs: number;
  readonly events: number;
  /** Of clients, in all their calls. */
  readonly operations: number;
  /** That found something to strike, in order. */
  readonly faults: readonly PlannedFault[];
  /** How often what happened: calls by outcome, faults by kind, disk, network, what the replicas told. */
  readonly counts: ReadonlyMap<string, number>;
  /** The last events, if any were asked for. */
  readonly trace: readonly string[];
}

export type SeedOptions = Omit<SimulationOptions, 'seed'>;

/** Forms a cluster, lets clients and faults loose on it, heals it, and judges. Never throws. */
export function runSeed(seed: number, options: SeedOptions = {}): SeedReport {
  const simulation = simulate({ ...options, seed });
  let failure: SeedReport['failure'];
  try {
    if (simulation.profile.hastens) simulation.start();
    else simulation.form();
    simulation.work();
    simulation.healAndSettle();
  } catch (error) {
    failure =
      error instanceof Violation
        ? { property: error.property, message: error.message }
        : { property: 'simulator', message: error instanceof Error ? String(error.stack) : String(error) };
  }
  const { trace, scheduler, cluster, history, faults } = simulation;
  return {
    seed,
    nodes: cluster.nodes.length,
    failure,
    hash: trace.hash,
    virtualMs: scheduler.now,
    events: scheduler.executed,
    operations: history.operations,
    faults: faults.struck,
    counts: countsOf(simulation),
    trace: trace.kept(),
  };
}

/** The same failure with as few faults as `attemptsMax` runs can find, and its last events. */
export function minimizedSeed(
  report: SeedReport,
  options: SeedOptions,
  attemptsMax: number,
  traceLines: number,
): SeedReport {
  const fails = (faults: ReadonlySet<number>): boolean =>
    runSeed(report.seed, { ...options, faults }).failure?.property === report.failure?.property;
  const left = minimize(
    report.faults.map(({ id }) => id),
    fails,
    attemptsMax,
  );
  // With all of them left nothing is to be told to whoever replays it.
  const faults = left.length < report.faults.length ? { faults: new Set(left) } : {};
  return runSeed(report.seed, { ...options, ...faults, traceLines });
}

/** What a person needs to go on: the property, the faults, the last events, and how to see it again. */
export function failureText(report: SeedReport, replay?: string): string {
  const { seed, failure, virtualMs, hash, trace, nodes, faults } = report;
  if (failure === undefined) return `seed ${seed} passed`;
  return [
    `seed ${seed} with ${nodes} nodes violates ${failure.property} at ${virtualMs.toFixed(3)} ms (trace ${hash})`,
    failure.message,
    ...faults.map((fault) => `  ${textOfFault(fault)}`),
    ...trace,
    `replay: ${replay ?? `CAUSEWAY_SIM_SEED=${seed} npx vitest run packages/sim/src/sim.test.ts -t replay`}`,
  ].join('\n');
}

/** Sums of the counts of many seeds, by name. */
export function addCounts(sums: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count);
}

function countsOf({ history, faults, cluster, checkers, states, profile }: Simulation): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (name: string, count: number): void => {
    if (count > 0) counts.set(name, (counts.get(name) ?? 0) + count);
  };
  for (const call of history.calls) {
    add(`calls ${call.outcome}`, 1);
    add('calls retried', call.attempts > 1 ? 1 : 0);
  }
  for (const [kind, count] of faults.counts) add(`fault ${kind}`, count);
  for (const { joinsAtMs } of profile.cluster.nodes)
    add('fault joined late', joinsAtMs === undefined ? 0 : 1);
  for (const [what, count] of [...cluster.told, ...states.counts]) add(what, count);
  for (const { disk, starts } of cluster.nodes) {
    add('starts', starts);
    for (const [name, count] of Object.entries(disk.counts)) add(`disk ${name}`, count);
  }
  for (const [name, count] of Object.entries(cluster.network.counts))
    if (name !== 'queuedBytesMost') add(`network ${name}`, count);
  for (const [kind, count] of Object.entries(checkers.stability.dropped)) add(`dropped ${kind}`, count);
  add('chunks distinct', checkers.chunks.counts.distinct);
  add('chunks sent', checkers.chunks.counts.sent);
  add('judged acknowledged', checkers.acknowledged.judged);
  add('judged causal visibility', checkers.causalVisibility.judged);
  add('judged whole transactions', checkers.wholeTransactions.judged);
  add('judged watches', checkers.watches.judged);
  add('judged stored records', checkers.storedRecords.judged);
  return counts;
}
