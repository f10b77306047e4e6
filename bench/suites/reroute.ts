/**
 * What a cut of the link A–B costs the writes of A on their way to B while A–C and C–B are up: when B notices, how
 * late the writes arrive over the detour, and how much comes twice.
 *
 * One client writes registers at A at a steady pace, another watches them at B; both clocks are this process's.
 * The metric of B is read beside it.
 */
import { setInterval as every } from 'node:timers/promises';
import { type Cluster, until } from '@causeway/cli';
import { type Change, connect, type Database, type Watch } from '@causeway/client';
import { Scrape } from './prometheus.js';

export interface RerouteOptions {
  /** With regions a, b and c. */
  readonly cluster: Cluster;
  readonly mode: 'silence' | 'reset';
  /** Writes of one measurement. */
  readonly writes: number;
  /** Between two writes. Milliseconds. */
  readonly everyMs: number;
}

export interface Lag {
  /** From the acknowledgement at A to the watcher at B. Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** What B's metric says of the same writes. Milliseconds. */
  readonly metricP50: number;
  /** What B received meanwhile. Bytes. */
  readonly bytesFromA: number;
  readonly bytesFromC: number;
}

export interface RerouteReport {
  readonly direct: Lag;
  readonly detour: Lag;
  readonly healed: Lag;
  /** From the cut until B says that its link to A is down. Milliseconds. */
  readonly noticedMs: number;
  /** From the cut until a write that was made after it was seen at B. Milliseconds. */
  readonly resumedMs: number;
  /** From the heal until B is linked to A again. Milliseconds. */
  readonly relinkedMs: number;
  /** Chunks that B was sent twice. */
  readonly duplicates: number;
  /** Writes in all; each was seen at B, once, in order. */
  readonly writes: number;
}

const PREFIX = 'reroute:';
const VALUE_BYTES = 1_024;
const TIMEOUT_MS = 60_000;
/** How often B is asked whether its link is up. Milliseconds. */
const LOOK_MS = 5;
/** How often B is asked from whom it gets the values: a few of them come meanwhile. Milliseconds. */
const SOURCE_LOOK_MS = 200;

export async function measureReroute(options: RerouteOptions): Promise<RerouteReport> {
  const { cluster, mode } = options;
  const probe = await Probe.open(options);
  const link = cluster.links.between('a', 'b');
  try {
    const before = await Scrape.of(cluster.node('b').urls.admin);
    const direct = await probe.measure();

    const cutAt = performance.now();
    link.cut({ mode });
    const first = probe.written;
    const [noticedMs, resumedMs] = await probe.writingDuring(async () => {
      const noticed = await untilLinked(cluster, false, cutAt);
      await until('a write after the cut to be seen', () => probe.seen > first, { timeoutMs: TIMEOUT_MS });
      return [noticed, probe.seenAt(first) - cutAt] as const;
    });
    const detour = await probe.measure();

    const healedAt = performance.now();
    link.heal();
    const relinkedMs = await probe.writingDuring(async () => {
      const relinked = await untilLinked(cluster, true, healedAt);
      // The detour ends what it has on its way first.
      await untilDirect(cluster);
      return relinked;
    });
    const healed = await probe.measure();

    const after = await Scrape.of(cluster.node('b').urls.admin);
    const duplicates = after.since(before, 'causeway_duplicate_chunks_total');
    const { written: writes } = probe;
    return { direct, detour, healed, noticedMs, resumedMs, relinkedMs, duplicates, writes };
  } finally {
    link.heal();
    await probe.close();
  }
}

/** Milliseconds from `since` until B says that it is linked to A, or that it is not. */
function untilLinked(cluster: Cluster, linked: boolean, since: number): Promise<number> {
  const look = async () => {
    const { peers } = await cluster.node('b').status();
    const { state } = peers.find(({ region }) => region === 'a') ?? {};
    return (state === 'connected') === linked && performance.now() - since;
  };
  return until(`a and b to be ${linked ? 'linked' : 'cut off'}`, look, {
    timeoutMs: TIMEOUT_MS,
    everyMs: LOOK_MS,
  });
}

/** Until the values come to B from A itself, and no longer from C. */
async function untilDirect(cluster: Cluster): Promise<void> {
  const { admin } = cluster.node('b').urls;
  let before = await Scrape.of(admin);
  const look = async () => {
    const after = await Scrape.of(admin);
    const [fromA, fromC] = [receivedFrom('a', before, after), receivedFrom('c', before, after)];
    before = after;
    return fromA > VALUE_BYTES && fromC < VALUE_BYTES;
  };
  await until('writes to come from a itself', look, { timeoutMs: TIMEOUT_MS, everyMs: SOURCE_LOOK_MS });
}

/** What B received between two looks. Bytes. */
function receivedFrom(peer: string, before: Scrape, after: Scrape): number {
  return after.since(before, 'causeway_peer_bytes_total', { peer, direction: 'received' });
}

/** Writes at A, and what a watcher at B has seen of them. */
class Probe {
  /** Writes that have been asked for; the next one bears this number. */
  written = 0;
  private readonly acknowledged: number[] = [];
  private readonly arrivals: number[] = [];
  private readonly value = crypto.getRandomValues(new Uint8Array(VALUE_BYTES));
  private failure: unknown;

  static async open(options: RerouteOptions): Promise<Probe> {
    const { cluster } = options;
    const a = await connect({ endpoints: [cluster.node('a').urls.client] });
    const b = await connect({ endpoints: [cluster.node('b').urls.client] });
    const watch = b.watch({ prefix: PREFIX });
    await watch.opened;
    return new Probe(options, a, b, watch);
  }

  private constructor(
    private readonly options: RerouteOptions,
    private readonly a: Database,
    private readonly b: Database,
    private readonly watch: Watch,
  ) {
    void this.see().catch((error: unknown) => {
      this.failure ??= error;
    });
  }

  get seen(): number {
    return this.arrivals.length;
  }

  seenAt(number: number): number {
    return this.arrivals[number] ?? Number.NaN;
  }

  /** The lag of the next writes, from the first of them until B has seen the last. */
  async measure(): Promise<Lag> {
    const { cluster, writes } = this.options;
    const first = this.written;
    const { admin } = cluster.node('b').urls;
    const before = await Scrape.of(admin);
    await this.write((count) => count < writes);
    const after = await Scrape.of(admin);
    const lags = this.arrivals.slice(first).map((at, index) => at - (this.acknowledged[first + index] ?? at));
    const ascending = lags.sort((one, other) => one - other);
    return {
      p50: ascending[Math.floor(ascending.length / 2)] ?? Number.NaN,
      p99: ascending[Math.floor(ascending.length * 0.99)] ?? Number.NaN,
      metricP50: 1_000 * after.quantile(0.5, before, 'causeway_replication_lag_seconds', { origin: 'a' }),
      bytesFromA: receivedFrom('a', before, after),
      bytesFromC: receivedFrom('c', before, after),
    };
  }

  /** Writes until `story` is over and B has seen everything. */
  async writingDuring<T>(story: () => Promise<T>): Promise<T> {
    let over = false;
    const told = story().finally(() => {
      over = true;
    });
    await Promise.all([told, this.write(() => !over)]);
    return told;
  }

  async close(): Promise<void> {
    await this.watch.return();
    await Promise.all([this.a.close(), this.b.close()]);
  }

  /** At a steady pace, whatever the answers take; resolves when B has seen the last one. */
  private async write(more: (count: number) => boolean): Promise<void> {
    let count = 0;
    for await (const _ of every(this.options.everyMs)) {
      if (!more(count) || this.failure !== undefined) break;
      void this.writeOne(this.written++);
      count++;
    }
    const isSettled = () => this.failure !== undefined || this.seen === this.written;
    await until('b to see all writes', isSettled, { timeoutMs: TIMEOUT_MS, everyMs: LOOK_MS });
    if (this.failure !== undefined) throw this.failure;
  }

  private async writeOne(number: number): Promise<void> {
    try {
      await this.a.register(`${PREFIX}${number}`).set(this.value);
      this.acknowledged[number] = performance.now();
    } catch (error) {
      this.failure ??= error;
    }
  }

  /** Each write once, in the order of A. */
  private async see(): Promise<void> {
    for await (const change of this.watch) {
      const number = numberOf(change);
      if (number !== this.seen) throw new Error(`b saw write ${number} when ${this.seen} was next`);
      this.arrivals.push(performance.now());
    }
  }
}

function numberOf({ key }: Change): number {
  return Number(key.slice(PREFIX.length));
}
