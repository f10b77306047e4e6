/**
 * Readiness: whether this node may serve clients.
 *
 * - A node that was ready once is ready again without any peer.
 * - An empty one with seeds is ready when every seed has answered and it holds what they held then; seeds that
 *   are empty themselves count as answered.
 * - One that has left an identity behind has peers: it is ready when those that answer have been caught up with, one
 *   of them at least that holds something, and what it had not handed on has been issued again, or waits for somebody.
 * - Nobody waits for what no longer exists: who answers again with less was rolled back, and of a retired member nothing
 *   more comes once that is settled.
 * - The first node of a cluster, whose seeds are not up yet, is ready after FIRST_NODE_MS without any answer.
 */
import { dominates, type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import { isRetired, type Member } from '@causeway/protocol';
import { FIRST_NODE_MS, MEMBERS_MAX, REISSUE_WAIT_MS, REJOIN_ANSWER_MS } from './limits.js';

interface Answer {
  readonly replica: ReplicaId;
  readonly versionVector: VersionVector;
}

export class Readiness {
  private readonly seeds: Set<string>;
  private readonly answers = new Map<string, Answer>();
  private anyAnswer = false;
  /** What those held who answered, of a node that begins anew, by replica; and when the first one did. */
  private readonly held = new Map<ReplicaId, VersionVector>();
  private answeredAt = Number.POSITIVE_INFINITY;
  private caughtUpAt = Number.POSITIVE_INFINITY;
  private checkedAt = 0;

  constructor(
    seeds: readonly string[],
    private readonly startedAt: number,
    private ready: boolean,
    /** The directory holds nothing, and no peer was ever met. */
    private readonly isNew: boolean,
    /** What an identity that was left behind had seen; undefined when there is none. */
    private readonly before?: VersionVector,
    /** Nothing of the origin can come any more. */
    private readonly isSettled: (origin: ReplicaId) => boolean = () => false,
  ) {
    this.seeds = new Set(seeds);
  }

  get isReady(): boolean {
    return this.ready;
  }

  /** When the time alone can make it ready. */
  get deadline(): number {
    if (this.ready) return Number.POSITIVE_INFINITY;
    if (this.before !== undefined) {
      const due = [this.answeredAt + REJOIN_ANSWER_MS, this.caughtUpAt + REISSUE_WAIT_MS];
      return Math.min(...due.filter((at) => at > this.checkedAt), Number.POSITIVE_INFINITY);
    }
    return this.anyAnswer || !this.isNew ? Number.POSITIVE_INFINITY : this.startedAt + FIRST_NODE_MS;
  }

  /** All seeds have answered since the start. */
  private get allAnswered(): boolean {
    return [...this.seeds].every((seed) => this.answers.has(seed));
  }

  /** Every seed has answered since the start, or stands at an address of a member, which has been met before. */
  haveAllBeenMet(members: Iterable<{ readonly address: string }>): boolean {
    if (this.allAnswered) return true;
    const met = new Set([...members].map(({ address }) => address));
    return [...this.seeds].every((seed) => this.answers.has(seed) || met.has(seed));
  }

  /** The address is this node's own: the same list of seeds for all nodes is as good as any. */
  forgetSeed(address: string): void {
    this.seeds.delete(address);
  }

  /** Nobody waits for a seed at whose address there is none but a retired member, once another has answered. */
  forgetRetired(members: Iterable<Member>): void {
    if (this.ready || this.allAnswered || this.answers.size === 0) return;
    const all = [...members];
    for (const seed of this.seeds) {
      const there = all.filter(({ address }) => address === seed);
      if (there.length > 0 && there.every(isRetired)) this.seeds.delete(seed);
    }
  }

  answered(address: string | undefined, { replica, versionVector }: Answer, now: number): void {
    this.anyAnswer = true;
    this.answeredAt = Math.min(this.answeredAt, now);
    if (this.before !== undefined && !this.ready) this.hold(replica, versionVector);
    if (address === undefined) return;
    const answer = this.answers.get(address);
    const isRolledBack = answer?.replica === replica && !dominates(versionVector, answer.versionVector);
    if (answer === undefined || isRolledBack) this.answers.set(address, { replica, versionVector });
  }

  private hold(replica: ReplicaId, versionVector: VersionVector): void {
    const held = this.held.get(replica);
    // Strangers may say hello under ever new names; a cluster has no more members than that.
    if (held === undefined && this.held.size >= MEMBERS_MAX) return;
    if (held === undefined || !dominates(versionVector, held)) this.held.set(replica, versionVector);
    else this.holds(replica, versionVector);
  }

  /** Who told nothing at first may have held back what it has until its own writes were issued again (Store.withholds). */
  holds(replica: ReplicaId, versionVector: VersionVector): void {
    if (this.held.get(replica)?.size === 0) this.held.set(replica, versionVector);
  }

  /** Whether it has become ready now. `hasWork`: something is to be issued again first. */
  check(durable: VersionVector, now: number, hasWork = false): boolean {
    if (this.ready) return false;
    if (this.before !== undefined) return this.checkAgain(durable, now, hasWork);
    const caughtUp =
      this.allAnswered &&
      [...this.answers.values()].every(({ versionVector }) => this.covers(durable, versionVector));
    const first = this.isNew && !this.anyAnswer && now >= this.startedAt + FIRST_NODE_MS;
    this.ready = this.seeds.size === 0 || caughtUp || first;
    return this.ready;
  }

  private checkAgain(durable: VersionVector, now: number, hasWork: boolean): boolean {
    this.checkedAt = now;
    const held = [...this.held.values()];
    const found = this.before?.size === 0 || held.some((vector) => vector.size > 0);
    const all = this.allAnswered || now >= this.answeredAt + REJOIN_ANSWER_MS;
    if (held.length === 0 || !found || !all || !held.every((vector) => this.covers(durable, vector)))
      return false;
    this.caughtUpAt = Math.min(this.caughtUpAt, now);
    this.ready = !hasWork || now >= this.caughtUpAt + REISSUE_WAIT_MS;
    return this.ready;
  }

  private covers(durable: VersionVector, held: VersionVector): boolean {
    for (const [origin, seq] of held)
      if (seqOf(durable, origin) < seq && !this.isSettled(origin)) return false;
    return true;
  }
}
