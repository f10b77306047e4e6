/**
 * Frames to one client: what is added in one turn leaves together.
 *
 * Invariant: answers of the node itself keep their order among each other, and come before what the replica
 * answered later.
 */
import { NodeFrameWriter, type NodeMessage } from '@causeway/protocol';
import { REPLY_FRAME_BYTES } from './client-limits.js';
import type { Connection } from './websocket.js';

/** Shared: a frame is written in one go. */
const writer = new NodeFrameWriter();

export class Outbox {
  /** Answers that are ours, not the replica's; they leave with the next frame. */
  private own: NodeMessage[] = [];

  constructor(private readonly connection: Connection) {}

  /** Bytes that wait for the client, here and in the socket. */
  get waiting(): number {
    return this.connection.bufferedBytes + writer.length;
  }

  /** For an answer that did not come from the replica: it leaves when the turn ends, or with the next frame. */
  answer(message: NodeMessage): void {
    if (this.own.length === 0) process.nextTick(() => this.send());
    this.own.push(message);
  }

  /** Starts a frame, with what is ours. */
  begin(): void {
    writer.reset();
    const { own } = this;
    if (own.length === 0) return;
    this.own = [];
    for (const message of own) this.add(message);
  }

  /** Between `begin` and `end`. Returns the bytes that the message took. */
  add(message: NodeMessage): number {
    const before = writer.length;
    writer.add(message);
    const bytes = writer.length - before;
    if (writer.length >= REPLY_FRAME_BYTES) this.end();
    return bytes;
  }

  /** Sends what was added. */
  end(): void {
    if (writer.messages === 0) return;
    this.connection.send(writer.finish());
  }

  /** What waits is for nobody any more. */
  drop(): void {
    this.own = [];
  }

  private send(): void {
    if (this.own.length === 0) return;
    this.begin();
    this.end();
  }
}
