/**
 * Watches: tells sessions of committed changes of the keys that they follow.
 *
 * Invariants
 * - A change is told after the commit that holds it is durable, in commit order.
 * - Without watches a write costs nothing here.
 */
import type { Dot } from '@causeway/crdt';
import { CausewayError, type KeyChange, type WatchFilter } from '@causeway/protocol';
import type { SessionId } from '../events.js';
import { WATCHES_PER_SESSION_MAX } from '../limits.js';
import type { Store } from './store.js';

/** A change without what all changes of its transaction share. */
export type RecordChange = Omit<KeyChange, 'origin' | 'cursor'>;

export class Watches {
  private readonly sessions = new Map<SessionId, Map<number, WatchFilter>>();

  constructor(private readonly store: Store) {}

  get any(): boolean {
    return this.sessions.size > 0;
  }

  add(session: SessionId, request: number, filter: WatchFilter): void {
    let watches = this.sessions.get(session);
    if (watches === undefined) {
      watches = new Map();
      this.sessions.set(session, watches);
    }
    if (watches.size >= WATCHES_PER_SESSION_MAX) {
      const error = new CausewayError(
        'CAUSEWAY_OVERLOADED',
        `a session may have ${WATCHES_PER_SESSION_MAX} watches: watch a prefix instead of many keys`,
      );
      this.store.send({ type: 'failure', session, request, error });
      return;
    }
    watches.set(request, filter);
  }

  remove(session: SessionId, request: number): void {
    const watches = this.sessions.get(session);
    watches?.delete(request);
    if (watches?.size === 0) this.sessions.delete(session);
  }

  closeSession(session: SessionId): void {
    this.sessions.delete(session);
  }

  /** The store has lost executed changes: watchers cannot know what they were told of in vain. */
  interrupt(): void {
    for (const [session, watches] of this.sessions) {
      for (const request of watches.keys()) {
        const error = new CausewayError(
          'CAUSEWAY_WATCH_INTERRUPTED',
          'the node had to discard writes that its disk refused: read the keys again and watch anew',
        );
        this.store.send({ type: 'failure', session, request, error });
      }
    }
    this.sessions.clear();
  }

  /** One transaction's changes. */
  publish(dot: Dot, changes: readonly RecordChange[]): void {
    const commit = this.store.newestCommit;
    const cursor = `${dot.replica}:${dot.seq}`;
    for (const change of changes) {
      for (const [session, watches] of this.sessions) {
        for (const [request, filter] of watches) {
          if (!matches(filter, change)) continue;
          const told: KeyChange = { ...change, origin: dot.replica, cursor };
          this.store.sendWhenDurable({ type: 'change', session, request, change: told }, commit);
        }
      }
    }
  }
}

function matches({ key, prefix, type }: WatchFilter, change: RecordChange): boolean {
  if (type !== undefined && type !== change.type) return false;
  return key === undefined ? change.key.startsWith(prefix) : key === change.key;
}
