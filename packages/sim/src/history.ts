/**
 * What clients did and were told: the evidence that checkers judge.
 *
 * A call is one transaction of one client, over all its attempts. What the outside can know of its place in
 * the causal order are bounds: version vectors that the node had made durable when the call was made and when
 * it was answered. A dot that the node made for the call lies above `seqBefore` and at or below `seqAfter`;
 * the call had seen all of `seenBefore` and nothing beyond `seenAfter`.
 */
import { dominates, type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import type { Operation, Result } from '@causeway/protocol';
import { type Family, familyOf } from './keys.js';

export type Outcome = 'pending' | 'acknowledged' | 'refused' | 'unknown';

export interface Call {
  readonly id: number;
  readonly node: number;
  /** The node, as long as its directory's history has no break. */
  readonly place: string;
  /** Client connection of the last attempt, and the call's place in it. */
  session: number;
  request: number;
  readonly operations: readonly Operation[];
  readonly writes: boolean;
  /** Idempotency key, or undefined. */
  readonly key: string | undefined;
  outcome: Outcome;
  attempts: number;
  /** Virtual time of the first attempt, and of the answer to the last. */
  readonly invokedAt: number;
  answeredAt: number;
  results: readonly Result[];
  /** Error code of the last refusal. */
  code: string | undefined;
  readonly replica: ReplicaId;
  readonly seqBefore: number;
  /** Infinity while nothing bounds it. */
  seqAfter: number;
  readonly seenBefore: VersionVector;
  seenAfter: VersionVector | undefined;
  /** What it did may be lost with its replica, though it was acknowledged. */
  doubtful: boolean;
  /** Made where the version vector does not say what is there. */
  blind: boolean;
}

/** Three-valued: the evidence may leave it open. */
export type Certainty = 'yes' | 'maybe' | 'no';

/** Whether `later` had the effects of `earlier` before its eyes when it took effect. */
export function sees(later: Call, earlier: Call): Certainty {
  if (earlier.outcome === 'refused' || !earlier.writes || later === earlier) return 'no';
  if (earlier.invokedAt > later.answeredAt) return 'no';
  if (earlier.doubtful || (later.blind && later.replica === earlier.replica)) return 'maybe';
  if (later.seenAfter !== undefined && seqOf(later.seenAfter, earlier.replica) <= earlier.seqBefore)
    return 'no';
  if (earlier.outcome !== 'acknowledged') return 'maybe';
  if (seqOf(later.seenBefore, earlier.replica) >= earlier.seqAfter && hasAllOf(later, earlier)) return 'yes';
  // Requests of one session are executed in the order in which they were made; a retry may have been both.
  const inOrder =
    later.session === earlier.session && earlier.request < later.request && later.attempts === 1;
  return inOrder ? 'yes' : 'maybe';
}

/**
 * A removal, a clear or a reset that finds nothing writes nothing: no dot of its own, nor a later one of its replica,
 * brings what it found. Who has everything that it may have seen finds the same.
 */
function hasAllOf(later: Call, { operations, seenAfter }: Call): boolean {
  if (operations.some(surelyWrites)) return true;
  return seenAfter !== undefined && dominates(later.seenBefore, seenAfter);
}

function surelyWrites(operation: Operation): boolean {
  switch (operation.op) {
    case 'register.set':
    case 'register.delete':
      return true;
    case 'set.update':
      return operation.add.length > 0;
    case 'counter.increment':
      return BigInt(operation.by) !== 0n;
    default:
      return false;
  }
}

/** All calls of a simulation, and those that touch a key. */
export class History {
  readonly calls: Call[] = [];
  /** In all calls together. */
  operations = 0;
  private readonly doubted = new Map<ReplicaId, number>();
  /** All is healed and settled. */
  atRest = false;
  /** Clusters that formed apart, and had both written, have become one. */
  clustersHaveMet = false;
  private readonly tainted = new Map<string, Set<number>>();
  private readonly byKey = new Map<string, Call[]>();

  /** From now on what a replica wrote above `seq` may be lost: it is known to no other. */
  doubt(replica: ReplicaId, seq: number): void {
    this.doubted.set(replica, seq);
    for (const call of this.calls) if (call.replica === replica && call.seqAfter > seq) call.doubtful = true;
  }

  /** A record of this name has gone bad at a node. */
  taint(name: string, node: number): void {
    const nodes = this.tainted.get(name) ?? new Set();
    this.tainted.set(name, nodes.add(node));
  }

  /**
   * What a node holds goes with it: of a record that has gone bad elsewhere that may have been the other copy, where the
   * log no longer reaches back for the rest.
   */
  leaves(node: number): void {
    for (const nodes of this.tainted.values()) nodes.add(node);
  }

  get hasTaints(): boolean {
    return this.tainted.size > 0;
  }

  touchesTaint(call: Call): boolean {
    return this.hasTaints && call.operations.some((operation) => this.tainted.has(nameOf(operation)));
  }

  /**
   * Whether nothing can be said of it. At rest something can: of a record that went bad at one node only, and whose
   * writes do not depend on what their writer has found there.
   */
  isOpen(name: string): boolean {
    const nodes = this.tainted.get(name);
    if (nodes === undefined) return false;
    const family = familyOf(name.slice(name.indexOf(' ') + 1));
    return !this.atRest || nodes.size > 1 || family === undefined || DEPENDENT.has(family);
  }

  isTainted(name: string): boolean {
    return this.tainted.has(name);
  }

  add(call: Call): void {
    call.doubtful = call.blind = this.doubted.has(call.replica);
    this.calls.push(call);
    this.operations += call.operations.length;
    if (!call.writes) return;
    for (const name of new Set(call.operations.filter(isWrite).map(nameOf))) {
      const list = this.byKey.get(name);
      if (list === undefined) this.byKey.set(name, [call]);
      else list.push(call);
    }
  }

  /** Calls that write the key, in the order in which they were made; refused ones included. */
  writersOf(name: string): readonly Call[] {
    return this.byKey.get(name) ?? [];
  }

  /** Names of all keys that a call has tried to write, in order. */
  names(): string[] {
    return [...this.byKey.keys()].sort();
  }
}

/** What a write does depends on what its writer finds: a removal, a reset, a clear. */
const DEPENDENT: ReadonlySet<Family> = new Set(['volatile', 'shared', 'resettable']);

/** The type is part of a key's identity. */
export function nameOf(operation: Operation): string {
  return `${operation.op.slice(0, operation.op.indexOf('.'))} ${operation.key}`;
}

export function isWrite({ op }: Operation): boolean {
  switch (op) {
    case 'register.get':
    case 'set.has':
    case 'set.size':
    case 'set.values':
    case 'counter.get':
      return false;
    default:
      return true;
  }
}
