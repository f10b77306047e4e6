/**
 * The other end of the peer protocol, as a stranger would play it: dials the peer port of a node and says what it is
 * told to say, also what no node would.
 */
import type { ReplicaId } from '@causeway/crdt';
import {
  decodePeerMessage,
  encodePeerMessage,
  PEER_PROTOCOL_VERSION,
  PEER_SUBPROTOCOL,
  type PeerHello,
  type PeerMessage,
} from '@causeway/protocol';
import { WebSocket } from 'ws';

const TIMEOUT_MS = 20_000;
/** Nobody listens there: the node may dial what a stranger advertises. */
const NOWHERE = 'ws://127.0.0.1:1';

export class FakePeer {
  readonly hello: PeerHello;
  /** Code of the close frame, 1006 without one. */
  readonly closed: Promise<number>;
  private readonly received: PeerMessage[] = [];
  private waiting: (() => void) | undefined;
  isClosed = false;

  /** Resolves when the WebSocket is open. `address` as in ws://127.0.0.1:7500. */
  static async connect(address: string, replica: ReplicaId): Promise<FakePeer> {
    const ws = new WebSocket(address, PEER_SUBPROTOCOL, { perMessageDeflate: false });
    const peer = new FakePeer(ws, replica);
    await bounded('the WebSocket to open', (done) => ws.once('open', done).once('close', done));
    return peer;
  }

  private constructor(
    private readonly ws: WebSocket,
    replica: ReplicaId,
  ) {
    this.hello = {
      type: 'hello',
      version: PEER_PROTOCOL_VERSION,
      replica,
      region: replica.slice(0, -9),
      start: 1,
      address: NOWHERE,
      versionVector: new Map(),
      horizon: new Map(),
      members: [],
    };
    ws.on('error', () => undefined);
    ws.on('message', (data: Buffer) => {
      this.received.push(decodePeerMessage(data));
      this.waiting?.();
    });
    this.closed = new Promise((resolve) => {
      ws.once('close', (code: number) => {
        this.isClosed = true;
        this.waiting?.();
        resolve(code);
      });
    });
  }

  /** A message, or the bytes of what may be none; text goes as a text frame. */
  send(what: PeerMessage | Uint8Array | string): void {
    const isRaw = typeof what === 'string' || what instanceof Uint8Array;
    this.ws.send(isRaw ? what : encodePeerMessage(what));
  }

  /** A handshake in good order; resolves when the node has said its part. */
  async shakeHands(): Promise<void> {
    this.send(this.hello);
    await this.next('hello');
    this.send({ type: 'heard', seq: 0, start: 0, versionVector: new Map() });
    await this.next('heard');
  }

  /** The next message of this type; what comes before it is passed over. Rejects when the node hangs up. */
  async next<Type extends PeerMessage['type']>(type: Type): Promise<Extract<PeerMessage, { type: Type }>> {
    for (;;) {
      const message = this.received.shift();
      if (message?.type === type) return message as Extract<PeerMessage, { type: Type }>;
      if (message !== undefined) continue;
      if (this.isClosed) throw new Error(`the node hung up before its ${type}`);
      await bounded(`a ${type}`, (done) => {
        this.waiting = done;
      });
    }
  }

  /** Ends the connection without a word. */
  async drop(): Promise<void> {
    this.ws.terminate();
    await this.closed;
  }
}

function bounded(what: string, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`after ${TIMEOUT_MS} ms still waiting for ${what}`)),
      TIMEOUT_MS,
    );
    start(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
