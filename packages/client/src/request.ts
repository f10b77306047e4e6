/**
 * What waits to be sent or to be answered: operations, and the beginnings and ends of watches. A request is the very
 * message that is encoded, so that nothing is made twice.
 *
 * Invariant: a request is settled once; what comes after is ignored.
 */
import { CausewayError, isRead, type Operation, type Result, type WatchFilter } from '@causeway/protocol';
import type { WatchSink } from './executor.js';

/** What a request weighs beside its keys and values: objects and promises. Bytes. */
const REQUEST_BYTES = 64;
const OPERATION_BYTES = 16;

export type Request = OperationRequest | WatchRequest | UnwatchRequest;

/** One operation, or one transaction. */
export class OperationRequest {
  readonly type = 'request';
  /** Chosen by the connection that sends it. */
  id = 0;
  /** When it was asked for, on the client's clock. Milliseconds. */
  askedAt = 0;
  settled = false;
  /** The node that it was sent to has not begun with it, and will not. */
  turnedAway = false;
  /** About what it takes in memory and on the wire. */
  readonly bytes: number;

  constructor(
    readonly operations: readonly Operation[],
    readonly transaction: boolean,
    private readonly read: (result: Result) => unknown,
    private readonly readAll: (results: readonly Result[]) => unknown,
    private readonly resolve: (value: never) => void,
    private readonly reject: (error: unknown) => void,
  ) {
    let bytes = REQUEST_BYTES;
    for (let i = 0; i < operations.length; i++) bytes += weigh(operations[i]!);
    this.bytes = bytes;
  }

  /** True if carrying it out twice does no harm. */
  get repeatable(): boolean {
    return this.turnedAway || this.operations.every(isRead);
  }

  /** Its answer may be a single frame that takes seconds on a slow line. */
  get mayBringMuch(): boolean {
    return this.transaction
      ? this.operations.some(({ op }) => op === 'register.get' || op === 'set.values')
      : this.operations[0]?.op === 'set.values';
  }

  /** False: these are not results of these operations. */
  answered(results: readonly Result[]): boolean {
    if (results.length !== this.operations.length) return false;
    if (this.settled) return true;
    this.settled = true;
    try {
      this.resolve((this.transaction ? this.readAll(results) : this.read(results[0]!)) as never);
    } catch (error) {
      this.reject(error);
    }
    return true;
  }

  failed(error: CausewayError): void {
    if (this.settled) return;
    this.settled = true;
    this.reject(error);
  }

  /** Its answer will never be known. */
  forgotten(cause: CausewayError): void {
    this.failed(this.repeatable ? cause : outcomeUnknown(cause));
  }
}

export class WatchRequest {
  readonly type = 'watch';
  id = 0;
  askedAt = 0;
  /** The sink is told nothing any more. */
  settled = false;
  /** Whether the node watches, or is about to. */
  stage: 'unsent' | 'sent' | 'over' = 'unsent';
  turnedAway = false;
  readonly mayBringMuch = false;
  readonly bytes = REQUEST_BYTES;

  constructor(
    readonly filter: WatchFilter,
    readonly sink: WatchSink,
  ) {}

  get repeatable(): boolean {
    return this.turnedAway;
  }

  answered(results: readonly Result[]): boolean {
    if (results.length > 0) return false;
    if (!this.settled) this.sink.opened();
    return true;
  }

  failed(error: CausewayError): void {
    this.stage = 'over';
    if (this.settled) return;
    this.settled = true;
    this.sink.ended(error);
  }

  forgotten(cause: CausewayError): void {
    this.failed(cause.code === 'CAUSEWAY_CLOSED' ? cause : interrupted(cause));
  }
}

export class UnwatchRequest {
  readonly type = 'unwatch';
  id = 0;
  askedAt = 0;
  readonly repeatable = false;
  readonly mayBringMuch = false;
  turnedAway = false;
  readonly bytes = REQUEST_BYTES;

  constructor(private readonly target: WatchRequest) {}

  get watch(): number {
    return this.target.id;
  }

  /** On the next connection the id may be that of another watch. */
  get settled(): boolean {
    return this.target.stage === 'over';
  }

  answered(): boolean {
    return true;
  }

  failed(): void {}

  forgotten(): void {}
}

function outcomeUnknown(cause: CausewayError): CausewayError {
  return new CausewayError(
    'CAUSEWAY_OUTCOME_UNKNOWN',
    `no answer came: the operation may or may not have taken effect (${cause.message})`,
    { cause },
  );
}

function interrupted(cause: CausewayError): CausewayError {
  return new CausewayError(
    'CAUSEWAY_WATCH_INTERRUPTED',
    `the watch has ended, changes may have been missed: watch again, then read (${cause.message})`,
    { cause },
  );
}

function weigh(operation: Operation): number {
  const bytes = OPERATION_BYTES + operation.key.length;
  switch (operation.op) {
    case 'register.set':
      return bytes + operation.value.length;
    case 'set.update':
      return bytes + weighAll(operation.add) + weighAll(operation.remove);
    case 'set.has':
      return bytes + weighAll(operation.values);
    default:
      return bytes;
  }
}

function weighAll(elements: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const element of elements) bytes += OPERATION_BYTES + element.length;
  return bytes;
}
