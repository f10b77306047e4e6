/**
 * The simplest replica that is right: operations in a log, every entry sent to everybody, applied when what it
 * depends on is there. The simulator's own tests run on it, and each of its bugs is what one checker is for.
 */
import { dominates, type ReplicaId, replicaId, type Stamp } from '@causeway/crdt';
import { CausewayError, type Operation, type PeerMessage, type Result } from '@causeway/protocol';
import type {
  Batch,
  Environment,
  Event,
  Now,
  Ready,
  Replica,
  ReplicaConfig,
  ScanEntry,
  Send,
  Status,
} from '@causeway/replica';
import type { Engine } from '../engine.js';
import { type Bugs, type Change, type Entry, FakeState } from './fake-state.js';

type Message = { type: 'hello'; vector: [ReplicaId, number][] } | { type: 'entries'; entries: Entry[] };

const ALL = { from: new Uint8Array(), to: Uint8Array.of(255) };
const IDENTITY = Uint8Array.of(0);

export type { Bugs };

export function fakeEngine(bugs: Bugs = {}): Engine {
  return {
    startRanges: [ALL],
    initialBatch: (config, env) => {
      const id = Math.floor(env.random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0');
      return { puts: [{ key: IDENTITY, value: encode(`${config.region}.${id}`) }], deletes: [] };
    },
    open: (stored, config, env) => new FakeReplica(stored.entries, config, env, bugs) as unknown as Replica,
    hasOwnFormats: true,
    encode: (message) => encode(message),
    decode: (bytes) => decode(bytes) as PeerMessage,
  };
}

class FakeReplica {
  readonly id: ReplicaId;
  readonly start: number;
  private state: FakeState;
  private readonly durable = new Map<ReplicaId, number>();
  private requests: Extract<Event, { type: 'request' }>[] = [];
  private remote: Entry[] = [];
  private outbox: Send[] = [];
  private afterWrite: Send[] = [];
  private fresh: Entry[] = [];
  private broken = false;
  private readonly links = new Map<number, boolean>();
  private readonly dials = new Map<string, { link: number; again: number }>();
  private nextLink = 2;
  private wall = 0;
  private gossipAt = 0;
  private last: Stamp;
  private halves: { changes: readonly Change[]; dot: string }[] = [];

  constructor(
    stored: readonly ScanEntry[],
    private readonly config: ReplicaConfig,
    private readonly env: Environment,
    private readonly bugs: Bugs,
  ) {
    this.id = replicaId(decode(stored.find(({ key }) => key[0] === 0)?.value as Uint8Array) as string);
    this.start = 1 + Math.floor(env.random() * 1e9);
    this.last = { physical: 0, logical: 0, replica: this.id };
    this.state = this.load(stored);
  }

  step(event: Event, now: Now): void {
    this.tickLinks(now);
    switch (event.type) {
      case 'request':
        if (this.bugs.neverAnswerSome && this.env.random() < 0.01) return;
        this.requests.push(event);
        return;
      case 'list-keys':
        this.list(event, now);
        return;
      case 'link-opened':
        this.links.set(event.link, true);
        this.hello(event.link);
        return;
      case 'link-closed': {
        this.links.delete(event.link);
        const dial = event.address === undefined ? undefined : this.dials.get(event.address);
        if (dial?.link === event.link) dial.again = now.monotonic + 200;
        return;
      }
      case 'link-message':
        this.message(event.link, event.message as unknown as Message);
        return;
      case 'write-failed':
        this.broken = true;
        for (const send of this.afterWrite) {
          if (send.type === 'reply') this.fail(send.session, send.request, 'CAUSEWAY_OUTCOME_UNKNOWN');
        }
        this.afterWrite = [];
        return;
      case 'store-reopened':
        this.broken = false;
        this.state = this.load(event.records.entries);
        return;
      default:
        return;
    }
  }

  poll(writeInFlight: boolean): Ready | undefined {
    const batch = writeInFlight || this.broken ? undefined : this.execute();
    const { outbox } = this;
    this.outbox = [];
    if (outbox.length === 0 && batch === undefined) return undefined;
    return {
      outbox,
      openSnapshots: [],
      loads: [],
      scans: [],
      closeSnapshots: [],
      ...(batch === undefined ? {} : { batch }),
    };
  }

  advance(): void {
    for (const [replica, seq] of this.state.vector) this.durable.set(replica, seq);
    this.outbox.push(...this.afterWrite);
    this.afterWrite = [];
    // To everybody what is new here and of this replica; the rest is for those who say that they lack it.
    const own = this.fresh.filter(({ origin }) => origin === this.id);
    if (own.length > 0)
      for (const link of this.links.keys()) this.tell(link, { type: 'entries', entries: own });
    this.fresh = [];
  }

  deadline(): number {
    return this.gossipAt;
  }

  drained(): boolean {
    return this.requests.length === 0 && this.afterWrite.length === 0;
  }

  get versionVector(): ReadonlyMap<ReplicaId, number> {
    return new Map(this.durable);
  }

  get ceiling(): ReadonlyMap<ReplicaId, number> {
    return this.versionVector;
  }

  readonly isRepairing = false;

  status(): Status {
    return {
      replica: this.id,
      region: this.config.region,
      ready: true,
      reasons: [],
      writable: !this.broken,
      versionVector: this.durable,
      ceiling: this.durable,
      digest: JSON.stringify([...this.durable].sort()),
      settled: this.requests.length === 0,

      scrub: { state: 'idle', passes: 0, records: 0, damaged: 0, healed: 0, corrected: 0 },
      conflicts: { register: 0, set: 0, counter: 0 },
      peers: [],
      members: [],
      oldestUnstableSeconds: 0,
      logBytes: 0,
    } as Status;
  }

  private load(stored: readonly ScanEntry[]): FakeState {
    const state = new FakeState(this.bugs);
    const log = stored.filter(({ key }) => key[0] === 1).map(({ value }) => decode(value) as Entry);
    for (const entry of log) state.apply(entry, entry.changes);
    this.durable.clear();
    for (const [replica, seq] of state.vector) this.durable.set(replica, seq);
    this.remote = [];
    this.fresh = [];
    return state;
  }

  private execute(): Batch | undefined {
    const { state } = this;
    const puts: { key: Uint8Array; value: Uint8Array }[] = [];
    const commit = (entry: Entry, changes: readonly Change[]): void => {
      const key = encode([entry.origin, String(entry.seq).padStart(12, '0')]);
      puts.push({ key: Uint8Array.of(1, ...key), value: encode(entry) });
      state.apply(entry, changes);
      this.fresh.push(entry);
    };
    for (const { changes, dot } of this.halves)
      for (const [index, change] of changes.entries()) state.change(change, `${dot}:half ${index}`);
    this.halves = [];
    for (let again = true; again; ) {
      again = false;
      for (const entry of this.remote) {
        if ((state.vector.get(entry.origin) ?? 0) !== entry.seq - 1) continue;
        if (!this.bugs.skipCausalWait && !dominates(state.vector, new Map(entry.deps))) continue;
        const half = this.bugs.splitTransactions ? Math.ceil(entry.changes.length / 2) : entry.changes.length;
        commit(entry, entry.changes.slice(0, half));
        if (half < entry.changes.length)
          this.halves.push({ changes: entry.changes.slice(half), dot: `${entry.origin}:${entry.seq}` });
        again = true;
      }
    }
    this.remote = this.remote.filter(({ origin, seq }) => seq > (state.vector.get(origin) ?? 0));
    const requests = this.requests;
    this.requests = [];
    for (const request of requests) this.perform(request, (entry) => commit(entry, []));
    if (puts.length === 0) {
      this.outbox.push(...this.afterWrite);
      this.afterWrite = [];
      return undefined;
    }
    return { puts, deletes: [] };
  }

  private perform(request: Extract<Event, { type: 'request' }>, commit: (entry: Entry) => void): void {
    const { state } = this;
    const { session, request: number, idempotency } = request;
    const known =
      idempotency === undefined || this.bugs.forgetKeys ? undefined : state.answers.get(idempotency.key);
    if (known !== undefined) {
      if (known.fingerprint !== idempotency?.fingerprint)
        this.fail(session, number, 'CAUSEWAY_IDEMPOTENCY_MISMATCH');
      else this.afterWrite.push({ type: 'reply', session, request: number, results: revive(known.results) });
      return;
    }
    const entry = this.transaction(request.operations);
    const kept = {
      ...entry,
      ...(idempotency === undefined ? {} : { idempotency: { ...idempotency, results: entry.results } }),
    };
    const { results, ...rest } = kept;
    const lost = this.bugs.loseSomeWrites && this.env.random() < 0.01;
    if ((rest.changes.length > 0 || idempotency !== undefined) && !lost) commit(rest);
    const reply: Send = { type: 'reply', session, request: number, results: revive(results) };
    if (this.bugs.replyEarly) this.outbox.push(reply);
    else this.afterWrite.push(reply);
  }

  /** Changes the state as it goes, so that operations see the ones before them; the commit keeps the entry. */
  private transaction(operations: readonly Operation[]): Entry & { results: Result[] } {
    const { state, wall } = this;
    const seq = (state.vector.get(this.id) ?? 0) + 1;
    const changes: Change[] = [];
    const make = (change: Change): void => {
      state.change(change, `${this.id}:${seq}:${changes.length}`);
      changes.push(change);
    };
    const results = operations.map((operation) => this.operate(operation, state, wall, make));
    const deps = [...state.vector].filter(([replica]) => replica !== this.id);
    return { origin: this.id, seq, deps, changes, results };
  }

  private operate(
    operation: Operation,
    state: FakeState,
    wall: number,
    make: (change: Change) => void,
  ): Result {
    const { key } = operation;
    switch (operation.op) {
      case 'register.get': {
        const found = state.register(key, wall);
        return found === undefined
          ? { op: operation.op }
          : { op: operation.op, value: bytesOf(found.value ?? ''), stamp: found.stamp };
      }
      case 'register.set':
      case 'register.delete': {
        const stamp = this.tick(state.registers.get(key)?.stamp);
        if (operation.op === 'register.delete') make({ type: 'set', key, stamp });
        else {
          const expiry = operation.ttlMs === undefined ? {} : { expiresAt: wall + operation.ttlMs };
          make({ type: 'set', key, stamp, value: textOf(operation.value), ...expiry });
        }
        return operation.op === 'register.set' ? { op: operation.op, stamp } : { op: operation.op };
      }
      case 'set.update':
        for (const element of operation.remove.map(textOf))
          make({ type: 'remove', key, element, dots: state.dotsOf(key, element) });
        for (const element of operation.add.map(textOf)) make({ type: 'add', key, element });
        return { op: operation.op, size: state.elementsOf(key).length };
      case 'set.clear':
        for (const element of state.elementsOf(key))
          make({ type: 'remove', key, element, dots: state.dotsOf(key, element) });
        return { op: operation.op };
      case 'set.has':
        return {
          op: operation.op,
          has: operation.values.map((value) => state.dotsOf(key, textOf(value)).length > 0),
        };
      case 'set.size':
        return { op: operation.op, size: state.elementsOf(key).length };
      case 'set.values':
        return { op: operation.op, values: state.elementsOf(key).map(bytesOf), more: false };
      case 'counter.increment':
        make({ type: 'increment', key, by: operation.by });
        return { op: operation.op, value: state.count(key) };
      case 'counter.get':
        return { op: operation.op, value: state.count(key) };
      case 'counter.reset':
        make({ type: 'reset', key, dots: state.countedDots(key) });
        return { op: operation.op };
    }
  }

  private tick(floor: Stamp | undefined): Stamp {
    const physical = Math.max(this.wall, this.last.physical, floor?.physical ?? 0);
    const above = Math.max(
      this.last.physical === physical ? this.last.logical + 1 : 0,
      floor?.physical === physical ? floor.logical + 1 : 0,
    );
    this.last = { physical, logical: above, replica: this.id };
    return this.last;
  }

  private list(event: Extract<Event, { type: 'list-keys' }>, now: Now): void {
    const { state } = this;
    const keys = [
      ...[...state.registers.keys()]
        .filter((key) => state.register(key, now.wall) !== undefined)
        .map((key) => ({ type: 'register', key }) as const),
      ...[...state.elements.keys()]
        .filter((key) => state.elementsOf(key).length > 0)
        .map((key) => ({ type: 'set', key }) as const),
      ...[...state.amounts.keys()]
        .filter((key) => state.count(key) !== 0)
        .map((key) => ({ type: 'counter', key }) as const),
    ];
    keys.sort((a, b) => (a.type + a.key < b.type + b.key ? -1 : 1));
    this.outbox.push({ type: 'keys', session: event.session, request: event.request, keys });
  }

  private message(link: number, message: Message): void {
    if (message.type === 'entries') {
      const skipped = this.bugs.skipAnEntry && this.env.random() < 0.05;
      for (const entry of skipped ? [] : message.entries) {
        const isKnown = entry.seq <= (this.state.vector.get(entry.origin) ?? 0);
        const isWaiting = this.remote.some(({ origin, seq }) => origin === entry.origin && seq === entry.seq);
        if (!isKnown && !isWaiting) this.remote.push(entry);
      }
      return;
    }
    const has = new Map(message.vector);
    const lacking = this.state.entries.filter(
      ({ origin, seq }) => seq > (has.get(origin) ?? 0) && seq <= (this.durable.get(origin) ?? 0),
    );
    if (lacking.length > 0) this.tell(link, { type: 'entries', entries: lacking });
  }

  /** Dials what is not connected, says what it has. */
  private tickLinks(now: Now): void {
    this.wall = now.wall;
    if (now.monotonic < this.gossipAt) return;
    this.gossipAt = now.monotonic + 200;
    for (const address of this.config.seeds) {
      const dial = this.dials.get(address);
      if (dial !== undefined && dial.again > now.monotonic) continue;
      this.dials.set(address, { link: this.nextLink, again: Infinity });
      this.outbox.push({ type: 'dial', link: this.nextLink, address });
      this.nextLink += 2;
    }
    if (!this.bugs.skipAnEntry) for (const link of this.links.keys()) this.hello(link);
  }

  private hello(link: number): void {
    this.tell(link, { type: 'hello', vector: [...this.durable] });
  }

  private tell(link: number, message: Message): void {
    this.outbox.push({ type: 'message', link, message: message as unknown as PeerMessage });
  }

  private fail(
    session: number,
    request: number,
    code: 'CAUSEWAY_OUTCOME_UNKNOWN' | 'CAUSEWAY_IDEMPOTENCY_MISMATCH',
  ): void {
    this.outbox.push({ type: 'failure', session, request, error: new CausewayError(code, 'as asked for') });
  }
}

function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (unit) => unit.charCodeAt(0));
}

/** JSON of bytes is not bytes. */
function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify(value, (_key, part: unknown) => (part instanceof Uint8Array ? { $: textOf(part) } : part)),
  );
}

function decode(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

function revive(results: readonly Result[]): Result[] {
  return JSON.parse(
    JSON.stringify(results, (_key, part: unknown) =>
      part instanceof Uint8Array ? { $: textOf(part) } : part,
    ),
    (_key, part) => (typeof part === 'object' && part !== null && '$' in part ? bytesOf(part.$) : part),
  ) as Result[];
}
