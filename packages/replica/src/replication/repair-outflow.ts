/**
 * Outflow: what one side of a session sends that costs the other memory, within the window that it grants.
 */
import type { RecordState, RepairMessage } from '@causeway/protocol';
import { REPAIR_MESSAGE_BYTES } from '../limits.js';
import { bytesOf } from './repair-adopter.js';

export class Outflow {
  /** Sent, and not yet taken in by the other side. */
  private underWay = 0;
  private records: RecordState[] = [];
  private bytes = 0;
  /** Records sent. */
  sent = 0;

  constructor(
    private readonly session: number,
    private readonly windowBytes: number,
    private readonly send: (message: RepairMessage) => void,
  ) {}

  /** Nothing waits to be sent. */
  get isEmpty(): boolean {
    return this.records.length === 0;
  }

  /** Nothing waits, and all of it has been taken in. */
  get isDone(): boolean {
    return this.isEmpty && this.underWay === 0;
  }

  get hasCredit(): boolean {
    return this.underWay < this.windowBytes;
  }

  get queuedBytes(): number {
    return this.bytes;
  }

  /** Queues a record; it goes with the next ones that fill a message, or with `flush`. */
  push(record: RecordState): void {
    this.records.push(record);
    this.bytes += record.key.length + record.state.length;
    if (this.bytes >= REPAIR_MESSAGE_BYTES) this.flush();
  }

  /** Sends something else that the other side has to keep. */
  message(message: RepairMessage, bytes: number): void {
    this.underWay += bytes;
    this.send(message);
  }

  granted(bytes: number): void {
    this.underWay = Math.max(0, this.underWay - bytes);
    this.flush();
  }

  /** Sends what the credit allows. */
  flush(): void {
    while (this.records.length > 0 && this.hasCredit) {
      let count = 0;
      let bytes = 0;
      while (count < this.records.length && (count === 0 || bytes < REPAIR_MESSAGE_BYTES)) {
        const record = this.records[count++]!;
        bytes += record.key.length + record.state.length;
      }
      const records = this.records.splice(0, count);
      this.bytes -= bytes;
      this.sent += count;
      this.message({ type: 'repair-states', session: this.session, records }, bytesOf(records));
    }
  }
}
