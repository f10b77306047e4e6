/**
 * Watches: tells sessions of committed changes of the keys that they follow.
 *
 * Invariants
 * - A change is told after the commit that holds it is durable, in commit order.
 * - Without watches a write costs nothing here; with many it costs what those that match cost, and a look-up for
 *   each length that a watched prefix has.
 */
import type { Dot } from '@causeway/crdt';
import { CausewayError, type KeyChange, type WatchFilter } from '@causeway/protocol';
import type { SessionId } from '../events.js';
import { WATCHES_PER_SESSION_MAX } from '../limits.js';
import type { Store } from './store.js';

/** A change without what all changes of its transaction share. */
export type RecordChange = Omit<KeyChange, 'origin' | 'cursor'>;

interface Watch {
  readonly session: SessionId;
  readonly request: number;
  readonly filter: WatchFilter;
}

export class Watches {
  private readonly sessions = new Map<SessionId, Map<number, Watch>>();
  private readonly byKey = new Map<string, Set<Watch>>();
  private readonly byPrefix = new Map<string, Set<Watch>>();
  /** How many prefixes of each length are watched. UTF-16 units. */
  private readonly lengths = new Map<number, number>();

  constructor(private readonly store: Store) {}

  get any(): boolean {
    return this.sessions.size > 0;
  }

  add(session: SessionId, request: number, filter: WatchFilter): void {
    const watches = this.sessions.get(session) ?? new Map<number, Watch>();
    if (watches.size >= WATCHES_PER_SESSION_MAX) {
      const error = new CausewayError(
        'CAUSEWAY_OVERLOADED',
        `a session may have ${WATCHES_PER_SESSION_MAX} watches: watch a prefix instead of many keys`,
      );
      this.store.send({ type: 'failure', session, request, error });
      return;
    }
    this.remove(session, request);
    const watch = { session, request, filter };
    watches.set(request, watch);
    this.sessions.set(session, watches);
    this.index(watch);
  }

  remove(session: SessionId, request: number): void {
    const watches = this.sessions.get(session);
    const watch = watches?.get(request);
    if (watches === undefined || watch === undefined) return;
    this.unindex(watch);
    watches.delete(request);
    if (watches.size === 0) this.sessions.delete(session);
  }

  closeSession(session: SessionId): void {
    for (const watch of this.sessions.get(session)?.values() ?? []) this.unindex(watch);
    this.sessions.delete(session);
  }

  /** The store has lost executed changes: watchers cannot know what they were told of in vain. */
  interrupt(why = 'the node had to discard writes that its disk refused'): void {
    for (const [session, watches] of this.sessions) {
      for (const request of watches.keys()) {
        const error = new CausewayError(
          'CAUSEWAY_WATCH_INTERRUPTED',
          `${why}: read the keys again and watch anew`,
        );
        this.store.send({ type: 'failure', session, request, error });
      }
    }
    this.sessions.clear();
    this.byKey.clear();
    this.byPrefix.clear();
    this.lengths.clear();
  }

  /** One transaction's changes. */
  publish(dot: Dot, changes: readonly RecordChange[]): void {
    const commit = this.store.newestCommit;
    const cursor = `${dot.replica}:${dot.seq}`;
    for (const change of changes) {
      const tell = (watches: ReadonlySet<Watch> | undefined) => {
        for (const { session, request, filter } of watches ?? []) {
          if (filter.type !== undefined && filter.type !== change.type) continue;
          const told: KeyChange = { ...change, origin: dot.replica, cursor };
          this.store.sendWhenDurable({ type: 'change', session, request, change: told }, commit);
        }
      };
      const { key } = change;
      tell(this.byKey.get(key));
      for (const length of this.lengths.keys()) {
        if (length <= key.length) tell(this.byPrefix.get(key.slice(0, length)));
      }
    }
  }

  private index(watch: Watch): void {
    const { key, prefix } = watch.filter;
    if (key !== undefined) {
      addTo(this.byKey, key, watch);
    } else if (addTo(this.byPrefix, prefix, watch)) {
      this.lengths.set(prefix.length, (this.lengths.get(prefix.length) ?? 0) + 1);
    }
  }

  private unindex(watch: Watch): void {
    const { key, prefix } = watch.filter;
    if (key !== undefined) {
      removeFrom(this.byKey, key, watch);
    } else if (removeFrom(this.byPrefix, prefix, watch)) {
      const left = (this.lengths.get(prefix.length) ?? 1) - 1;
      if (left > 0) this.lengths.set(prefix.length, left);
      else this.lengths.delete(prefix.length);
    }
  }
}

/** Whether it is the first one there. */
function addTo(index: Map<string, Set<Watch>>, text: string, watch: Watch): boolean {
  const watches = index.get(text);
  if (watches !== undefined) {
    watches.add(watch);
    return false;
  }
  index.set(text, new Set([watch]));
  return true;
}

/** Whether it was the last one there. */
function removeFrom(index: Map<string, Set<Watch>>, text: string, watch: Watch): boolean {
  const watches = index.get(text);
  if (watches === undefined || !watches.delete(watch) || watches.size > 0) return false;
  index.delete(text);
  return true;
}
