/**
 * What an operator does with the members: lists them, removes one that will not come back, takes this node out of
 * service and back, and lets it leave for good.
 *
 * The replica decides; this asks, and waits until what was asked for is durable.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isReplicaId, type ReplicaId } from '@causeway/crdt';
import { CausewayError, isRetired } from '@causeway/protocol';
import type { Event, Log, MemberStatus, Replica } from '@causeway/replica';

/** A register is one write away. Milliseconds. */
const WRITE_TIMEOUT_MS = 5_000;
/** How long the peers may take to acknowledge everything before the leave is given up. Milliseconds. */
const HANDOVER_TIMEOUT_MS = 30_000;
/** How long a node that has left waits for its peers to hang up: they do when they have heard it. Milliseconds. */
const FAREWELL_TIMEOUT_MS = 2_000;
const LOOK_MS = 10;

export interface MembershipOptions {
  readonly status: () => ReturnType<Replica['status']>;
  readonly step: (event: Event) => void;
  readonly log: Log;
}

export class Membership {
  /** Resolves when this node has left. */
  readonly left: Promise<void>;
  private hasLeft!: () => void;

  constructor(private readonly options: MembershipOptions) {
    this.left = new Promise((resolve) => {
      this.hasLeft = resolve;
    });
  }

  /** All members that there ever were, this node's replica first. */
  list(): readonly MemberStatus[] {
    return this.options.status().members;
  }

  /**
   * Takes a replica out of the cluster for good. Removing one twice is no error.
   *
   * @throws CausewayError CAUSEWAY_NOT_FOUND, CAUSEWAY_BAD_REQUEST for this node itself, CAUSEWAY_READ_ONLY
   */
  async remove(replica: string): Promise<MemberStatus> {
    const { log, status, step } = this.options;
    if (replica === status().replica) {
      throw new CausewayError(
        'CAUSEWAY_BAD_REQUEST',
        'a node does not remove itself: let it leave, or ask another',
      );
    }
    if (!isReplicaId(replica) || this.find(replica) === undefined) {
      throw new CausewayError('CAUSEWAY_NOT_FOUND', `no member is called ${JSON.stringify(replica)}`);
    }
    step({ type: 'remove-member', replica });
    const isRemoved = () => isRetired(this.find(replica) as MemberStatus);
    if (!(await until(isRemoved, WRITE_TIMEOUT_MS))) throw notWritten();
    const member = this.find(replica) as MemberStatus;
    log.warn(
      { peer: replica, state: member.state, finalSeq: member.finalSeq },
      'a member was removed by the operator',
    );
    return member;
  }

  /** No more requests until `resume`; replication goes on. */
  drain(): void {
    this.options.step({ type: 'drain', byOperator: true });
    this.options.log.info({}, 'drained by the operator');
  }

  /** @throws CausewayError CAUSEWAY_REMOVED when this node has left or was removed. */
  resume(): void {
    this.checkMembership();
    this.options.step({ type: 'resume' });
    this.options.log.info({}, 'resumed by the operator');
  }

  /**
   * Hands everything over to the linked peers, and leaves the members for good. `left` resolves after it; the
   * process has nothing more to do then.
   *
   * @throws CausewayError CAUSEWAY_NOT_HANDED_OVER when that takes too long: the node goes on as before
   */
  async leave(): Promise<MemberStatus> {
    const { log, status, step } = this.options;
    this.checkMembership();
    const self = () => this.find(status().replica) as MemberStatus;
    if (status().peers.length === 0) {
      throw new CausewayError('CAUSEWAY_NOT_HANDED_OVER', 'there is no other member that could take over');
    }
    step({ type: 'leave' });
    log.info({}, 'leaving: handing over');
    if (!(await until(() => self().state === 'left', HANDOVER_TIMEOUT_MS))) {
      const behind = status().peers.filter(({ unacknowledgedSeconds }) => unacknowledgedSeconds > 0);
      step({ type: 'resume' });
      const names = behind.map(({ replica }) => replica).join(', ');
      throw new CausewayError(
        'CAUSEWAY_NOT_HANDED_OVER',
        status().peers.some(({ state }) => state === 'connected')
          ? `not everything was acknowledged within ${HANDOVER_TIMEOUT_MS / 1_000} s${names && ` by ${names}`}: the node stays`
          : 'no peer is connected that could take over: the node stays',
      );
    }
    await until(() => status().peers.every(({ state }) => state !== 'connected'), FAREWELL_TIMEOUT_MS);
    this.hasLeft();
    return self();
  }

  private find(replica: ReplicaId): MemberStatus | undefined {
    return this.list().find((member) => member.replica === replica);
  }

  private checkMembership(): void {
    const { replica } = this.options.status();
    const self = this.find(replica);
    if (self !== undefined && isRetired(self)) {
      throw new CausewayError(
        'CAUSEWAY_REMOVED',
        `${replica} is ${self.state}: start it with a new data directory`,
      );
    }
  }
}

/** As GET /v1/members tells it. */
export function describeMember(member: MemberStatus): Record<string, unknown> {
  const { replica, region, address, state, finalSeq, quietMs, counts } = member;
  return { replica, region, address, state, quietMs, counts, ...(isRetired(member) ? { finalSeq } : {}) };
}

function notWritten(): CausewayError {
  return new CausewayError('CAUSEWAY_READ_ONLY', 'the disk of the node refuses writes: nothing was changed');
}

async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() >= deadline) return false;
    await sleep(LOOK_MS);
  }
  return true;
}
