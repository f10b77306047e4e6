/**
 * Machines joined by links: connections that carry messages in order, each direction with its own delay and
 * bandwidth, and everything that goes wrong with them.
 *
 * - A silent cut of a direction holds what is sent there, as TCP does by sending again: it arrives after the
 *   heal, in order. A dial hangs.
 * - A reset cut closes the connections of a pair at once and refuses new ones.
 * - A killed process closes its connections, a machine that lost its power tells nobody; its peers learn of it
 *   when they send to the machine after it is back.
 *
 * Messages are bytes here, so that nothing can be shared between machines by reference.
 */
import type { LinkId } from '@causeway/replica';
import { type Delay, drawDelay } from './delay.js';
import type { Prng } from './prng.js';
import type { Scheduler, Timer } from './scheduler.js';

/** The process on a machine, as the network knows it. Every link ends with exactly one `closed`. */
export interface Endpoint {
  /** Names a connection that a peer has dialled. */
  accept(): LinkId;
  /** `address` for a dial of this endpoint's own. */
  opened(link: LinkId, address: string | undefined): void;
  received(link: LinkId, bytes: Uint8Array): void;
  closed(link: LinkId, address: string | undefined, reason: string): void;
}

export interface LinkProfile {
  readonly delay: Delay;
  /** Bytes per millisecond. */
  readonly bandwidth: number;
}

/** From one machine to another. */
interface Path {
  readonly from: number;
  readonly to: number;
  readonly usual: LinkProfile;
  profile: LinkProfile;
  held: boolean;
  refused: boolean;
  /** When what is being sent has left. */
  freeAt: number;
}

type Packet =
  | { readonly type: 'dial' }
  | { readonly type: 'accepted' }
  | { readonly type: 'message'; readonly bytes: Uint8Array }
  | { readonly type: 'close'; readonly reason: string };

interface Direction {
  readonly path: Path;
  readonly queue: { readonly packet: Packet; readyAt: number }[];
  lastReadyAt: number;
  bytes: number;
  timer: Timer | undefined;
}

interface Side {
  readonly machine: number;
  /** Absent before the connection was accepted, and when the side is gone. */
  endpoint: Endpoint | undefined;
  link: LinkId;
  readonly address: string | undefined;
  readonly out: Direction;
}

interface Connection {
  readonly dialler: Side;
  readonly listener: Side;
}

/** What a planted fault does with a message: passes it, changes it, or loses it. */
export type Tamper = (from: number, to: number, bytes: Uint8Array) => Uint8Array | undefined;

export class Network {
  /** Planted bug; only tests of the checkers set it. */
  tamper: Tamper | undefined;
  /** Sums over the simulation. */
  readonly counts = { dials: 0, messages: 0, bytes: 0, held: 0, queuedBytesMost: 0 };
  private readonly endpoints = new Map<number, Endpoint>();
  private readonly powered = new Set<number>();
  private readonly paths: Path[][];
  private readonly connections = new Set<Connection>();

  constructor(
    private readonly scheduler: Scheduler,
    private readonly prng: Prng,
    readonly addresses: readonly string[],
    profileOf: (from: number, to: number) => LinkProfile,
  ) {
    this.paths = addresses.map((_, from) =>
      addresses.map((_, to) => {
        const usual = profileOf(from, to);
        return { from, to, usual, profile: usual, held: false, refused: false, freeAt: 0 };
      }),
    );
  }

  attach(machine: number, endpoint: Endpoint): void {
    this.powered.add(machine);
    this.endpoints.set(machine, endpoint);
  }

  /** The process is gone; `silent`: the whole machine is. */
  detach(machine: number, silent: boolean): void {
    this.endpoints.delete(machine);
    if (silent) this.powered.delete(machine);
    for (const connection of [...this.connections]) {
      for (const [side, other] of sides(connection)) {
        if (side.machine !== machine || side.endpoint === undefined) continue;
        side.endpoint = undefined;
        if (silent) drop(side.out);
        else this.enqueue(connection, side, other, { type: 'close', reason: 'connection reset by peer' });
      }
      this.forgetWhenOver(connection);
    }
  }

  dial(machine: number, link: LinkId, address: string): void {
    this.counts.dials++;
    const endpoint = this.endpoints.get(machine) as Endpoint;
    const target = this.addresses.indexOf(address);
    const path = this.paths[machine]?.[target];
    if (path === undefined || path.refused) {
      const reason = path === undefined ? 'no such host' : 'connection refused';
      this.scheduler.after(this.prng.between(0.1, 5), () => {
        if (this.endpoints.get(machine) === endpoint) endpoint.closed(link, address, reason);
      });
      return;
    }
    const connection: Connection = {
      dialler: { machine, endpoint, link, address, out: direction(path) },
      listener: {
        machine: target,
        endpoint: undefined,
        link: 0,
        address: undefined,
        out: direction(this.path(target, machine)),
      },
    };
    this.connections.add(connection);
    this.enqueue(connection, connection.dialler, connection.listener, { type: 'dial' });
  }

  /** A link that is not there (any more) takes the bytes and loses them, as a socket does. */
  send(machine: number, link: LinkId, bytes: Uint8Array): void {
    const found = this.find(machine, link);
    if (found === undefined) return;
    const passed = this.tamper === undefined ? bytes : this.tamper(machine, found.other.machine, bytes);
    if (passed === undefined) return;
    this.counts.messages++;
    this.counts.bytes += passed.length;
    this.enqueue(found.connection, found.side, found.other, { type: 'message', bytes: passed });
  }

  /** Ends a link of this machine, also one that is still being dialled. */
  close(machine: number, link: LinkId, reason: string): void {
    const found = this.find(machine, link);
    if (found === undefined) return;
    const { connection, side, other } = found;
    const { endpoint } = side;
    side.endpoint = undefined;
    this.enqueue(connection, side, other, { type: 'close', reason });
    this.scheduler.after(this.prng.between(0, 1), () => {
      if (this.endpoints.get(machine) === endpoint) endpoint?.closed(link, side.address, reason);
    });
  }

  /** Holds, or lets through again, what goes from one machine to another. */
  hold(from: number, to: number, held: boolean): void {
    const path = this.path(from, to);
    if (path.held === held) return;
    path.held = held;
    if (held) return;
    for (const connection of [...this.connections]) {
      for (const [side, other] of sides(connection)) {
        if (side.out.path !== path) continue;
        this.again(side.out);
        this.pump(connection, side, other);
      }
    }
  }

  /** Cuts a pair with a reset, or lets it connect again. */
  refuse(a: number, b: number, refused: boolean): void {
    this.path(a, b).refused = refused;
    this.path(b, a).refused = refused;
    if (!refused) return;
    for (const connection of [...this.connections]) {
      const { dialler, listener } = connection;
      if (
        !(dialler.machine === a && listener.machine === b) &&
        !(dialler.machine === b && listener.machine === a)
      )
        continue;
      this.connections.delete(connection);
      for (const [side] of sides(connection)) this.reset(side);
    }
  }

  usualProfile(from: number, to: number): LinkProfile {
    return this.path(from, to).usual;
  }

  setProfile(from: number, to: number, profile: LinkProfile): void {
    this.path(from, to).profile = profile;
  }

  resetProfile(from: number, to: number): void {
    this.setProfile(from, to, this.usualProfile(from, to));
  }

  /** True when neither direction of the pair is cut. */
  isWhole(a: number, b: number): boolean {
    return [this.path(a, b), this.path(b, a)].every((path) => !path.held && !path.refused);
  }

  private reset(side: Side): void {
    const { endpoint } = side;
    drop(side.out);
    side.endpoint = undefined;
    if (endpoint === undefined) return;
    this.scheduler.after(this.prng.between(0, 20), () => {
      if (this.endpoints.get(side.machine) === endpoint)
        endpoint.closed(side.link, side.address, 'connection reset');
    });
  }

  private path(from: number, to: number): Path {
    return (this.paths[from] as Path[])[to] as Path;
  }

  private find(machine: number, link: LinkId) {
    for (const connection of this.connections) {
      for (const [side, other] of sides(connection)) {
        if (side.machine === machine && side.link === link && side.endpoint !== undefined) {
          return { connection, side, other };
        }
      }
    }
    return undefined;
  }

  private enqueue(connection: Connection, side: Side, other: Side, packet: Packet): void {
    const { out } = side;
    const { path } = out;
    const bytes = packet.type === 'message' ? packet.bytes.length : 0;
    path.freeAt = Math.max(path.freeAt, this.scheduler.now) + bytes / path.profile.bandwidth;
    const readyAt = Math.max(out.lastReadyAt, path.freeAt + drawDelay(this.prng, path.profile.delay));
    out.lastReadyAt = readyAt;
    out.bytes += bytes;
    this.counts.queuedBytesMost = Math.max(this.counts.queuedBytesMost, out.bytes);
    if (path.held) this.counts.held++;
    out.queue.push({ packet, readyAt });
    this.pump(connection, side, other);
  }

  /** After a heal what was held goes out once more. */
  private again(out: Direction): void {
    let at = this.scheduler.now + drawDelay(this.prng, out.path.profile.delay);
    for (const waiting of out.queue) {
      waiting.readyAt = Math.max(waiting.readyAt, at);
      at = waiting.readyAt;
    }
    out.lastReadyAt = Math.max(out.lastReadyAt, at);
  }

  private pump(connection: Connection, side: Side, other: Side): void {
    const { out } = side;
    this.scheduler.cancel(out.timer);
    out.timer = undefined;
    for (;;) {
      const head = out.queue[0];
      if (head === undefined || out.path.held) return;
      if (head.readyAt > this.scheduler.now) {
        out.timer = this.scheduler.at(head.readyAt, () => this.pump(connection, side, other));
        return;
      }
      out.queue.shift();
      if (head.packet.type === 'message') out.bytes -= head.packet.bytes.length;
      this.deliver(connection, other, side, head.packet);
    }
  }

  /** `from` sent it, `to` gets it. */
  private deliver(connection: Connection, to: Side, from: Side, packet: Packet): void {
    if (packet.type === 'dial') this.accept(connection, to, from);
    else if (to.endpoint === undefined) this.answerForNobody(connection, to, from, packet);
    else if (packet.type === 'accepted') to.endpoint.opened(to.link, to.address);
    else if (packet.type === 'message') to.endpoint.received(to.link, packet.bytes);
    else {
      const { endpoint } = to;
      to.endpoint = undefined;
      endpoint.closed(to.link, to.address, packet.reason);
    }
    this.forgetWhenOver(connection);
  }

  private accept(connection: Connection, to: Side, from: Side): void {
    const endpoint = this.endpoints.get(to.machine);
    if (endpoint === undefined) {
      this.answerForNobody(connection, to, from, { type: 'dial' });
      return;
    }
    to.endpoint = endpoint;
    to.link = endpoint.accept();
    this.enqueue(connection, to, from, { type: 'accepted' });
    endpoint.opened(to.link, undefined);
  }

  /** A machine that runs refuses what no process of it takes; one without power says nothing. */
  private answerForNobody(connection: Connection, to: Side, from: Side, packet: Packet): void {
    if (packet.type === 'close' || from.endpoint === undefined || !this.powered.has(to.machine)) return;
    this.enqueue(connection, to, from, { type: 'close', reason: 'connection refused' });
  }

  private forgetWhenOver(connection: Connection): void {
    const over = (side: Side): boolean => side.endpoint === undefined && side.out.queue.length === 0;
    if (over(connection.dialler) && over(connection.listener)) this.connections.delete(connection);
  }
}

function direction(path: Path): Direction {
  return { path, queue: [], lastReadyAt: 0, bytes: 0, timer: undefined };
}

function drop(out: Direction): void {
  out.queue.length = 0;
  out.bytes = 0;
}

function sides({ dialler, listener }: Connection): [Side, Side][] {
  return [
    [dialler, listener],
    [listener, dialler],
  ];
}
