/**
 * One connection to one node, from dialling to its end: handshake, requests out in large frames, answers in.
 * Frames that no node sends end the connection, never the program.
 *
 * Invariants
 * - Requests leave in the order of the queue, and only after the handshake.
 * - What is in flight is bounded, in number and in bytes; the rest stays in the queue.
 * - A node that is stopping turns requests away without having begun with them, from one on all of them. They stay in
 *   flight until everything before them is answered, and then go to the next node, in order.
 * - `lost` is told once, and after it nothing.
 * - A node that has kept silent is left only after a probe to which it owed an answer at once. The probe ends a watch that
 *   never was: nodes answer that themselves, without their disk, whatever they are busy with. Scripts in browsers cannot
 *   send pings of WebSockets.
 *
 * Sans I/O: the socket is handed in, bytes and time come from outside.
 */
import {
  CausewayError,
  CLIENT_PROTOCOL_VERSION,
  CLIENT_SUBPROTOCOL,
  ClientFrameWriter,
  decodeNodeFrame,
  type KeyChange,
  type NodeMessage,
  type Result,
} from '@causeway/protocol';
import { InFlight, SPARE_ID } from './in-flight.js';
import { type Request, UnwatchRequest, WatchRequest } from './request.js';
import type { RequestQueue } from './request-queue.js';
import type { Socket, Surroundings } from './surroundings.js';

/**
 * Messages of a frame. More would save little, fewer let the node begin while the rest is still being put together.
 */
export const FRAME_MESSAGES = 128;
/** A frame that has reached this goes out. Bytes. */
const FRAME_BYTES = 64 * 1024;
/** Bound of what a node that is slow to read or to answer makes us hold. Bytes. */
const IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024;
/** How long a dialled node may take to open the WebSocket and greet. Milliseconds. */
const HANDSHAKE_MS_MAX = 3000;
/**
 * With more than this in flight the probe may have to wait behind it: on a slow line, or at a node that reads no more
 * until it has answered (4,096 requests or 16 MiB under way). Both far below, for what the node counts otherwise.
 */
const LIGHT_BYTES_MAX = 1024 * 1024;
const LIGHT_REQUESTS_MAX = 2048;

/** Who the node said that it is. */
export interface Greeting {
  readonly replica: string;
  readonly region: string;
  /** Version of the node's software. */
  readonly software: string;
}

/** The owner of a connection. */
export interface ConnectionEvents {
  /** The handshake is done; requests can be sent. */
  opened(greeting: Greeting): void;
  /** Answers came, so that there is room for more requests. */
  answered(): void;
  /** It is over. `drain` gives what was not answered. */
  lost(error: CausewayError): void;
}

export interface ConnectionOptions {
  readonly url: string;
  /** How the client names itself to the node. */
  readonly name: string;
}

export class Connection {
  private readonly socket: Socket;
  private readonly cancelHandshake: () => void;
  private state: 'handshake' | 'open' | 'over' = 'handshake';
  private readonly writer = new ClientFrameWriter();
  private readonly inFlight = new InFlight(1);
  private readonly watches = new Map<number, WatchRequest>();
  /** Ids of unwatch requests: they are not waited for. */
  private readonly unwatches = new Set<number>();
  /** Requests in flight that were turned away. */
  private turnedAwayCount = 0;
  private openedAt = 0;
  /** Since when an answer has been waited for without a byte from the node. Milliseconds. */
  private quietSince = 0;
  /** When the node was asked whether it is still there, if it has said nothing since. Milliseconds. */
  private probedAt: number | undefined;
  /** The answer to the probe may be long under way. */
  private loaded = false;

  constructor(
    private readonly surroundings: Surroundings,
    private readonly options: ConnectionOptions,
    private readonly events: ConnectionEvents,
  ) {
    this.cancelHandshake = surroundings.after(HANDSHAKE_MS_MAX, () => {
      this.end(this.lostError(`no greeting within ${HANDSHAKE_MS_MAX} ms`));
    });
    this.socket = surroundings.dial(options.url, CLIENT_SUBPROTOCOL, {
      opened: () => this.greet(),
      received: (bytes) => this.received(bytes),
      closed: (reason) => this.end(this.lostError(reason)),
    });
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** Number of requests that wait for an answer. */
  get waitingCount(): number {
    return this.inFlight.count;
  }

  get watchCount(): number {
    return this.watches.size;
  }

  /** How long it has been open. Milliseconds. */
  ageMs(now: number): number {
    return this.openedAt === 0 ? 0 : now - this.openedAt;
  }

  /** How long the node has kept silent. Milliseconds. */
  quietMs(now: number): number {
    return now - this.quietSince;
  }

  /** How long the node has owed the answer to a probe; 0 if it does not. Milliseconds. */
  probedMs(now: number): number {
    return this.probedAt === undefined ? 0 : now - this.probedAt;
  }

  /** The answer to the probe may have to wait for much that goes before it, also where the node is well. */
  get probeIsLoaded(): boolean {
    return this.loaded;
  }

  /** Asks the node whether it is still there, unless it was asked and has not answered. Only when open. */
  probe(now: number): void {
    if (this.probedAt !== undefined) return;
    this.probedAt = now;
    const { inFlight } = this;
    this.loaded =
      inFlight.bytes > LIGHT_BYTES_MAX ||
      inFlight.count > LIGHT_REQUESTS_MAX ||
      inFlight.all().some((request) => request.mayBringMuch);
    this.writer.add({ type: 'unwatch', id: SPARE_ID, watch: SPARE_ID });
    this.socket.send(this.writer.finish());
  }

  /** Sends from the front of the queue as much as may be in flight. `now`: the time, or shortly before. */
  pump(queue: RequestQueue, now: number): void {
    if (this.state !== 'open' || this.turnedAwayCount > 0) return;
    const { inFlight, writer } = this;
    const idle = inFlight.count === 0;
    while (!inFlight.full && inFlight.bytes < IN_FLIGHT_BYTES_MAX) {
      const request = queue.peek();
      if (request === undefined) break;
      if (request.settled) {
        queue.shift();
        continue;
      }
      request.id = inFlight.nextId;
      let added: boolean;
      try {
        added = writer.add(request);
      } catch (error) {
        queue.shift();
        request.failed(error as CausewayError);
        continue;
      }
      // The frame is full: the request comes first in the next.
      if (!added) {
        this.socket.send(writer.finish());
        continue;
      }
      queue.shift();
      this.sent(request);
      if (writer.messages >= FRAME_MESSAGES || writer.length >= FRAME_BYTES)
        this.socket.send(writer.finish());
    }
    if (writer.messages > 0) this.socket.send(writer.finish());
    // Who owes the answer to a probe has been silent for longer.
    if (idle && this.probedAt === undefined) this.quietSince = now;
  }

  /** Fails what was asked for before `deadline` and is not answered; the answers may still come. */
  expire(deadline: number, error: CausewayError): void {
    for (const request of this.inFlight.all()) {
      if (request.askedAt < deadline && !request.turnedAway) request.forgotten(error);
    }
  }

  /** Whatever was not answered, in the order in which it was sent. */
  drain(): Request[] {
    return this.inFlight.all();
  }

  /** The watches that are open. */
  openWatches(): Iterable<Request> {
    return this.watches.values();
  }

  /** Ends it from this side. */
  close(error: CausewayError): void {
    this.end(error);
  }

  private sent(request: Request): void {
    request.turnedAway = false;
    this.inFlight.add(request);
    if (request instanceof WatchRequest) {
      request.stage = 'sent';
      this.watches.set(request.id, request);
    } else if (request instanceof UnwatchRequest) {
      this.inFlight.take(request.id);
      this.unwatches.add(request.id);
    }
  }

  private greet(): void {
    if (this.state !== 'handshake') return;
    this.writer.add({ type: 'hello', version: CLIENT_PROTOCOL_VERSION, name: this.options.name });
    this.socket.send(this.writer.finish());
  }

  private received(bytes: Uint8Array): void {
    if (this.state === 'over') return;
    this.quietSince = this.surroundings.now();
    this.probedAt = undefined;
    this.loaded = false;
    let messages: readonly NodeMessage[];
    try {
      messages = decodeNodeFrame(bytes);
    } catch (error) {
      this.end(this.badFrame('it cannot be read', error));
      return;
    }
    for (const message of messages) {
      this.handle(message);
      // The owner may have closed it, or the message was wrong.
      if ((this.state as string) === 'over') return;
    }
    if (this.state === 'open') this.events.answered();
  }

  private handle(message: NodeMessage): void {
    if (this.state === 'handshake') {
      this.welcome(message);
      return;
    }
    switch (message.type) {
      case 'reply':
        this.reply(message.id, message.results);
        return;
      case 'failure':
        this.failure(message.id, message.error);
        return;
      case 'change':
        this.change(message.id, message.change);
        return;
      case 'watch-end':
        this.watches.get(message.id)?.failed(message.error);
        this.watches.delete(message.id);
        return;
      case 'refused':
        this.end(message.error);
        return;
      default:
        this.end(this.badFrame('a second greeting'));
    }
  }

  private welcome(message: NodeMessage): void {
    if (message.type === 'refused') {
      this.end(message.error);
    } else if (message.type !== 'hello') {
      this.end(this.badFrame('no greeting'));
    } else if (message.version !== CLIENT_PROTOCOL_VERSION) {
      const versions = `the node speaks version ${message.version}, this client ${CLIENT_PROTOCOL_VERSION}`;
      this.end(new CausewayError('CAUSEWAY_BAD_VERSION', versions));
    } else {
      this.cancelHandshake();
      this.state = 'open';
      this.openedAt = this.surroundings.now();
      const { replica, region, software } = message;
      this.events.opened({ replica, region, software });
    }
  }

  private reply(id: number, results: readonly Result[]): void {
    // That it came is all that a probe is for.
    if (id === SPARE_ID) return;
    const request = this.inFlight.take(id);
    if (request === undefined) {
      this.unexpected(id);
    } else if (!request.answered(results)) {
      // Its outcome is as unknown as that of the others.
      const error = this.badFrame('the wrong number of results');
      request.forgotten(error);
      this.end(error);
    }
    this.leaveIfTurnedAway();
  }

  private failure(id: number, error: CausewayError): void {
    const request = this.inFlight.get(id);
    if (request === undefined) {
      this.unexpected(id);
      return;
    }
    this.watches.delete(id);
    if (error.code === 'CAUSEWAY_DRAINING') {
      if (!request.turnedAway) this.turnedAwayCount += 1;
      request.turnedAway = true;
      if (request instanceof WatchRequest) request.stage = 'unsent';
    } else {
      this.inFlight.take(id);
      request.failed(error);
    }
    this.leaveIfTurnedAway();
  }

  /** Whether and when ends of watches are answered is of no matter. */
  private unexpected(id: number): void {
    if (this.unwatches.delete(id)) return;
    this.end(this.badFrame(`an answer to a request that was not made: ${id}`));
  }

  private leaveIfTurnedAway(): void {
    if (this.turnedAwayCount === 0 || this.turnedAwayCount < this.inFlight.count) return;
    this.end(this.lostError('the node is stopping'));
  }

  private change(id: number, change: KeyChange): void {
    const watch = this.watches.get(id);
    // One that was ended here goes on at the node until it hears of it.
    if (watch !== undefined && !watch.settled) watch.sink.changed(change);
  }

  private end(error: CausewayError): void {
    if (this.state === 'over') return;
    this.state = 'over';
    this.cancelHandshake();
    this.socket.close();
    this.events.lost(error);
  }

  private badFrame(message: string, cause?: unknown): CausewayError {
    return new CausewayError('CAUSEWAY_BAD_FRAME', `bad frame from ${this.options.url}: ${message}`, {
      cause,
    });
  }

  private lostError(reason: string): CausewayError {
    return new CausewayError('CAUSEWAY_CONNECTION_LOST', `${this.options.url}: ${reason}`);
  }
}
