/** Looks at the regions a few times a second: what each holds, and how far behind each is. */
import type { Database } from '@causeway/client';
import type { NodeProcess } from '../cluster/node-process.js';
import type { NodeStatus } from '../cluster/node-status.js';
import { type Conflict, readConflicts } from '../commands/conflicts.js';
import { oneWayMs } from './plan.js';
import { KEYS } from './workload.js';

export interface ObservedRegion {
  readonly name: string;
  readonly writes: number;
  readonly likes: number;
  readonly headline: string | undefined;
  readonly cart: readonly string[];
  readonly conflicts: number;
  readonly digest: string;
}

/** What comes from one region, at another. */
export interface ObservedFlow {
  readonly from: string;
  readonly to: string;
  /** Median of the newest lags; undefined while none is known. Milliseconds. */
  readonly lagMs: number | undefined;
  /** How long the oldest write has been waiting for an acknowledgement, if that is more than the way explains. Seconds. */
  readonly stalledSeconds: number | undefined;
  readonly connected: boolean;
}

export interface Observation {
  readonly regions: readonly ObservedRegion[];
  readonly flows: readonly ObservedFlow[];
  readonly conflict: Conflict | undefined;
  readonly statuses: readonly NodeStatus[];
}

export interface ObservedNode {
  readonly node: NodeProcess;
  readonly db: Database;
  readonly workload: { readonly writes: number };
}

/** Beyond there and back, before a flow counts as stalled. Milliseconds. */
const STALL_MS = 400;
/** Looks that a lag is the median of: single ones jump with whatever else the machine does. */
const RECENT_LOOKS = 7;

export class Observer {
  /** Lags seen while `sampling`, by `from>to`. Milliseconds. */
  readonly samples = new Map<string, number[]>();
  sampling = false;
  private readonly recent = new Map<string, number[]>();
  private conflict: Conflict | undefined;
  private conflictsAfter: string | undefined;

  constructor(private readonly nodes: readonly ObservedNode[]) {}

  async observe(): Promise<Observation> {
    const [regions, statuses] = await Promise.all([
      Promise.all(this.nodes.map(readRegion)),
      Promise.all(this.nodes.map(({ node }) => node.status())),
      this.readConflict(),
    ]);
    const flows = statuses.flatMap((status) => this.flowsFrom(status, statuses));
    return {
      regions: regions.map((region, index) => ({ ...region, ...digestOf(statuses[index]!) })),
      flows,
      conflict: this.conflict,
      statuses,
    };
  }

  private flowsFrom(origin: NodeStatus, statuses: readonly NodeStatus[]): ObservedFlow[] {
    return statuses.flatMap((at) => {
      if (at === origin) return [];
      const received = at.peers.find(({ replica }) => replica === origin.replica);
      const sent = origin.peers.find(({ replica }) => replica === at.replica);
      const waitingMs = (sent?.unacknowledgedSeconds ?? 0) * 1_000;
      const stalled = waitingMs > 2 * oneWayMs(origin.region, at.region) + STALL_MS;
      const flow = `${origin.region}>${at.region}`;
      if (received?.lagMs != null && !stalled) this.sample(flow, received.lagMs);
      return {
        from: origin.region,
        to: at.region,
        lagMs: median(this.recent.get(flow) ?? []),
        stalledSeconds: stalled ? waitingMs / 1_000 : undefined,
        connected: sent?.state === 'connected',
      };
    });
  }

  private sample(flow: string, lagMs: number): void {
    this.recent.set(flow, [...(this.recent.get(flow) ?? []), lagMs].slice(-RECENT_LOOKS));
    if (this.sampling) this.samples.set(flow, [...(this.samples.get(flow) ?? []), lagMs]);
  }

  private async readConflict(): Promise<void> {
    const [first] = this.nodes;
    if (first === undefined) return;
    const { conflicts, after } = await readConflicts(first.node.urls.client, this.conflictsAfter);
    this.conflictsAfter = after;
    // A value that met the same value is a conflict, but nothing to show.
    const shown = conflicts.findLast(
      ({ winner, loser }) => JSON.stringify(winner.value) !== JSON.stringify(loser.value),
    );
    this.conflict = shown ?? this.conflict;
  }
}

async function readRegion({ node, db, workload }: ObservedNode) {
  const [likes, headline, cart] = await Promise.all([
    db.counter(KEYS.likes).value(),
    db.register<string>(KEYS.headline).get(),
    db.set<string>(KEYS.cart).values(),
  ]);
  return { name: node.region, writes: workload.writes, likes, headline, cart };
}

function digestOf({ digest, conflicts }: NodeStatus): { digest: string; conflicts: number } {
  return {
    digest: digest.root,
    conflicts: Object.values(conflicts).reduce((sum, value) => sum + value, 0),
  };
}

/** Middle of the values; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
