/**
 * Machines with a process each, and the client connections to them: starts, crashes, pauses.
 *
 * A crash ends the process at once; the disk decides what of an unfinished write is there at the next start.
 */
import { joinVersionVectors, type ReplicaId, type VersionVector } from '@causeway/crdt';
import type { Operation, PeerMessage, WatchFilter } from '@causeway/protocol';
import {
  type Batch,
  copiedKey,
  Driver,
  decodeReplicaRecord,
  IDENTITY_KEY,
  type Limits,
  REPLICA_KEY,
  type Rejoin,
  type ReplicaConfig,
  type ReplicaRecord,
  type ScanEntry,
  type Status,
} from '@causeway/replica';
import { NodeClock } from './clock.js';
import { Disk, type DiskProfile } from './disk.js';
import type { Engine } from './engine.js';
import { observedEnvironment } from './environment.js';
import { type Answer, type HostProfile, VirtualHost } from './host.js';
import type { LinkProfile } from './lane.js';
import { Network } from './network.js';
import type { Prng } from './prng.js';
import type { Scheduler } from './scheduler.js';
import type { Trace } from './trace.js';

export interface NodeProfile {
  readonly region: string;
  /** Machines whose addresses it is given at its start. */
  readonly seeds: readonly number[];
  readonly startAtMs: number;
  /** Joins a cluster that is at work: counted from when the clients began. */
  readonly joinsAtMs?: number;
  /** Its seeds are of clusters that know nothing of each other, and meet by it: none of them goes before. */
  readonly joinsClusters?: boolean;
  readonly clockOffsetMs: number;
  readonly clockRate: number;
  readonly limits: Partial<Limits>;
  readonly disk: DiskProfile;
  readonly host: HostProfile;
}

export interface ClusterProfile {
  readonly nodes: readonly NodeProfile[];
  link(from: number, to: number): LinkProfile;
}

/** A machine. What runs on it comes and goes. */
export interface ClusterNode {
  readonly index: number;
  readonly region: string;
  readonly address: string;
  readonly clock: NodeClock;
  readonly disk: Disk;
  /** Counts starts, from 1; 0 before the first. */
  starts: number;
  paused: boolean;
  /** For good: it is no member any more. */
  gone: boolean;
  /** Counts the breaks in the history of its directory. */
  epoch: number;
  /**
   * What the directory held when each of its histories ended, by epoch: nothing that began in it has seen more. Undefined
   * where that is not known.
   */
  readonly ends: (VersionVector | undefined)[];
  /** Its process is about to end. */
  stopping: boolean;
  /** The process, from its start to its end. */
  host: VirtualHost | undefined;
  /** From when the process has opened its store. */
  driver: Driver | undefined;
  /** What its directory says of why its identity is to be left behind. */
  leave: string | undefined;
  /** Stores that were moved aside, oldest first. */
  readonly aside: (readonly ScanEntry[])[];
}

/** One client connection, as its client sees it. */
export interface SessionListener {
  answered(answer: Answer): void;
  /** The connection has ended; what had no answer will get none. */
  lost(): void;
}

export interface Session {
  readonly id: number;
  readonly node: number;
  request(
    request: number,
    operations: readonly Operation[],
    idempotency?: { key: string; fingerprint: string },
  ): void;
  listKeys(request: number, limit: number, after: string | undefined): void;
  watch(request: number, filter: WatchFilter): void;
  /** The client goes away, without a word about what it waits for. */
  close(): void;
}

/** What a replica says to be durable. */
export interface Durable {
  readonly replica: ReplicaId;
  readonly versionVector: VersionVector;
  /** What its answers may have shown of. */
  readonly ceiling: VersionVector;
  readonly isRepairing: boolean;
}

export interface ClusterObserver {
  progressed(node: ClusterNode): void;
  /** `to`: the machine at the other end of the link, if it is still known. */
  sent(node: ClusterNode, message: PeerMessage, to: number | undefined): void;
  /** A batch is durable on the machine's disk; `before` reads what stood there. */
  landing(node: ClusterNode, landing: Landing): void;
  /** Its process has left its identity behind, and is about to go on under another one. */
  begunAnew(node: ClusterNode): void;
}

export interface Landing {
  readonly batch: Batch;
  readonly before: (key: Uint8Array) => Uint8Array | undefined;
}

export interface ClusterParts {
  readonly scheduler: Scheduler;
  readonly prng: Prng;
  readonly trace: Trace;
  readonly engine: Engine;
  readonly profile: ClusterProfile;
  readonly observer: ClusterObserver;
}

export class Cluster {
  readonly nodes: readonly ClusterNode[];
  readonly network: Network;
  /** How often the replicas told of something: log lines by level and text, telemetry by name. */
  readonly told = new Map<string, number>();
  private readonly sessions = new Map<number, { node: number; listener: SessionListener }>();
  private nextSession = 1;

  constructor(private readonly parts: ClusterParts) {
    const { scheduler, prng, profile } = parts;
    const addresses = profile.nodes.map((_, index) => `ws://node-${index}:7500`);
    this.network = new Network(scheduler, prng.split('network'), addresses, (from, to) =>
      profile.link(from, to),
    );
    this.nodes = profile.nodes.map((node, index) => ({
      index,
      region: node.region,
      address: addresses[index] as string,
      clock: new NodeClock(scheduler, node.clockOffsetMs, node.clockRate),
      disk: new Disk(scheduler, prng.split(`disk ${index}`), node.disk),
      starts: 0,
      paused: false,
      gone: false,
      epoch: 0,
      ends: [],
      stopping: false,
      host: undefined,
      driver: undefined,
      leave: undefined,
      aside: [],
    }));
    for (const node of this.nodes) {
      node.disk.onLanding = (batch, before) => parts.observer.landing(node, { batch, before });
    }
  }

  node(index: number): ClusterNode {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  start(index: number): void {
    const { scheduler, prng, trace, engine, profile, observer } = this.parts;
    const node = this.node(index);
    if (node.host !== undefined || node.gone) return;
    node.starts++;
    const random = prng.split(`start ${index} ${node.starts}`);
    trace.note(index, 'start', node.starts);
    node.clock.restart(random.between(0, 1e6));
    const settings = profile.nodes[index] as NodeProfile;
    const config: ReplicaConfig = {
      region: settings.region,
      advertise: node.address,
      seeds: this.seedsOf(node, settings),
      limits: settings.limits,
    };
    const env = observedEnvironment(node.index, random.split('replica'), trace, this.told, (key) =>
      node.disk.readNow(key),
    );
    const host = new VirtualHost({
      machine: index,
      scheduler,
      prng: random.split('host'),
      clock: node.clock,
      disk: node.disk,
      network: this.network,
      trace,
      engine,
      profile: settings.host,
      observer: {
        answer: (answer) => this.answer(index, answer),
        sent: (message, link) => observer.sent(node, message, this.network.peerOf(index, link)),
        committed: () => observer.progressed(node),
        rejoin: (rejoin) => this.beginAnew(node, rejoin),
      },
    });
    node.host = host;
    const open = (): void => {
      const stored = host.stored();
      const { leave } = node;
      const replica = engine.open(
        leave === undefined ? stored : { ...stored, leave },
        config,
        env,
        node.clock.now(),
      );
      node.driver = new Driver(replica, host);
      host.run(node.driver);
      observer.progressed(node);
    };
    host.boot(
      () => (node.disk.isEmpty ? engine.initialBatch(config, env, node.clock.now()) : undefined),
      open,
    );
  }

  /** The process goes on with a new store, at once: renaming directories is atomic. */
  private beginAnew(node: ClusterNode, { code, batch, copies }: Rejoin): void {
    const { scheduler, trace, observer } = this.parts;
    const old = node.disk.entries();
    const copied = copies.flatMap((copy) =>
      node.disk.read(copy.from, copy.to).map(({ key, value }) => ({ key: copiedKey(copy, key), value })),
    );
    this.crash(node.index, false);
    trace.note(node.index, 'begins anew', code);
    node.aside.push(old);
    node.leave = undefined;
    this.endHistory(node);
    observer.begunAnew(node);
    const puts = [...batch.puts, ...copied];
    node.disk.restore(puts);
    const identity = puts.find(({ key }) => isIdentity(key))?.value;
    observer.landing(node, {
      batch: { puts, deletes: [] },
      before: (key) => (isIdentity(key) ? identity : undefined),
    });
    const { starts } = node;
    scheduler.after(0.001, () => {
      if (node.starts === starts) this.start(node.index);
    });
  }

  /** The directory of a machine on which nothing runs is about to become another one. */
  endHistory(node: ClusterNode): void {
    const record = node.disk.at(REPLICA_KEY);
    node.ends[node.epoch++] = record === undefined ? undefined : shownOf(decodeReplicaRecord(record));
  }

  /** The process ends; `power`: the machine goes with it, so that its peers are not told. */
  crash(index: number, power: boolean): void {
    const node = this.node(index);
    if (node.host === undefined) return;
    this.parts.trace.note(index, power ? 'power cut' : 'killed');
    node.host.kill();
    node.host = undefined;
    node.driver = undefined;
    node.paused = false;
    node.stopping = false;
    node.disk.crash();
    this.network.detach(index, power);
    for (const [id, session] of [...this.sessions]) {
      if (session.node !== index) continue;
      this.sessions.delete(id);
      session.listener.lost();
    }
  }

  /** A polite end: requests are refused, peers get `graceMs` to take what there is, then the process ends. */
  stop(index: number, graceMs: number): void {
    const { scheduler, trace } = this.parts;
    const node = this.node(index);
    const { host, driver } = node;
    if (host === undefined || driver === undefined || node.stopping) return;
    node.stopping = true;
    trace.note(index, 'drain');
    host.step({ type: 'drain' });
    const end = scheduler.now + graceMs;
    const look = (): void => {
      if (node.host !== host) return;
      if (driver.replica.drained() || scheduler.now >= end) this.crash(index, false);
      else scheduler.after(20, look);
    };
    scheduler.after(20, look);
  }

  /** The process stands still; what reaches it meanwhile it handles when it runs again. */
  pause(index: number): void {
    const node = this.node(index);
    if (node.host === undefined || node.paused) return;
    this.parts.trace.note(index, 'paused');
    node.paused = true;
    node.host.pause();
  }

  resume(index: number): void {
    const node = this.node(index);
    if (!node.paused) return;
    this.parts.trace.note(index, 'resumed');
    node.paused = false;
    node.host?.resume();
  }

  /** Machines whose replicas are members, or are to be. */
  present(): ClusterNode[] {
    return this.nodes.filter(({ gone }) => !gone);
  }

  /** Undefined while nothing runs there. */
  status(index: number): Status | undefined {
    const node = this.node(index);
    return node.driver?.replica.status(node.clock.now());
  }

  /** Part of the status, for a fraction of its cost. */
  durable(index: number): Durable | undefined {
    const replica = this.node(index).driver?.replica;
    if (replica === undefined) return undefined;
    const { id, versionVector, ceiling, isRepairing } = replica;
    return { replica: id, versionVector, ceiling, isRepairing };
  }

  /** Nobody is given the address of a machine that is gone; who would have no other is given some that is there. */
  private seedsOf(node: ClusterNode, { seeds }: NodeProfile): string[] {
    const there = seeds.map((seed) => this.node(seed)).filter(({ gone }) => !gone);
    const others = this.present().filter((other) => other !== node && other.starts > 0);
    // With an empty directory and no seed it would found a cluster of its own.
    const isFounder = seeds.length === 0 && node.epoch === 0;
    return (there.length > 0 || isFounder ? there : others).map(({ address }) => address);
  }

  /** Its process has met nobody, and was told of no machine that is there, but this one. */
  dependsOn({ index, host, starts }: ClusterNode, way: ClusterNode): boolean {
    const { seeds, joinsClusters } = this.parts.profile.nodes[index] as NodeProfile;
    const met = this.status(index)?.peers ?? [];
    if (joinsClusters && (starts === 0 || met.length < seeds.length)) return seeds.includes(way.index);
    if (host === undefined || met.some(({ address }) => address !== way.address)) return false;
    const there = seeds.map((seed) => this.node(seed)).filter(({ gone }) => !gone);
    return there.length > 0 && there.every((seed) => seed === way);
  }

  /** Connects a client; undefined when nothing listens. */
  connect(index: number, listener: SessionListener): Session | undefined {
    const { host, driver } = this.node(index);
    if (host === undefined || driver === undefined) return undefined;
    const id = this.nextSession++;
    const { trace } = this.parts;
    this.sessions.set(id, { node: index, listener });
    return {
      id,
      node: index,
      request: (request, operations, idempotency) => {
        trace.note(index, 'request', id, request, operations.map((operation) => operation.op).join(' '));
        const event = { type: 'request', session: id, request, operations } as const;
        if (this.sessions.has(id)) host.step(idempotency === undefined ? event : { ...event, idempotency });
      },
      listKeys: (request, limit, after) => {
        const event = { type: 'list-keys', session: id, request, prefix: '', limit } as const;
        if (this.sessions.has(id)) host.step(after === undefined ? event : { ...event, after });
      },
      watch: (request, filter) => {
        if (this.sessions.has(id)) host.step({ type: 'watch', session: id, request, filter });
      },
      close: () => {
        if (!this.sessions.delete(id)) return;
        trace.note(index, 'session closed', id);
        host.step({ type: 'session-closed', session: id });
        listener.lost();
      },
    };
  }

  /** An answer to a session that is gone is lost on its way, as on a closed socket. */
  private answer(index: number, answer: Answer): void {
    this.parts.trace.note(index, answer.type, answer.session, answer.request);
    this.sessions.get(answer.session)?.listener.answered(answer);
  }
}

/** What a process that has opened such a store may show of. */
function shownOf({ positions, ceiling }: ReplicaRecord): VersionVector {
  const held = new Map([...positions].map(([origin, { seq }]) => [origin, seq]));
  return joinVersionVectors(held, ceiling);
}

function isIdentity(key: Uint8Array): boolean {
  return key.length === IDENTITY_KEY.length && key.every((byte, index) => byte === IDENTITY_KEY[index]);
}
