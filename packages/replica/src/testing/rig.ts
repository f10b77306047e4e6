/**
 * Drives one real Replica by hand, turn by turn, against a store in memory: a test can hold a batch in flight or fail
 * it, answer reads late, wrongly ordered or not at all, and let time pass.
 *
 * What it does not hold back it does at once, and what no host may ever see it checks on every turn:
 * - there is one batch in flight at most;
 * - no message, reply or change tells of a dot that is not durable in the store (ready.ts, rules 1 and 3);
 * - every message survives the wire.
 */
import type { ReplicaId, VersionVector } from '@causeway/crdt';
import {
  type CausewayError,
  decodeChunk,
  decodePeerMessage,
  encodePeerMessage,
  type KeyChange,
  type ListedKey,
  type Operation,
  type PeerMessage,
  type Result,
} from '@causeway/protocol';
import type { Environment, Now, ReplicaConfig } from '../environment.js';
import type { Event, LinkId, SessionId, StoredReplica } from '../events.js';
import type { Limits } from '../limits.js';
import type { Batch, Load, Rejoin, Scan, Send } from '../ready.js';
import { Replica } from '../replica.js';
import { copiedKey } from '../replication/rejoin.js';
import type { Status } from '../status.js';
import type { Housekeeping } from '../store/housekeeping.js';
import { REPLICA_KEY, START_RANGES } from '../store/keyspace.js';
import { decodeReplicaRecord, type ReplicaRecord } from '../store/replica-record.js';
import type { Store } from '../store/store.js';
import { MemoryStore } from './memory-store.js';
import { plainResult } from './operations.js';

export const WALL = 1_700_000_000_000;
/** Turns of one pump; beyond it the replica spins. */
const TURNS_MAX = 100_000;

export interface RigOptions {
  readonly region?: string;
  readonly seeds?: readonly string[];
  readonly store?: MemoryStore;
  readonly now?: Now;
  /** Bounds to be smaller than usual, so that a test reaches them. */
  readonly limits?: Partial<Limits>;
}

export interface Internals {
  readonly store: Store;
  readonly housekeeping: Housekeeping;
}

/** What a request was answered. */
export interface Ask {
  readonly session: SessionId;
  readonly request: number;
  readonly answered: boolean;
  /** In plain values, undefined until then. */
  readonly results: readonly unknown[] | undefined;
  readonly raw: readonly Result[] | undefined;
  readonly code: string | undefined;
}

export interface Told {
  readonly conflicts: string[];
  readonly duplicates: ReplicaId[];
  readonly lags: { origin: ReplicaId; seconds: number }[];
  readonly acks: { peer: ReplicaId; seconds: number }[];
  readonly convergences: number[];
  readonly writes: string[];
  readonly reads: string[];
  readonly repairs: { peer: ReplicaId; outcome: string }[];
}

export class Rig {
  store: MemoryStore;
  replica: Replica;
  /** Stores that were moved aside, and why, oldest first. */
  readonly aside: { readonly store: MemoryStore; readonly rejoin: Rejoin; readonly id: ReplicaId }[] = [];
  /** What the host says at the next start of the identity. */
  leave: string | undefined;
  now: Now;
  /** Everything that the replica wanted sent, in order. */
  readonly sent: Send[] = [];
  readonly told: Told = {
    conflicts: [],
    duplicates: [],
    lags: [],
    acks: [],
    convergences: [],
    writes: [],
    reads: [],
    repairs: [],
  };
  readonly logged: { level: 'debug' | 'info' | 'warn' | 'error'; fields: object; message: string }[] = [];
  /** Batches stay in flight until `finishWrite` or `failWrite`; reads until they are answered one by one. */
  holdWrites = false;
  holdLoads = false;
  holdScans = false;
  /** The host has every record at hand, instead of reading it by a load. */
  readsNow = false;
  inFlight: Batch | undefined;
  private handedOutAt = 0;
  /** Batches that have become durable. */
  readonly written: Batch[] = [];
  loads: Load[] = [];
  scans: Scan[] = [];
  /** Open snapshots by their id. */
  readonly snapshots = new Map<number, MemoryStore>();
  private failed = false;
  private readonly open = new Set<LinkId>();
  private nextSession = 1_000;
  private nextRequest = 1;
  private nextInbound = 1;
  private random = 1;
  private readonly config: ReplicaConfig;

  constructor(options: RigOptions = {}) {
    const region = options.region ?? 'eu';
    const { seeds = [], limits = {} } = options;
    this.config = {
      region,
      advertise: `ws://${region}`,
      seeds,
      limits: { indexBits: 8, peerCommitsApartMs: 0, ...limits },
    };
    this.now = options.now ?? { monotonic: 10_000, wall: WALL };
    this.store = options.store ?? new MemoryStore();
    if (this.store.get(REPLICA_KEY) === undefined) {
      this.store.apply(Replica.initialBatch(this.config, this.environment, this.now));
    }
    this.replica = this.openReplica();
    this.pump();
  }

  get id(): ReplicaId {
    return this.replica.id;
  }

  get status(): Status {
    return this.replica.status(this.now);
  }

  get digest(): string {
    return this.status.digest;
  }

  get seq(): number {
    return this.status.versionVector.get(this.id) ?? 0;
  }

  /** What the store says of the replica. */
  get record(): ReplicaRecord {
    return decodeReplicaRecord(this.store.get(REPLICA_KEY)!);
  }

  /** What the replica keeps to itself. */
  get internals(): Internals {
    return this.replica as unknown as Internals;
  }

  get errors(): string[] {
    return this.logged.filter(({ level }) => level === 'error').map(({ message }) => message);
  }

  // Time

  step(...events: readonly Event[]): void {
    for (const event of events) this.replica.step(event, this.now);
    this.pump();
  }

  /** Lets time pass, waking the replica whenever it wants to be woken. */
  pass(ms: number): void {
    const end = this.now.monotonic + ms;
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const deadline = this.replica.deadline() ?? Number.POSITIVE_INFINITY;
      if (deadline > end) break;
      // No host wakes at the very moment, and none before it.
      this.move(Math.min(end, Math.max(deadline, this.now.monotonic + 1)) - this.now.monotonic);
      this.step({ type: 'tick' });
    }
    this.move(end - this.now.monotonic);
    this.step({ type: 'tick' });
  }

  /** Lets time pass until `done`, or throws after `withinMs`. */
  passUntil(done: () => boolean, withinMs = 60_000): void {
    for (let passed = 0; !done(); passed += 10) {
      if (passed > withinMs) throw new Error(`not within ${withinMs} ms`);
      this.pass(10);
    }
  }

  setWall(wall: number): void {
    this.now = { ...this.now, wall };
    this.step({ type: 'tick' });
  }

  private move(ms: number): void {
    this.now = { monotonic: this.now.monotonic + ms, wall: this.now.wall + ms };
  }

  // Clients

  /** Runs one transaction of a session of its own to its end. Throws what it was refused with. */
  run(...operations: readonly Operation[]): unknown[] {
    const ask = this.ask(this.nextSession++, operations);
    const failure = this.failureOf(ask);
    if (failure !== undefined) throw failure;
    if (ask.results === undefined) throw new Error('the request was not answered');
    return [...ask.results];
  }

  /** Runs one operation and gives its result. */
  one(operation: Operation): unknown {
    return this.run(operation)[0];
  }

  ask(
    session: SessionId,
    operations: Operation | readonly Operation[],
    idempotency?: { readonly key: string; readonly fingerprint: string },
  ): Ask {
    const ask = this.queue(session, operations, idempotency);
    this.pump();
    return ask;
  }

  /** As `ask`, but the replica is not run. */
  queue(
    session: SessionId,
    operations: Operation | readonly Operation[],
    idempotency?: { readonly key: string; readonly fingerprint: string },
  ): Ask {
    const request = this.nextRequest++;
    this.replica.step(
      {
        type: 'request',
        session,
        request,
        operations: 'op' in operations ? [operations] : operations,
        ...(idempotency === undefined ? {} : { idempotency }),
      },
      this.now,
    );
    return this.askOf(session, request);
  }

  listKeys(
    asked: Partial<Omit<Event & { type: 'list-keys' }, 'type' | 'session' | 'request'>> = {},
    session: SessionId = this.nextSession++,
  ): { session: SessionId; request: number } {
    const request = this.nextRequest++;
    this.step({ type: 'list-keys', session, request, prefix: '', limit: 100, ...asked });
    return { session, request };
  }

  /** One page of keys, as `type:key`, and where the next one begins. */
  keys(asked: Parameters<Rig['listKeys']>[0] = {}): { keys: string[]; after?: string } {
    const { session, request } = this.listKeys(asked);
    const answers = this.answersTo(session, request);
    if (answers.length !== 1) throw new Error(`the listing got ${answers.length} answers`);
    const answer = answers[0]!;
    if (answer.type === 'failure') throw answer.error;
    if (answer.type !== 'keys') throw new Error('the listing got an answer of another type');
    const keys = answer.keys.map(({ type, key }: ListedKey) => `${type}:${key}`);
    return answer.after === undefined ? { keys } : { keys, after: answer.after };
  }

  watch(filter: { prefix?: string; key?: string; type?: 'register' | 'set' | 'counter' } = {}): {
    readonly changes: KeyChange[];
    readonly failures: string[];
    readonly session: SessionId;
    readonly request: number;
  } {
    const session = this.nextSession++;
    const request = this.nextRequest++;
    this.step({ type: 'watch', session, request, filter: { prefix: '', ...filter } });
    const answers = () => this.answersTo(session, request);
    return {
      session,
      request,
      get changes() {
        return answers().flatMap((send) => (send.type === 'change' ? [send.change] : []));
      },
      get failures() {
        return answers().flatMap((send) => (send.type === 'failure' ? [send.error.code] : []));
      },
    };
  }

  answersTo(session: SessionId, request: number): Exclude<Send, { type: 'message' | 'dial' | 'close' }>[] {
    return this.sent.flatMap((send) =>
      'session' in send && send.session === session && send.request === request ? [send] : [],
    );
  }

  private askOf(session: SessionId, request: number): Ask {
    const answer = () => {
      const answers = this.answersTo(session, request);
      if (answers.length > 1) throw new Error('a request was answered twice');
      return answers[0];
    };
    return {
      session,
      request,
      get answered() {
        return answer() !== undefined;
      },
      get raw() {
        const send = answer();
        return send?.type === 'reply' ? send.results : undefined;
      },
      get results() {
        const send = answer();
        return send?.type === 'reply' ? send.results.map(plainResult) : undefined;
      },
      get code() {
        const send = answer();
        return send?.type === 'failure' ? send.error.code : undefined;
      },
    };
  }

  private failureOf({ session, request }: Ask): CausewayError | undefined {
    const answer = this.answersTo(session, request)[0];
    return answer?.type === 'failure' ? answer.error : undefined;
  }

  // Links

  /** A peer has dialled this node. */
  opens(): LinkId {
    const link = this.nextInbound;
    this.nextInbound += 2;
    this.open.add(link);
    this.step({ type: 'link-opened', link });
    return link;
  }

  /** A dial of this node has opened. */
  accepts(link: LinkId, address: string): void {
    this.open.add(link);
    this.step({ type: 'link-opened', link, address });
  }

  /** A link, or a dial, has ended without the replica wanting it. */
  cuts(link: LinkId, reason = 'reset'): void {
    this.open.delete(link);
    this.step({ type: 'link-closed', link, reason });
  }

  isOpen(link: LinkId): boolean {
    return this.open.has(link);
  }

  /** Dials that have been asked for, oldest first. */
  dials(address?: string): { link: LinkId; address: string }[] {
    return this.sent.flatMap((send) =>
      send.type === 'dial' && (address === undefined || send.address === address)
        ? [{ link: send.link, address: send.address }]
        : [],
    );
  }

  messages(link: LinkId): PeerMessage[] {
    return this.sent.flatMap((send) => (send.type === 'message' && send.link === link ? [send.message] : []));
  }

  closings(link: LinkId): string[] {
    return this.sent.flatMap((send) => (send.type === 'close' && send.link === link ? [send.reason] : []));
  }

  // Disk

  finishWrite(): void {
    const batch = this.inFlight;
    if (batch === undefined) throw new Error('no batch is in flight');
    this.store.apply(batch);
    this.written.push(batch);
    this.inFlight = undefined;
    this.replica.advance(this.now, this.handedOutAt);
    this.pump();
  }

  /** The batch in flight fails; `kept`: it will be found all the same when the store is opened again. */
  failWrite(kept = false): void {
    const batch = this.inFlight;
    if (batch === undefined) throw new Error('no batch is in flight');
    if (kept) this.store.apply(batch);
    this.inFlight = undefined;
    this.failed = true;
    this.step({ type: 'write-failed', error: new Error('the disk is full') });
  }

  /** The host has made the store trustworthy again. */
  reopen(): void {
    this.failed = false;
    this.snapshots.clear();
    this.step({ type: 'store-reopened', records: this.stored() });
  }

  answerLoad(load: Load): void {
    this.loads = this.loads.filter((held) => held !== load);
    this.step(this.answerOf(load));
  }

  answerScan(scan: Scan): void {
    this.scans = this.scans.filter((held) => held !== scan);
    this.step(this.answerOf(scan));
  }

  private readNow(key: Uint8Array): Uint8Array | undefined | 'later' {
    return this.readsNow && !this.failed ? this.store.get(key) : 'later';
  }

  private answerOf(read: Load | Scan): Event {
    const { id, snapshot } = read;
    const store = snapshot === undefined ? this.store : this.snapshots.get(snapshot);
    if (store === undefined) return { type: 'read-failed', id, error: new Error('the snapshot is gone') };
    if ('keys' in read) return { type: 'loaded', id, values: read.keys.map((key) => store.get(key)) };
    return { type: 'scanned', id, entries: store.scan(read) };
  }

  failRead(read: Load | Scan): void {
    this.loads = this.loads.filter((held) => held !== read);
    this.scans = this.scans.filter((held) => held !== read);
    this.step({ type: 'read-failed', id: read.id, error: new Error('bad sector') });
  }

  /** Stops holding anything back, and does what was held. */
  releaseAll(): void {
    this.holdWrites = false;
    this.holdLoads = false;
    this.holdScans = false;
    this.pump();
  }

  /** The process ends, with whatever was in flight lost, and starts again on the same store. */
  restart(): void {
    this.inFlight = undefined;
    this.failed = false;
    this.loads = [];
    this.scans = [];
    this.snapshots.clear();
    this.open.clear();
    this.replica = this.openReplica();
    this.pump();
  }

  stored(): StoredReplica {
    const entries = START_RANGES.flatMap((range) => this.store.range(range));
    return this.leave === undefined ? { entries } : { entries, leave: this.leave };
  }

  // The turn

  pump(): void {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const ready = this.replica.poll(this.inFlight !== undefined || this.failed);
      if (ready === undefined) {
        if (!this.workOff()) return;
        continue;
      }
      for (const send of ready.outbox) this.take(send);
      for (const id of ready.openSnapshots) this.snapshots.set(id, this.store.snapshot());
      for (const load of ready.loads) this.loads.push(load);
      for (const scan of ready.scans) this.scans.push(scan);
      for (const id of ready.closeSnapshots) this.snapshots.delete(id);
      if (ready.rejoin !== undefined) {
        this.beginAnew(ready.rejoin);
        continue;
      }
      if (ready.batch !== undefined) {
        if (this.inFlight !== undefined || this.failed) throw new Error('two batches in flight');
        this.inFlight = ready.batch;
        this.handedOutAt = this.now.monotonic;
      }
    }
    throw new Error('the replica spins');
  }

  /** As a host does: nothing of the old store is lost, and links end with the replica that had them. */
  private beginAnew(rejoin: Rejoin): void {
    if (this.inFlight !== undefined || this.failed) throw new Error('left with a batch in flight');
    this.aside.push({ store: this.store, rejoin, id: this.id });
    const store = new MemoryStore();
    store.apply(rejoin.batch);
    for (const copy of rejoin.copies) {
      for (const { key, value } of this.store.range(copy)) store.put(copiedKey(copy, key), value);
    }
    this.store = store;
    this.leave = undefined;
    this.loads = [];
    this.scans = [];
    this.open.clear();
    this.replica = this.openReplica();
  }

  /** Does one thing that is not held back; false when there is none. */
  private workOff(): boolean {
    const { replica, now, store } = this;
    const load = this.holdLoads || this.failed ? undefined : this.loads.shift();
    if (load !== undefined) {
      replica.step(this.answerOf(load), now);
      return true;
    }
    const scan = this.holdScans || this.failed ? undefined : this.scans.shift();
    if (scan !== undefined) {
      replica.step(this.answerOf(scan), now);
      return true;
    }
    if (this.inFlight === undefined || this.holdWrites) return false;
    const batch = this.inFlight;
    store.apply(batch);
    this.written.push(batch);
    this.inFlight = undefined;
    replica.advance(now, this.handedOutAt);
    return true;
  }

  private take(send: Send): void {
    if (send.type === 'message') {
      this.checkMessage(send.message);
      const message = decodePeerMessage(encodePeerMessage(send.message));
      this.sent.push({ ...send, message });
      return;
    }
    if (send.type === 'change') this.checkDurable(dotsOf(send.change.cursor), 'a change');
    this.sent.push(send);
    if (send.type === 'close' && this.open.delete(send.link)) {
      this.replica.step({ type: 'link-closed', link: send.link, reason: send.reason }, this.now);
    }
  }

  private checkMessage(message: PeerMessage): void {
    switch (message.type) {
      case 'hello':
      case 'ack':
      case 'gossip':
        return this.checkDurable(message.versionVector, `a message ${message.type}`);
      case 'chunks':
        for (const chunk of message.chunks) {
          const { origin, lastSeq } = decodeChunk(chunk);
          this.checkDurable(new Map([[origin, lastSeq]]), 'a chunk');
        }
        return;
      default:
    }
  }

  private checkDurable(told: VersionVector, what: string): void {
    const { positions } = this.record;
    for (const [origin, seq] of told) {
      if ((positions.get(origin)?.seq ?? 0) >= seq) continue;
      throw new Error(`${what} tells of ${origin}:${seq}, which is not durable`);
    }
  }

  private openReplica(): Replica {
    return Replica.open(this.stored(), this.config, this.environment, this.now);
  }

  private get environment(): Environment {
    const { told, logged } = this;
    const log = (level: (typeof logged)[number]['level']) => (fields: object, message: string) => {
      logged.push({ level, fields, message });
    };
    return {
      random: () => {
        this.random = (Math.imul(this.random, 1_664_525) + 1_013_904_223) >>> 0;
        return this.random / 2 ** 32;
      },
      readNow: (key) => this.readNow(key),
      telemetry: {
        lag: (origin, seconds) => told.lags.push({ origin, seconds }),
        ack: (peer, seconds) => told.acks.push({ peer, seconds }),
        convergence: (seconds) => told.convergences.push(seconds),
        duplicateChunk: (peer) => told.duplicates.push(peer),
        repairSession: (peer, outcome) => told.repairs.push({ peer, outcome }),
        repairRecords: () => {},
        conflict: (type) => told.conflicts.push(type),
        write: (type) => told.writes.push(type),
        read: (type) => told.reads.push(type),
      },
      log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    };
  }
}

/** The dot that a cursor names. */
function dotsOf(cursor: string): VersionVector {
  const colon = cursor.lastIndexOf(':');
  return new Map([[cursor.slice(0, colon) as ReplicaId, Number(cursor.slice(colon + 1))]]);
}
