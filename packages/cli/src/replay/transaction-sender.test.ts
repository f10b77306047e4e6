import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Lane } from './lane.js';
import type { LineOperation } from './operations.js';
import { TransactionSender } from './transaction-sender.js';

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A node that answers as told, and remembers what it was sent. */
async function startNode(...handlers: Handler[]) {
  const seen: { readonly key: unknown; readonly body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      seen.push({ key: request.headers['idempotency-key'], body });
      (handlers[seen.length - 1] ?? accept)(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { seen, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const accept: Handler = (_, response) => void response.end('{"results": []}');
const hangUp: Handler = (request) => void request.socket.destroy();
const fail =
  (status: number, code: string): Handler =>
  (_, response) =>
    void response.writeHead(status).end(JSON.stringify({ error: { code, message: 'no' } }));

function senderTo(
  node: string,
  patienceMs = 10_000,
): { sender: TransactionSender; troubles: (string | undefined)[] } {
  const troubles: (string | undefined)[] = [];
  const signal = new AbortController().signal;
  const onTrouble = (reason: string | undefined) => void troubles.push(reason);
  return { sender: new TransactionSender({ node, name: 'run', patienceMs, signal, onTrouble }), troubles };
}

const increment = (by: number): LineOperation => ({ type: 'counter', key: 'a', op: 'increment', by });

test('A transaction whose outcome is unknown is sent again under the same key, with the same words', async () => {
  const { seen, url } = await startNode(hangUp, fail(503, 'CAUSEWAY_OUTCOME_UNKNOWN'), accept);
  const { sender, troubles } = senderTo(url);

  await sender.send([increment(1)]);

  expect(seen.map(({ key }) => key)).toEqual(['run-0', 'run-0', 'run-0']);
  expect(new Set(seen.map(({ body }) => body)).size).toBe(1);
  expect([sender.retries, troubles.length, troubles.at(-1)]).toEqual([2, 3, undefined]);
});

test('A transaction that the node refuses is not sent again', async () => {
  const { seen, url } = await startNode(fail(400, 'CAUSEWAY_BAD_KEY'));

  await expect(senderTo(url).sender.send([increment(1)])).rejects.toMatchObject({ code: 'CAUSEWAY_BAD_KEY' });

  expect(seen).toHaveLength(1);
});

test('A node that stays away ends the patience', async () => {
  const { sender } = senderTo('ws://127.0.0.1:1', 1);

  await expect(sender.send([increment(1)])).rejects.toMatchObject({ code: 'CAUSEWAY_UNREACHABLE' });
});

test('A lane sends its lines in order, in batches, each once', async () => {
  const { seen, url } = await startNode(accept, hangUp);
  const lane = new Lane(2);
  const running = lane.run(senderTo(url).sender);
  for (const by of [1, 2, 3, 4, 5]) void lane.put([increment(by)]);
  lane.close();

  await running;

  const amounts = new Map(
    seen.map(({ key, body }) => [key, JSON.parse(body).operations.map((each: { by: number }) => each.by)]),
  );
  expect([...amounts.values()].flat()).toEqual([1, 2, 3, 4, 5]);
  expect(lane.acknowledged).toBe(5);
});
