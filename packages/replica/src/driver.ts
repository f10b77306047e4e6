/**
 * Executes what a replica asks for, the same way in the real node and in the simulator: if each had its own
 * loop, the simulator would prove a loop that production does not run.
 *
 * The host defers `pump` to the end of its current turn, so that all events of one turn share a commit.
 */

import type { Now } from './environment.js';
import type { Event, ScanEntry, StoredReplica } from './events.js';
import type { Batch, Rejoin, Scan, Send } from './ready.js';
import type { Replica } from './replica.js';

export interface Host {
  now(): Now;
  /** Runs `task` at the end of this turn, once. */
  defer(task: () => void): void;
  /** Runs `task` at `at` (monotonic ms) instead of at the time asked for before. */
  wake(at: number, task: () => void): void;
  /** Atomic and durable when it resolves. When it rejects nothing may be assumed of the batch. */
  write(batch: Batch): Promise<void>;
  /** Makes the store trustworthy again after a failed write, however long that takes. */
  reopen(): Promise<StoredReplica>;
  load(keys: readonly Uint8Array[], snapshot?: number): Promise<readonly (Uint8Array | undefined)[]>;
  scan(scan: Scan): Promise<readonly ScanEntry[]>;
  /** Synchronous: what the store holds now is what reads with this id find. A failed one fails its reads. */
  openSnapshot(id: number): void;
  /** Nobody waits for reads of it that are under way. */
  closeSnapshot(id: number): void;
  send(sends: readonly Send[]): void;
  /** The replica leaves its identity behind; its driver has stopped, and another takes its place. */
  rejoin(rejoin: Rejoin): void;
}

export class Driver {
  private writing = false;
  private pumping = false;
  private stopped = false;

  constructor(
    readonly replica: Replica,
    private readonly host: Host,
  ) {}

  step(event: Event): void {
    if (this.stopped) return;
    this.replica.step(event, this.host.now());
    this.schedule();
  }

  /** From now on nothing is executed; an unfinished write is left to finish by itself. */
  stop(): void {
    this.stopped = true;
  }

  private schedule(): void {
    if (this.pumping) return;
    this.pumping = true;
    this.host.defer(() => this.pump());
  }

  private pump(): void {
    this.pumping = false;
    if (this.stopped) return;
    const { host, replica } = this;
    for (let ready = replica.poll(this.writing); ready !== undefined; ready = replica.poll(this.writing)) {
      if (ready.outbox.length > 0) host.send(ready.outbox);
      for (const id of ready.openSnapshots) host.openSnapshot(id);
      for (const { id, keys, snapshot } of ready.loads) {
        host.load(keys, snapshot).then(
          (values) => this.step({ type: 'loaded', id, values }),
          (error: unknown) => this.step({ type: 'read-failed', id, error }),
        );
      }
      for (const scan of ready.scans) {
        host.scan(scan).then(
          (entries) => this.step({ type: 'scanned', id: scan.id, entries }),
          (error: unknown) => this.step({ type: 'read-failed', id: scan.id, error }),
        );
      }
      for (const id of ready.closeSnapshots) host.closeSnapshot(id);
      if (ready.batch !== undefined) this.write(ready.batch);
      if (ready.rejoin !== undefined) {
        this.stop();
        host.rejoin(ready.rejoin);
        return;
      }
    }
    const deadline = replica.deadline();
    if (deadline !== undefined) host.wake(deadline, () => this.step({ type: 'tick' }));
  }

  private write(batch: Batch): void {
    this.writing = true;
    const handedOutAt = this.host.now().monotonic;
    this.host.write(batch).then(
      () => {
        if (this.stopped) return;
        this.writing = false;
        this.replica.advance(this.host.now(), handedOutAt);
        this.pump();
      },
      (error: unknown) => {
        this.step({ type: 'write-failed', error });
        this.host.reopen().then(
          (records) => {
            this.writing = false;
            this.step({ type: 'store-reopened', records });
          },
          (reason: unknown) => this.step({ type: 'write-failed', error: reason }),
        );
      },
    );
  }
}
