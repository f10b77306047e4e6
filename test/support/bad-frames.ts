/** Frames that are no message of the peer protocol: cut, mutated, spliced, or noise. Seeded. */
import { type ReplicaId, replicaId } from '@causeway/crdt';
import {
  CausewayError,
  ChunkWriter,
  decodePeerMessage,
  encodePeerMessage,
  PEER_PROTOCOL_VERSION,
  type PeerMessage,
} from '@causeway/protocol';

/** Heads of MessagePack values that promise much, and extremes. */
const TELLING = [
  0x00, 0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcf,
  0xd3, 0xd4, 0xd9, 0xdb, 0xdc, 0xdd, 0xdf, 0xe0, 0xff,
];

/** What still is a message after its mutation is left out: a peer is believed what it says in good order. */
export function* badFrames(random: () => number): Generator<Uint8Array, never> {
  const samples = everyMessage().map((message) => encodePeerMessage(message));
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  for (;;) {
    const frame = damage(pick(samples), pick(samples), random);
    if (isNoMessage(frame)) yield frame;
  }
}

function damage(sample: Uint8Array, other: Uint8Array, random: () => number): Uint8Array {
  const below = (limit: number) => Math.floor(random() * limit);
  const byte = () => (random() < 0.5 ? TELLING[below(TELLING.length)]! : below(256));
  const bytes = Array.from(sample);
  switch (below(5)) {
    case 0:
      return sample.slice(0, below(sample.length));
    case 1:
      return Uint8Array.from({ length: below(300) }, byte);
    case 2:
      return Uint8Array.from([...bytes.slice(0, below(bytes.length)), ...other.slice(below(other.length))]);
    case 3:
      for (let left = 1 + below(3); left > 0; left--) bytes[below(bytes.length)] = byte();
      return Uint8Array.from(bytes);
    default:
      bytes.splice(below(bytes.length), below(3), ...Array.from({ length: below(3) }, byte));
      return Uint8Array.from(bytes);
  }
}

function isNoMessage(frame: Uint8Array): boolean {
  try {
    decodePeerMessage(frame);
    return false;
  } catch (error) {
    if (error instanceof CausewayError) return true;
    throw error;
  }
}

/** One of each type, filled as on a busy day. */
function everyMessage(): PeerMessage[] {
  const [ap, us] = [replicaId('ap.0000000a'), replicaId('us.0000000b')];
  const versionVector = new Map([
    [ap, 70_000],
    [us, 5_000_000_000],
  ]);
  const members = [ap, us].map((replica) => ({
    replica,
    region: 'ap',
    address: 'ws://127.0.0.1:1',
    state: 'active' as const,
    version: 1,
    finalSeq: 0,
  }));
  const wall = 1_790_000_000_123;
  return [
    {
      type: 'hello',
      version: PEER_PROTOCOL_VERSION,
      replica: us,
      region: 'us',
      start: 77,
      address: 'ws://127.0.0.1:1',
      versionVector,
      horizon: versionVector,
      members,
    },
    { type: 'heard', seq: 12, start: 99, versionVector },
    { type: 'refuse', code: 'CAUSEWAY_AMNESIA', message: 'more than you have' },
    { type: 'subscribe', origin: us, after: 0 },
    { type: 'unsubscribe', origin: us },
    { type: 'chunks', origin: us, durableAt: wall + 0.5, chunks: [chunkOf(us, 1), chunkOf(us, 2)] },
    { type: 'gap', origin: ap, after: 5, first: 70_000 },
    { type: 'credit', origin: ap, bytes: 262_144 },
    { type: 'ack', versionVector },
    {
      type: 'gossip',
      versionVector,
      reports: [{ replica: us, versionVector, members: [ap, us], retired: [], quietMs: 0 }],
      members,
      wall,
    },
    { type: 'ping', id: 4, wall },
    { type: 'pong', id: 4, wall, receivedAt: wall + 41 },
    { type: 'bye' },
  ];
}

/** A chunk of one transaction that sets the register `bad` to `value` (canonical bytes; 1 by default). */
export function chunkOf(
  origin: ReplicaId,
  seq: number,
  deps: ReadonlyMap<ReplicaId, number> = new Map(),
  value = Uint8Array.of(1),
): Uint8Array {
  const writer = new ChunkWriter();
  const at = 1_790_000_000_000;
  writer.begin({ origin, start: 1, firstSeq: seq, at, deps });
  writer.transaction([
    { type: 'register', key: 'bad', stamp: { physical: at, logical: seq, replica: origin }, value },
  ]);
  return writer.finish();
}
