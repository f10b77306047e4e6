/**
 * 10,000 frames that no client sends, against a real replica: truncated, mutated and random ones, from a seed.
 * What fails prints the number of its frame; `frameOf` of it is the frame again.
 */
import {
  ClientFrameWriter,
  type ClientMessage,
  ERRORS,
  encodeCanonical,
  type Operation,
} from '@causeway/protocol';
import { expect, test } from 'vitest';
import { call, eventually, RawConnection, startPort } from './testing/client-port.js';
import { WsClient } from './testing/ws-client.js';

const SEED = 20_261_120;
const FRAMES = 10_000;
const LANES = 64;
/** The id of the request that follows each frame, to see when the frame has been dealt with. */
const LAST_ID = 0xffff_ffff;

type Random = () => number;

/** Mulberry32: uniform in [0, 1). */
function randomFrom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function below(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

function operation(random: Random): Operation {
  const key = `fuzz:${below(random, 100)}`;
  const value = encodeCanonical([random(), 'text', { a: below(random, 1000), b: null }]);
  const operations: Operation[] = [
    { op: 'register.get', key },
    { op: 'register.set', key, value },
    { op: 'register.set', key, value, ttlMs: 1 + below(random, 1e6) },
    { op: 'register.delete', key },
    { op: 'set.update', key, add: [value, value], remove: [value] },
    { op: 'set.clear', key },
    { op: 'set.has', key, values: [value] },
    { op: 'set.size', key },
    { op: 'set.values', key, limit: 10, after: value },
    { op: 'counter.increment', key, by: below(random, 2000) - 1000 },
    { op: 'counter.get', key },
    { op: 'counter.reset', key },
  ];
  return operations[below(random, operations.length)]!;
}

function message(random: Random, id: number): ClientMessage {
  const kind = random();
  if (kind < 0.1) return { type: 'watch', id, filter: { prefix: 'fuzz:', key: 'fuzz:1', type: 'set' } };
  if (kind < 0.15) return { type: 'unwatch', id, watch: 1 };
  const transaction = kind < 0.4;
  const operations = Array.from({ length: transaction ? 1 + below(random, 4) : 1 }, () => operation(random));
  return { type: 'request', id, operations, transaction };
}

function wellFormed(random: Random): Uint8Array {
  const writer = new ClientFrameWriter();
  const count = 1 + below(random, 5);
  for (let id = 1; id <= count; id++) writer.add(message(random, id));
  return writer.finish();
}

const KINDS = ['truncated', 'mutated', 'random'] as const;

function frameOf(index: number): { kind: (typeof KINDS)[number]; bytes: Uint8Array } {
  const random = randomFrom(SEED + index);
  const kind = KINDS[index % KINDS.length]!;
  if (kind === 'random') {
    const bytes = Uint8Array.from({ length: below(random, 200) }, () => below(random, 256));
    // Half of them begin as a frame does.
    if (random() < 0.5) bytes.set([0x91, 0x93, 0x01].slice(0, bytes.length));
    return { kind, bytes };
  }
  const bytes = wellFormed(random);
  if (kind === 'truncated') return { kind, bytes: bytes.slice(0, below(random, bytes.length)) };
  for (let flips = 1 + below(random, 4); flips > 0; flips--) {
    bytes[below(random, bytes.length)] = random() < 0.5 ? below(random, 256) : 0xc0 + below(random, 64);
  }
  return { kind, bytes };
}

interface Outcome {
  readonly refused: boolean;
  /** Mutations that were answered as done. */
  readonly done: number;
}

/**
 * Sends one frame and waits until it has been dealt with: a write that follows it is answered after everything before
 * it, or the connection has ended.
 */
async function tryFrame(client: WsClient, index: number): Promise<Outcome> {
  client.messages.length = 0;
  client.sendBytes(frameOf(index).bytes);
  client.send({
    type: 'request',
    id: LAST_ID,
    operations: [{ op: 'register.set', key: 'last', value: Uint8Array.of(1) }],
    transaction: false,
  });
  await client.until(() =>
    client.messages.some((answer) => answer.type === 'reply' && answer.id === LAST_ID),
  );
  let refused = false;
  let done = 0;
  for (const answer of client.messages) {
    switch (answer.type) {
      case 'refused':
        refused = true;
        expect([answer.error.code, client.ended], `frame ${index}`).toEqual([
          'CAUSEWAY_BAD_FRAME',
          expect.stringContaining('1002'),
        ]);
        break;
      case 'failure':
        expect(Object.keys(ERRORS), `frame ${index}`).toContain(answer.error.code);
        expect(answer.error.code, `frame ${index}`).not.toBe('CAUSEWAY_INTERNAL');
        break;
      case 'reply':
        if (answer.id !== LAST_ID && answer.results.some(({ op }) => MUTATIONS.has(op))) done++;
        break;
      default:
    }
  }
  expect(refused, `frame ${index} has an answer`).toBe(client.ended !== undefined);
  return { refused, done };
}

const MUTATIONS: ReadonlySet<Operation['op']> = new Set([
  'register.set',
  'register.delete',
  'set.update',
  'set.clear',
  'counter.increment',
  'counter.reset',
]);

test(`${FRAMES} frames that no client sends neither end the node nor write anything`, async () => {
  const { port, replica, view, logged } = await startPort();
  let markers = 0;
  const written = () => view.status().versionVector.get(replica.id) ?? 0;
  const totals = {
    truncated: { refused: 0, done: 0 },
    mutated: { refused: 0, done: 0 },
    random: { refused: 0, done: 0 },
  };
  const lane = async (first: number) => {
    let client = await WsClient.open(port);
    for (let index = first; index < FRAMES; index += LANES) {
      if (client.ended !== undefined) client = await WsClient.open(port);
      const { refused, done } = await tryFrame(client, index);
      markers += refused ? 0 : 1;
      const total = totals[frameOf(index).kind];
      total.refused += refused ? 1 : 0;
      total.done += done;
    }
  };

  await Promise.all(Array.from({ length: LANES }, (_, first) => lane(first)));

  const { truncated, mutated, random } = totals;
  // A frame that is cut short is never one, and bytes from a hat are none either.
  expect([truncated.done, random.done]).toEqual([0, 0]);
  expect([truncated.refused, random.refused]).toEqual([Math.ceil(FRAMES / 3), expect.any(Number)]);
  // A flipped bit may leave a frame well-formed: what was written then was answered as written.
  expect(written()).toBeLessThanOrEqual(mutated.done + markers);
  expect(mutated.refused).toBeGreaterThan(FRAMES / 10);
  expect(logged.filter(({ level }) => level === 'error')).toEqual([]);
  expect((await call(port, 'PUT', '/v1/registers/a', { value: 1 })).status).toBe(200);
}, 120_000);

test('bytes that are no WebSocket frames do not either', async () => {
  const { port, hub, replica, view, logged } = await startPort();
  const upgrade =
    'GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: causeway.client.v1\r\n\r\n';
  for (let index = 0; index < 300; index++) {
    const random = randomFrom(SEED - index);
    const connection = await RawConnection.open(port);
    connection.send(upgrade);
    await connection.until((text) => text.includes('101 Switching Protocols'));
    // Half of them begin as a masked binary frame does.
    const head = random() < 0.5 ? [0x82, 0x80 | below(random, 126)] : [];
    connection.send(
      Buffer.from([...head, ...Array.from({ length: below(random, 300) }, () => below(random, 256))]),
    );
    connection.socket.end();
  }

  await eventually(() => hub.size === 0);
  expect(view.status().versionVector.get(replica.id) ?? 0).toBe(0);
  expect(logged.filter(({ level }) => level === 'error')).toEqual([]);
});
