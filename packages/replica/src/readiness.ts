/**
 * Readiness: whether this node may serve clients.
 *
 * - A node that was ready once is ready again without any peer.
 * - An empty one with seeds is ready when every seed has answered and it holds what they held then; seeds that
 *   are empty themselves count as answered.
 * - The first node of a cluster, whose seeds are not up yet, is ready after FIRST_NODE_MS without any answer.
 */
import { dominates, type VersionVector } from '@causeway/crdt';
import { FIRST_NODE_MS } from './limits.js';

export class Readiness {
  private readonly seeds: Set<string>;
  private readonly answers = new Map<string, VersionVector>();
  private anyAnswer = false;

  constructor(
    seeds: readonly string[],
    private readonly startedAt: number,
    private ready: boolean,
    /** The directory holds nothing, and no peer was ever met. */
    private readonly isNew: boolean,
  ) {
    this.seeds = new Set(seeds);
  }

  get isReady(): boolean {
    return this.ready;
  }

  /** When the time alone can make it ready. */
  get deadline(): number {
    return this.ready || this.anyAnswer || !this.isNew
      ? Number.POSITIVE_INFINITY
      : this.startedAt + FIRST_NODE_MS;
  }

  /** All seeds have answered since the start. */
  get allAnswered(): boolean {
    return [...this.seeds].every((seed) => this.answers.has(seed));
  }

  /** The address is this node's own: the same list of seeds for all nodes is as good as any. */
  forgetSeed(address: string): void {
    this.seeds.delete(address);
  }

  answered(address: string | undefined, versionVector: VersionVector): void {
    this.anyAnswer = true;
    if (address !== undefined && !this.answers.has(address)) this.answers.set(address, versionVector);
  }

  /** Whether it has become ready now. */
  check(durable: VersionVector, now: number): boolean {
    if (this.ready) return false;
    const caughtUp = this.allAnswered && [...this.answers.values()].every((held) => dominates(durable, held));
    const first = this.isNew && !this.anyAnswer && now >= this.startedAt + FIRST_NODE_MS;
    this.ready = this.seeds.size === 0 || caughtUp || first;
    return this.ready;
  }
}
