/**
 * One direction of a connection: what was sent and has not arrived, in order.
 *
 * A packet leaves when the path has room, and arrives a drawn delay later but never before the one ahead of it.
 * While the path is held nothing arrives; after that what was held goes out once more.
 */
import { type Delay, drawDelay } from './delay.js';
import type { Prng } from './prng.js';
import type { Scheduler, Timer } from './scheduler.js';

export interface LinkProfile {
  readonly delay: Delay;
  /** Bytes per millisecond. */
  readonly bandwidth: number;
}

/** From one machine to another; shared by all connections between them. */
export interface Path {
  readonly usual: LinkProfile;
  profile: LinkProfile;
  held: boolean;
  refused: boolean;
  /** When what is being sent has left. */
  freeAt: number;
}

export type Packet =
  | { readonly type: 'dial' }
  | { readonly type: 'accepted' }
  | { readonly type: 'message'; readonly bytes: Uint8Array }
  | { readonly type: 'close'; readonly reason: string };

export interface NetworkCounts {
  dials: number;
  messages: number;
  bytes: number;
  /** Packets sent into a held path. */
  held: number;
  /** The most bytes that one direction of one connection has held at a time. */
  queuedBytesMost: number;
}

export class Lane {
  private readonly queue: { readonly packet: Packet; readyAt: number }[] = [];
  private lastReadyAt = 0;
  private bytes = 0;
  private timer: Timer | undefined;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly prng: Prng,
    readonly path: Path,
    private readonly counts: NetworkCounts,
    private readonly deliver: (packet: Packet) => void,
  ) {}

  get isEmpty(): boolean {
    return this.queue.length === 0;
  }

  send(packet: Packet): void {
    const { path, scheduler, counts } = this;
    const bytes = packet.type === 'message' ? packet.bytes.length : 0;
    path.freeAt = Math.max(path.freeAt, scheduler.now) + bytes / path.profile.bandwidth;
    this.lastReadyAt = Math.max(this.lastReadyAt, path.freeAt + drawDelay(this.prng, path.profile.delay));
    this.queue.push({ packet, readyAt: this.lastReadyAt });
    this.bytes += bytes;
    counts.queuedBytesMost = Math.max(counts.queuedBytesMost, this.bytes);
    if (path.held) counts.held++;
    this.pump();
  }

  /** The path is no longer held: what was goes out once more. */
  release(): void {
    let at = this.scheduler.now + drawDelay(this.prng, this.path.profile.delay);
    for (const waiting of this.queue) {
      waiting.readyAt = Math.max(waiting.readyAt, at);
      at = waiting.readyAt;
    }
    this.lastReadyAt = Math.max(this.lastReadyAt, at);
    this.pump();
  }

  /** What is under way is lost. */
  drop(): void {
    this.queue.length = 0;
    this.bytes = 0;
  }

  private pump(): void {
    this.scheduler.cancel(this.timer);
    this.timer = undefined;
    for (let head = this.queue[0]; head !== undefined && !this.path.held; head = this.queue[0]) {
      if (head.readyAt > this.scheduler.now) {
        this.timer = this.scheduler.at(head.readyAt, () => this.pump());
        return;
      }
      this.queue.shift();
      if (head.packet.type === 'message') this.bytes -= head.packet.bytes.length;
      this.deliver(head.packet);
    }
  }
}
