/** A bare client of the WebSocket protocol: sends what it is told, right or wrong, and keeps what comes. */
import {
  CLIENT_PROTOCOL_VERSION,
  CLIENT_SUBPROTOCOL,
  ClientFrameWriter,
  type ClientMessage,
  decodeNodeFrame,
  type NodeMessage,
} from '@causeway/protocol';
import { onTestFinished } from 'vitest';
import { type Connection, dialWebSocket } from '../websocket.js';

export class WsClient {
  /** In the order in which they came, over all frames. */
  readonly messages: NodeMessage[] = [];
  /** Number of frames that came. */
  frames = 0;
  /** Why the connection ended; undefined while it is open. */
  ended: string | undefined;
  private readonly waiters: (() => void)[] = [];

  private constructor(readonly connection: Connection) {}

  /** Rejects with the reason when the node does not take the connection. */
  static dial(port: number, path = '/v1/ws', subprotocol: string = CLIENT_SUBPROTOCOL): Promise<WsClient> {
    return new Promise((resolve, reject) => {
      dialWebSocket({
        address: `ws://127.0.0.1:${port}${path}`,
        subprotocol,
        timeoutMs: 10_000,
        frameBytesMax: 64 << 20,
        bufferedBytesMax: 64 << 20,
        opened(connection) {
          const client = new WsClient(connection);
          onTestFinished(() => connection.cut('the test is over'));
          resolve(client);
          return {
            message: (bytes) => client.received(bytes),
            closed: (reason) => client.closed(reason),
          };
        },
        failed: (reason) => reject(new Error(reason)),
      });
    });
  }

  /** Dialled and greeted. */
  static async open(port: number): Promise<WsClient> {
    const client = await WsClient.dial(port);
    client.send({ type: 'hello', version: CLIENT_PROTOCOL_VERSION, name: 'test' });
    await client.until(() => client.messages.length === 1);
    client.messages.length = 0;
    client.frames = 0;
    return client;
  }

  /** All in one frame. */
  send(...messages: readonly ClientMessage[]): void {
    const writer = new ClientFrameWriter();
    for (const message of messages) writer.add(message);
    this.connection.send(writer.finish());
  }

  sendBytes(bytes: Uint8Array): void {
    this.connection.send(bytes);
  }

  /** Resolves when `is` holds, or the connection has ended. */
  async until(is: () => boolean): Promise<void> {
    while (!is() && this.ended === undefined) {
      await new Promise<void>((resolve) => this.waiters.push(resolve));
    }
  }

  /** The messages when there are `count` of them. */
  async take(count: number): Promise<NodeMessage[]> {
    await this.until(() => this.messages.length >= count);
    return this.messages.splice(0);
  }

  /** Why it ended, once it has. */
  async end(): Promise<string> {
    await this.until(() => false);
    return this.ended!;
  }

  private received(bytes: Uint8Array): void {
    this.frames++;
    this.messages.push(...decodeNodeFrame(bytes.slice()));
    this.wake();
  }

  private closed(reason: string): void {
    this.ended = reason;
    this.wake();
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}
