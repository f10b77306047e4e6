/**
 * Sessions: who asks the replica for something and where its answers go. A session is a client WebSocket, a
 * connection of the HTTP API or the in-process database; the hub numbers them and sorts what comes back.
 *
 * Invariants
 * - Ids are never reused within a process.
 * - All sends of one turn for one session arrive in one call, in the replica's order, so that a WebSocket
 *   can answer them in one frame.
 * - Nothing is delivered after `close`; the replica is told of the close exactly once.
 */
import type { Event, Send, SessionId } from '@causeway/replica';

/** What is meant for a session: reply, failure, keys, change. */
export type SessionSend = Extract<Send, { readonly session: SessionId }>;

export interface SessionHandler {
  /** Must not throw. The array belongs to the handler from then on. */
  sends(batch: readonly SessionSend[]): void;
}

interface Session {
  readonly handler: SessionHandler;
  open: boolean;
  waiting: SessionSend[];
}

export class SessionHub {
  private last = 0;
  private readonly sessions = new Map<SessionId, Session>();
  private dirty: Session[] = [];

  constructor(private readonly step: (event: Event) => void) {}

  /** Number of open sessions. */
  get size(): number {
    return this.sessions.size;
  }

  open(handler: SessionHandler): SessionId {
    this.last += 1;
    this.sessions.set(this.last, { handler, open: true, waiting: [] });
    return this.last;
  }

  close(id: SessionId): void {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    session.open = false;
    this.sessions.delete(id);
    this.step({ type: 'session-closed', session: id });
  }

  /**
   * Called by the host with what the replica sends; what is for links is passed over. Delivered when the current
   * turn of the driver ends.
   */
  dispatch(sends: readonly Send[]): void {
    for (const send of sends) {
      switch (send.type) {
        case 'reply':
        case 'failure':
        case 'keys':
        case 'change':
          this.queue(send);
      }
    }
  }

  private queue(send: SessionSend): void {
    const session = this.sessions.get(send.session);
    if (session === undefined) return;
    if (session.waiting.length === 0) {
      // A turn may poll more than once: a microtask runs after all of its polls.
      if (this.dirty.length === 0) queueMicrotask(() => this.deliver());
      this.dirty.push(session);
    }
    session.waiting.push(send);
  }

  private deliver(): void {
    const dirty = this.dirty;
    this.dirty = [];
    for (const session of dirty) {
      const batch = session.waiting;
      session.waiting = [];
      if (session.open) session.handler.sends(batch);
    }
  }
}
