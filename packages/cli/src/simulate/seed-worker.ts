/** One thread of a search: runs the seeds that it is given, one at a time. */
import { parentPort } from 'node:worker_threads';
import { minimizedSeed, runSeed, type SeedOptions, type SeedReport } from '@causeway/sim';

export interface SeedTask {
  readonly seed: number;
  readonly options: SeedOptions;
  /** A report that failed, to be had again with few faults and its last events. */
  readonly minimize?: {
    readonly report: SeedReport;
    readonly attemptsMax: number;
    readonly traceLines: number;
  };
}

parentPort?.on('message', ({ seed, options, minimize }: SeedTask) => {
  const report =
    minimize === undefined
      ? runSeed(seed, options)
      : minimizedSeed(minimize.report, options, minimize.attemptsMax, minimize.traceLines);
  parentPort?.postMessage(report);
});
