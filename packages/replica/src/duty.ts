/**
 * Duty: whether this node takes requests, and why it does not. What stands against it comes and goes one by one; who asks
 * is told the first of all that concerns him.
 */
import type { ReplicaId } from '@causeway/crdt';
import { CausewayError } from '@causeway/protocol';
import type { ClockGuard } from './clock-guard.js';
import type { Log } from './environment.js';
import type { Readiness } from './readiness.js';
import type { UntrustedCode } from './replication/neighbours.js';

export class Duty {
  draining = false;
  /** Its store refuses writes; what it has is served. */
  readOnly = false;
  /** Why its identity is to be left behind, as soon as a peer is there to begin anew from. */
  rejoinReason: string | undefined;
  /** Why its identity is not to be used for new writes. */
  private fault: { code: UntrustedCode; message: string; by: ReplicaId | undefined } | undefined;

  constructor(
    private readonly readiness: Readiness,
    private readonly clockGuard: ClockGuard,
    private readonly log: Log,
  ) {}

  get isWritable(): boolean {
    return !this.readOnly && this.fault === undefined && this.rejoinReason === undefined;
  }

  /** The identity is not to be used for new writes, says `by`. `isExpected`: somebody wanted it so. */
  distrust(code: UntrustedCode, message: string, by: ReplicaId | undefined, isExpected: boolean): void {
    if (this.fault?.code === code) return;
    if (isExpected) this.log.info({}, message);
    else this.log.error({ code }, message);
    // A copy may be stopped; for everything else only a new identity helps.
    if (this.fault === undefined || this.fault.code === 'CAUSEWAY_DUPLICATE_IDENTITY')
      this.fault = { code, message, by };
  }

  /** Peers find nothing wrong with the identity: `by` since now, and it is to be believed. */
  trust(by: ReplicaId | undefined, isBelieved: boolean | undefined): void {
    const { fault } = this;
    if (fault?.code === 'CAUSEWAY_DUPLICATE_IDENTITY' || (isBelieved && fault?.by === by))
      this.fault = undefined;
  }

  /** What `by` has said against the identity is taken back. */
  retract(by: ReplicaId): void {
    if (this.fault?.by === by) this.fault = undefined;
  }

  /** Why a request is refused; undefined when it is not. */
  refusal(onlyReads: boolean): CausewayError | undefined {
    if (!this.readiness.isReady) {
      return new CausewayError(
        'CAUSEWAY_NOT_READY',
        'the node is joining: it serves when its seeds have answered and it has caught up with them',
      );
    }
    if (this.draining) {
      return new CausewayError(
        'CAUSEWAY_DRAINING',
        'the node takes no more requests, for it is stopping or was drained: send the request to another',
      );
    }
    if (onlyReads) return undefined;
    if (this.rejoinReason !== undefined) {
      const message = `${this.rejoinReason}: the node takes no writes until it has found a peer to begin anew from`;
      return new CausewayError('CAUSEWAY_REJOINING', message);
    }
    if (this.fault !== undefined) {
      return new CausewayError(this.fault.code, `${this.fault.message}: the node takes no writes`);
    }
    if (this.readOnly) {
      return new CausewayError(
        'CAUSEWAY_READ_ONLY',
        'the disk of the node refuses writes: it serves reads, and writes again when the disk does',
      );
    }
    return undefined;
  }

  /** The same as one word each, as /readyz tells them. */
  reasons(): string[] {
    const reasons: string[] = [];
    if (!this.readiness.isReady) reasons.push('joining');
    if (this.draining) reasons.push('draining');
    if (this.readOnly) reasons.push('read-only');
    if (this.rejoinReason !== undefined) reasons.push('rejoining');
    if (this.clockGuard.offByMs !== undefined) reasons.push('clock-skew');
    if (this.fault !== undefined) {
      reasons.push(this.fault.code.slice('CAUSEWAY_'.length).toLowerCase().replaceAll('_', '-'));
    }
    return reasons;
  }
}
