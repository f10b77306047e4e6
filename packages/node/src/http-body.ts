/**
 * Receives bodies of requests, within limits.
 *
 * Invariants
 * - Of one body at most BODY_BYTES_MAX bytes are kept, of all together at most BODIES_BYTES_MAX.
 * - What is over a limit is refused at once; the rest is received and dropped, so that the sender gets to read
 *   the answer instead of a reset connection.
 */
import type { IncomingMessage } from 'node:http';
import { BODY_BYTES_MAX, CausewayError } from '@causeway/protocol';
import { BODIES_BYTES_MAX, DISCARD_BYTES_MAX } from './client-limits.js';

/** Bytes of bodies that are held now, over all connections. */
export class BodyBudget {
  private held = 0;

  take(bytes: number): boolean {
    if (this.held + bytes > BODIES_BYTES_MAX) return false;
    this.held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.held -= bytes;
  }
}

/** Throws CAUSEWAY_TOO_LARGE for a body that is announced over the limit, before a byte of it has come. */
export function checkBodyLength(request: IncomingMessage): void {
  const length = request.headers['content-length'];
  if (length !== undefined && Number(length) > BODY_BYTES_MAX) throw tooLarge();
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * Calls `done` once with the whole body, or with why it is refused; not at all when the connection ends before.
 * The bytes count against `budget` until `done` has returned.
 */
export function receiveBody(
  request: IncomingMessage,
  budget: BodyBudget,
  done: (outcome: Buffer | CausewayError) => void,
): void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let finished = false;
  const finish = (outcome: Buffer | CausewayError) => {
    finished = true;
    chunks = [];
    done(outcome);
    budget.release(bytes);
  };
  const onData = (chunk: Buffer) => {
    const fits = bytes + chunk.length <= BODY_BYTES_MAX;
    if (!fits || !budget.take(chunk.length)) {
      request.off('data', onData);
      discardBody(request);
      finish(fits ? overloaded() : tooLarge());
      return;
    }
    bytes += chunk.length;
    chunks.push(chunk);
  };
  request.on('data', onData);
  request.on('end', () => {
    if (!finished) finish(Buffer.concat(chunks, bytes));
  });
  request.on('close', () => {
    if (finished) return;
    finished = true;
    chunks = [];
    budget.release(bytes);
  });
  request.on('error', () => {
    // Told by 'close' too.
  });
}

/** Receives what is left of a body without keeping it; of more than DISCARD_BYTES_MAX the sender is cut off. */
export function discardBody(request: IncomingMessage): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DISCARD_BYTES_MAX) request.socket.destroy();
  });
  request.on('error', () => {
    // The connection has ended; its own events say so.
  });
}

function tooLarge(): CausewayError {
  return new CausewayError('CAUSEWAY_TOO_LARGE', `a body may have at most ${BODY_BYTES_MAX} bytes`);
}

function overloaded(): CausewayError {
  return new CausewayError('CAUSEWAY_OVERLOADED', 'the node is receiving more bodies than it may hold');
}
