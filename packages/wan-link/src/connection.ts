/**
 * One connection over a link: the client's socket, the socket dialled to the target, a pipe each way, and
 * the handshake between them.
 *
 * The client's own kernel has accepted it at once, so the distance is charged here: the target is dialled
 * when the SYN would arrive, and the client's first bytes enter the line when the SYN-ACK would be back.
 * A SYN or SYN-ACK that meets a silent cut waits for the heal; a client that gives up before its SYN has
 * arrived leaves no trace at the target.
 *
 * `onGone` is called once, when both sockets are closed.
 */
import { connect, type Socket } from 'node:net';
import type { HostPort } from './address.js';
import type { Line } from './line.js';
import { abort, Pipe } from './pipe.js';
import { type Random, seededRandom } from './random.js';
import type { Scheduler } from './scheduler.js';
import type { Direction } from './settings.js';

type Step = 'syn' | 'syn-ack';

export interface ConnectionOptions {
  readonly scheduler: Scheduler;
  readonly lines: Readonly<Record<Direction, Line>>;
  readonly target: HostPort;
  /** Of the link, and the number of the connection in it. */
  readonly seeds: readonly [seed: number, connection: number];
  readonly client: Socket;
  readonly onGone: () => void;
  /** The target could not be dialled. */
  readonly onDialError: (error: Error) => void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #up: Pipe;
  readonly #random: Readonly<Record<Direction, Random>>;
  #down: Pipe | undefined;
  #target: Socket | undefined;
  /** What a cut has swallowed of the handshake. */
  #lost: Step | undefined;
  #socketsOpen = 1;

  constructor(options: ConnectionOptions) {
    const { client, scheduler, lines, seeds } = options;
    this.#options = options;
    this.#random = { up: seededRandom(...seeds, 0), down: seededRandom(...seeds, 1) };
    ignoreErrors(client);
    client.on('end', () => {
      if (this.#lost === 'syn') abort(client);
    });
    client.on('close', () => this.#closed());
    this.#up = new Pipe(scheduler, lines.up, this.#random.up, client);
    this.#shake('syn', scheduler.now());
  }

  /** Resets both sides at once. */
  reset(): void {
    abort(this.#options.client);
    if (this.#target !== undefined) abort(this.#target);
  }

  /** What is under way in a direction is lost, to be sent again by `resend`. */
  hold(direction: Direction): void {
    this.#pipe(direction)?.hold();
  }

  /** What was held enters the lines at `at`. */
  resend(at: number): void {
    const lost = this.#lost;
    this.#lost = undefined;
    if (lost !== undefined) this.#shake(lost, at);
    this.#up.enterHeld(at);
    this.#down?.enterHeld(at);
  }

  /** After a change of settings. */
  adjust(): void {
    this.#up.adjust();
    this.#down?.adjust();
  }

  #pipe(direction: Direction): Pipe | undefined {
    return direction === 'up' ? this.#up : this.#down;
  }

  /** Sends a packet of the handshake at `at`. */
  #shake(step: Step, at: number): void {
    const { scheduler, lines, client } = this.#options;
    const direction = step === 'syn' ? 'up' : 'down';
    scheduler.at(at + lines[direction].travelMs(this.#random[direction]), (arrived) => {
      if (step === 'syn' && client.destroyed) return;
      // Without a way back a connection does not come about: the target's program never hears of it.
      const isLost = lines.down.cut || (step === 'syn' && lines.up.cut);
      if (isLost) this.#lose(step);
      else if (step === 'syn') this.#dial(arrived);
      else this.#up.open(this.#target!, arrived);
    });
  }

  #lose(step: Step): void {
    const { client } = this.#options;
    if (step === 'syn' && client.readableEnded) abort(client);
    else this.#lost = step;
  }

  #dial(at: number): void {
    const { scheduler, lines, client, onDialError } = this.#options;
    const target = connect({ ...this.#options.target, allowHalfOpen: true, noDelay: true });
    this.#target = target;
    this.#socketsOpen++;
    ignoreErrors(target);
    target.once('error', onDialError);
    target.once('connect', () => target.off('error', onDialError));
    target.on('close', () => this.#closed());
    this.#down = new Pipe(scheduler, lines.down, this.#random.down, target);
    this.#down.open(client, at);
    this.#shake('syn-ack', at);
  }

  #closed(): void {
    this.#socketsOpen--;
    if (this.#socketsOpen > 0) return;
    this.#up.discard();
    this.#down?.discard();
    this.#options.onGone();
  }
}

/** For a socket whose failure is told by the `close` that follows: without a listener it ends the process. */
export function ignoreErrors(socket: Socket): void {
  socket.on('error', () => {
    // The pipe that reads this socket turns the failed close into a reset of the other side.
  });
}
