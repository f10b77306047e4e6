/**
 * Client library of Causeway, in Node. In a bundle for browsers `browser.ts` takes its place.
 */
import { type ConnectOptions, connectWith } from './connect.js';
import type { Database } from './database.js';
import { platform } from './platform.js';
import { dialNodeSocket } from './websocket-node.js';

export * from './public.js';

/** Of Node's globals the only one that is needed here. */
declare const process: { nextTick(callback: () => void): void };

/**
 * Connects to one of the endpoints. Resolves when one has answered the handshake; rejects with CAUSEWAY_UNREACHABLE when
 * none has within `connectTimeoutMs`. The connection is renewed by itself whenever it is lost.
 */
export function connect(options: ConnectOptions): Promise<Database> {
  return connectWith(options, surroundings);
}

const surroundings = {
  ...platform,
  dial: dialNodeSocket,
  // After all microtasks, so that everything that the answers of one frame set going travels in one frame again.
  soon: (callback: () => void) => queueMicrotask(() => process.nextTick(callback)),
};
