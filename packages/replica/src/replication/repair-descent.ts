/**
 * Descent: which leaves of two trees differ, found level by level, asking only below nodes that do.
 *
 * How far one question reaches depends on how many nodes differ: few of them are followed down to the leaves at once,
 * many of them four levels at a time, since most of what lies below them is equal.
 */
import type { Digest } from '@causeway/crdt';
import { NODE_DIGEST_BYTES, type RepairView } from '@causeway/protocol';
import type { FrozenIndex } from '../store/merkle.js';
import { depthFor } from './repair-session.js';
import { readLane, writeLane } from './repair-words.js';

/** Levels of one question at least, and the digests that it may ask for if it reaches further. */
const STEP_LEVELS = 4;
const CHEAP_DIGESTS = 4_096;

export interface Question {
  readonly level: number;
  readonly nodes: readonly number[];
  readonly depth: number;
}

export interface Leaves {
  readonly level: number;
  /** Both sides hold something below them, or only this one does. */
  readonly byId: readonly number[];
  /** Nothing is here. */
  readonly whole: readonly number[];
}

export class Descent {
  /** Nodes of `level` that differ, ascending. */
  private level = 0;
  private nodes: readonly number[] = [0];
  /** Level at which the walk begins. */
  private readonly target: number;
  /** What the next digests are of. */
  private asked: Question;

  constructor(
    private readonly mine: FrozenIndex,
    theirs: RepairView,
  ) {
    const bits = Math.min(mine.bits, theirs.bits);
    this.target = depthFor(Math.max(mine.count, theirs.count), bits);
    const depth = Math.min(theirs.level, mine.bits);
    this.asked = { level: 0, nodes: [0], depth };
    if (theirs.digests.length > 0) this.take(folded(theirs.digests, theirs.level - depth));
    else this.asked = this.next();
  }

  /** What to ask next; undefined when the leaves are known. */
  get question(): Question | undefined {
    return this.level >= this.target || this.nodes.length === 0 ? undefined : this.next();
  }

  get result(): Leaves {
    const byId: number[] = [];
    const whole: number[] = [];
    for (const node of this.nodes) (this.mine.node(this.level, node).isZero() ? whole : byId).push(node);
    return { level: this.level, byId, whole };
  }

  /** Takes the answer to the last question; false when it is no answer to it. */
  take(digests: Uint8Array): boolean {
    const { level, nodes, depth } = this.asked;
    const width = 2 ** depth;
    if (digests.length !== nodes.length * width * NODE_DIGEST_BYTES || level + depth > this.mine.bits)
      return false;
    const differing: number[] = [];
    let at = 0;
    for (const node of nodes) {
      for (let child = node * width; child < (node + 1) * width; child++) {
        if (!isSame(this.mine.node(level + depth, child), digests, at)) differing.push(child);
        at += NODE_DIGEST_BYTES;
      }
    }
    this.level = level + depth;
    this.nodes = differing;
    if (this.level < this.target) this.asked = this.next();
    return true;
  }

  private next(): Question {
    const { level, nodes } = this;
    let depth = Math.min(STEP_LEVELS, this.target - level);
    while (level + depth < this.target && nodes.length * 2 ** (depth + 1) <= CHEAP_DIGESTS) depth++;
    return { level, nodes, depth };
  }
}

function isSame({ a, b }: Digest, digests: Uint8Array, at: number): boolean {
  return readLane(digests, at) === a && readLane(digests, at + 4) === b;
}

/** Digests so many levels further up: a node is the sum of those below it, lane by lane. */
function folded(digests: Uint8Array, levels: number): Uint8Array {
  if (levels === 0) return digests;
  const width = 2 ** levels;
  const sums = new Uint8Array(digests.length / width);
  for (let at = 0; at < digests.length; at += 4) {
    const node = Math.floor(at / NODE_DIGEST_BYTES / width) * NODE_DIGEST_BYTES + (at % NODE_DIGEST_BYTES);
    writeLane(sums, node, (readLane(sums, node) + readLane(digests, at)) | 0);
  }
  return sums;
}
