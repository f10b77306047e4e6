/**
 * Bugs planted on purpose, to show that each checker fails when it should: in the disk, on the wire of the real
 * engine (a message is decoded, spoilt and encoded again), or in the small model that stands in for the engine.
 */
import {
  type Chunk,
  ChunkWriter,
  decodeChunk,
  decodePeerMessage,
  encodePeerMessage,
  type PeerMessage,
  type RecordDelta,
} from '@causeway/protocol';
import { REAL_ENGINE } from '../engine.js';
import { FAULT_KINDS, type FaultProfile } from '../fault-plan.js';
import type { Profile } from '../profile.js';
import type { CheckerName, Simulation, SimulationOptions } from '../simulator.js';
import { type Bugs, fakeEngine } from './fake-replica.js';

export interface PlantedBug {
  readonly name: string;
  /** The checkers that judge, and the property that they find violated. */
  readonly checkers: readonly CheckerName[];
  readonly property: string;
  /** A seed that finds it. */
  readonly seed: number;
  readonly options: Omit<SimulationOptions, 'seed' | 'checkers'>;
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'a disk that acknowledges before the batch is durable',
    checkers: ['durability'],
    property: 'durability',
    seed: 8,
    options: {
      adjust: crashing,
      ...disks((planted) => {
        planted.acknowledgeEarly = true;
      }),
    },
  },
  {
    name: 'a disk that loses a batch now and then',
    checkers: ['acknowledged'],
    property: 'acknowledged-writes',
    seed: 6,
    options: disks((planted) => {
      planted.loseWrites = 0.02;
    }),
  },
  {
    name: 'chunks that do not say what they depend on',
    checkers: ['chunks'],
    property: 'causal-delivery',
    seed: 1,
    options: wire(withoutDeps),
  },
  {
    name: 'transactions that arrive without their last record',
    checkers: ['wholeTransactions'],
    property: 'whole-transactions',
    seed: 2,
    options: wire((chunk) =>
      mapTransactions(chunk, (records) => records.slice(0, Math.max(1, records.length - 1))),
    ),
  },
  {
    name: 'transactions that arrive without their last record, found at rest',
    checkers: ['convergence'],
    property: 'convergence',
    // Rare, since comparisons mostly bring what is missing.
    seed: 369,
    options: wire((chunk) =>
      mapTransactions(chunk, (records) => records.slice(0, Math.max(1, records.length - 1))),
    ),
  },
  {
    name: 'register values that arrive changed',
    checkers: ['convergence'],
    property: 'convergence',
    seed: 14,
    options: wire((chunk) => mapTransactions(chunk, (records) => records.map(spoil))),
  },
  {
    name: 'an engine that throws',
    checkers: [],
    property: 'no-crash',
    seed: 1,
    options: {
      engine: {
        ...REAL_ENGINE,
        open: () => {
          throw new Error('as planted');
        },
      },
    },
  },
  model(
    'answers before the write is durable',
    { replyEarly: true },
    'acknowledged',
    'acknowledged-writes',
    2,
  ),
  model('skips the causal wait', { skipCausalWait: true }, 'causalVisibility', 'causal-visibility', 2),
  model(
    'applies a transaction in halves',
    { splitTransactions: true },
    'wholeTransactions',
    'whole-transactions',
    8,
  ),
  model('lets the last register to arrive win', { wrongTieBreak: true }, 'convergence', 'convergence', 14),
  model(
    'lets a reset eat what it has not seen',
    { resetEatsConcurrent: true },
    'acknowledged',
    'acknowledged-writes',
    2,
  ),
  model('lets a remove win over an add', { removeWins: true }, 'acknowledged', 'acknowledged-writes', 3),
  model('forgets idempotency keys', { forgetKeys: true }, 'convergence', 'idempotency', 1),
  model('loses acknowledged writes', { loseSomeWrites: true }, 'acknowledged', 'acknowledged-writes', 2),
  model('drops what arrives now and then', { skipAnEntry: true }, 'convergence', 'convergence', 1),
  model('leaves requests without an answer', { neverAnswerSome: true }, 'convergence', 'one-answer', 3),
];

function model(name: string, bugs: Bugs, checker: CheckerName, property: string, seed: number): PlantedBug {
  return {
    name: `a model that ${name}`,
    checkers: [checker],
    property,
    seed,
    options: { engine: fakeEngine(bugs) },
  };
}

/** Slow disks and many crashes, nothing else. */
function crashing(profile: Profile): Profile {
  const never = { everyMs: Number.POSITIVE_INFINITY, lastsMs: 1 };
  const rates = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, never])) as FaultProfile['rates'];
  const often = { everyMs: profile.durationMs / 20, lastsMs: 100 };
  return { ...profile, faults: { ...profile.faults, rates: { ...rates, kill: often, 'power cut': often } } };
}

type Planted = Simulation['cluster']['nodes'][number]['disk']['planted'];

function disks(plant: (planted: Planted) => void): PlantedBug['options'] {
  return {
    prepare: ({ cluster }) => {
      for (const { disk } of cluster.nodes) plant(disk.planted);
    },
  };
}

/** Changes every chunk between the machines. */
function wire(change: (chunk: Chunk) => Chunk): PlantedBug['options'] {
  return {
    prepare: ({ cluster }) => {
      cluster.network.tamper = (_from, _to, bytes) => {
        const message = decodePeerMessage(bytes);
        return message.type === 'chunks' ? encodePeerMessage(changed(message, change)) : bytes;
      };
    },
  };
}

function changed(
  message: Extract<PeerMessage, { type: 'chunks' }>,
  change: (chunk: Chunk) => Chunk,
): PeerMessage {
  return { ...message, chunks: message.chunks.map((bytes) => encodeChunk(change(decodeChunk(bytes)))) };
}

function encodeChunk(chunk: Chunk): Uint8Array {
  const writer = new ChunkWriter();
  writer.begin(chunk);
  for (const records of chunk.transactions) writer.transaction(records);
  return writer.finish();
}

/** As good as none: everybody has the first write of everybody. */
function withoutDeps(chunk: Chunk): Chunk {
  return { ...chunk, deps: new Map([...chunk.deps.keys()].map((replica) => [replica, 1])) };
}

function mapTransactions(
  chunk: Chunk,
  change: (records: readonly RecordDelta[]) => readonly RecordDelta[],
): Chunk {
  return { ...chunk, transactions: chunk.transactions.map(change) };
}

function spoil(record: RecordDelta): RecordDelta {
  if (record.type !== 'register' || record.value === undefined) return record;
  const value = record.value.slice();
  value[value.length - 1] = (value.at(-1) ?? 0) ^ 1;
  return { ...record, value };
}
