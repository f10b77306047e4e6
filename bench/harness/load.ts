/**
 * The loops that load a target. They live in this process, beside links and other clients: on few cores the figures say
 * what all of it reaches together, which is why suites tell ratios of what was loaded by the same loop in the same run.
 *
 * Closed loop: a number of lanes, each of which starts its next operation when the last one has ended.
 * Open loop: operations start at fixed times whatever the answers do, and a latency counts from the time at which its
 * operation was due. A system that stalls is charged for everybody who had to wait (no coordinated omission).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Latencies } from './latency.js';

/** `index` counts the operations of a loop from 0. */
export type Operation = (index: number) => Promise<unknown>;

export interface LoopReport {
  readonly perSecond: number;
  readonly latencies: Latencies;
  /** Operations that rejected. */
  readonly failed: number;
}

export async function closedLoop(lanes: number, seconds: number, operation: Operation): Promise<LoopReport> {
  const latencies = new Latencies();
  const started = performance.now();
  const until = started + seconds * 1000;
  let [next, done, failed] = [0, 0, 0];
  const lane = async (): Promise<void> => {
    for (let at = performance.now(); at < until; ) {
      try {
        await operation(next++);
        done++;
      } catch {
        failed++;
      }
      const now = performance.now();
      latencies.record(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { perSecond: done / ((performance.now() - started) / 1000), latencies, failed };
}

/** Timers of Node.js are good for about a millisecond. */
const TICK_MS = 1;

export interface OpenLoopOptions {
  readonly perSecond: number;
  readonly seconds: number;
  /** Latencies of this long at the beginning do not count. Default 0. */
  readonly warmUpSeconds?: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** Resolves when everything that was started has been answered. */
export async function openLoop(options: OpenLoopOptions, operation: Operation): Promise<LoopReport> {
  const { perSecond, seconds, warmUpSeconds = 0, signal } = options;
  const latencies = new Latencies();
  const started = performance.now();
  const countFrom = started + warmUpSeconds * 1000;
  const total = Math.round(perSecond * (seconds + warmUpSeconds));
  const running = new Set<Promise<void>>();
  let [done, failed, endedAt] = [0, 0, started];
  const start = (index: number, dueAt: number): void => {
    const ended = operation(index).then(
      () => {
        endedAt = performance.now();
        running.delete(ended);
        if (dueAt < countFrom) return;
        done++;
        latencies.record(endedAt - dueAt);
      },
      () => {
        failed++;
        running.delete(ended);
      },
    );
    running.add(ended);
  };
  const dueAt = (index: number) => started + (index * 1000) / perSecond;
  for (let index = 0; index < total && signal?.aborted !== true; await sleep(TICK_MS)) {
    for (const now = performance.now(); index < total && dueAt(index) <= now; index++)
      start(index, dueAt(index));
  }
  await Promise.all(running);
  return { perSecond: done / Math.max(0.001, (endedAt - countFrom) / 1000), latencies, failed };
}

/** `count` operations, `lanes` at a time, as fast as they go. */
export async function each(count: number, lanes: number, operation: Operation): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await operation(next++);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}
