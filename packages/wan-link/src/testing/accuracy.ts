/**
 * How far a link's delay is off: messages one after another, sent at any phase of the clock's millisecond,
 * since timers err by phase. A bare timer that runs beside each message tells how late the machine is.
 */
import type { Random } from '../random.js';
import type { Peer } from './rig.js';

export interface Sample {
  /** Measured minus set delay; milliseconds. */
  readonly errorMs: number;
  /** The same of a timer of Node that was started with the message. */
  readonly timerErrorMs: number;
}

export async function measureAccuracy(
  from: Peer,
  to: Peer,
  delayMs: number,
  count: number,
  random: Random,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  while (samples.length < count) {
    const phase = performance.now() + random();
    while (performance.now() < phase);
    const start = performance.now();
    from.socket.write('.');
    const [heard, rung] = await Promise.all([
      to.hears(to.bytes + 1),
      new Promise<number>((resolve) => setTimeout(() => resolve(performance.now()), delayMs)),
    ]);
    samples.push({ errorMs: heard - start - delayMs, timerErrorMs: rung - start - delayMs });
  }
  return samples;
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}
