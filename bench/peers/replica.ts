/**
 * Libraries that keep their data in the program that uses them: each place is a process with one replica in it, and a
 * client of the place is a channel to that process. What of one peer is done there and here stands in the peer's own file.
 *
 * Messages on the channel: to the replica Request, back Answer. Puts that arrive together are given to the library together.
 */

export type Entry = readonly [key: string, value: Uint8Array];

/** One replica, in its own process. */
export interface Replica {
  /** Resolves when the entries are readable here. */
  put(entries: readonly Entry[]): Promise<void> | void;
  get(key: string): Promise<Uint8Array | undefined> | Uint8Array | undefined;
  /** Calls back with the keys of all changes from now on, own ones included or not. */
  watch(onKeys: (keys: readonly string[]) => void): void;
  /** Handed to the replicas that dial this one. */
  readonly shared?: string;
}

export interface ReplicaOptions {
  readonly placeIndex: number;
  /** Where this replica is dialled; absent: it is not. */
  readonly listen: number | undefined;
  /** Which ports of this machine it dials. */
  readonly dial: readonly number[];
  /** Its own directory, which is also the working directory. */
  readonly directory: string;
  /** What the replica that is dialled has handed out. */
  readonly shared: string | undefined;
}

export type OpenReplica = (options: ReplicaOptions) => Promise<Replica>;

export type Request =
  | { readonly id: number; readonly op: 'put'; readonly entries: readonly Entry[] }
  | { readonly id: number; readonly op: 'get'; readonly key: string }
  | { readonly id: number; readonly op: 'watch' };

export type Answer =
  | { readonly op: 'ready'; readonly shared: string | undefined }
  | { readonly op: 'done'; readonly id: number; readonly value?: Uint8Array | undefined }
  | { readonly op: 'failed'; readonly id: number; readonly message: string }
  | { readonly op: 'changed'; readonly keys: readonly string[] };

/** Collects what is added during a turn of the event loop, and hands it on once. */
export class Turn<T> {
  private items: T[] = [];

  constructor(private readonly handOn: (items: T[]) => void) {}

  add(item: T): void {
    this.items.push(item);
    if (this.items.length > 1) return;
    setImmediate(() => {
      const { items } = this;
      this.items = [];
      this.handOn(items);
    });
  }
}

export function toBase64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
}

export function fromBase64(text: unknown): Uint8Array | undefined {
  return typeof text === 'string' ? Buffer.from(text, 'base64') : undefined;
}
