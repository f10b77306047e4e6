/**
 * Sockets of the platform: the WebSocket that browsers have.
 */
import type { Socket, SocketEvents } from './surroundings.js';

export function dialPlatformSocket(url: string, subprotocol: string, events: SocketEvents): Socket {
  let socket: WebSocket;
  try {
    socket = new WebSocket(url, subprotocol);
  } catch (error) {
    // A page that was loaded over https may not open ws:, for one.
    queueMicrotask(() => events.closed(error instanceof Error ? error.message : String(error)));
    return NEVER_OPEN;
  }
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => events.opened();
  socket.onmessage = ({ data }) => {
    if (typeof data !== 'string') events.received(new Uint8Array(data as ArrayBuffer));
    // 1003 is not for scripts to send.
    else socket.close(4003, 'binary frames only');
  };
  // The error event says nothing, and the close event follows.
  socket.onclose = ({ code, reason }) => events.closed(`closed: ${code} ${reason}`.trim());
  return {
    send: (bytes) => socket.send(bytes as Uint8Array<ArrayBuffer>),
    close: () => socket.close(1000),
  };
}

const NEVER_OPEN: Socket = { send: () => {}, close: () => {} };
