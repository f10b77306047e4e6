/**
 * What the admin port of a node says of it: the fields of /v1/status that this package uses.
 */
import { CausewayError } from '@causeway/protocol';

export interface NodeStatus {
  readonly replica: string;
  readonly region: string;
  readonly version: string;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly writable: boolean;
  /** Durable transactions by replica. */
  readonly versionVector: Readonly<Record<string, number>>;
  readonly digest: { readonly root: string };
  readonly settled: boolean;
  readonly conflicts: Readonly<Record<string, number>>;
  readonly peers: readonly PeerOfNode[];
  readonly oldestUnstableSeconds: number;
  readonly logBytes: number;
}

export interface PeerOfNode {
  readonly replica: string;
  readonly region: string;
  readonly address: string;
  readonly state: string;
  readonly lagMs: number | null;
  readonly backlogTransactions: number;
  readonly clockOffsetMs: number | null;
  readonly unacknowledgedSeconds: number;
}

const TIMEOUT_MS = 5_000;

/** Status of the node behind an admin URL, `http://host:port`. Throws CAUSEWAY_UNREACHABLE. */
export async function readStatus(adminUrl: string): Promise<NodeStatus> {
  try {
    const response = await fetch(new URL('/v1/status', adminUrl), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const body = (await response.json()) as Partial<NodeStatus>;
    if (response.ok && typeof body.replica === 'string' && body.digest !== undefined) {
      return body as NodeStatus;
    }
    throw new Error(`answered ${response.status} without a status; is it the admin port of a node?`);
  } catch (error) {
    throw new CausewayError('CAUSEWAY_UNREACHABLE', `${adminUrl}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Whether all hold the same transactions and the same live records, with nothing under way. */
export function areEqual(statuses: readonly NodeStatus[]): boolean {
  const [first, ...others] = statuses;
  if (first === undefined) return true;
  return (
    statuses.every(({ ready, settled }) => ready && settled) &&
    others.every(
      ({ digest, versionVector }) =>
        digest.root === first.digest.root &&
        sameVector(versionVector, first.versionVector) &&
        sameVector(first.versionVector, versionVector),
    )
  );
}

function sameVector(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean {
  return Object.entries(a).every(([replica, seq]) => (b[replica] ?? 0) === seq);
}

/** `fetch` hides what went wrong in its cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? reasonOf(cause) : error.message;
}
