/**
 * Everything that a seed decides before the first event. Drawn widely, most of it over orders of magnitude,
 * and many things switched off altogether: a fault hides bugs that another one shows (swarm testing, Groce et
 * al. 2012).
 */
import { DEFAULT_LIMITS, type Limits } from '@causeway/replica';
import type { ClusterProfile, NodeProfile } from './cluster.js';
import { drawDelayProfile } from './delay.js';
import { FAULT_KINDS, type FaultKind, type FaultProfile, type FaultRate } from './fault-plan.js';
import type { LinkProfile } from './lane.js';
import type { Prng } from './prng.js';
import type { WorkloadMix, WorkloadProfile } from './workload.js';

export interface ProfileOptions {
  /** How many machines, or between how many and how many; between 2 and 5 when absent. */
  readonly nodes?: number | { readonly least: number; readonly most: number };
  /** How long clients and faults run. Virtual milliseconds. */
  readonly durationMs?: number;
  /** About how many calls clients make in that time; drawn between 60 and 500 when absent. */
  readonly calls?: number;
  /** Clients go on until their calls hold so many operations, for a while. */
  readonly operationsLeast?: number;
  /** At least so many faults are planned; some of them may find nothing to strike. */
  readonly faultsLeast?: number;
}

/** What a seed of a longer search has at least: 60 s of virtual time, 500 operations, 5 faults. */
export const FULL_SIZE = {
  durationMs: 60_000,
  operationsLeast: 500,
  faultsLeast: 12,
} as const satisfies ProfileOptions;

export interface Profile {
  /** Clients and faults do not wait for the cluster to form. */
  readonly hastens: boolean;
  readonly durationMs: number;
  readonly operationsLeast: number;
  readonly cluster: ClusterProfile;
  readonly workload: WorkloadProfile;
  readonly faults: FaultProfile;
}

const REGIONS = ['eu-west', 'us-east', 'ap-south', 'sa-east', 'af-north', 'me-central', 'oc-east'];
const MIX: WorkloadMix = {
  register: 2,
  volatile: 2,
  shared: 3,
  growing: 1,
  counter: 2,
  resettable: 2,
  transfer: 1,
  pair: 1,
  mixed: 2,
  read: 4,
};

export function drawProfile(prng: Prng, options: ProfileOptions): Profile {
  const count = drawCount(prng, options.nodes);
  const operationsLeast = options.operationsLeast ?? 0;
  const faults = drawFaults(
    prng.split('faults'),
    options.durationMs ?? prng.logUniform(4000, 20_000),
    options.faultsLeast ?? 0,
  );
  // Who stands still for minutes is to be met again.
  const isLong = Number.isFinite(faults.rates['long pause'].everyMs);
  const durationMs = faults.durationMs * (isLong ? 4 : 1);
  const hastens = prng.chance(0.25);
  const windowBytes = prng.chance(0.5) ? DEFAULT_LIMITS.subscriptionWindowBytes : prng.logUniform(300, 1e6);
  const links = drawLinks(prng.split('links'), count);
  const drawn = Array.from({ length: count }, (_, index) =>
    drawNode(prng.split(`node ${index}`), index, count, windowBytes),
  );
  const nodes = drawSeedGraph(prng.split('seed graph'), drawn, faults.durationMs);
  const joining = drawJoiners(prng.split('joiners'), nodes, faults.durationMs);
  return {
    hastens,
    durationMs,
    operationsLeast,
    cluster: {
      nodes:
        hastens || joining.some(({ joinsAtMs }) => joinsAtMs !== undefined)
          ? joining.map(keepingTheLog)
          : joining,
      link: (from, to) => links[from * count + to] as LinkProfile,
    },
    workload: drawWorkload(
      prng.split('workload'),
      count,
      durationMs,
      options.calls ?? (operationsLeast > 0 ? operationsLeast * prng.between(0.6, 1.1) : undefined),
    ),
    faults,
  };
}

function drawCount(prng: Prng, nodes: ProfileOptions['nodes']): number {
  if (nodes === undefined) return prng.pick([2, 3, 3, 3, 4, 5]);
  if (typeof nodes === 'number') return nodes;
  // Few more often than many: they cost less, and most of what goes wrong needs but two or three.
  return nodes.least + Math.floor((nodes.most - nodes.least + 1) * prng.random() ** 2);
}

/** Machines that come when the others have long been at work: empty, with clients of their own at once. */
function drawJoiners(prng: Prng, nodes: readonly NodeProfile[], durationMs: number): readonly NodeProfile[] {
  if (nodes.length < 3 || !prng.chance(0.4)) return nodes;
  const first = nodes.length - 1 - prng.int(nodes.length - 2);
  return nodes.map((node, index) => {
    // Whoever is there at first does not wait for one who comes later.
    const seeds = node.seeds.filter((seed) => seed < first);
    if (index < first || node.joinsAtMs !== undefined) return { ...node, seeds };
    // With none of them to dial it would found a cluster of its own, and nobody would know of it.
    const known = seeds.length > 0 ? seeds : [index % first];
    return { ...node, seeds: known, joinsAtMs: prng.between(0.05, 0.85) * durationMs };
  });
}

/**
 * Whom each is told of, where it is not the first machine and some more: a tree; or two trees, of which the last machine
 * is told both: two clusters form, and meet when it comes.
 */
function drawSeedGraph(
  prng: Prng,
  nodes: readonly NodeProfile[],
  durationMs: number,
): readonly NodeProfile[] {
  if (!prng.chance(0.25)) return nodes;
  const tree = nodes.map((node, index) => ({ ...node, seeds: index === 0 ? [] : [prng.int(index)] }));
  if (nodes.length < 3 || !prng.chance(0.4)) return tree;
  const founder = 1 + prng.int(nodes.length - 2);
  const joinsAtMs = prng.between(0.1, 0.7) * durationMs;
  return tree.map((node, index) => {
    if (index === founder) return { ...node, seeds: [] };
    if (index < nodes.length - 1) return node;
    return { ...node, seeds: [0, founder], joinsAtMs, joinsClusters: true };
  });
}

function drawLinks(prng: Prng, count: number): LinkProfile[] {
  const near = prng.logUniform(0.1, 50);
  return Array.from({ length: count * count }, () => ({
    delay: drawDelayProfile(prng, near, near * 3, 400),
    bandwidth: prng.chance(0.2) ? prng.logUniform(20, 1000) : 1e5,
  }));
}

/** Who meets the others late has to find the log from its beginning. */
function keepingTheLog(node: NodeProfile): NodeProfile {
  const { logFloorTransactions } = DEFAULT_LIMITS;
  return { ...node, limits: { ...node.limits, logFloorTransactions } };
}

/** Small, so that what a large store meets after hours happens here within seconds. */
function drawLimits(prng: Prng, subscriptionWindowBytes: number): Limits {
  const shrunk = (most: number, least: number): number =>
    prng.chance(0.4) ? most : Math.round(prng.logUniform(least, most));
  return {
    ...DEFAULT_LIMITS,
    chunkTransactionsMax: shrunk(DEFAULT_LIMITS.chunkTransactionsMax, 1),
    commitBytesMax: shrunk(DEFAULT_LIMITS.commitBytesMax, 100),
    peerCommitsApartMs: prng.split('peer commits apart').pick([0, DEFAULT_LIMITS.peerCommitsApartMs, 20]),
    halvedFrom: prng.split('halved from').pick([2, 3, 8, DEFAULT_LIMITS.halvedFrom]),
    unusedCommits: prng.split('unused commits').pick([DEFAULT_LIMITS.unusedCommits, 1e9]),
    cacheBytesMax: prng.chance(0.3) ? 1 : shrunk(DEFAULT_LIMITS.cacheBytesMax, 500),
    subscriptionWindowBytes,
    creditPortionBytes: Math.ceil(subscriptionWindowBytes * prng.logUniform(0.01, 0.5)),
    logReadBytes: shrunk(DEFAULT_LIMITS.logReadBytes, 100),
    logFloorTransactions: prng.chance(0.3) ? 0 : shrunk(DEFAULT_LIMITS.logFloorTransactions, 1),
    logBytesMax: prng.chance(0.4) ? DEFAULT_LIMITS.logBytesMax : Math.round(prng.logUniform(100, 100_000)),
    logAgeMaxMs: prng.chance(0.8) ? DEFAULT_LIMITS.logAgeMaxMs : Math.round(prng.logUniform(1_000, 60_000)),
    repairWindowBytes: subscriptionWindowBytes,
    repairRecords: shrunk(DEFAULT_LIMITS.repairRecords, 1),
    compareIntervalMs: Math.round(prng.logUniform(500, 30_000)),
    housekeepingRecords: shrunk(DEFAULT_LIMITS.housekeepingRecords, 1),
    // Two pages at the most, and few records to a leaf or many.
    indexBits: prng.pick([1, 3, 6, 8, 11]),
    indexJournalBytesMax: Math.round(prng.logUniform(30, 20_000)),
    scrubIntervalMs: prng.logUniform(1000, 100_000),
    scrubBytesPerSecond: prng.logUniform(1e3, 1e7),
    recountBytesPerSecond: prng.logUniform(1e3, 1e7),
    countRecords: shrunk(DEFAULT_LIMITS.countRecords, 1),
    // Off as often as not: it keeps wrong clocks from writing, and bugs with them from showing.
    maxClockSkewMs: prng.pick([DEFAULT_LIMITS.maxClockSkewMs, 1e9]),
    repairBytesPerSecondLeast: Math.round(prng.logUniform(1_000, 1e6)),
    arrivalsOpenBytes: shrunk(DEFAULT_LIMITS.arrivalsOpenBytes, 1),
  };
}

function drawNode(prng: Prng, index: number, count: number, windowBytes: number): NodeProfile {
  const others = Array.from({ length: count }, (_, other) => other).filter((other) => other !== index);
  const writes = prng.logUniform(0.1, 8);
  return {
    region: prng.chance(0.1) ? 'eu-west' : (REGIONS[index % REGIONS.length] as string),
    // The first machine is everybody's seed, so that two clusters form only where directories are lost or links cut.
    seeds: others.filter((other) => other === 0 || prng.chance(0.6)),
    startAtMs: prng.between(0, 300),
    clockOffsetMs: prng.chance(0.8)
      ? prng.between(-100, 100)
      : prng.between(-1, 1) * prng.logUniform(1000, 600_000),
    clockRate: 1 + prng.between(-3e-4, 3e-4),
    limits: drawLimits(prng.split('limits'), windowBytes),
    disk: {
      write: drawDelayProfile(prng, writes, writes * 2, 60),
      read: drawDelayProfile(prng, 0.01, 2, 30),
      readNow: prng.split('reads now').pick([0, 0.5, 0.9, 1]),
      open: { least: 1, jitter: prng.logUniform(1, 100), tail: 0, most: 1000 },
    },
    host: {
      turn: { least: 0, jitter: prng.logUniform(0.01, 2), tail: 0, most: 50 },
      lateness: { least: 0, jitter: prng.logUniform(0.01, 5), tail: prng.chance(0.3) ? 0.01 : 0, most: 100 },
      dialTimeoutMs: prng.between(1000, 10_000),
    },
  };
}

function drawWorkload(prng: Prng, nodes: number, durationMs: number, calls?: number): WorkloadProfile {
  const clientsPerNode = 1 + prng.int(3);
  const names = Object.keys(MIX) as (keyof WorkloadMix)[];
  const mix = { ...MIX };
  for (const name of names)
    mix[name] = prng.chance(0.2) && name !== 'read' ? 0 : MIX[name] * prng.logUniform(0.2, 5);
  return {
    clientsPerNode,
    thinkMs: (durationMs * nodes * clientsPerNode) / (calls ?? prng.logUniform(60, 500)),
    pipelineMax: prng.pick([1, 1, 2, 4, 8]),
    keysPerFamily: 1 + prng.int(3),
    keyShare: prng.pick([0, 0.3, 0.7, 1]),
    retryShare: prng.pick([0.3, 0.8, 1]),
    probeShare: prng.pick([0, 0.1, 0.3]),
    disconnectShare: prng.pick([0, 0, 0.01, 0.05]),
    paddingMax: prng.chance(0.3) ? prng.logUniform(100, 30_000) : 0,
    ttlMsMax: prng.logUniform(50, 5000),
    mix,
  };
}

interface DrawnFaults extends FaultProfile {
  readonly durationMs: number;
}

/** Kinds that need a run of their own, and how often they get one. */
const RARE: Partial<Record<FaultKind, number>> = {
  'long pause': 0.03,
  'clock jump': 0.15,
  leave: 0.1,
  removal: 0.1,
  'backup put back': 0.1,
  // Not yet: of two that run under one name each may have peers that the other does not reach. Their lines are both
  // spread then, and of few members both may wait for an operator for ever.
  'directory copied': 0,
  'directory deleted': 0.1,
  'bit flipped': 0.1,
  'record lost': 0.1,
};

function drawFaults(prng: Prng, durationMs: number, least: number): DrawnFaults {
  const rate = (kind: FaultKind): FaultRate => {
    const stream = prng.split(kind);
    const lastsMs = stream.logUniform(50, Math.max(6000, durationMs / 4));
    if (!stream.chance(RARE[kind] ?? 0.5)) return { everyMs: Number.POSITIVE_INFINITY, lastsMs };
    return { everyMs: stream.logUniform(durationMs / 6, durationMs * 2), lastsMs };
  };
  const rates = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, rate(kind)])) as Record<
    FaultKind,
    FaultRate
  >;
  const clockStepMs = prng.chance(0.7) ? 400 : prng.logUniform(400, 600_000);
  return { rates, clockStepMs, least, durationMs };
}
