/**
 * Links to other nodes: the peer port, the dials that the replica asks for, and peer messages as frames.
 *
 * Invariants
 * - A link that was dialled or opened ends in exactly one link-closed, also after a close by the replica.
 * - Links that peers opened have odd ids; the replica gives its dials even ones. No id is used twice.
 * - The first message of a link is its hello, and comes within HELLO_TIMEOUT_MS.
 * - Nothing that a peer sends is an exception here: what is no message ends its link with 1002. Whatever a peer
 *   breaks of the protocol is one warning with a code, and the end of its link.
 * - A peer that does not read costs at most BUFFERED_BYTES_MAX and one frame.
 */
import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReplicaId } from '@causeway/crdt';
import {
  CausewayError,
  decodePeerMessage,
  encodePeerMessage,
  PEER_FRAME_BYTES_MAX,
  PEER_SUBPROTOCOL,
  type PeerMessage,
} from '@causeway/protocol';
import type { Event, LinkId, Log } from '@causeway/replica';
import type { ListenAddress } from './client-facing.js';
import { compress, decompress, isCompressed } from './frame-compression.js';
import { answerError, closeListener, createListener, listen } from './listener.js';
import { acceptWebSockets, type Connection, type ConnectionHandlers, dialWebSocket } from './websocket.js';

/** What a link may hold for a peer that stopped reading; subscriptions have credit for far less. Bytes. */
const BUFFERED_BYTES_MAX = 32 << 20;
/** The longest that a handshake can take on a link that is of any use. The replica gives up earlier. */
const DIAL_TIMEOUT_MS = 5_000;
const HELLO_TIMEOUT_MS = 5_000;
/** Connections to the peer port; peers need one each. */
const CONNECTIONS_MAX = 512;
/** How often it is looked whether all links have ended. Milliseconds. */
const PAUSE_LOOK_MS = 5;
/** Peers whose bytes are remembered beyond their links: strangers may claim any identity. */
const PAST_PEERS_MAX = 1_000;

const LIMITS = { frameBytesMax: PEER_FRAME_BYTES_MAX, bufferedBytesMax: BUFFERED_BYTES_MAX };

export interface PeerLinksOptions {
  readonly step: (event: Event) => void;
  readonly allowOrigin: readonly string[];
  readonly log: Log;
  /** Told of every frame of a repair. */
  readonly onRepair?: (direction: 'sent' | 'received', bytes: number) => void;
}

export interface PeerBytes {
  sent: number;
  received: number;
}

interface Link {
  readonly id: LinkId;
  /** Of a dial. */
  readonly address?: string;
  connection?: Connection;
  /** Known from the hello on. */
  peer?: ReplicaId;
  /** The peer has been asked for chunks or records. */
  asks?: boolean;
  /** Gives up a dial. */
  abort?: (reason: string) => void;
}

export class PeerLinks {
  /** A commit goes to all peers that keep up as one message, a part of the log to those that are behind: encoded once. */
  private readonly encoded = new WeakMap<PeerMessage, Uint8Array>();
  private readonly links = new Map<LinkId, Link>();
  private lastInbound: LinkId = -1;
  /** Of links that have ended. */
  private readonly past = new Map<ReplicaId, PeerBytes>();
  private readonly server: Server;
  private paused = false;
  /** Called when the last link ends, once the node stops. */
  private stopped: (() => void) | undefined;

  constructor(private readonly options: PeerLinksOptions) {
    this.server = createListener({
      connectionsMax: CONNECTIONS_MAX,
      handle: (_request, response) => {
        answerError(
          response,
          new CausewayError(
            'CAUSEWAY_NOT_FOUND',
            `this port speaks the WebSocket protocol ${PEER_SUBPROTOCOL}`,
          ),
        );
      },
    });
    acceptWebSockets({
      ...LIMITS,
      server: this.server,
      subprotocol: PEER_SUBPROTOCOL,
      connectionsMax: CONNECTIONS_MAX,
      allowOrigin: options.allowOrigin,
      accept: (connection) => {
        this.lastInbound += 2;
        const link: Link = { id: this.lastInbound };
        this.links.set(link.id, link);
        return this.opened(link, connection);
      },
    });
  }

  listen(address: ListenAddress): Promise<ListenAddress> {
    return listen(this.server, '--peer-listen', address);
  }

  dial(id: LinkId, address: string): void {
    const link: Link = { id, address };
    this.links.set(id, link);
    link.abort = dialWebSocket({
      ...LIMITS,
      address,
      subprotocol: PEER_SUBPROTOCOL,
      timeoutMs: DIAL_TIMEOUT_MS,
      opened: (connection) => this.opened(link, connection),
      failed: (reason) => this.ended(link, reason),
    });
  }

  /** Does nothing on a link that has ended: the replica is about to be told. */
  send(id: LinkId, message: PeerMessage): void {
    const link = this.links.get(id);
    const connection = link?.connection;
    if (link === undefined || connection === undefined) return;
    let bytes = this.encoded.get(message);
    if (bytes === undefined) {
      bytes = encodePeerMessage(message);
      if (isAskedFor(message)) bytes = compress(bytes);
      this.encoded.set(message, bytes);
    }
    connection.send(bytes);
    if (isRepair(message)) this.options.onRepair?.('sent', bytes.length);
    link.asks ||= message.type === 'subscribe' || isRepair(message);
  }

  /** Sends what waits first, unless the peer hears nothing any more: then each second of politeness is one of silence. */
  close(id: LinkId, reason: string): void {
    const link = this.links.get(id);
    if (link?.connection === undefined) link?.abort?.(reason);
    else if (reason === 'silent') link.connection.cut(reason);
    else link.connection.close(1000, reason);
  }

  /** Bytes on the wire per peer since the start, those of the handshakes included. */
  bytes(): ReadonlyMap<ReplicaId, PeerBytes> {
    const sums = new Map([...this.past].map(([peer, sum]) => [peer, { ...sum }]));
    for (const { peer, connection } of this.links.values()) {
      if (peer !== undefined && connection !== undefined) addBytes(sums, peer, connection);
    }
    return sums;
  }

  /** Ends every link, and takes no new ones until `resume`: another replica is to speak here. */
  async pause(): Promise<void> {
    this.paused = true;
    for (const { connection, abort } of [...this.links.values()]) {
      if (connection === undefined) abort?.('the node begins anew');
      else connection.cut('the node begins anew');
    }
    while (this.links.size > 0) await sleep(PAUSE_LOOK_MS);
  }

  resume(): void {
    this.paused = false;
  }

  /** Closes every link in good order and frees the port. Within about a second. */
  async stop(reason: string): Promise<void> {
    const listenerClosed = closeListener(this.server);
    await new Promise<void>((resolve) => {
      this.stopped = resolve;
      for (const { id } of this.links.values()) this.close(id, reason);
      if (this.links.size === 0) resolve();
    });
    await listenerClosed;
  }

  private opened(link: Link, connection: Connection): ConnectionHandlers {
    const { id, address } = link;
    link.connection = connection;
    if (this.stopped !== undefined) connection.close(1001, 'the node is stopping');
    if (this.paused) connection.cut('the node begins anew');
    const helloTimer = setTimeout(
      () => this.refuse(link, connection, badFrame('no hello came in time')),
      HELLO_TIMEOUT_MS,
    );
    this.options.step({ type: 'link-opened', link: id, ...(address === undefined ? {} : { address }) });
    return {
      message: (bytes) => {
        const message = this.decode(link, connection, bytes);
        if (message === undefined) return;
        if (isRepair(message)) this.options.onRepair?.('received', bytes.length);
        if (link.peer === undefined) {
          if (message.type !== 'hello') {
            this.refuse(link, connection, badFrame('the first message must be a hello'));
            return;
          }
          clearTimeout(helloTimer);
          link.peer = message.replica;
        }
        this.options.step({ type: 'link-message', link: id, message });
      },
      closed: (reason, violation) => {
        clearTimeout(helloTimer);
        if (violation !== undefined) this.warn(link, violation);
        this.ended(link, reason);
      },
    };
  }

  private decode(link: Link, connection: Connection, bytes: Uint8Array): PeerMessage | undefined {
    try {
      // Only what was asked for is large enough to be compressed.
      const isPacked = link.asks === true && isCompressed(bytes);
      return decodePeerMessage(isPacked ? decompress(bytes) : bytes);
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.refuse(link, connection, error);
      return undefined;
    }
  }

  private refuse(link: Link, connection: Connection, error: CausewayError): void {
    this.warn(link, error);
    connection.close(1002, error.message);
  }

  /** Without the stack, which says nothing of the peer: there may be many of these. */
  private warn({ id, peer }: Link, { code, message }: CausewayError): void {
    this.options.log.warn(
      { link: id, ...(peer === undefined ? {} : { peer }), code, error: message },
      'a peer does not keep to the protocol: its link is closed',
    );
  }

  private ended(link: Link, reason: string): void {
    const { id, address, peer, connection } = link;
    this.links.delete(id);
    if (peer !== undefined && connection !== undefined) {
      addBytes(this.past, peer, connection);
      const [oldest] = this.past.keys();
      if (this.past.size > PAST_PEERS_MAX && oldest !== undefined) this.past.delete(oldest);
    }
    this.options.step({
      type: 'link-closed',
      link: id,
      reason,
      ...(address === undefined ? {} : { address }),
    });
    if (this.links.size === 0) this.stopped?.();
  }
}

/** A peer is sent it only after it has sent a `subscribe` or a message of a repair. */
function isAskedFor(message: PeerMessage): boolean {
  return message.type === 'chunks' || (isRepair(message) && message.type !== 'repair-open');
}

function isRepair({ type }: PeerMessage): boolean {
  return type.startsWith('repair-');
}

function addBytes(sums: Map<ReplicaId, PeerBytes>, peer: ReplicaId, connection: Connection): void {
  const sum = sums.get(peer) ?? { sent: 0, received: 0 };
  sum.sent += connection.bytesSent;
  sum.received += connection.bytesReceived;
  sums.set(peer, sum);
}

function badFrame(message: string): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_FRAME', message);
}
