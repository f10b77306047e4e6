/**
 * One region's share of the file: lines wait here in order, and leave in batches, one transaction each.
 *
 * Invariants
 * - Lines take effect in the order in which they were put in.
 * - What waits is bounded: `put` waits for room, so that a region that is away holds up the file only after
 *   WAITING_LINES_MAX lines of its own.
 */
import type { LineOperation } from './operations.js';
import type { TransactionSender } from './transaction-sender.js';

const WAITING_LINES_MAX = 20_000;

export class Lane {
  /** Lines that are durable at the node. */
  acknowledged = 0;
  /** Why the node does not take lines now. */
  trouble: string | undefined;
  private waiting: (readonly LineOperation[])[] = [];
  private closed = false;
  private wake: () => void = () => {};
  private makeRoom: () => void = () => {};
  private failed = false;

  constructor(private readonly linesPerTransaction: number) {}

  /** Resolves when there is room for more. */
  put(operations: readonly LineOperation[]): Promise<void> | undefined {
    this.waiting.push(operations);
    this.wake();
    if (this.waiting.length < WAITING_LINES_MAX || this.failed) return undefined;
    return new Promise((resolve) => {
      this.makeRoom = resolve;
    });
  }

  /** No more lines come. */
  close(): void {
    this.closed = true;
    this.wake();
  }

  /** Sends until the lane is closed and empty. */
  async run(sender: TransactionSender): Promise<void> {
    try {
      for (;;) {
        if (this.waiting.length === 0) {
          if (this.closed) return;
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
          continue;
        }
        // Never waits for more lines: at the end of the file there are none.
        const lines = this.waiting.splice(0, this.linesPerTransaction);
        this.makeRoom();
        await sender.send(lines.flat());
        this.acknowledged += lines.length;
      }
    } finally {
      this.failed = true;
      this.makeRoom();
    }
  }
}
