/**
 * What the core is given instead of a world: randomness, records that are at hand, a place to tell figures, a log. Time
 * comes with every event, and what is not at hand comes back as an event. None of these may call back into the replica.
 */
import type { ReplicaId } from '@causeway/crdt';
import type { KeyType, RepairOutcome } from '@causeway/protocol';
import type { Limits } from './limits.js';

export type Millis = number;

/** `wall` may jump back, `monotonic` may not. Milliseconds. */
export interface Now {
  readonly monotonic: Millis;
  readonly wall: Millis;
}

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  /** Only for what a person should look at. */
  error(fields: object, message: string): void;
}

/** Sinks for what happens; gauges are read from `Replica.status()` instead. Seconds are seconds. */
export interface Telemetry {
  /** Origin's durable commit to durable apply here, clock offset taken off. */
  lag(origin: ReplicaId, seconds: number): void;
  /** Own commit to durable at `peer` and known here, on this node's clock alone. */
  ack(peer: ReplicaId, seconds: number): void;
  /** Own commit to acknowledged by every active member. */
  convergence(seconds: number): void;
  duplicateChunk(peer: ReplicaId): void;
  conflict(type: KeyType): void;
  /** A session of which this replica was the receiver has ended. */
  repairSession(peer: ReplicaId, outcome: RepairOutcome): void;
  /** Records that repairs have brought and that told something new. */
  repairRecords(count: number): void;
  write(type: KeyType): void;
  read(type: KeyType): void;
}

export interface Environment {
  /** Uniform in [0, 1). */
  random(): number;
  /**
   * What is stored under a key, undefined if there is nothing: durable, or in the batch in flight. `later` when the host
   * expects that it had to wait for it, or cannot read it: then it is asked for as a load, which tells why.
   */
  readNow(key: Uint8Array): Uint8Array | undefined | 'later';
  readonly telemetry: Telemetry;
  readonly log: Log;
}

export interface ReplicaConfig {
  readonly region: string;
  /** URL at which other nodes dial this one. */
  readonly advertise: string;
  /** Addresses to dial at first. */
  readonly seeds: readonly string[];
  /** Where they differ from DEFAULT_LIMITS. */
  readonly limits?: Partial<Limits>;
}
