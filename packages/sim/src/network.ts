/**
 * Machines joined by links: connections that carry messages in order, each direction with its own delay and
 * bandwidth (lane.ts), and everything that goes wrong with them.
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
import { Lane, type LinkProfile, type NetworkCounts, type Packet, type Path } from './lane.js';
import type { Prng } from './prng.js';
import type { Scheduler } from './scheduler.js';

/** The process on a machine, as the network knows it. Every link ends with exactly one `closed`. */
export interface Endpoint {
  /** Names a connection that a peer has dialled. */
  accept(): LinkId;
  /** `address` for a dial of this endpoint's own. */
  opened(link: LinkId, address: string | undefined): void;
  received(link: LinkId, bytes: Uint8Array): void;
  closed(link: LinkId, address: string | undefined, reason: string): void;
}

/** One end of a connection. */
interface Side {
  readonly machine: number;
  /** Absent before the connection was accepted, and when the side is gone. */
  endpoint: Endpoint | undefined;
  link: LinkId;
  readonly address: string | undefined;
  /** What this side sends. */
  readonly out: Lane;
  readonly other: () => Side;
}

/** What a planted fault does with a message: passes it, changes it, or loses it. */
export type Tamper = (from: number, to: number, bytes: Uint8Array) => Uint8Array | undefined;

export class Network {
  /** Planted bug; only tests of the checkers set it. */
  tamper: Tamper | undefined;
  readonly counts: NetworkCounts = { dials: 0, messages: 0, bytes: 0, held: 0, queuedBytesMost: 0 };
  private readonly endpoints = new Map<number, Endpoint>();
  private readonly powered = new Set<number>();
  private readonly paths: Path[][];
  /** Both sides of every connection of which one may still be heard. */
  private readonly sides = new Set<Side>();

  constructor(
    private readonly scheduler: Scheduler,
    private readonly prng: Prng,
    readonly addresses: readonly string[],
    profileOf: (from: number, to: number) => LinkProfile,
  ) {
    this.paths = addresses.map((_, from) =>
      addresses.map((_, to) => {
        const usual = profileOf(from, to);
        return { usual, profile: usual, held: false, refused: false, freeAt: 0 };
      }),
    );
  }

  /** A process listens on the machine, which has power from now on. */
  attach(machine: number, endpoint: Endpoint): void {
    this.powered.add(machine);
    this.endpoints.set(machine, endpoint);
  }

  /** The process is gone; `silent`: the whole machine is. */
  detach(machine: number, silent: boolean): void {
    this.endpoints.delete(machine);
    if (silent) this.powered.delete(machine);
    for (const side of [...this.sides]) {
      if (side.machine !== machine || side.endpoint === undefined) continue;
      side.endpoint = undefined;
      if (silent) side.out.drop();
      else side.out.send({ type: 'close', reason: 'connection reset by peer' });
      this.forgetWhenOver(side);
    }
  }

  dial(machine: number, link: LinkId, address: string): void {
    this.counts.dials++;
    const endpoint = this.endpoints.get(machine) as Endpoint;
    const target = this.addresses.indexOf(address);
    if (target < 0 || this.path(machine, target).refused) {
      const reason = target < 0 ? 'no such host' : 'connection refused';
      this.closeSoon(machine, endpoint, link, address, reason, 5);
      return;
    }
    const dialler = this.side(machine, target, address, () => listener);
    const listener: Side = this.side(target, machine, undefined, () => dialler);
    dialler.endpoint = endpoint;
    dialler.link = link;
    this.sides.add(dialler).add(listener);
    dialler.out.send({ type: 'dial' });
  }

  /** A link that is not there (any more) takes the bytes and loses them, as a socket does. */
  send(machine: number, link: LinkId, bytes: Uint8Array): void {
    const side = this.find(machine, link);
    if (side === undefined) return;
    const passed = this.tamper === undefined ? bytes : this.tamper(machine, side.other().machine, bytes);
    if (passed === undefined) return;
    this.counts.messages++;
    this.counts.bytes += passed.length;
    side.out.send({ type: 'message', bytes: passed });
  }

  /** The machine at the other end of a link. */
  peerOf(machine: number, link: LinkId): number | undefined {
    return this.find(machine, link)?.other().machine;
  }

  /** Ends a link of this machine, also one that is still being dialled. */
  close(machine: number, link: LinkId, reason: string): void {
    const side = this.find(machine, link);
    if (side?.endpoint === undefined) return;
    this.closeSoon(machine, side.endpoint, link, side.address, reason, 1);
    side.endpoint = undefined;
    side.out.send({ type: 'close', reason });
  }

  /** Holds, or lets through again, what goes from one machine to another. */
  hold(from: number, to: number, held: boolean): void {
    const path = this.path(from, to);
    if (path.held === held) return;
    path.held = held;
    if (held) return;
    for (const side of [...this.sides]) if (side.out.path === path) side.out.release();
  }

  /** Cuts a pair with a reset, or lets it connect again. */
  refuse(a: number, b: number, refused: boolean): void {
    const paths = [this.path(a, b), this.path(b, a)];
    for (const path of paths) path.refused = refused;
    if (refused) this.reset(a, b);
  }

  /** Ends the connections of a pair; new ones may be made. */
  reset(a: number, b: number): void {
    const paths = [this.path(a, b), this.path(b, a)];
    for (const side of [...this.sides]) {
      if (!paths.includes(side.out.path)) continue;
      this.sides.delete(side);
      side.out.drop();
      const { endpoint, machine, link, address } = side;
      side.endpoint = undefined;
      if (endpoint !== undefined) this.closeSoon(machine, endpoint, link, address, 'connection reset', 20);
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

  private side(machine: number, target: number, address: string | undefined, other: () => Side): Side {
    const { scheduler, prng, counts } = this;
    const deliver = (packet: Packet): void => this.deliver(other(), packet);
    const out = new Lane(scheduler, prng, this.path(machine, target), counts, deliver);
    return { machine, endpoint: undefined, link: 0, address, out, other };
  }

  private path(from: number, to: number): Path {
    return (this.paths[from] as Path[])[to] as Path;
  }

  private find(machine: number, link: LinkId): Side | undefined {
    for (const side of this.sides) {
      if (side.machine === machine && side.link === link && side.endpoint !== undefined) return side;
    }
    return undefined;
  }

  private closeSoon(
    machine: number,
    endpoint: Endpoint,
    link: LinkId,
    address: string | undefined,
    reason: string,
    withinMs: number,
  ): void {
    this.scheduler.after(this.prng.between(0, withinMs), () => {
      if (this.endpoints.get(machine) === endpoint) endpoint.closed(link, address, reason);
    });
  }

  private deliver(to: Side, packet: Packet): void {
    if (packet.type === 'dial') this.accept(to);
    else if (to.endpoint === undefined) {
      if (packet.type !== 'close') this.answerForNobody(to);
    } else if (packet.type === 'accepted') to.endpoint.opened(to.link, to.address);
    else if (packet.type === 'message') to.endpoint.received(to.link, packet.bytes);
    else {
      const { endpoint } = to;
      to.endpoint = undefined;
      endpoint.closed(to.link, to.address, packet.reason);
    }
    this.forgetWhenOver(to);
  }

  private accept(to: Side): void {
    const endpoint = this.endpoints.get(to.machine);
    if (endpoint === undefined) {
      this.answerForNobody(to);
      return;
    }
    to.endpoint = endpoint;
    to.link = endpoint.accept();
    to.out.send({ type: 'accepted' });
    endpoint.opened(to.link, undefined);
  }

  /** A machine that runs refuses what no process of it takes; one without power says nothing. */
  private answerForNobody(side: Side): void {
    if (side.other().endpoint === undefined || !this.powered.has(side.machine)) return;
    side.out.send({ type: 'close', reason: 'connection refused' });
  }

  private forgetWhenOver(side: Side): void {
    const both = [side, side.other()];
    if (both.some(({ endpoint, out }) => endpoint !== undefined || !out.isEmpty)) return;
    for (const one of both) this.sides.delete(one);
  }
}
