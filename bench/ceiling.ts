/**
 * Ceiling: the least that a durable store could do over the same frames. No CRDT, no validation, no replication:
 * unpack, one put per write plus one log value per commit in one synced LevelDB batch, reply. Writes that arrive
 * during a commit form the next one; reads are answered by getSync. What a node reaches is told as a ratio to it.
 *
 *   node bench/dist/ceiling.js DIR      prints its URL as one line, ends with its standard input
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Level } from 'level';
import { Packr, unpack } from 'msgpackr';
import { type WebSocket, WebSocketServer } from 'ws';

const SET = 2;
const GET = 1;
const REPLICA = 'ceiling.00000000';

const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: ceiling DIR');

const packr = new Packr({ useRecords: false, variableMapSize: true });
const db = new Level<Uint8Array, Uint8Array>(directory, { keyEncoding: 'view', valueEncoding: 'view' });
await db.open();

type Request = [id: number, opcode: number, key: string, value: Uint8Array];
let waiting: { socket: WebSocket; requests: Request[] }[] = [];
let committing = false;
let seq = 0;

function receive(socket: WebSocket, data: Uint8Array): void {
  const messages = unpack(data) as Request[];
  const writes: Request[] = [];
  const replies: unknown[] = [];
  for (const message of messages) {
    if (message[0] === 0) replies.push([0, 1, REPLICA, 'ceiling', '0']);
    else if (message[1] === GET) replies.push(read(message));
    else if (message[1] === SET) writes.push(message);
    else
      replies.push([message[0], 1, 'CAUSEWAY_NOT_IMPLEMENTED', 'the ceiling only sets and gets registers']);
  }
  if (replies.length > 0) socket.send(packr.pack(replies));
  if (writes.length === 0) return;
  waiting.push({ socket, requests: writes });
  if (!committing) {
    committing = true;
    setImmediate(commit);
  }
}

function read([id, , key]: Request): unknown[] {
  const value = db.getSync(Buffer.from(key));
  if (value === undefined) return [id, 0, [GET]];
  return [id, 0, [GET, value, 0, 0, REPLICA]];
}

function commit(): void {
  const taken = waiting;
  waiting = [];
  const batch = db.batch();
  const log: Uint8Array[] = [];
  for (const { requests } of taken) {
    for (const [, , key, value] of requests) {
      batch.put(Buffer.from(key), value);
      log.push(value);
    }
  }
  seq += log.length;
  batch.put(Buffer.from(`log ${String(seq).padStart(16, '0')}`), packr.pack(log));
  batch.write({ sync: true }).then(() => {
    for (const { socket, requests } of taken) {
      socket.send(packr.pack(requests.map(([id]) => [id, 0, [SET, seq, 0, REPLICA]])));
    }
    if (waiting.length > 0) commit();
    else committing = false;
  });
}

const server = createServer();
const sockets = new WebSocketServer({
  server,
  perMessageDeflate: false,
  handleProtocols: () => 'causeway.client.v1',
});
sockets.on('connection', (socket) => {
  socket.on('message', (data) => receive(socket, data as Buffer));
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`ws://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
process.stdin.resume().on('end', () => process.exit(0));
