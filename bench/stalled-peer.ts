/**
 * A peer that stops reading: it keeps its link alive but reads nothing for a minute while the sender is written to.
 * Peak memory of the sender against a control run in which the peer reads; what the other peer notices; and that the
 * stalled one gets everything when it reads again.
 *
 *   node bench/dist/stalled-peer.js [--seconds 60] [--rate 4000] [--bytes 1024]
 */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster } from '@causeway/cli';
import { connect } from '@causeway/client';
import type { ReplicaId } from '@causeway/crdt';
import {
  chunkHead,
  decodePeerMessage,
  encodePeerMessage,
  PEER_PROTOCOL_VERSION,
  type PeerMessage,
} from '@causeway/protocol';
import WebSocket from 'ws';
import { quantile } from './harness/statistics.js';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '4000' },
    bytes: { type: 'string', default: '1024' },
  },
});
const seconds = Number(options.seconds);
const rate = Number(options.rate);
const bytes = Number(options.bytes);
const KEYS = 20_000;
const TICK_MS = 5;
const HEARTBEAT_MS = 400;

/** Speaks the peer protocol just well enough to be a member that takes one origin. */
class FakePeer {
  received = 0;
  private readonly socket: WebSocket;
  private readonly replica = 'stall.00000001' as ReplicaId;
  private sender: ReplicaId | undefined;
  private heartbeat: NodeJS.Timeout | undefined;

  constructor(url: string) {
    this.socket = new WebSocket(url, 'causeway.replication.v1');
    this.socket.on('message', (data) => this.take(decodePeerMessage(new Uint8Array(data as Buffer))));
    this.socket.on('error', (error) => console.log(`stalled peer: ${error.message}`));
    this.socket.on('open', () => {
      this.send({
        type: 'hello',
        version: PEER_PROTOCOL_VERSION,
        replica: this.replica,
        region: 'stall',
        start: 1,
        address: 'ws://127.0.0.1:1',
        versionVector: new Map(),
        horizon: new Map(),
        members: [],
      });
    });
  }

  /** The system's buffers fill, and then the sender's; heartbeats go on. */
  stopReading(): void {
    this.socket.pause();
  }

  readOn(): void {
    this.socket.resume();
  }

  async close(): Promise<void> {
    clearInterval(this.heartbeat);
    this.socket.terminate();
    await once(this.socket, 'close');
  }

  private take(message: PeerMessage): void {
    if (message.type === 'hello') {
      this.sender = message.replica;
      this.send({ type: 'heard', seq: 0, start: 0, versionVector: new Map() });
    } else if (message.type === 'heard' && this.sender !== undefined) {
      this.send({ type: 'subscribe', origin: this.sender, after: 0 });
      this.heartbeat = setInterval(() => this.gossip(), HEARTBEAT_MS);
    } else if (message.type === 'chunks') {
      let size = 0;
      for (const chunk of message.chunks) {
        const { firstSeq, lastSeq } = chunkHead(chunk);
        if (firstSeq !== this.received + 1) throw new Error(`seq ${firstSeq} after ${this.received}`);
        this.received = lastSeq;
        size += chunk.length;
      }
      this.send({ type: 'credit', origin: message.origin, bytes: size });
    }
  }

  private gossip(): void {
    if (this.sender === undefined) return;
    const versionVector = new Map([[this.sender, this.received]]);
    this.send({ type: 'gossip', versionVector, reports: [], members: [], wall: Date.now() });
  }

  private send(message: PeerMessage): void {
    this.socket.send(encodePeerMessage(message));
  }
}

async function peakMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

async function run(stalls: boolean): Promise<number> {
  const cluster = await startCluster({ regions: ['a', 'b'] });
  try {
    await cluster.untilReady();
    const a = cluster.node('a');
    const pid = a.pid ?? 0;
    const peer = new FakePeer(`ws://${peerAddressOf(a.log())}`);
    const db = await connect({ endpoints: [a.urls.client] });
    const value = crypto.getRandomValues(new Uint8Array(bytes));
    await db.register('first').set(value);
    while (peer.received === 0) await sleep(TICK_MS);
    if (stalls) peer.stopReading();
    await writeFile(`/proc/${pid}/clear_refs`, '5');
    const started = performance.now();
    const lags: number[] = [];
    const running: Promise<void>[] = [];
    let looked = started;
    for (let sent = 0; performance.now() - started < seconds * 1000; ) {
      const due = Math.floor(((performance.now() - started) / 1000) * rate);
      for (; sent < due; sent++) running.push(db.register(`k:${sent % KEYS}`).set(value));
      if (performance.now() - looked > 1_000) {
        looked = performance.now();
        const lag = (await cluster.node('b').status()).peers.find(({ region }) => region === 'a')?.lagMs;
        if (lag !== null && lag !== undefined) lags.push(lag);
      }
      await sleep(TICK_MS);
    }
    await Promise.all(running);
    const peak = await peakMiB(pid);
    const behind = running.length + 1 - peer.received;
    peer.readOn();
    const reading = performance.now();
    while (peer.received < running.length + 1) await sleep(TICK_MS);
    console.log(
      `${stalls ? 'stalled' : 'control'}: ${running.length} writes, peak RSS ${peak.toFixed(0)} MiB, ` +
        `lag at the other peer p50 ${quantile(lags, 0.5).toFixed(1)} ms, stalled one ${behind} behind, ` +
        `caught up in ${((performance.now() - reading) / 1000).toFixed(1)} s`,
    );
    await peer.close();
    await db.close();
    return peak;
  } finally {
    await cluster.stop();
  }
}

/** The peer port as the node has logged it. */
function peerAddressOf(log: readonly string[]): string {
  for (const line of log) {
    const peer = /"peer":"(127\.0\.0\.1:\d+)"/.exec(line)?.[1];
    if (peer !== undefined) return peer;
  }
  throw new Error('the node has not logged its peer port');
}

const control = await run(false);
const stalled = await run(true);
console.log(
  `a peer that reads nothing for ${seconds} s costs ${(stalled - control).toFixed(0)} MiB of peak RSS`,
);
