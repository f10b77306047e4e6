/**
 * Probes: writes that are followed from place to place. All clients live in this process, so one clock times all of it.
 *
 * Lag counts from the acknowledgement of a write at its own place until it is readable at another, minus what the link
 * between them takes; a change that comes before the acknowledgement took no time. Only probes that were due within the measured time count.
 */
import { Latencies } from './latency.js';
import type { TargetClient } from './target.js';

interface Probe {
  readonly from: number;
  readonly slice: number;
  acknowledgedAt: number | undefined;
  /** Places that saw it before its acknowledgement. */
  early: number[];
}

export class Probes {
  private readonly probes = new Map<string, Probe>();
  /** By slice of the measured time, then by `from * placeCount + to`. */
  private readonly lags: Latencies[][];
  private beginsAt = Number.POSITIVE_INFINITY;
  private sliceMs = 0;

  constructor(
    private readonly placeCount: number,
    private readonly sliceCount: number,
    private readonly linkMs: (from: number, to: number) => number,
  ) {
    this.lags = Array.from({ length: sliceCount }, () =>
      Array.from({ length: placeCount * placeCount }, () => new Latencies()),
    );
  }

  /** From `beginsAt`, a reading of performance.now(), writes are measured for so many seconds. */
  measure(beginsAt: number, seconds: number): void {
    this.beginsAt = beginsAt;
    this.sliceMs = (seconds * 1000) / this.sliceCount;
  }

  /** Follows the probes of all places at one of them. */
  async follow(client: TargetClient, to: number): Promise<void> {
    if (client.watch === undefined) throw new Error('this target cannot tell of changes');
    await client.watch('probe:', (key) => this.seen(key, to));
  }

  /** Writes a probe at a place; resolves when it is acknowledged. */
  async write(client: TargetClient, from: number, index: number, value: Uint8Array): Promise<void> {
    const key = `probe:${from}:${String(index).padStart(12, '0')}`;
    const slice = Math.floor((performance.now() - this.beginsAt) / this.sliceMs);
    if (slice >= 0 && slice < this.sliceCount)
      this.probes.set(key, { from, slice, acknowledgedAt: undefined, early: [] });
    await client.put(key, value);
    const probe = this.probes.get(key);
    if (probe === undefined) return;
    probe.acknowledgedAt = performance.now();
    for (const to of probe.early) this.record(probe, to, Number.NEGATIVE_INFINITY);
  }

  /** Of one slice of the measured time, all pairs of places. */
  ofSlice(slice: number): Latencies {
    return joined(this.lags[slice]!);
  }

  /** Of a pair of places, over the measured time. */
  ofPair(from: number, to: number): Latencies {
    return joined(this.lags.map((lags) => lags[from * this.placeCount + to]!));
  }

  private seen(key: string, to: number): void {
    const probe = this.probes.get(key);
    if (probe === undefined || probe.from === to) return;
    if (probe.acknowledgedAt === undefined) probe.early.push(to);
    else this.record(probe, to, performance.now() - probe.acknowledgedAt);
  }

  private record({ from, slice }: Probe, to: number, ms: number): void {
    this.lags[slice]![from * this.placeCount + to]!.record(ms - this.linkMs(from, to));
  }
}

function joined(parts: readonly Latencies[]): Latencies {
  const all = new Latencies();
  for (const part of parts) all.add(part);
  return all;
}
