/**
 * Match: this side's records in the leaves that differ, beside the ids that the source tells of them. Both walk in the
 * order of the keys, and meet at the end of each batch of ids: what differs is wanted, what the source has not is handed
 * back, and of what both have but not alike only what the source lacks.
 */
import { joinCounter, joinElements, joinRegisters } from '@causeway/crdt';
import {
  decodeCounter,
  decodeElement,
  decodeRegister,
  RECORD_ID_BYTES,
  type RecordState,
  type RepairMessage,
} from '@causeway/protocol';
import { REPAIR_BATCHES_MAX } from '../limits.js';
import { bytesText, KIND } from '../store/keyspace.js';
import type { Outflow } from './repair-outflow.js';
import type { RepairParts } from './repair-session.js';
import { isAtOrBefore, type RecordWalk, type WalkedPage, type WalkedRecord } from './repair-walk.js';
import { readLane } from './repair-words.js';

/** A batch of the source's ids, while this side walks to its end. */
interface Batch {
  readonly number: number;
  readonly ids: Uint8Array;
  readonly through: Uint8Array | undefined;
  readonly bytes: number;
  /** Where an id stands, by the hash of the record's key; those not met yet. */
  readonly left: Map<number, number>;
  readonly wants: number[];
}

export interface MatchEvents {
  /** This side is to hand back what the source may have lost. */
  mayHandBack(): boolean;
  /** Of a batch of so many bytes these are wanted. */
  answered(batch: number, wanted: readonly number[], bytes: number): void;
  /** Something has been read: the session may go on. */
  moved(): void;
  /** The store could not be read. */
  failed(): void;
}

export class Match {
  private walkEnded = false;
  private reading = false;
  /** Of the last page read, what the batches so far do not reach. */
  private page: WalkedRecord[] = [];
  private pageThrough: Uint8Array | undefined;
  private readonly batches: Batch[] = [];
  /** Of what was wanted, by its key: what this side has of it, until it is known whether that says more. */
  private readonly mismatched = new Map<string, WalkedRecord>();
  private mismatchedBytes = 0;

  constructor(
    private readonly walk: RecordWalk,
    private readonly parts: RepairParts,
    private readonly out: Outflow,
    private readonly events: MatchEvents,
  ) {}

  /** Every batch so far is answered. */
  get isIdle(): boolean {
    return this.batches.length === 0 && !this.reading && this.page.length === 0;
  }

  /** Gives the bytes that are held of it until it is answered; undefined when it must not come. */
  take({ batch: number, ids, through }: RepairMessage & { type: 'repair-ids' }): number | undefined {
    const last = this.batches.at(-1);
    const isLast = last !== undefined && last.through === undefined;
    if (isLast || this.batches.length >= REPAIR_BATCHES_MAX) return undefined;
    const bytes = ids.length + (through?.length ?? 0);
    const left = new Map<number, number>();
    for (let at = 0; at < ids.length; at += RECORD_ID_BYTES) left.set(nameAt(ids, at), at / RECORD_ID_BYTES);
    this.batches.push({ number, ids, through, bytes, left, wants: [] });
    return bytes;
  }

  readOn(): void {
    if (this.reading) return;
    const [batch] = this.batches;
    if (batch === undefined || !this.out.hasCredit) return;
    const rest = this.matchPage(batch, this.page);
    this.page = rest;
    const reaches =
      this.walkEnded ||
      rest.length > 0 ||
      (batch.through !== undefined &&
        this.pageThrough !== undefined &&
        isAtOrBefore(batch.through, this.pageThrough));
    if (reaches) return this.answer(batch);
    const { pace, store } = this.parts;
    if (!pace.isOpen(store.now.monotonic)) return;
    this.reading = true;
    this.walk.next((page) => {
      this.reading = false;
      if (page === undefined) return this.events.failed();
      pace.spend(page.bytes, store.now.monotonic);
      this.takePage(page);
      this.events.moved();
    });
  }

  /** What has come of a record that differs may be all that there is: only what it lacks goes back. */
  answerTo({ key, state }: RecordState): void {
    const name = bytesText(key);
    const mine = this.mismatched.get(name);
    if (mine === undefined) return;
    this.mismatched.delete(name);
    this.mismatchedBytes -= mine.key.length + mine.state.length;
    if (saysMore(mine, state)) this.handBack(mine);
  }

  /** The source has told of all: what it has not answered to it lacks. */
  end(): void {
    for (const record of this.mismatched.values()) this.handBack(record);
    this.mismatched.clear();
  }

  private takePage({ records, through }: WalkedPage): void {
    this.page = [...records];
    this.pageThrough = through;
    if (through === undefined) this.walkEnded = true;
  }

  /** Compares what the batch reaches, and gives what it does not. */
  private matchPage(batch: Batch, page: WalkedRecord[]): WalkedRecord[] {
    const { through } = batch;
    const end =
      through === undefined ? page.length : page.findIndex(({ key }) => !isAtOrBefore(key, through));
    const reached = end < 0 ? page.length : end;
    for (const record of page.slice(0, reached)) this.match(batch, record);
    return page.slice(reached);
  }

  private match(batch: Batch, record: WalkedRecord): void {
    const name = nameOf(record.high | 0, record.low | 0);
    const place = batch.left.get(name);
    if (place === undefined) {
      if (record.live) this.handBack(record);
      return;
    }
    batch.left.delete(name);
    const at = place * RECORD_ID_BYTES + 8;
    const { a, b } = record.print;
    if (readLane(batch.ids, at) === a && readLane(batch.ids, at + 4) === b) return;
    batch.wants.push(place);
    // Beyond a window it goes back unasked.
    const bytes = record.key.length + record.state.length;
    if (this.mismatchedBytes + bytes > this.parts.store.limits.repairWindowBytes)
      return this.handBack(record);
    this.mismatchedBytes += bytes;
    this.mismatched.set(bytesText(record.key), record);
  }

  private handBack(record: RecordState): void {
    if (this.events.mayHandBack()) this.out.push(record);
  }

  private answer(batch: Batch): void {
    this.batches.shift();
    const wanted = [...batch.wants, ...batch.left.values()].sort((a, b) => a - b);
    this.events.answered(batch.number, wanted, batch.bytes);
    this.readOn();
  }
}

/** Name of a record in a map: 53 bits of the hash. Two of one name cost an exchange too many, and harm nobody. */
function nameOf(high: number, low: number): number {
  return (high >>> 0) * 0x20_0000 + (low >>> 11);
}

function nameAt(ids: Uint8Array, at: number): number {
  return nameOf(readLane(ids, at), readLane(ids, at + 4));
}

/** Whether a record holds anything that `theirs` does not. Both are of one key. */
function saysMore({ key, state: mine }: RecordState, theirs: Uint8Array): boolean {
  switch (key[0]) {
    case KIND.register: {
      const { register } = decodeRegister(theirs);
      return joinRegisters(register, decodeRegister(mine).register) !== register;
    }
    case KIND.counter: {
      const counter = decodeCounter(theirs);
      return joinCounter(counter, decodeCounter(mine).entries) !== counter;
    }
    default: {
      const element = decodeElement(theirs);
      return joinElements(element, decodeElement(mine)) !== element;
    }
  }
}
