/**
 * An executor in process, over plain maps: for tests of what stands above executors. It answers in a later tick.
 */
import type { CausewayError, KeyChange, Operation, Result, WatchFilter } from '@causeway/protocol';
import type { Executor, WatchSink } from '../executor.js';
import { FakeStore } from './fake-store.js';

export class FakeExecutor implements Executor {
  readonly store = new FakeStore();
  /** Operations of every call, in order; of a transaction all in one entry. */
  readonly calls: (readonly Operation[])[] = [];
  readonly sinks: WatchSink[] = [];
  readonly filters: WatchFilter[] = [];
  /** What the next calls fail with. */
  failure: CausewayError | undefined;
  stopped = 0;

  execute<T>(operation: Operation, read: (result: Result) => T): Promise<T> {
    return this.run([operation], (results) => read(results[0]!));
  }

  transact<T>(operations: readonly Operation[], read: (results: readonly Result[]) => T): Promise<T> {
    return this.run(operations, read);
  }

  watch(filter: WatchFilter, sink: WatchSink): () => void {
    this.filters.push(filter);
    this.sinks.push(sink);
    return () => {
      this.stopped += 1;
    };
  }

  async close(): Promise<void> {}

  private async run<T>(
    operations: readonly Operation[],
    read: (results: readonly Result[]) => T,
  ): Promise<T> {
    this.calls.push(operations);
    const changes: KeyChange[] = [];
    if (this.failure !== undefined) throw this.failure;
    const results = this.store.run(operations, changes);
    await Promise.resolve();
    for (const change of changes) for (const sink of this.sinks) sink.changed(change);
    return read(results);
  }
}
