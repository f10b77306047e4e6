import { CausewayError } from '@causeway/protocol';
import type { Event, Send } from '@causeway/replica';
import { describe, expect, test } from 'vitest';
import { SessionHub, type SessionSend } from './session-hub.js';

function hub(): { hub: SessionHub; events: Event[]; open: () => { id: number; batches: number[][] } } {
  const events: Event[] = [];
  const made = new SessionHub((event) => events.push(event));
  const open = () => {
    const batches: number[][] = [];
    const sends = (batch: readonly SessionSend[]) => batches.push(batch.map(({ request }) => request));
    return { id: made.open({ sends }), batches };
  };
  return { hub: made, events, open };
}

const reply = (session: number, request: number): Send => ({ type: 'reply', session, request, results: [] });
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('SessionHub', () => {
  test('hands each session its sends of one turn in one call, in order, however often the turn polled', async () => {
    const { hub: sessions, open } = hub();
    const [a, b] = [open(), open()];

    sessions.dispatch([reply(a.id, 1), reply(b.id, 7), reply(a.id, 2)]);
    sessions.dispatch([reply(a.id, 3)]);
    await turn();
    sessions.dispatch([reply(a.id, 4)]);
    await turn();

    expect(a.batches).toEqual([[1, 2, 3], [4]]);
    expect(b.batches).toEqual([[7]]);
  });

  test('passes over what is for links', async () => {
    const { hub: sessions, open } = hub();
    const a = open();
    const error = new CausewayError('CAUSEWAY_NOT_READY', 'joining');

    sessions.dispatch([
      { type: 'close', link: a.id, reason: 'no session' },
      { type: 'failure', session: a.id, request: 5, error },
    ]);
    await turn();

    expect(a.batches).toEqual([[5]]);
  });

  test('delivers nothing after a close, and tells the replica once', async () => {
    const { hub: sessions, events, open } = hub();
    const [a, b] = [open(), open()];

    sessions.dispatch([reply(a.id, 1), reply(b.id, 2)]);
    sessions.close(a.id);
    sessions.close(a.id);
    sessions.dispatch([reply(a.id, 3)]);
    await turn();

    expect(a.batches).toEqual([]);
    expect(b.batches).toEqual([[2]]);
    expect(events).toEqual([{ type: 'session-closed', session: a.id }]);
    expect(sessions.size).toBe(1);
  });

  test('never uses an id twice', () => {
    const { hub: sessions, open } = hub();
    const first = open().id;
    sessions.close(first);

    expect(open().id).not.toBe(first);
  });
});
