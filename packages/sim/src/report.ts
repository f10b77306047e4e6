/**
 * One seed from its first event to the verdict, and the verdict as text.
 */
import { type Simulation, type SimulationOptions, simulate } from './simulator.js';
import { Violation } from './violation.js';

export interface SeedReport {
  readonly seed: number;
  readonly failure: { readonly property: string; readonly message: string } | undefined;
  /** Same seed, same code: same hash. */
  readonly hash: string;
  readonly virtualMs: number;
  readonly events: number;
  /** How often what happened: calls by outcome, faults by kind, disk, network, what the replicas told. */
  readonly counts: ReadonlyMap<string, number>;
  /** The last events, if any were asked for. */
  readonly trace: readonly string[];
}

/** Forms a cluster, lets clients and faults loose on it, heals it, and judges. Never throws. */
export function runSeed(seed: number, options: Omit<SimulationOptions, 'seed'> = {}): SeedReport {
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
  return {
    seed,
    failure,
    hash: simulation.trace.hash,
    virtualMs: simulation.scheduler.now,
    events: simulation.scheduler.executed,
    counts: countsOf(simulation),
    trace: simulation.trace.kept(),
  };
}

/** What a person needs to go on: the property, the last events, and how to see it again. */
export function failureText(report: SeedReport): string {
  const { seed, failure, virtualMs, hash, trace } = report;
  if (failure === undefined) return `seed ${seed} passed`;
  return [
    `seed ${seed} violates ${failure.property} at ${virtualMs.toFixed(3)} ms (trace ${hash})`,
    failure.message,
    ...trace,
    `replay: CAUSEWAY_SIM_SEED=${seed} npx vitest run packages/sim/src/sim.test.ts -t replay`,
  ].join('\n');
}

/** Sums of the counts of many seeds, by name. */
export function addCounts(sums: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count);
}

function countsOf({ history, faults, cluster, checkers }: Simulation): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (name: string, count: number): void => {
    if (count > 0) counts.set(name, (counts.get(name) ?? 0) + count);
  };
  for (const call of history.calls) {
    add(`calls ${call.outcome}`, 1);
    add('calls retried', call.attempts > 1 ? 1 : 0);
  }
  for (const [kind, count] of faults.counts) add(`fault ${kind}`, count);
  for (const [what, count] of cluster.told) add(what, count);
  for (const { disk, starts } of cluster.nodes) {
    add('starts', starts);
    for (const [name, count] of Object.entries(disk.counts)) add(`disk ${name}`, count);
  }
  for (const [name, count] of Object.entries(cluster.network.counts))
    if (name !== 'queuedBytesMost') add(`network ${name}`, count);
  add('chunks distinct', checkers.chunks.counts.distinct);
  add('chunks sent', checkers.chunks.counts.sent);
  add('judged acknowledged', checkers.acknowledged.judged);
  add('judged causal visibility', checkers.causalVisibility.judged);
  add('judged whole transactions', checkers.wholeTransactions.judged);
  add('judged watches', checkers.watches.judged);
  add('judged stored records', checkers.storedRecords.judged);
  return counts;
}
