/**
 * One direction of one connection: reads its source, holds what is under way, writes it to its sink late.
 *
 * Invariants
 * - Bytes, end of stream and reset leave in the order in which they came: what is due before the one ahead
 *   of it, by jitter or by a change of settings, waits for that one.
 * - Nothing leaves while the line is cut or the pipe is not open; at the heal, and at the opening, all that
 *   is held enters the line anew.
 * - With more than queueBytesMax held the source is not read (one chunk of the socket, 64 KiB, may be above).
 * - A source that failed becomes a reset of the sink. A sink that is gone takes the queue with it, and its
 *   source is read no more: the reset that ends that source comes by the pipe of the other direction.
 */
import type { Socket } from 'node:net';
import type { Line } from './line.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';

interface Item {
  readonly type: 'bytes' | 'end' | 'reset';
  readonly bytes: Buffer;
  /** When it is out of the line; infinite while it has not entered. */
  due: number;
}

export class Pipe {
  readonly #scheduler: Scheduler;
  readonly #line: Line;
  readonly #random: Random;
  readonly #source: Socket;
  #sink: Socket | undefined;
  #items: Item[] = [];
  /** Items before this index are gone. */
  #first = 0;
  #bytesQueued = 0;
  /** The earliest wake-up that is scheduled. */
  #wakeAt = Number.POSITIVE_INFINITY;
  #open = false;
  #sinkFull = false;
  #wroteAt = 0;
  /** When a reset no longer waits for a full sink. */
  #resetAt = Number.POSITIVE_INFINITY;
  #dead = false;

  constructor(scheduler: Scheduler, line: Line, random: Random, source: Socket) {
    this.#scheduler = scheduler;
    this.#line = line;
    this.#random = random;
    this.#source = source;
    source.on('data', (bytes: Buffer) => this.#take('bytes', bytes));
    source.on('end', () => {
      this.#take('end', NO_BYTES);
      // libuv tells a reset that comes along with the last bytes as the end; to write nothing tells which it was.
      if (source.writable) source.write(NO_BYTES);
    });
    // A close without failure follows either the end, which is queued, or our own reset of the connection.
    source.on('close', (failed: boolean) => {
      if (failed) this.#take('reset', NO_BYTES);
    });
  }

  /** From `at` on, things go to `sink`: what was read before enters the line then. */
  open(sink: Socket, at: number): void {
    this.#sink = sink;
    this.#open = true;
    sink.on('drain', () => {
      this.#sinkFull = false;
      this.#flush();
    });
    sink.on('close', () => this.discard());
    if (sink.destroyed) this.discard();
    else this.enterHeld(at);
  }

  /** What is under way is lost and waits to be sent again: the line was cut, or its bandwidth changed. */
  hold(): void {
    for (let index = this.#first; index < this.#items.length; index++) {
      this.#items[index]!.due = Number.POSITIVE_INFINITY;
    }
  }

  /** What is held enters the line at `at`, if the line takes it. */
  enterHeld(at: number): void {
    if (!this.#open || this.#line.cut) return;
    for (let index = this.#first; index < this.#items.length; index++) {
      const item = this.#items[index]!;
      if (item.due === Number.POSITIVE_INFINITY) this.#enter(item, at);
    }
    this.#flush();
  }

  /** Drops what is held, for good: nothing can take it any more. */
  discard(): void {
    this.#dead = true;
    this.#line.bytesQueued -= this.#bytesQueued;
    this.#bytesQueued = 0;
    this.#items = [];
    this.#first = 0;
    this.adjust();
  }

  /** Stops or starts reading the source, after a change of the queue or of its bound. */
  adjust(): void {
    const full = this.#dead || this.#bytesQueued > this.#line.settings.queueBytesMax;
    if (this.#source.destroyed || full === this.#source.isPaused()) return;
    if (full) this.#source.pause();
    else this.#source.resume();
  }

  #take(type: Item['type'], bytes: Buffer): void {
    if (this.#dead) return;
    const pieceBytesMax = this.#line.pieceBytesMax;
    for (let start = 0; start === 0 || start < bytes.length; start += pieceBytesMax) {
      this.#put(type, bytes.subarray(start, start + pieceBytesMax));
    }
    this.#flush();
    this.adjust();
  }

  #put(type: Item['type'], bytes: Buffer): void {
    if (type === 'reset' && this.#items.length > this.#first && this.#items.at(-1)?.type === 'end')
      this.#items.pop();
    const item = { type, bytes, due: Number.POSITIVE_INFINITY };
    this.#items.push(item);
    this.#bytesQueued += bytes.length;
    this.#line.bytesQueued += bytes.length;
    if (this.#open && !this.#line.cut) this.#enter(item, this.#scheduler.now());
  }

  #enter(item: Item, at: number): void {
    item.due = this.#line.enter(at, item.bytes.length, this.#random);
    // Nothing else wakes a pipe whose sink is full, and a reset does not wait for the sink for ever.
    if (item.type === 'reset') this.#scheduler.at(item.due, () => this.#flush());
  }

  /** Sees to it that the first item leaves when it is due. */
  #wake(): void {
    const due = this.#items[this.#first]?.due ?? Number.POSITIVE_INFINITY;
    if (due >= this.#wakeAt) return;
    this.#wakeAt = due;
    this.#scheduler.at(due, () => {
      if (this.#wakeAt === due) this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#sink === undefined || this.#dead || this.#line.cut) return;
    this.#handOver(this.#sink, this.#scheduler.horizon());
    this.#compact();
    if (!this.#sinkFull) this.#wake();
    this.adjust();
  }

  /** Hands over what is due at the horizon. */
  #handOver(sink: Socket, horizon: number): void {
    let last: Item['type'] | undefined;
    sink.cork();
    for (let item = this.#items[this.#first]; item !== undefined; item = this.#items[this.#first]) {
      if (item.type === 'reset') item.due = Math.max(item.due, this.#wroteAt + RESET_APART_MS);
      if (item.due > horizon || this.#sinkFull) break;
      if (item.type === 'end' && this.#isFlushing(sink)) break;
      last = item.type;
      this.#first++;
      if (last === 'bytes') this.#write(sink, item.bytes, horizon);
    }
    sink.uncork();
    if (last === 'end') sink.end();
    if (last === 'reset' || this.#isStuck(horizon)) abort(sink);
  }

  /**
   * Whether the sink still has bytes to hand to the system; it is full until it has. An end that is asked for
   * before would stand in the way of a reset (see `abort`), and the bytes would be cut short by a clean end.
   */
  #isFlushing(sink: Socket): boolean {
    if (sink.writableLength === 0) return false;
    this.#sinkFull = true;
    sink.write(NO_BYTES, (error) => {
      if (error) return;
      this.#sinkFull = false;
      this.#flush();
    });
    return true;
  }

  /** Whether a reset that is due has waited long enough for a sink that takes nothing. */
  #isStuck(horizon: number): boolean {
    const last = this.#items.at(-1);
    if (!this.#sinkFull || last?.type !== 'reset' || last.due > horizon) return false;
    if (this.#resetAt === Number.POSITIVE_INFINITY) {
      this.#resetAt = horizon + RESET_PATIENCE_MS;
      this.#scheduler.at(this.#resetAt, () => this.#flush());
    }
    return this.#resetAt <= horizon;
  }

  #write(sink: Socket, bytes: Buffer, at: number): void {
    this.#wroteAt = at;
    this.#resetAt = Number.POSITIVE_INFINITY;
    this.#bytesQueued -= bytes.length;
    this.#line.bytesQueued -= bytes.length;
    this.#line.bytesDelivered += bytes.length;
    this.#sinkFull = !sink.write(bytes);
  }

  #compact(): void {
    if (this.#first < this.#items.length && this.#first < COMPACT_ITEMS) return;
    this.#items = this.#items.slice(this.#first);
    this.#first = 0;
  }
}

/** Ends a socket by a reset: its peer sees ECONNRESET. Harmless when it is closed already. */
export function abort(socket: Socket): void {
  if (socket.destroyed) return;
  // A connect may take minutes, for which resetAndDestroy would wait. And libuv refuses to reset while a
  // shutdown is under way, upon which Node never closes the socket; its peer then hears the end it was sent.
  const cannotReset = socket.connecting || (socket.writableEnded && !socket.writableFinished);
  if (cannotReset) socket.destroy();
  else socket.resetAndDestroy();
}

const NO_BYTES = Buffer.alloc(0);
/** Between bytes and a reset behind them: a sink that hears both at once may take it for an end. */
const RESET_APART_MS = 1;
/** How long a reset waits for a sink that takes nothing; then it goes before what the sink has no room for. */
const RESET_PATIENCE_MS = 50;
/** So many items are gone before the queue is copied: the copy stays cheap beside the writes. */
const COMPACT_ITEMS = 1024;
