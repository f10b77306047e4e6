/**
 * Everything that the client asks of the world: sockets, time, chance. The rest of it is told, so that a simulator
 * can run the very same client under virtual time and a virtual network.
 */

/** One WebSocket that is being opened or is open. */
export interface Socket {
  /** Sends one binary frame; only between `opened` and `closed`. The bytes belong to the socket from then on. */
  send(bytes: Uint8Array): void;
  /** Ends it. `closed` follows, at once or later; nothing else does. */
  close(): void;
}

/** What a socket tells. `closed` comes exactly once, never from within `dial`, and last. */
export interface SocketEvents {
  opened(): void;
  /** One binary frame. The bytes are the receiver's to keep. */
  received(bytes: Uint8Array): void;
  /** `reason` is for people: why it ended, or why it never opened. */
  closed(reason: string): void;
}

export interface Surroundings {
  /** Opens a WebSocket with the given subprotocol. Does not throw. */
  dial(url: string, subprotocol: string, events: SocketEvents): Socket;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Calls back once after `ms` milliseconds; the function that it returns prevents that. */
  after(ms: number, callback: () => void): () => void;
  /** Calls back soon, when everything that is ready to run now has run: what is called until then travels together. */
  soon(callback: () => void): void;
  /** At least 0, less than 1. */
  random(): number;
}
