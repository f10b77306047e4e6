/**
 * Rejoin: this replica's identity is left behind, for a new one that begins with an empty store. One path for all
 * whose state is not known to be part of the common history: a directory that was rolled back, restored or copied, a
 * replica that was away for too long or is retired, a stop under asynchronous durability that was no clean one.
 *
 * Nothing is merged from the old store. What goes on is where the peers are, the clock, the answers to operations
 * with idempotency keys, and the log of this replica's own transactions: what of it no member has is issued again
 * under the new identity (reissue.ts).
 */
import { type ReplicaId, seqOf } from '@causeway/crdt';
import type { ErrorCode } from '@causeway/protocol';
import type { Environment, Now, ReplicaConfig } from '../environment.js';
import type { Copy, Rejoin as ReadyRejoin } from '../ready.js';
import type { Departure } from '../store/departure.js';
import { initialRecords } from '../store/initial.js';
import { KIND, kindRange, logRange, prefixEnd, RETENTION_KEY } from '../store/keyspace.js';
import type { Store } from '../store/store.js';
import { earliest } from './fork.js';
import type { Members } from './members.js';

/** Why: amnesia, stale, a duplicate, retired by the members, or the host's own reasons. */
export type RejoinCode = ErrorCode;

interface Cause {
  readonly code: RejoinCode;
  readonly message: string;
  readonly fork: number;
}

export class Rejoin {
  private cause: Cause | undefined;

  constructor(
    private readonly store: Store,
    private readonly members: Members,
    private readonly departures: readonly Departure[],
  ) {}

  /** It has been decided, and nothing more is to be executed. */
  get isDue(): boolean {
    return this.cause !== undefined;
  }

  /**
   * `fork`: the first own seq under which others know other writes, or none of them this one; 0 when there is none. What
   * is found besides, before it is done, counts too.
   */
  decide(code: RejoinCode, message: string, fork = 0): void {
    const { cause } = this;
    this.cause =
      cause === undefined ? { code, message, fork } : { ...cause, fork: earliest(cause.fork, fork) };
  }

  /** To be called when nothing is being written. */
  ready(config: ReplicaConfig, env: Environment, now: Now): ReadyRejoin | undefined {
    const { cause, store } = this;
    if (cause === undefined) return undefined;
    const { code, message, fork } = cause;
    const own = seqOf(store.durable, store.self);
    // What a copy has not written itself the original has, and goes on under the name.
    const isCopy = code === 'CAUSEWAY_DUPLICATE_IDENTITY';
    const heldByOriginal = fork > 0 ? fork - 1 : own;
    const departure: Departure = {
      origin: store.self,
      reason: code,
      // Later than the others, whatever the clock says: the newest is dealt with first.
      at: Math.max(now.wall, ...this.departures.map(({ at }) => at + 1)),
      seen: new Map(store.durable),
      fork,
      base: isCopy ? heldByOriginal : undefined,
      done: 0,
      runs: [],
    };
    const batch = initialRecords(config.region, env, now, [departure, ...this.departures], {
      clock: store.clock.last,
      resultBytes: store.resultBytes,
    });
    // What others hold beyond the fork is not what stands here.
    const held = fork > 0 ? Math.min(this.heldByAll(), fork - 1) : this.heldByAll();
    const from = Math.max(1, held + 1 - store.limits.logFloorTransactions);
    const copies: Copy[] = [
      { ...logRange(store.self, from), kind: KIND.stash },
      ...[KIND.stash, KIND.result, KIND.resultExpiry].map((kind) => ({ ...kindRange(kind), kind })),
      // What is kept for a while is kept by the same clock.
      { from: RETENTION_KEY, to: prefixEnd(RETENTION_KEY), kind: KIND.identity },
    ];
    env.log.error(
      { code, left: store.self, ownTransactions: own, fork },
      `${message}. The node leaves its identity behind and joins anew: its store is moved aside, its data are ` +
        'copied from its peers, and what no peer has of its own writes is issued again',
    );
    return {
      code,
      message,
      batch: { ...batch, puts: [...batch.puts, ...this.members.introductions(!isCopy)] },
      copies,
    };
  }

  /** Own seq up to which every member is known to have this replica's writes: whom it begins anew from is one of them. */
  private heldByAll(): number {
    const { store } = this;
    const own = seqOf(store.durable, store.self);
    let held: number | undefined;
    for (const { latest } of this.members.living()) {
      const seq = seqOf(latest.versionVector, store.self);
      // What it cannot have does not count.
      held = Math.min(held ?? own, seq <= own ? seq : 0);
    }
    return held ?? 0;
  }
}

/** What a host reads of an old store for a copy: the key under which each value goes into the new one. */
export function copiedKey(copy: Copy, key: Uint8Array): Uint8Array {
  const copied = new Uint8Array(key);
  copied[0] = copy.kind;
  return copied;
}

/** Origins that stand for this directory under earlier names. */
export function leftBehind(departures: readonly Departure[]): Set<ReplicaId> {
  return new Set(departures.flatMap(({ origin }) => (origin === undefined ? [] : [origin])));
}
