/** A wire between two rigs: the first dials the second, and what either sends arrives at the other at once. */
import type { Send } from '../ready.js';
import type { Rig } from './rig.js';

const ROUNDS_MAX = 10_000;

export class Wire {
  private ends: { a: number; b: number } | undefined;
  private readonly taken: [number, number] = [0, 0];
  isCut = false;

  constructor(
    readonly a: Rig,
    readonly b: Rig,
    /** Of `b`, among the seeds of `a`. */
    private readonly address: string,
  ) {}

  /** Lets time pass at both, and messages go to and fro. `each` is called after every step. */
  run(ms: number, each: () => void = () => undefined): void {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.a.pass(STEP_MS);
      this.b.pass(STEP_MS);
      this.carry();
      each();
    }
  }

  runUntil(done: () => boolean, withinMs: number, each?: () => void): void {
    for (let passed = 0; !done(); passed += 10 * STEP_MS) {
      if (passed > withinMs) throw new Error(`not within ${withinMs} ms`);
      this.run(10 * STEP_MS, each);
    }
  }

  /** The wire is cut, or whole again. */
  cut(isCut: boolean): void {
    this.isCut = isCut;
    if (isCut) this.drop();
  }

  /** Whatever is under way is lost. */
  drop(): void {
    const { ends } = this;
    this.ends = undefined;
    if (ends === undefined) return;
    this.a.cuts(ends.a);
    this.b.cuts(ends.b);
  }

  private carry(): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const moved = [this.from(0, this.a, this.b), this.from(1, this.b, this.a)];
      if (!moved.includes(true)) return;
    }
    throw new Error('the two never stop talking');
  }

  private from(side: 0 | 1, sender: Rig, receiver: Rig): boolean {
    const at = this.taken[side];
    if (at >= sender.sent.length) return false;
    const send = sender.sent[at] as Send;
    this.taken[side]++;
    if (send.type === 'dial' && side === 0 && send.address === this.address) this.dialled(send.link);
    else if (send.type === 'dial') sender.cuts(send.link, 'nobody there');
    const { ends } = this;
    if (ends === undefined) return true;
    const [own, other] = side === 0 ? [ends.a, ends.b] : [ends.b, ends.a];
    if (send.type === 'message' && send.link === own) {
      receiver.step({ type: 'link-message', link: other, message: send.message });
    } else if (send.type === 'close' && send.link === own) {
      this.ends = undefined;
      sender.cuts(own);
      receiver.cuts(other);
    }
    return true;
  }

  private dialled(link: number): void {
    if (this.isCut) return this.a.cuts(link, 'cut');
    // One that stands is replaced, as after a restart.
    if (this.ends !== undefined) this.b.cuts(this.ends.b);
    this.ends = { a: link, b: -1 };
    this.a.accepts(link, this.address);
    this.ends = { a: link, b: this.b.opens() };
  }
}

const STEP_MS = 20;
