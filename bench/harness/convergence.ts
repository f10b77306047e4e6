/** Watching regions become equal: how long it takes, and how much is missing on the way. */
import { setTimeout as sleep } from 'node:timers/promises';
import { areEqual, type Cluster, type NodeStatus, until } from '@causeway/cli';

const LOOK_EVERY_MS = 10;

export interface Convergence {
  /** From `since` until all were seen equal; good for LOOK_EVERY_MS and the time of a look. */
  readonly ms: number;
  /** Transactions that any region lacked of any other, all together, over the milliseconds since `since`. */
  readonly missing: readonly (readonly [ms: number, transactions: number])[];
}

/** Looks until every region that runs holds the same. `since` is a reading of performance.now(). */
export async function untilConverged(
  cluster: Cluster,
  since: number,
  timeoutMs: number,
): Promise<Convergence> {
  const missing: [number, number][] = [];
  const deadline = since + timeoutMs;
  for (;;) {
    const at = performance.now() - since;
    const statuses = await statusesOf(cluster);
    if (statuses !== undefined) {
      missing.push([at, missingIn(statuses)]);
      if (areEqual(statuses)) return { ms: performance.now() - since, missing };
    }
    if (performance.now() > deadline) throw new Error(`the regions are not equal after ${timeoutMs} ms`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** Resolves when every region is linked to every other, and all are equal. */
export async function untilCalm(cluster: Cluster): Promise<void> {
  await cluster.untilEqual({ timeoutMs: 120_000 });
  await until(
    'every link to be up',
    async () => {
      const statuses = await statusesOf(cluster);
      return statuses?.every(({ peers }) => peers.every(({ state }) => state === 'connected'));
    },
    { timeoutMs: 30_000 },
  );
}

/** Undefined while one of them does not answer. */
async function statusesOf(cluster: Cluster): Promise<NodeStatus[] | undefined> {
  const running = cluster.nodes.filter(({ running }) => running);
  const settled = await Promise.allSettled(running.map((node) => node.status()));
  const statuses = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  return statuses.length === running.length ? statuses : undefined;
}

function missingIn(statuses: readonly NodeStatus[]): number {
  const most = new Map<string, number>();
  for (const { versionVector } of statuses) {
    for (const [replica, seq] of Object.entries(versionVector)) {
      most.set(replica, Math.max(seq, most.get(replica) ?? 0));
    }
  }
  let missing = 0;
  for (const { versionVector } of statuses) {
    for (const [replica, seq] of most) missing += seq - (versionVector[replica] ?? 0);
  }
  return missing;
}
