/**
 * Client library of Causeway for browsers, and for every other place with a WebSocket of its own.
 */
import { type ConnectOptions, connectWith } from './connect.js';
import type { Database } from './database.js';
import { platform } from './platform.js';
import { dialPlatformSocket } from './websocket.js';

export * from './public.js';

/**
 * Connects to one of the endpoints. Resolves when one has answered the handshake; rejects with CAUSEWAY_UNREACHABLE when
 * none has within `connectTimeoutMs`. The connection is renewed by itself whenever it is lost.
 */
export function connect(options: ConnectOptions): Promise<Database> {
  return connectWith(options, surroundings);
}

const surroundings = {
  ...platform,
  dial: dialPlatformSocket,
  soon: (callback: () => void) => queueMicrotask(callback),
};
