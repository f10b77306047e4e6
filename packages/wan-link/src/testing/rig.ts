/**
 * Real sockets around a link, for tests that wait for events and never for time: `Peer` is one end of a
 * connection with what it has heard so far, `startRig` a link with a target behind it. Everything is closed
 * when the test is over.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { parseAddress } from '../address.js';
import { createWanLink, type WanLink, type WanLinkOptions } from '../wan-link.js';

export class Peer {
  readonly socket: Socket;
  /** Resolves with the time at which the other side's end of stream was heard. */
  readonly ended: Promise<number>;
  /** Resolves when the socket is closed, with the code of its failure if there was one. */
  readonly closed: Promise<string | undefined>;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #heard: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    let code: string | undefined;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code;
    });
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      this.#heard();
    });
    socket.on('end', () => {
      // libuv tells a reset that comes along with the last bytes as the end; to write nothing tells which it was.
      if (socket.writable) socket.write(Buffer.alloc(0));
    });
    this.ended = new Promise((resolve) => socket.once('end', () => resolve(performance.now())));
    this.closed = new Promise((resolve) => socket.once('close', () => resolve(code)));
  }

  /** Bytes heard so far. */
  get bytes(): number {
    return this.#bytes;
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  get buffer(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Resolves with the time at which so many bytes had been heard in all. */
  async hears(bytes: number): Promise<number> {
    while (this.#bytes < bytes) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
    return performance.now();
  }
}

export interface Rig {
  readonly link: WanLink;
  /** Connects to the link; resolves when the kernel says so. */
  dial(): Promise<Peer>;
  /** The next connection that arrives at the target. */
  arrival(): Promise<Peer>;
  /** How many have arrived at the target and were not asked for by `arrival`. */
  arrived(): number;
  /** Both ends of a connection through the link, past its handshake. */
  pair(): Promise<{ client: Peer; remote: Peer }>;
}

export async function startRig(options: Omit<WanLinkOptions, 'to'>): Promise<Rig> {
  const arrivals: Peer[] = [];
  const sockets = new Set<Socket>();
  let arrivedOne: () => void = () => {};
  const target = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    arrivals.push(new Peer(socket));
    arrivedOne();
  });
  await once(target.listen(0, '127.0.0.1'), 'listening');
  const address = target.address();
  if (address === null || typeof address === 'string') throw new Error('the target has no port');
  const link = await createWanLink({ ...options, to: `127.0.0.1:${address.port}` });
  onTestFinished(async () => {
    await link.close();
    for (const socket of sockets) socket.destroy();
    target.close();
  });

  const dial = async (): Promise<Peer> => {
    const socket = connect({ ...parseAddress(link.address), allowHalfOpen: true, noDelay: true });
    sockets.add(socket);
    const peer = new Peer(socket);
    // A link that refuses may have reset it before its connect is heard of.
    await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), peer.closed]);
    return peer;
  };
  const arrival = async (): Promise<Peer> => {
    while (arrivals.length === 0) {
      await new Promise<void>((resolve) => {
        arrivedOne = resolve;
      });
    }
    return arrivals.shift()!;
  };
  const pair = async (): Promise<{ client: Peer; remote: Peer }> => {
    const [client, remote] = await Promise.all([dial(), arrival()]);
    client.socket.write('?');
    await remote.hears(1);
    return { client, remote };
  };
  return { link, dial, arrival, arrived: () => arrivals.length, pair };
}

/**
 * Resolves when a byte has crossed another, undisturbed link of so long a delay: what was to arrive sooner
 * has arrived by then.
 */
export async function after(delayMs: number): Promise<void> {
  const { pair, link } = await startRig({});
  const { client, remote } = await pair();
  link.set({ delayMs });
  client.socket.write('!');
  await remote.hears(2);
}
