/**
 * Random clients: every type, single operations and transactions, reads among the writes, several requests
 * under way at once, retries under idempotency keys, connections that come and go.
 */
import { encodeCanonical, type Operation } from '@causeway/protocol';
import type { Client } from './client.js';
import type { Call, History } from './history.js';
import { type Family, keyOf } from './keys.js';
import type { Prng } from './prng.js';
import type { Scheduler } from './scheduler.js';

/** What clients do, and how often as weights. */
export interface WorkloadMix {
  readonly register: number;
  readonly volatile: number;
  readonly shared: number;
  readonly growing: number;
  readonly counter: number;
  readonly resettable: number;
  readonly transfer: number;
  readonly pair: number;
  readonly mixed: number;
  readonly read: number;
}

export interface WorkloadProfile {
  readonly clientsPerNode: number;
  /** Mean time between two calls of one client. Milliseconds. */
  readonly thinkMs: number;
  readonly pipelineMax: number;
  readonly keysPerFamily: number;
  /** Share of the writes that carry an idempotency key, and of those that are tried again when lost. */
  readonly keyShare: number;
  readonly retryShare: number;
  /** Share of the answered calls with a key that are sent once more. */
  readonly probeShare: number;
  /** Share of the calls before which the client disconnects. */
  readonly disconnectShare: number;
  /** Bytes that some values are padded by, at most. */
  readonly paddingMax: number;
  readonly ttlMsMax: number;
  readonly mix: WorkloadMix;
}

/** Elements of a shared set. */
const ELEMENTS = Array.from({ length: 6 }, (_, index) => encodeCanonical(index));

export class Workload {
  private running = false;
  private readonly probed = new Set<Call>();

  constructor(
    private readonly scheduler: Scheduler,
    private readonly prng: Prng,
    private readonly profile: WorkloadProfile,
    private readonly history: History,
    readonly clients: readonly Client[],
  ) {}

  start(): void {
    this.running = true;
    for (const [index, client] of this.clients.entries())
      this.next(client, this.prng.split(`client ${index}`));
  }

  /** No new calls; what was lost is still tried again until it is answered. */
  stop(): void {
    this.running = false;
  }

  get unanswered(): number {
    return this.clients.reduce((sum, client) => sum + client.unanswered, 0);
  }

  private next(client: Client, prng: Prng): void {
    this.scheduler.after(prng.exponential(this.profile.thinkMs), () => {
      this.act(client, prng);
      this.next(client, prng);
    });
  }

  private act(client: Client, prng: Prng): void {
    const { profile } = this;
    if (this.running && prng.chance(profile.disconnectShare)) client.disconnect();
    if (!client.connect()) return;
    if (client.unanswered > 0) client.retry();
    if (!this.running || client.unanswered >= profile.pipelineMax) return;
    const operations = this.operations(prng);
    const isRead = operations.every(
      ({ op }) => op.endsWith('.get') || op === 'set.has' || op === 'set.size' || op === 'set.values',
    );
    const key = !isRead && prng.chance(profile.keyShare) ? `key ${this.history.calls.length}` : undefined;
    const call = client.call(operations, key);
    if (call?.key !== undefined && prng.chance(profile.probeShare)) this.probeLater(client, call, prng);
  }

  private probeLater(client: Client, call: Call, prng: Prng): void {
    this.scheduler.after(prng.exponential(2000), () => {
      if (!this.running || call.outcome !== 'acknowledged' || this.probed.has(call)) return;
      this.probed.add(call);
      client.probe(call, prng.chance(0.8) ? 'repeat' : 'mismatch');
    });
  }

  private operations(prng: Prng): Operation[] {
    switch (prng.weighted<keyof WorkloadMix>({ ...this.profile.mix })) {
      case 'register':
        return [{ op: 'register.set', key: this.key(prng, 'plain'), value: this.value(prng, '') }];
      case 'volatile':
        return [this.changeVolatile(prng)];
      case 'shared':
        return [this.changeShared(prng)];
      case 'growing':
        return [
          { op: 'set.update', key: this.key(prng, 'growing'), add: [this.value(prng, '')], remove: [] },
        ];
      case 'counter':
        return [this.changeCounter(prng)];
      case 'resettable':
        return [this.changeResettable(prng)];
      case 'transfer':
        return this.transfer(prng);
      case 'pair':
        return this.pair(prng);
      case 'mixed':
        return this.mixed(prng);
      case 'read':
        return this.read(prng);
    }
  }

  private key(prng: Prng, family: Family): string {
    return keyOf(family, prng.int(this.profile.keysPerFamily));
  }

  /** Named for the call that is about to be made, so that whoever reads it knows who wrote it. */
  private value(prng: Prng, part: string): Uint8Array {
    const name = `c${this.history.calls.length}${part}`;
    const padding =
      this.profile.paddingMax > 0 && prng.chance(0.1) ? '.'.repeat(prng.int(this.profile.paddingMax)) : '';
    return encodeCanonical(name + padding);
  }

  private changeVolatile(prng: Prng): Operation {
    const key = this.key(prng, 'volatile');
    if (prng.chance(0.3)) return { op: 'register.delete', key };
    const set = { op: 'register.set', key, value: this.value(prng, '') } as const;
    return prng.chance(0.3) ? { ...set, ttlMs: 1 + prng.int(this.profile.ttlMsMax) } : set;
  }

  private changeShared(prng: Prng): Operation {
    const key = this.key(prng, 'shared');
    if (prng.chance(0.12)) return { op: 'set.clear', key };
    const some = (most: number): Uint8Array[] => prng.shuffle(ELEMENTS).slice(0, prng.int(most + 1));
    const [add, remove] = prng.chance(0.6) ? [some(3), some(1)] : [some(1), some(3)];
    return { op: 'set.update', key, add, remove, sized: add.length % 2 === 0 };
  }

  private changeCounter(prng: Prng): Operation {
    if (prng.chance(0.5))
      return { op: 'counter.increment', key: this.key(prng, 'rising'), by: 1 + prng.int(1000) };
    return { op: 'counter.increment', key: this.key(prng, 'sum'), by: amount(prng) };
  }

  private changeResettable(prng: Prng): Operation {
    const key = this.key(prng, 'resettable');
    return prng.chance(0.2)
      ? { op: 'counter.reset', key }
      : { op: 'counter.increment', key, by: amount(prng) };
  }

  private transfer(prng: Prng): Operation[] {
    const [from, to] = prng.shuffle(
      Array.from({ length: accountsOf(this.profile) }, (_, index) => keyOf('account', index)),
    );
    const by = 1 + prng.int(100);
    return [
      { op: 'counter.increment', key: from as string, by: -by },
      { op: 'counter.increment', key: to as string, by },
    ];
  }

  private pair(prng: Prng): Operation[] {
    const index = prng.int(this.profile.keysPerFamily);
    const value = this.value(prng, '');
    return prng.shuffle<Operation>([
      { op: 'register.set', key: keyOf('left', index), value },
      { op: 'register.set', key: keyOf('right', index), value },
      { op: 'set.update', key: keyOf('bag', index), add: [value], remove: [] },
      { op: 'counter.increment', key: keyOf('tally', index), by: 1 },
    ]);
  }

  /** Several changes, at most one of each family that must not meet itself, and reads before and after. */
  private mixed(prng: Prng): Operation[] {
    const changes: Operation[] = [
      { op: 'register.set', key: this.key(prng, 'plain'), value: this.value(prng, '') },
      this.changeVolatile(prng),
      this.changeShared(prng),
      this.changeShared(prng),
      {
        op: 'set.update',
        key: this.key(prng, 'growing'),
        add: [this.value(prng, ' a'), this.value(prng, ' b')],
        remove: [],
      },
      this.changeCounter(prng),
      this.changeCounter(prng),
      this.changeResettable(prng),
    ];
    const chosen = prng.shuffle(changes).slice(0, 2 + prng.int(changes.length - 1));
    const reads = prng.chance(0.5) ? this.someReads(prng) : [];
    return prng.chance(0.5) ? [...reads, ...chosen] : [...chosen, ...reads];
  }

  private read(prng: Prng): Operation[] {
    const index = prng.int(this.profile.keysPerFamily);
    if (prng.chance(0.25)) {
      return Array.from({ length: accountsOf(this.profile) }, (_, account) => ({
        op: 'counter.get',
        key: keyOf('account', account),
      }));
    }
    if (prng.chance(0.35)) {
      return prng.shuffle<Operation>([
        { op: 'register.get', key: keyOf('left', index) },
        { op: 'register.get', key: keyOf('right', index) },
        { op: 'set.values', key: keyOf('bag', index) },
        { op: 'counter.get', key: keyOf('tally', index) },
      ]);
    }
    return this.someReads(prng);
  }

  private someReads(prng: Prng): Operation[] {
    const reads: Operation[] = [
      { op: 'register.get', key: this.key(prng, 'plain') },
      { op: 'register.get', key: this.key(prng, 'plain') },
      { op: 'register.get', key: this.key(prng, 'volatile') },
      { op: 'set.values', key: this.key(prng, 'growing') },
      { op: 'set.values', key: this.key(prng, 'shared') },
      { op: 'set.has', key: this.key(prng, 'shared'), values: prng.shuffle(ELEMENTS).slice(0, 3) },
      { op: 'set.size', key: this.key(prng, 'shared') },
      { op: 'counter.get', key: this.key(prng, 'rising') },
      { op: 'counter.get', key: this.key(prng, 'sum') },
      { op: 'counter.get', key: this.key(prng, 'resettable') },
    ];
    return prng.shuffle(reads).slice(0, 1 + prng.int(6));
  }
}

/** At least the two that a transfer needs. */
export function accountsOf({ keysPerFamily }: WorkloadProfile): number {
  return keysPerFamily + 1;
}

/** Between -100 and 100, never 0. */
function amount(prng: Prng): number {
  const size = 1 + prng.int(100);
  return prng.chance(0.4) ? -size : size;
}
