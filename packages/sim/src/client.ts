/**
 * A client connection that keeps evidence: every call with its bounds, its attempts and its answer.
 *
 * When the connection is lost, calls with an idempotency key are tried again on the next one, at the same
 * node, under the same key; the others are left unknown. A client never learns anything by other means than
 * answers; the bounds come from the node's own word on what it has made durable.
 */
import { seqOf, type VersionVector } from '@causeway/crdt';
import type { Operation } from '@causeway/protocol';
import type { Cluster, Session, SessionListener } from './cluster.js';
import { type Call, type History, isWrite } from './history.js';
import type { Answer } from './host.js';
import type { Prng } from './prng.js';
import type { Scheduler } from './scheduler.js';
import { show, Violation } from './violation.js';

export interface CallObserver {
  invoked(call: Call): void;
  answered(call: Call): void;
}

export interface ClientParts {
  readonly cluster: Cluster;
  readonly scheduler: Scheduler;
  readonly history: History;
  readonly prng: Prng;
  readonly observer: CallObserver;
}

/** Refusals after which the request has surely had no effect and may be tried again. */
const REFUSALS = new Set([
  'CAUSEWAY_NOT_READY',
  'CAUSEWAY_READ_ONLY',
  'CAUSEWAY_READ_FAILED',
  'CAUSEWAY_DRAINING',
  'CAUSEWAY_CLOCK_SKEW',
  'CAUSEWAY_OVERLOADED',
  'CAUSEWAY_IDEMPOTENCY_FULL',
  'CAUSEWAY_CLOCK_SKEW',
  'CAUSEWAY_REMOVED',
  'CAUSEWAY_AMNESIA',
  'CAUSEWAY_STALE',
  'CAUSEWAY_EVICTED',
  'CAUSEWAY_REJOINING',
  'CAUSEWAY_DUPLICATE_IDENTITY',
]);

type Waiting =
  | { readonly type: 'call'; readonly call: Call }
  /** Sent again although it was answered: the answer must be the same. */
  | { readonly type: 'repeat'; readonly call: Call }
  /** Another request under the key of an answered one: must be refused. */
  | { readonly type: 'mismatch'; readonly call: Call };

export class Client implements SessionListener {
  private session: Session | undefined;
  private readonly waiting = new Map<number, Waiting>();
  /** Lost calls that will be tried again, in order. */
  private retries: Call[] = [];
  /** Lost calls without bounds, with the start of the node that they were last given to, and its directory. */
  private unbounded: { readonly call: Call; readonly start: number; readonly epoch: number }[] = [];
  private nextRequest = 1;

  constructor(
    private readonly parts: ClientParts,
    readonly node: number,
    /** Share of the lost calls with a key that are tried again rather than given up. */
    private readonly retryShare: number,
  ) {}

  /** Connects when it is not connected; true when it is now. */
  connect(): boolean {
    if (this.session !== undefined) return true;
    this.giveUpWhatIsGone();
    this.session = this.parts.cluster.connect(this.node, this);
    if (this.session === undefined) return false;
    this.boundWhatIsOver();
    return true;
  }

  /** Sends what is to be tried again. */
  retry(): void {
    if (this.session === undefined) return;
    const again = this.retries;
    this.retries = [];
    for (const call of again) this.attempt(call);
  }

  disconnect(): void {
    this.session?.close();
  }

  /** Calls without an answer, those that are to be tried again included. */
  get unanswered(): number {
    return this.waiting.size + this.retries.length;
  }

  /** Undefined when not connected. */
  call(operations: readonly Operation[], key?: string): Call | undefined {
    const { cluster, history, scheduler, observer } = this.parts;
    const durable = cluster.durable(this.node);
    if (this.session === undefined || durable === undefined) return undefined;
    const call: Call = {
      id: history.calls.length,
      node: this.node,
      place: this.place,
      session: this.session.id,
      request: 0,
      operations,
      writes: operations.some(isWrite),
      key,
      outcome: 'pending',
      attempts: 0,
      invokedAt: scheduler.now,
      answeredAt: Number.POSITIVE_INFINITY,
      results: [],
      code: undefined,
      replica: durable.replica,
      seqBefore: seqOf(durable.versionVector, durable.replica),
      seqAfter: Number.POSITIVE_INFINITY,
      seenBefore: durable.versionVector,
      seenAfter: undefined,
      doubtful: false,
      blind: false,
    };
    history.add(call);
    observer.invoked(call);
    this.attempt(call);
    return call;
  }

  /** Sends an answered call once more, or another one under its key. */
  probe(call: Call, type: 'repeat' | 'mismatch'): void {
    if (this.session === undefined || call.key === undefined || call.place !== this.place) return;
    const request = this.nextRequest++;
    this.waiting.set(request, { type, call });
    const other: Operation = { op: 'counter.increment', key: 'mismatched', by: 1 };
    const operations = type === 'repeat' ? call.operations : [other];
    this.session.request(request, operations, { key: call.key, fingerprint: show(operations) });
  }

  answered(answer: Answer): void {
    const waiting = this.waiting.get(answer.request);
    if (waiting === undefined) {
      throw new Violation(
        'one-answer',
        `n${this.node} answered request ${answer.request} a second time: ${show(answer)}`,
      );
    }
    this.waiting.delete(answer.request);
    if (waiting.type === 'call') this.settle(waiting.call, answer);
    else checkProbe(waiting.type, waiting.call, answer);
  }

  lost(): void {
    this.session = undefined;
    for (const { type, call } of this.waiting.values()) {
      if (type === 'call') this.lose(call);
    }
    this.waiting.clear();
  }

  /** Nobody answers at a node that is no more, and a directory that was put back does not know what it has answered. */
  private giveUpWhatIsGone(): void {
    const { gone } = this.parts.cluster.node(this.node);
    const lost = this.retries.filter(({ place }) => gone || place !== this.place);
    this.retries = this.retries.filter((call) => !lost.includes(call));
    for (const call of lost) this.forget(call);
  }

  private get place(): string {
    return `${this.node}/${this.parts.cluster.node(this.node).epoch}`;
  }

  private attempt(call: Call): void {
    const session = this.session as Session;
    // Its dot may be one of another identity by now.
    if (this.parts.cluster.durable(this.node)?.replica !== call.replica) call.doubtful = call.blind = true;
    call.session = session.id;
    call.request = this.nextRequest++;
    call.attempts++;
    call.seqAfter = Number.POSITIVE_INFINITY;
    call.seenAfter = undefined;
    this.waiting.set(call.request, { type: 'call', call });
    const idempotency =
      call.key === undefined ? undefined : { key: call.key, fingerprint: show(call.operations) };
    session.request(call.request, call.operations, idempotency);
  }

  private settle(call: Call, answer: Answer): void {
    call.answeredAt = this.parts.scheduler.now;
    if (answer.type === 'reply') {
      call.outcome = 'acknowledged';
      call.results = answer.results;
      this.bound(call, this.parts.cluster.durable(this.node)?.ceiling);
    } else if (answer.type === 'failure' && this.isRefusal(answer.error.code)) {
      call.code = answer.error.code;
      if (call.attempts > 1) {
        // An earlier attempt may have had its effect all the same: only an answer makes that known.
        this.retries.push(call);
        return;
      }
      call.outcome = 'refused';
    } else if (answer.type === 'failure' && answer.error.code === 'CAUSEWAY_OUTCOME_UNKNOWN') {
      call.code = answer.error.code;
      this.lose(call);
      return;
    } else
      throw new Violation('answers', `n${this.node} answered ${show(call.operations)} with ${show(answer)}`);
    this.parts.observer.answered(call);
  }

  /** A damaged record is told of; where there is none, it is not. */
  private isRefusal(code: string): boolean {
    return REFUSALS.has(code) || (code === 'CAUSEWAY_CORRUPT' && this.parts.history.hasTaints);
  }

  private lose(call: Call): void {
    const { starts, epoch } = this.parts.cluster.node(this.node);
    this.unbounded.push({ call, start: starts, epoch });
    if (call.key !== undefined && this.parts.prng.chance(this.retryShare)) {
      this.retries.push(call);
      return;
    }
    this.forget(call);
  }

  private forget(call: Call): void {
    call.outcome = 'unknown';
    call.answeredAt = Number.POSITIVE_INFINITY;
    this.parts.observer.answered(call);
  }

  /**
   * What a process had not made durable before it ended will never be: the next start bounds it. Of a directory that was
   * replaced since, the next start says nothing: what was durable there may have been told to others, and is theirs now,
   * with all that it had seen. So the bound is what the directory held at its end.
   */
  private boundWhatIsOver(): void {
    const node = this.parts.cluster.node(this.node);
    const vector = this.parts.cluster.durable(this.node)?.ceiling;
    const over = this.unbounded.filter(({ start }) => start < node.starts);
    this.unbounded = this.unbounded.filter(({ start }) => start >= node.starts);
    for (const { call, epoch } of over) {
      if (call.outcome === 'acknowledged') continue;
      this.bound(call, epoch === node.epoch ? vector : node.ends[epoch]);
    }
  }

  private bound(call: Call, vector: VersionVector | undefined): void {
    call.seenAfter = vector;
    if (vector !== undefined) call.seqAfter = seqOf(vector, call.replica);
  }
}

function checkProbe(type: 'repeat' | 'mismatch', call: Call, answer: Answer): void {
  if (
    answer.type === 'failure' &&
    (REFUSALS.has(answer.error.code) || answer.error.code === 'CAUSEWAY_CORRUPT')
  )
    return;
  if (answer.type === 'failure' && answer.error.code === 'CAUSEWAY_OUTCOME_UNKNOWN') return;
  if (type === 'repeat') {
    if (answer.type === 'reply' && show(answer.results) === show(call.results)) return;
    throw new Violation(
      'idempotency',
      `repeated under ${call.key}: first ${show(call.results)}, now ${show(answer)}`,
    );
  }
  if (answer.type === 'failure' && answer.error.code === 'CAUSEWAY_IDEMPOTENCY_MISMATCH') return;
  throw new Violation('idempotency', `another request under ${call.key} was not refused: ${show(answer)}`);
}
