/**
 * Dialer: whom to dial and when. Seeds and advertised addresses only, never one that was observed.
 *
 * Invariants
 * - At most one dial or link per address is under way.
 * - A seed address that answered as a replica stays the only address used for it.
 */
import type { ReplicaId } from '@causeway/crdt';
import type { Environment, Now } from '../environment.js';
import type { LinkId } from '../events.js';
import { REDIAL_MAX_MS, REDIAL_MIN_MS, REFUSED_REDIAL_MS } from '../limits.js';

interface Target {
  readonly address: string;
  readonly seed: boolean;
  /** Who answered there last, or is said to. */
  replica: ReplicaId | undefined;
  link: LinkId | undefined;
  nextAt: number;
  backoffMs: number;
  /** It is this node itself, or a link to its replica stands. */
  idle: boolean;
}

export class Dialer {
  private readonly targets = new Map<string, Target>();
  private nextLink = 2;

  constructor(
    seeds: readonly string[],
    private readonly env: Environment,
    private readonly dial: (link: LinkId, address: string, now: Now) => void,
  ) {
    for (const address of seeds) this.add(address, true, undefined);
  }

  /** An address that a member says of itself. */
  advertised(replica: ReplicaId, address: string): void {
    for (const target of this.targets.values()) {
      if (target.replica !== replica) continue;
      if (target.seed || target.address === address) return;
      this.targets.delete(target.address);
      break;
    }
    if (!this.targets.has(address)) this.add(address, false, replica);
  }

  /** It is retired. A seed is asked on, since another replica may stand there now. */
  forget(replica: ReplicaId): void {
    for (const target of [...this.targets.values()]) {
      if (target.replica === replica && !target.seed) this.targets.delete(target.address);
    }
  }

  /** Dials what is due. `isUp` tells whether a link to the replica stands. */
  run(now: Now, isUp: (replica: ReplicaId) => boolean): void {
    for (const target of this.targets.values()) {
      target.idle = target.replica !== undefined && isUp(target.replica);
      if (target.idle || target.link !== undefined || target.nextAt > now.monotonic) continue;
      target.link = this.nextLink;
      this.nextLink += 2;
      this.dial(target.link, target.address, now);
    }
  }

  /** `replica` is who answered; this node itself is never dialled again. */
  answered(address: string, replica: ReplicaId): void {
    const target = this.targets.get(address);
    if (target === undefined) return;
    target.replica = replica;
    if (!target.seed) return;
    for (const other of [...this.targets.values()]) {
      if (other !== target && other.replica === replica && !other.seed) this.targets.delete(other.address);
    }
  }

  /** The handshake over a dial of ours is done. */
  linked(address: string): void {
    const target = this.targets.get(address);
    if (target !== undefined) target.backoffMs = REDIAL_MIN_MS;
  }

  /** Who answered wants no link: it is asked again now and then, should an operator have mended the cause. */
  refused(address: string): void {
    const target = this.targets.get(address);
    if (target !== undefined) target.backoffMs = REFUSED_REDIAL_MS;
  }

  ended(link: LinkId, now: Now): void {
    for (const target of this.targets.values()) {
      if (target.link !== link) continue;
      target.link = undefined;
      target.nextAt = now.monotonic + target.backoffMs * (0.75 + this.env.random() / 2);
      target.backoffMs = Math.min(target.backoffMs * 1.6, REDIAL_MAX_MS);
    }
  }

  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY;
    for (const { link, idle, nextAt } of this.targets.values()) {
      if (link === undefined && !idle) deadline = Math.min(deadline, nextAt);
    }
    return deadline;
  }

  private add(address: string, seed: boolean, replica: ReplicaId | undefined): void {
    this.targets.set(address, {
      address,
      seed,
      replica,
      link: undefined,
      nextAt: 0,
      backoffMs: REDIAL_MIN_MS,
      idle: false,
    });
  }
}
