/**
 * Requests: what clients ask, from arrival to reply.
 *
 * Invariants
 * - Requests of one session are executed in the order in which they came; a request whose records are still
 *   being read holds up its own session and nobody else.
 * - Each request gets exactly one reply or failure, after everything that it tells of is durable.
 * - What waits is bounded in number and in bytes.
 */
import {
  CausewayError,
  isRead,
  type KeyType,
  type Operation,
  type RecordDelta,
  type Result,
  utf8Length,
} from '@causeway/protocol';
import { unreachable } from '../assert.js';
import type { Environment, Now } from '../environment.js';
import type { RequestEvent, SessionId } from '../events.js';
import {
  ANSWER_BYTES_MAX,
  LISTING_BYTES,
  REQUEST_BYTES_MAX,
  REQUESTS_MAX,
  RESULT_BYTES_MAX,
  SLOT_BYTES,
  TRANSACTION_BYTES_MAX,
} from '../limits.js';
import { Changes } from '../store/changes.js';
import { detached, NO_BYTES, resultExpiryKey } from '../store/keyspace.js';
import type { ElementSlot, ResultSlot, SetSlot, Slot } from '../store/slot.js';
import type { Store } from '../store/store.js';
import type { Watches } from '../store/watches.js';
import { AnswerBudget, overloaded } from './answer-budget.js';
import { KeyListing, type ListRequest } from './listing.js';
import { SetRead } from './set-read.js';
import { bytesOfResult, type PlannedOperation, Transaction } from './transaction.js';

/** Stamp, dots and lengths of a record in a chunk, roughly. */
const RECORD_HEAD_BYTES = 32;

interface WaitingTransaction {
  readonly type: 'transaction';
  readonly session: SessionId;
  readonly request: number;
  readonly bytes: number;
  readonly plan: readonly PlannedOperation[];
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | undefined;
  readonly result: ResultSlot | undefined;
  /** It takes no room in a commit. */
  readonly readsOnly: boolean;
}

interface WaitingListing {
  readonly type: 'listing';
  readonly session: SessionId;
  readonly request: number;
  readonly listing: KeyListing;
}

type Waiting = WaitingTransaction | WaitingListing;

export class Requests {
  private queue: Waiting[] = [];
  private bytes = 0;
  private readonly listings = new Set<KeyListing>();
  private readonly answers: AnswerBudget;

  constructor(
    private readonly store: Store,
    private readonly watches: Watches,
    private readonly env: Environment,
  ) {
    this.answers = new AnswerBudget(store);
  }

  get waiting(): number {
    return this.queue.length;
  }

  add(event: RequestEvent): void {
    const { session, request, operations, idempotency } = event;
    let bytes = 0;
    let encoded = 0;
    for (const operation of operations) {
      bytes += bytesOf(operation);
      encoded += encodedBytesOf(operation);
    }
    if (encoded > TRANSACTION_BYTES_MAX) {
      const message = `the request would take ${encoded} bytes in one transaction, which may have ${TRANSACTION_BYTES_MAX}: split it`;
      this.fail(session, request, new CausewayError('CAUSEWAY_TOO_LARGE', message));
      return;
    }
    if (this.queue.length >= REQUESTS_MAX || this.bytes + bytes > REQUEST_BYTES_MAX) {
      const message = 'the node has more requests waiting than it may hold: try again in a moment';
      this.fail(session, request, new CausewayError('CAUSEWAY_OVERLOADED', message));
      return;
    }
    this.bytes += bytes;
    this.queue.push({
      type: 'transaction',
      session,
      request,
      bytes,
      plan: operations.map((operation) => this.planOf(operation)),
      idempotency,
      result: idempotency === undefined ? undefined : this.store.records.result(idempotency.key),
      readsOnly: idempotency === undefined && operations.every(isRead),
    });
  }

  /** Lists keys when everything that the session has asked for before has been executed. */
  list(asked: ListRequest, now: Now): void {
    const { session, request } = asked;
    const listing = new KeyListing(this.store, asked, now, () => this.listed(listing));
    if (this.queue.length >= REQUESTS_MAX || !this.answers.fits(LISTING_BYTES)) {
      this.fail(session, request, overloaded());
      return;
    }
    this.answers.take(LISTING_BYTES);
    this.queue.push({ type: 'listing', session, request, listing });
  }

  private listed(listing: KeyListing): void {
    this.listings.delete(listing);
    this.answers.give(LISTING_BYTES);
  }

  /** Executes what is ready of the first `most`, in order, until the commit is full. */
  execute(now: Now, most = this.queue.length): void {
    const { queue } = this;
    if (queue.length === 0) return;
    let blocked: Set<SessionId> | undefined;
    let kept = 0;
    for (let i = 0; i < most; i++) {
      const waiting = queue[i]!;
      if (blocked?.has(waiting.session) === true || !this.canRun(waiting)) {
        blocked ??= new Set();
        blocked.add(waiting.session);
        queue[kept++] = waiting;
        continue;
      }
      if (waiting.type === 'transaction') {
        this.bytes -= waiting.bytes;
        this.run(waiting, now);
      } else {
        this.listings.add(waiting.listing);
        waiting.listing.start();
      }
    }
    if (most < queue.length) queue.copyWithin(kept, most);
    queue.length = kept + queue.length - most;
  }

  /** Everything that waits, all of it reads, is read again: the store has been exchanged. */
  readAgain(): void {
    this.listAgain();
    this.queue = this.queue.map((waiting) => {
      if (waiting.type === 'listing') return waiting;
      for (const { read } of waiting.plan) read?.close();
      return { ...waiting, plan: waiting.plan.map(({ operation }) => this.planOf(operation)) };
    });
  }

  /** The store has forgotten what was read for the listings under way. */
  listAgain(): void {
    for (const listing of this.listings) listing.start();
  }

  /** Answers everything that waits with `error`. */
  failAll(error: CausewayError): void {
    const { queue } = this;
    this.queue = [];
    this.bytes = 0;
    for (const waiting of queue) {
      if (waiting.type === 'listing') this.answers.give(LISTING_BYTES);
      else for (const { read } of waiting.plan) read?.close();
      this.fail(waiting.session, waiting.request, error);
    }
  }

  /** The listings under way will not be answered. */
  failListings(error: CausewayError): void {
    for (const { asked } of this.listings) this.fail(asked.session, asked.request, error);
    this.listings.clear();
  }

  /** Answers a request that is not executed. */
  fail(session: SessionId, request: number, error: CausewayError): void {
    this.store.send({ type: 'failure', session, request, error });
  }

  private planOf(operation: Operation): PlannedOperation {
    const { store } = this;
    const { op, key } = operation;
    switch (op) {
      case 'register.get':
      case 'register.set':
      case 'register.delete':
        return { operation, slot: store.records.register(key), elements: NONE, read: undefined };
      case 'counter.get':
      case 'counter.increment':
      case 'counter.reset':
        return { operation, slot: store.records.counter(key), elements: NONE, read: undefined };
      case 'set.size':
      case 'set.clear':
      case 'set.values':
        return { operation, slot: store.records.set(key), elements: NONE, read: undefined };
      case 'set.has':
        return {
          operation,
          slot: store.records.set(key),
          elements: operation.values.map((element) => store.records.element(key, element)),
          read: undefined,
        };
      case 'set.update':
        return {
          operation,
          slot: store.records.set(key),
          elements: [...operation.remove, ...operation.add].map((element) =>
            store.records.element(key, element),
          ),
          read: undefined,
        };
      default:
        return unreachable(op);
    }
  }

  private canRun(waiting: Waiting): boolean {
    if (waiting.type === 'listing') return true;
    return (waiting.readsOnly || !this.store.full) && this.isReady(waiting);
  }

  private isReady({ plan, result }: WaitingTransaction): boolean {
    if (result !== undefined && !isKnown(result)) return false;
    for (const planned of plan) {
      if (!isKnown(planned.slot)) return false;
      for (const element of planned.elements) if (!isKnown(element)) return false;
      if (planned.slot.unreadable) continue;
      const { operation } = planned;
      switch (operation.op) {
        case 'set.values':
          planned.read ??= new SetRead(
            this.store,
            planned.slot as SetSlot,
            operation.limit,
            operation.after,
            { bytesMax: ANSWER_BYTES_MAX / readsIn(plan), removals: removalsIn(plan, planned.slot) },
            this.answers,
          );
          if (!planned.read.ready) return false;
          break;
        case 'set.clear':
          if (!this.store.isWhole && !this.readsElements(planned)) return false;
          break;
        case 'set.update':
          if (operation.sized === true && isBeingCounted(planned.slot)) return false;
          break;
        case 'set.size':
          if (isBeingCounted(planned.slot)) return false;
          break;
        default:
      }
    }
    return true;
  }

  /** While a repair is unfinished a clear removes each visible element: all of them, as of this moment. */
  private readsElements(planned: PlannedOperation): boolean {
    const { store } = this;
    const set = planned.slot as SetSlot;
    const bounds = { bytesMax: TRANSACTION_BYTES_MAX, removals: 0 };
    planned.read ??= new SetRead(store, set, undefined, undefined, bounds, this.answers);
    if (!planned.read.ready) return false;
    const acquired = new Set(planned.elements);
    let isLoaded = true;
    for (const value of elementsOf(planned.read)) {
      const element = store.records.element(set.userKey, value);
      if (acquired.has(element)) store.records.release(element);
      acquired.add(element);
      isLoaded &&= isKnown(element);
    }
    planned.elements = [...acquired];
    return isLoaded;
  }

  private run(waiting: WaitingTransaction, now: Now): void {
    const { session, request, plan } = waiting;
    try {
      const { results, commit } = this.answer(waiting, now);
      this.store.sendWhenDurable({ type: 'reply', session, request, results }, commit);
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      // A refusal too tells of what it has looked at.
      const commit = Math.max(commitOf(plan), waiting.result?.dirty ?? 0);
      this.store.sendWhenDurable({ type: 'failure', session, request, error }, commit);
    }
    for (const { slot, elements, read } of plan) {
      this.store.records.release(slot);
      for (const element of elements) this.store.records.release(element);
      read?.close();
    }
    if (waiting.result !== undefined) this.store.records.release(waiting.result);
  }

  private answer(waiting: WaitingTransaction, now: Now): { results: readonly Result[]; commit: number } {
    const { plan, idempotency, result } = waiting;
    checkReadable(plan, result);
    if (idempotency !== undefined && result?.stored !== undefined) {
      if (result.stored.fingerprint === idempotency.fingerprint) {
        return { results: result.stored.results as readonly Result[], commit: result.dirty };
      }
      throw new CausewayError(
        'CAUSEWAY_IDEMPOTENCY_MISMATCH',
        'this Idempotency-Key was used for another request: use a new key for each operation',
      );
    }
    if (idempotency !== undefined && this.store.resultBytes >= RESULT_BYTES_MAX) {
      throw new CausewayError(
        'CAUSEWAY_IDEMPOTENCY_FULL',
        'the node keeps as many results as it may: send without Idempotency-Key, or wait for old ones to go',
      );
    }
    const changes = this.watches.any ? new Changes(now) : undefined;
    const { answers } = this;
    const transaction = new Transaction(this.store, now, changes);
    let results: Result[];
    let records: readonly RecordDelta[];
    try {
      results = transaction.run(plan);
      if (waiting.readsOnly && !answers.fits(transaction.answerBytes)) this.refuseToWait(plan);
      records = transaction.commit();
    } finally {
      transaction.end();
    }
    if (result !== undefined && idempotency !== undefined) this.keep(result, idempotency, results, now);
    this.count(plan);
    if (changes !== undefined) this.watches.publish(transaction.dot, changes.list());
    const wrote = records.length > 0 || result !== undefined;
    const commit = wrote ? this.store.newestCommit : commitOf(plan);
    if (this.store.isDurable(commit)) return { results, commit };
    answers.hold(transaction.answerBytes, commit);
    return { results: results.map(withOwnValues), commit };
  }

  /** There is no room for the answer to a read that has to wait for a commit. */
  private refuseToWait(plan: readonly PlannedOperation[]): void {
    if (!this.store.isDurable(commitOf(plan))) throw overloaded();
  }

  private keep(
    slot: ResultSlot,
    { key, fingerprint }: { key: string; fingerprint: string },
    results: readonly Result[],
    now: Now,
  ): void {
    this.store.touch(slot);
    const bytes = key.length + fingerprint.length + bytesOfResults(results);
    slot.stored = { fingerprint, at: now.wall, results, bytes };
    const forgetAt = this.store.retention.at(now) + this.store.limits.resultRetentionMs;
    this.store.put(resultExpiryKey(forgetAt, key), NO_BYTES);
    this.store.resultBytes += bytes;
  }

  private count(plan: readonly PlannedOperation[]): void {
    const { telemetry } = this.env;
    for (const { operation } of plan) {
      if (isRead(operation)) telemetry.read(typeOf(operation));
      else telemetry.write(typeOf(operation));
    }
  }
}

const NONE: readonly ElementSlot[] = [];

function readsIn(plan: readonly PlannedOperation[]): number {
  return plan.filter(({ operation }) => operation.op === 'set.values').length;
}

/** How many elements of the set the transaction itself may take away. */
function removalsIn(plan: readonly PlannedOperation[], set: Slot): number {
  let removals = 0;
  for (const { operation, slot } of plan) {
    if (slot === set && operation.op === 'set.update') removals += operation.remove.length;
  }
  return removals;
}

/** A clear met adds that it had not seen: how many elements are left is being counted. */
function isBeingCounted(set: Slot): boolean {
  return (set as SetSlot).meta.size === undefined;
}

/** A record that the disk has damaged must not be answered from as if it were empty. */
function checkReadable(plan: readonly PlannedOperation[], result: ResultSlot | undefined): void {
  // A result that cannot be read says nothing of whether the operation was executed.
  if (result !== undefined) check(result);
  for (const { slot, elements } of plan) {
    check(slot);
    for (const element of elements) check(element);
  }
}

function check({ corrupt, unreadable }: Slot): void {
  if (corrupt) {
    const message = 'the stored record is damaged; the other regions still have it: read it there';
    throw new CausewayError('CAUSEWAY_CORRUPT', message);
  }
  if (unreadable)
    throw new CausewayError('CAUSEWAY_READ_FAILED', 'the disk failed to read the record: try again');
}

/** What has been read of a set; nothing when it is too much: the transaction finds the same, and refuses. */
function elementsOf(read: SetRead): readonly Uint8Array[] {
  try {
    return read.page([], false).values;
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    return [];
  }
}

/** There is something to say of the record, if only that it cannot be read. */
function isKnown({ loaded, unreadable }: Slot): boolean {
  return loaded || unreadable;
}

/** Newest commit that holds something of what was read. */
function commitOf(plan: readonly PlannedOperation[]): number {
  let newest = 0;
  for (const { slot, elements, read } of plan) {
    newest = Math.max(newest, slot.dirty, read?.commit ?? 0);
    for (const element of elements) newest = Math.max(newest, element.dirty);
  }
  return newest;
}

/** What waits for a commit is counted by its bytes: it must not be a small view of much. */
function withOwnValues(result: Result): Result {
  if (result.op === 'register.get' && result.value !== undefined)
    return { ...result, value: detached(result.value) };
  if (result.op === 'set.values') return { ...result, values: result.values.map(detached) };
  return result;
}

function typeOf({ op }: Operation): KeyType {
  if (op.startsWith('register')) return 'register';
  return op.startsWith('set') ? 'set' : 'counter';
}

function bytesOfResults(results: readonly Result[]): number {
  let bytes = 0;
  for (const result of results) bytes += bytesOfResult(result);
  return bytes;
}

/** What the operation takes in a chunk, at most: each element's record bears the key. */
function encodedBytesOf(operation: Operation): number {
  const head = utf8Length(operation.key) + RECORD_HEAD_BYTES;
  if (operation.op === 'register.set') return head + operation.value.length;
  if (operation.op !== 'set.update') return head;
  let bytes = head;
  for (const element of operation.add) bytes += head + element.length;
  for (const element of operation.remove) bytes += head + element.length;
  return bytes;
}

/** Memory that a waiting operation takes, with the records that it holds. */
function bytesOf(operation: Operation): number {
  const bytes = operation.key.length + SLOT_BYTES;
  switch (operation.op) {
    case 'register.set':
      return bytes + operation.value.length;
    case 'set.has':
      return bytes + bytesOfElements(operation.values);
    case 'set.update':
      return bytes + bytesOfElements(operation.add) + bytesOfElements(operation.remove);
    default:
      return bytes;
  }
}

function bytesOfElements(elements: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const element of elements) bytes += element.length + SLOT_BYTES;
  return bytes;
}
