/**
 * Which endpoint is dialled when: all of them in turn, at first at once, then with growing pauses.
 *
 * Every pause is drawn at random from its lower half to its whole (so that thousands of clients which lose a node at
 * the same moment do not come back at the same moment) and starts small again once a connection has lasted.
 */
import { CausewayError } from '@causeway/protocol';

/** The path at which nodes serve the client protocol. */
const PATH = '/v1/ws';

/** Pause after the first round in which no endpoint answered, doubled with every further round. Milliseconds. */
const PAUSE_MS_MIN = 50;
/** Longest pause: how long a client may sleep on while a node is back already. Milliseconds. */
const PAUSE_MS_MAX = 1000;

export class Endpoints {
  readonly count: number;
  private readonly urls: readonly string[];
  private next = 0;
  /** Dials since one of them was good. */
  private failures = 0;

  /** Throws CAUSEWAY_BAD_CONFIG unless `endpoints` are one or more ws: or wss: URLs. */
  constructor(
    endpoints: readonly string[],
    private readonly random: () => number,
  ) {
    if (!Array.isArray(endpoints) || endpoints.length === 0) {
      throw new CausewayError('CAUSEWAY_BAD_CONFIG', 'endpoints must be a list of at least one URL');
    }
    this.urls = endpoints.map(urlOf);
    this.count = this.urls.length;
  }

  /** The endpoint to dial now; the one after it comes next. */
  take(): string {
    const url = this.urls[this.next]!;
    this.next = (this.next + 1) % this.count;
    this.failures += 1;
    return url;
  }

  /** The endpoint that was taken last was one that a client can work with. */
  good(): void {
    this.failures = 0;
  }

  /** How long to wait before the next `take`. Milliseconds. */
  pauseMs(): number {
    // A client that has just lost its node goes on to the others at once, unless there are none.
    if (this.failures > 0 && this.failures % this.count !== 0) return 0;
    if (this.failures === 0 && this.count > 1) return 0;
    const rounds = Math.min(Math.floor(this.failures / this.count), 16);
    const pause = Math.min(PAUSE_MS_MIN * 2 ** Math.max(rounds - 1, 0), PAUSE_MS_MAX);
    return pause * (0.5 + this.random() / 2);
  }
}

function urlOf(endpoint: unknown): string {
  let url: URL;
  try {
    url = new URL(String(endpoint));
  } catch (cause) {
    throw new CausewayError('CAUSEWAY_BAD_CONFIG', `not a URL: ${String(endpoint)}`, { cause });
  }
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    throw new CausewayError('CAUSEWAY_BAD_CONFIG', `not a ws: or wss: URL: ${String(endpoint)}`);
  }
  url.hash = '';
  if (!url.pathname.endsWith(PATH)) url.pathname = url.pathname.replace(/\/$/, '') + PATH;
  return url.href;
}
