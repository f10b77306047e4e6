/**
 * A TCP link with the delay, jitter, bandwidth and cuts of a wide-area network, in user space: it listens,
 * dials its target for each connection, and passes everything on late. No privileges, no kernel modules.
 *
 * What it keeps to
 * - Bytes never overtake each other; half-close and reset arrive in order, after the delay.
 * - A new connection pays one round trip before its first bytes.
 * - A silent cut leaves both ends connected and unaware; what is written meanwhile arrives after the heal,
 *   one delay later. A dial meets silence: the client's kernel says connected (the link has no way to hold
 *   that back), the target is not dialled before the heal.
 * - A reset cut resets what is open, at once and in both directions, and whatever connects, until the heal.
 * - A socket's failure ends its connection, never the process.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { formatAddress, type HostPort, parseAddress } from './address.js';
import { Connection, ignoreErrors } from './connection.js';
import { Line } from './line.js';
import { abort } from './pipe.js';
import { Scheduler } from './scheduler.js';
import {
  changeSettings,
  DEFAULT_LINE,
  DIRECTIONS,
  type Direction,
  type LineSettings,
  type LinkSettings,
} from './settings.js';

export interface WanLinkOptions extends LinkSettings {
  /** `host:port` to listen on. Default `127.0.0.1:0`: any free port. */
  readonly listen?: string;
  /** `host:port` to dial for each connection. */
  readonly to: string;
  /** For the control server and for people. Default: the address of the target. */
  readonly name?: string;
  /** Of the jitter. Integer; default 1. */
  readonly seed?: number;
}

export type CutMode = 'silence' | 'reset';

export interface Cut {
  /** Default `both`. A reset has no direction: it is of both. */
  readonly direction?: Direction | 'both';
  /** Default `silence`. */
  readonly mode?: CutMode;
}

export interface LineStats extends LineSettings {
  /** Handed to the receiving side since the start. */
  readonly bytesDelivered: number;
  /** Under way or held. */
  readonly bytesQueued: number;
  readonly cut: CutMode | 'none';
}

export interface LinkStats {
  readonly name: string;
  readonly address: string;
  readonly to: string;
  /** Connections taken since the start; those that a reset cut refused do not count. */
  readonly accepted: number;
  /** Connections of which a side is open, dials that a cut holds included. */
  readonly open: number;
  /** Why the target could not be dialled, or a connection not be accepted, the last time. */
  readonly lastError: string | null;
  readonly up: LineStats;
  readonly down: LineStats;
}

export interface WanLink {
  readonly name: string;
  /** `host:port` it listens on: what clients dial. */
  readonly address: string;
  readonly port: number;
  /**
   * Changes settings, for what enters the link from now on. A change of bandwidth is for what waits and is
   * under way, too: it is sent anew. Throws RangeError, and then has changed nothing.
   */
  set(change: LinkSettings): void;
  /** Cuts until `heal`; cuts add up. Throws RangeError for an unknown direction or mode. */
  cut(cut?: Cut): void;
  /** Ends every cut. */
  heal(): void;
  /** Resets the open connections once; new ones are taken. */
  reset(): void;
  stats(): LinkStats;
  /** Stops listening and resets what is open; resolves when all of it is closed. */
  close(): Promise<void>;
}

/**
 * Opens a link. Rejects with RangeError for wrong options, and with the system's error when it cannot
 * listen. The target need not be there: it is dialled for each connection, which is reset if that fails.
 */
export async function createWanLink(options: WanLinkOptions): Promise<WanLink> {
  const { listen = '127.0.0.1:0', to, name = to, seed = 1, ...settings } = options;
  if (!Number.isInteger(seed)) throw new RangeError(`seed must be an integer: ${seed}`);
  const link = new Link(name, parseAddress(to), seed, settings);
  await link.listen(parseAddress(listen));
  return link;
}

class Link implements WanLink {
  readonly name: string;
  readonly #target: HostPort;
  readonly #seed: number;
  readonly #lines: Readonly<Record<Direction, Line>>;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #bound: HostPort = { host: '', port: 0 };
  #accepted = 0;
  #refuses = false;
  #lastError: string | null = null;
  #closed: Promise<void> | undefined;
  /** Wanted by `close`. */
  #onEmpty: (() => void) | undefined;

  constructor(name: string, target: HostPort, seed: number, settings: LinkSettings) {
    this.name = name;
    this.#target = target;
    this.#seed = seed;
    const { up, down } = changeSettings({ up: DEFAULT_LINE, down: DEFAULT_LINE }, settings);
    this.#lines = { up: new Line(up), down: new Line(down) };
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  listen({ host, port }: HostPort): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#failed(error));
        const bound = this.#server.address() as AddressInfo;
        this.#bound = { host: bound.address, port: bound.port };
        resolve();
      });
    });
  }

  get port(): number {
    return this.#bound.port;
  }

  get address(): string {
    return formatAddress(this.#bound);
  }

  set(change: LinkSettings): void {
    const before = { up: this.#lines.up.settings, down: this.#lines.down.settings };
    const after = changeSettings(before, change);
    for (const direction of DIRECTIONS) {
      this.#lines[direction].settings = after[direction];
      if (after[direction].bytesPerSecond !== before[direction].bytesPerSecond) this.#hold(direction);
    }
    for (const connection of this.#connections) connection.adjust();
    this.#resend();
  }

  cut({ direction = 'both', mode = 'silence' }: Cut = {}): void {
    const directions = direction === 'both' ? DIRECTIONS : DIRECTIONS.filter((each) => each === direction);
    if (directions.length === 0) throw new RangeError(`direction must be up, down or both: ${direction}`);
    if (mode !== 'silence' && mode !== 'reset')
      throw new RangeError(`mode must be silence or reset: ${mode}`);
    if (mode === 'reset') {
      this.#refuses = true;
      this.reset();
      return;
    }
    for (const each of directions) {
      this.#lines[each].cut = true;
      this.#hold(each);
    }
  }

  heal(): void {
    this.#refuses = false;
    for (const direction of DIRECTIONS) this.#lines[direction].cut = false;
    this.#resend();
  }

  reset(): void {
    for (const connection of this.#connections) connection.reset();
  }

  stats(): LinkStats {
    return {
      name: this.name,
      address: this.address,
      to: formatAddress(this.#target),
      accepted: this.#accepted,
      open: this.#connections.size,
      lastError: this.#lastError,
      up: this.#lineStats('up'),
      down: this.#lineStats('down'),
    };
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => {
        this.#onEmpty = resolve;
        this.#gone(undefined);
      });
      this.reset();
    });
    return this.#closed;
  }

  #accept(client: Socket): void {
    if (this.#refuses) {
      ignoreErrors(client);
      abort(client);
      return;
    }
    const connection = new Connection({
      scheduler,
      lines: this.#lines,
      target: this.#target,
      seeds: [this.#seed, this.#accepted++],
      client,
      onGone: () => this.#gone(connection),
      onDialError: (error) => this.#failed(error),
    });
    this.#connections.add(connection);
  }

  #gone(connection: Connection | undefined): void {
    if (connection !== undefined) this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #hold(direction: Direction): void {
    this.#lines[direction].clear();
    for (const connection of this.#connections) connection.hold(direction);
  }

  #resend(): void {
    const at = scheduler.now();
    for (const connection of this.#connections) connection.resend(at);
  }

  #failed(error: Error): void {
    this.#lastError = error.message;
  }

  #lineStats(direction: Direction): LineStats {
    const { settings, bytesDelivered, bytesQueued, cut } = this.#lines[direction];
    const mode = this.#refuses ? 'reset' : cut ? 'silence' : 'none';
    return { ...settings, bytesDelivered, bytesQueued, cut: mode };
  }
}

/** One for all links of the process: each would arm a timer of its own. */
const scheduler = new Scheduler();
