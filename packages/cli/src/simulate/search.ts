/**
 * Many seeds over several threads. Which thread runs a seed makes no difference to it.
 */
import { Worker } from 'node:worker_threads';
import type { SeedOptions, SeedReport } from '@causeway/sim';
import type { SeedTask } from './seed-worker.js';

export interface SearchOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly workers: number;
  readonly simulation: SeedOptions;
  /** End with the first failure rather than with the last seed. */
  readonly stopsAtFailure: boolean;
}

/** `told` hears of every seed, in whatever order they end. Returns when all have, or one has failed. */
export async function search(options: SearchOptions, told: (report: SeedReport) => void): Promise<void> {
  let next = options.firstSeed;
  const end = options.firstSeed + options.seeds;
  let stopped = false;
  const work = async (): Promise<void> => {
    const thread = new SeedThread();
    try {
      while (next < end && !stopped) {
        const report = await thread.run({ seed: next++, options: options.simulation });
        if (report.failure !== undefined && options.stopsAtFailure) stopped = true;
        told(report);
      }
    } finally {
      await thread.end();
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.workers, options.seeds) }, work));
}

/** The same failure with few faults, and with its last events. */
export async function minimizeFailure(
  report: SeedReport,
  options: SeedOptions,
  attemptsMax: number,
  traceLines: number,
): Promise<SeedReport> {
  const thread = new SeedThread();
  try {
    return await thread.run({ seed: report.seed, options, minimize: { report, attemptsMax, traceLines } });
  } finally {
    await thread.end();
  }
}

class SeedThread {
  private readonly worker = new Worker(new URL('./seed-worker.js', import.meta.url), {
    // Nearly everything dies young.
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });

  run(task: SeedTask): Promise<SeedReport> {
    return new Promise((resolve, reject) => {
      const { worker } = this;
      const settle = (then: () => void): void => {
        worker.off('message', onReport);
        worker.off('error', onError);
        then();
      };
      const onReport = (report: SeedReport): void => settle(() => resolve(report));
      const onError = (error: unknown): void => settle(() => reject(error));
      worker.once('message', onReport);
      worker.once('error', onError);
      worker.postMessage(task);
    });
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }
}
