/**
 * One process on a virtual machine: executes the driver's wishes against virtual time, network and disk.
 *
 * Invariants
 * - Nothing enters the driver but through `enter`: a dead process does nothing, a paused one does everything
 *   late and in order, and what the replica throws becomes a violation with the machine's name on it.
 * - A wake-up never comes early.
 */
import type { PeerMessage } from '@causeway/protocol';
import type {
  Batch,
  Driver,
  Event,
  Host,
  LinkId,
  Now,
  Rejoin,
  Scan,
  ScanEntry,
  Send,
  StoredReplica,
} from '@causeway/replica';
import type { NodeClock } from './clock.js';
import { Completion } from './completion.js';
import { type Delay, drawDelay } from './delay.js';
import type { Disk } from './disk.js';
import type { Engine } from './engine.js';
import { nameOfBytes } from './expectation.js';
import type { Endpoint, Network } from './network.js';
import type { Prng } from './prng.js';
import type { Scheduler, Timer } from './scheduler.js';
import type { Trace } from './trace.js';
import { show, Violation } from './violation.js';

/** What goes to a client. */
export type Answer = Exclude<Send, { type: 'message' | 'dial' | 'close' }>;

export interface HostProfile {
  /** From an event to the end of the turn that it is handled in. */
  readonly turn: Delay;
  /** How late timers fire. */
  readonly lateness: Delay;
  /** A dial that has not opened by then has failed. Milliseconds. */
  readonly dialTimeoutMs: number;
}

/** Told of everything that a process does to the outside. */
export interface HostObserver {
  answer(answer: Answer): void;
  sent(message: PeerMessage, link: LinkId): void;
  /** A write was acknowledged and the replica has been told. */
  committed(): void;
  /** The replica leaves its identity behind: the process is to go on with a new store. */
  rejoin(rejoin: Rejoin): void;
}

export interface HostParts {
  readonly machine: number;
  readonly scheduler: Scheduler;
  readonly prng: Prng;
  readonly clock: NodeClock;
  readonly disk: Disk;
  readonly network: Network;
  readonly trace: Trace;
  readonly engine: Engine;
  readonly profile: HostProfile;
  readonly observer: HostObserver;
}

export class VirtualHost implements Host, Endpoint {
  private driver: Driver | undefined;
  private dead = false;
  private paused = false;
  private readonly backlog: (() => void)[] = [];
  private timer: Timer | undefined;
  private readonly dialling = new Set<LinkId>();
  /** Inbound links get odd numbers, the replica gives its dials even ones. */
  private nextInbound = 1;

  constructor(private readonly parts: HostParts) {}

  /** Reads the store, makes what `first` returns of an empty one, then calls `open`. */
  boot(first: () => Batch | undefined, open: () => void): void {
    const { disk, trace, machine } = this.parts;
    this.gated(disk.reopen(() => undefined)).then(() => {
      const batch = first();
      if (batch === undefined) {
        open();
        return;
      }
      trace.note(machine, 'first batch');
      // A first start that cannot write is no start: whoever supervises it tries again.
      this.gated(disk.write(batch)).then(open, () => this.boot(first, open));
    });
  }

  /** The process is up: from now on it listens, and the driver runs. */
  run(driver: Driver): void {
    this.driver = driver;
    this.parts.network.attach(this.parts.machine, this);
    this.step({ type: 'tick' });
  }

  /** The process is gone; nothing that was under way for it happens any more. */
  kill(): void {
    this.dead = true;
    this.driver?.stop();
    this.parts.scheduler.cancel(this.timer);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    while (this.backlog.length > 0 && !this.paused) this.enter(this.backlog.shift() as () => void);
  }

  /** Hands an event to the replica, when the process next runs. */
  step(event: Event): void {
    this.enter(() => this.driver?.step(event));
  }

  now(): Now {
    return this.parts.clock.now();
  }

  defer(task: () => void): void {
    const { scheduler, prng, profile } = this.parts;
    scheduler.after(drawDelay(prng, profile.turn), () => this.enter(task));
  }

  wake(at: number, task: () => void): void {
    const { scheduler, prng, clock, profile } = this.parts;
    scheduler.cancel(this.timer);
    const time = Math.max(clock.timeOf(at), scheduler.now) + 0.001 + drawDelay(prng, profile.lateness);
    this.timer = scheduler.at(time, () => this.enter(task));
  }

  write(batch: Batch): Promise<void> {
    const { trace, machine, disk, observer } = this.parts;
    trace.note(machine, 'write', batch.puts.length, batch.deletes.length);
    this.checkBatch(batch);
    for (const put of batch.puts) trace.note(machine, 'put', put.key, put.value);
    const done = this.gated(disk.write(batch));
    const told = new Completion<void>();
    done.then(
      () => {
        trace.note(machine, 'written');
        told.resolve();
        observer.committed();
      },
      (error: unknown) => {
        trace.note(machine, 'write failed');
        told.reject(error);
      },
    );
    return told;
  }

  reopen(): Promise<StoredReplica> {
    const { trace, machine, disk } = this.parts;
    return this.gated(
      disk.reopen(() => {
        trace.note(machine, 'reopened');
        return this.stored();
      }),
    );
  }

  /** What a start reads of the store. */
  stored(): StoredReplica {
    const { disk, engine } = this.parts;
    return { entries: engine.startRanges.flatMap(({ from, to }) => disk.read(from, to)) };
  }

  load(keys: readonly Uint8Array[], snapshot?: number): Promise<readonly (Uint8Array | undefined)[]> {
    return this.gated(this.parts.disk.load(keys, snapshot));
  }

  openSnapshot(id: number): void {
    this.parts.trace.note(this.parts.machine, 'snapshot', id);
    this.parts.disk.openSnapshot(id);
  }

  closeSnapshot(id: number): void {
    this.parts.trace.note(this.parts.machine, 'snapshot closed', id);
    this.parts.disk.closeSnapshot(id);
  }

  scan(scan: Scan): Promise<readonly ScanEntry[]> {
    return this.gated(this.parts.disk.scan(scan));
  }

  send(sends: readonly Send[]): void {
    const { network, machine, observer, trace, engine } = this.parts;
    for (const send of sends) {
      if (send.type === 'message') {
        observer.sent(send.message, send.link);
        const bytes = engine.encode(send.message);
        trace.note(machine, 'send', send.link, send.message.type, bytes);
        network.send(machine, send.link, bytes);
      } else if (send.type === 'dial') this.dial(send.link, send.address);
      else if (send.type === 'close') {
        trace.note(machine, 'close', send.link, send.reason);
        network.close(machine, send.link, send.reason);
      } else observer.answer(send);
    }
  }

  rejoin(rejoin: Rejoin): void {
    this.parts.observer.rejoin(rejoin);
  }

  accept(): LinkId {
    this.nextInbound += 2;
    return this.nextInbound;
  }

  opened(link: LinkId, address: string | undefined): void {
    this.dialling.delete(link);
    this.parts.trace.note(this.parts.machine, 'opened', link, address ?? 'inbound');
    this.step({ type: 'link-opened', link, ...(address === undefined ? {} : { address }) });
  }

  received(link: LinkId, bytes: Uint8Array): void {
    const { trace, machine, engine } = this.parts;
    trace.note(machine, 'received', link, bytes.length);
    this.enter(() => this.driver?.step({ type: 'link-message', link, message: engine.decode(bytes) }));
  }

  closed(link: LinkId, address: string | undefined, reason: string): void {
    this.dialling.delete(link);
    this.parts.trace.note(this.parts.machine, 'closed', link, reason);
    this.step({ type: 'link-closed', link, reason, ...(address === undefined ? {} : { address }) });
  }

  private dial(link: LinkId, address: string): void {
    const { network, machine, scheduler, trace, profile } = this.parts;
    trace.note(machine, 'dial', link, address);
    this.dialling.add(link);
    network.dial(machine, link, address);
    scheduler.after(profile.dialTimeoutMs, () => {
      if (!this.dead && this.dialling.has(link)) network.close(machine, link, 'timed out');
    });
  }

  /** Stores differ in what they do first, puts or deletes: no key may be among both. */
  private checkBatch({ puts, deletes }: Batch): void {
    const deleted = new Set(deletes.map(nameOfBytes));
    const both = puts.find(({ key }) => deleted.has(nameOfBytes(key)));
    if (both !== undefined) {
      throw new Violation(
        'batches',
        `n${this.parts.machine} puts and deletes ${show(both.key)} in one batch`,
      );
    }
  }

  private gated<T>(promise: Promise<T>): Promise<T> {
    const done = new Completion<T>();
    promise.then(
      (value) => this.enter(() => done.resolve(value)),
      (error: unknown) => this.enter(() => done.reject(error)),
    );
    return done;
  }

  private enter(task: () => void): void {
    if (this.dead) return;
    if (this.paused) {
      this.backlog.push(task);
      return;
    }
    try {
      task();
    } catch (error) {
      if (error instanceof Violation) throw error;
      const { machine } = this.parts;
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Violation('no-crash', `n${machine} threw: ${stack}`, { cause: error });
    }
  }
}
