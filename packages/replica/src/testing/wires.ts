/**
 * Rigs that are linked to each other: what one sends the other is handed, in order and as it survives the wire, until
 * nobody has anything to say. A test may look at each message, keep it back, or cut the wire.
 */
import { decodePeerMessage, encodePeerMessage, type PeerMessage } from '@causeway/protocol';
import type { LinkId } from '../events.js';
import type { Rig } from './rig.js';

interface Wire {
  readonly a: Rig;
  readonly b: Rig;
  readonly links: ReadonlyMap<Rig, LinkId>;
  cut: boolean;
}

export class Wires {
  private readonly wires: Wire[] = [];
  /** How much of what each rig has sent has been handed on. */
  private readonly read = new Map<Rig, number>();
  /** Messages and their bytes, by the rig that sent them. */
  readonly carried: { readonly from: Rig; readonly message: PeerMessage; readonly bytes: number }[] = [];
  /** What is handed on instead; undefined: nothing. */
  filter: (message: PeerMessage, from: Rig) => PeerMessage | undefined = (message) => message;

  constructor(readonly rigs: readonly Rig[]) {
    for (const rig of rigs) this.read.set(rig, rig.sent.length);
  }

  connect(a: Rig, b: Rig): void {
    const links = new Map([
      [a, a.opens()],
      [b, b.opens()],
    ]);
    this.wires.push({ a, b, links, cut: false });
    this.carry();
  }

  /** All with all. */
  connectAll(): this {
    this.rigs.forEach((a, index) => {
      for (const b of this.rigs.slice(index + 1)) this.connect(a, b);
    });
    return this;
  }

  cut(a: Rig, b: Rig): void {
    for (const wire of this.wires) {
      if (wire.cut || !wire.links.has(a) || !wire.links.has(b)) continue;
      wire.cut = true;
      for (const [rig, link] of wire.links) if (rig.isOpen(link)) rig.cuts(link);
    }
    this.carry();
  }

  /** The process of `rig` ends and starts again; its wires are gone. */
  restart(rig: Rig): void {
    for (const wire of this.wires) {
      const link = wire.links.get(rig);
      const other = wire.a === rig ? wire.b : wire.a;
      if (link === undefined || wire.cut) continue;
      wire.cut = true;
      const theirs = wire.links.get(other)!;
      if (other.isOpen(theirs)) other.cuts(theirs);
    }
    rig.restart();
    this.carry();
  }

  /** Hands on everything, until nobody says anything more. */
  carry(): void {
    for (let again = true; again; ) {
      again = false;
      for (const rig of this.rigs) {
        const from = this.read.get(rig) ?? 0;
        if (rig.sent.length === from) continue;
        again = true;
        this.read.set(rig, rig.sent.length);
        for (const send of rig.sent.slice(from)) {
          if (send.type === 'message') this.hand(rig, send.link, send.message);
          else if (send.type === 'close') this.closed(rig, send.link);
        }
      }
    }
  }

  /** Lets time pass for all of them alike. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      for (const rig of this.rigs) rig.pass(STEP_MS);
      this.carry();
    }
  }

  passUntil(done: () => boolean, withinMs = 60_000): void {
    for (let passed = 0; !done(); passed += STEP_MS) {
      if (passed > withinMs) throw new Error(`not within ${withinMs} ms`);
      this.pass(STEP_MS);
    }
  }

  private hand(from: Rig, link: LinkId, message: PeerMessage): void {
    const wire = this.wireOf(from, link);
    if (wire === undefined) return;
    const frame = encodePeerMessage(message);
    this.carried.push({ from, message, bytes: frame.length });
    const handed = this.filter(decodePeerMessage(frame), from);
    if (handed === undefined) return;
    const to = wire.a === from ? wire.b : wire.a;
    to.step({ type: 'link-message', link: wire.links.get(to)!, message: handed });
  }

  private closed(from: Rig, link: LinkId): void {
    const wire = this.wireOf(from, link);
    if (wire === undefined) return;
    wire.cut = true;
    const to = wire.a === from ? wire.b : wire.a;
    const theirs = wire.links.get(to)!;
    if (to.isOpen(theirs)) to.cuts(theirs);
  }

  private wireOf(rig: Rig, link: LinkId): Wire | undefined {
    return this.wires.find((wire) => !wire.cut && wire.links.get(rig) === link);
  }
}

const STEP_MS = 50;
