/**
 * A target: a started system that the suites load by the same loops, whatever it is. Causeway, the ceiling and other
 * systems are told apart by nothing else.
 *
 * What a target promises
 * - `connect` opens a connection of its own each time, or, where the system lives in this process, what comes nearest.
 * - `put` resolves when the write is as durable as `durability` says, and no earlier.
 * - `stop` ends every process and link, and removes the directories.
 */

export interface Target {
  /** Shown in tables: the system with its version, and what is particular about how it runs. */
  readonly name: string;
  /** What an acknowledged write has survived, in a few words: 'fsync on one node'. */
  readonly durability: string;
  /** Of the system's own processes: CPU and memory are read of these. Empty when it lives in this one. */
  readonly pids: readonly number[];
  /** Places (regions, replicas, members) at which clients connect: at least 1. */
  readonly placeCount: number;
  /** Places that take writes, by index; absent: all of them. */
  readonly writePlaces?: readonly number[];
  /** The network between the places, when links of the harness stand there. */
  readonly network?: TargetNetwork;
  /** A client of a place; `placeIndex` is below placeCount, default 0. */
  connect(placeIndex?: number): Promise<TargetClient>;
  stop(): Promise<void>;
}

export interface TargetClient {
  put(key: string, value: Uint8Array): Promise<void>;
  /** Undefined for a key that is not there. */
  get(key: string): Promise<Uint8Array | undefined>;
  /**
   * Calls `onChange` with the key of each put under `prefix` as soon as it is readable at this client's place, puts of
   * other places included. Resolves when nothing from now on can be missed. Absent where a system cannot tell.
   */
  watch?(prefix: string, onChange: (key: string) => void): Promise<void>;
  close(): Promise<void>;
}

export interface TargetNetwork {
  /** Cuts the first place off from all others until `heal`. */
  cut(mode: 'silence' | 'reset'): void;
  heal(): void;
  /** TCP payload that the links between places have delivered, of both directions, since the start. */
  bytesDelivered(): number;
}

export interface TargetOptions {
  /** Places wanted. A kind that cannot have so many throws RangeError. */
  readonly placeCount: number;
  /** One-way delay of each link between two places. Milliseconds, 0: none. */
  readonly delayMs: number;
}

/** What can be started: one entry for each row of a comparison. */
export interface TargetKind {
  /** Unique, for the command line: [a-z0-9-]+. */
  readonly id: string;
  /** Undefined when it can be started here; else what is missing and how to get it, as one line. */
  missing(): Promise<string | undefined>;
  start(options: TargetOptions): Promise<Target>;
}
