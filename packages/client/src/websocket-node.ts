/**
 * Sockets in Node: the only file that knows `ws`. Node 20 has no WebSocket of its own, and that of later versions
 * copies and compresses where `ws` can be told not to.
 */
import { WebSocket } from 'ws';
import type { Socket, SocketEvents } from './surroundings.js';

/** Bytes of a frame from a node: beyond it the connection ends instead of memory. */
const FRAME_BYTES_MAX = 256 * 1024 * 1024;

/** How long the other side may take to answer a close before the socket is cut. Milliseconds. */
const CLOSE_TIMEOUT_MS = 1000;

export function dialNodeSocket(url: string, subprotocol: string, events: SocketEvents): Socket {
  const socket = new WebSocket(url, subprotocol, {
    perMessageDeflate: false,
    maxPayload: FRAME_BYTES_MAX,
    closeTimeout: CLOSE_TIMEOUT_MS,
  });
  let failure: string | undefined;
  socket.on('open', () => events.opened());
  socket.on('message', (data, isBinary) => {
    if (isBinary) events.received(data);
    else socket.close(1003, 'binary frames only');
  });
  socket.on('error', (error) => {
    failure ??= error.message;
  });
  socket.on('close', (code, reason) => events.closed(failure ?? `closed: ${code} ${reason}`.trim()));
  return {
    send: (bytes) => socket.send(bytes),
    close: () => socket.close(1000),
  };
}
