/**
 * What goes over the wire: a dot names one write for ever, and nothing is applied before what it depends on.
 *
 * Chunks are known from the messages that carry them, so one is known before anybody but its origin can have
 * applied it. Duplicates are harmless and legal; other bytes for a known dot are not.
 */
import { dominates, type ReplicaId, type VersionVector } from '@causeway/crdt';
import { type Chunk, decodeChunk, type PeerMessage } from '@causeway/protocol';
import type { ClusterNode, Durable } from '../cluster.js';
import { show, Violation } from '../violation.js';
import type { Checker } from './checker.js';

interface KnownChunk {
  readonly bytes: Uint8Array;
  readonly chunk: Chunk;
}

export class ChunksChecker implements Checker {
  /** Different chunks seen, and chunks sent. */
  readonly counts = { distinct: 0, sent: 0 };
  /** By origin, then by every seq that the chunk holds. */
  private readonly known = new Map<ReplicaId, Map<number, KnownChunk>>();
  private readonly forked = new Set<ReplicaId>();
  private readonly applied = new Map<ReplicaId, VersionVector>();
  /** Version vectors that sources of repairs have told: whoever has all of one may have it without chunks. */
  private views: VersionVector[] = [];

  /** Two processes may write under one name from now on, and the peers have to notice. */
  broken(_node: ClusterNode, replica: ReplicaId): void {
    this.forked.add(replica);
    this.applied.delete(replica);
  }

  sent(node: ClusterNode, message: PeerMessage): void {
    if (message.type === 'repair-view') this.views.push(message.versionVector);
    if (message.type !== 'chunks') return;
    for (const bytes of message.chunks) {
      this.counts.sent++;
      this.learn(node, bytes);
    }
  }

  progressed(node: ClusterNode, { replica, versionVector }: Durable): void {
    const before = this.applied.get(replica);
    for (const [origin, seq] of versionVector) {
      if (origin === replica || this.forked.has(origin) || this.forked.has(replica)) continue;
      const chunks = this.known.get(origin);
      for (let next = (before?.get(origin) ?? 0) + 1; next <= seq; next++) {
        const repaired = this.repairedTo(versionVector, origin, next);
        if (repaired !== undefined) {
          next = repaired;
          continue;
        }
        const chunk = chunks?.get(next)?.chunk;
        if (chunk === undefined) {
          throw new Violation(
            'causal-delivery',
            `n${node.index} has ${origin} ${next}, which nobody has sent`,
          );
        }
        if (!dominates(versionVector, chunk.deps)) {
          const detail = `n${node.index} has applied ${origin} ${next}, which depends on ${show(chunk.deps)}`;
          throw new Violation('causal-delivery', `${detail}, with ${show(versionVector)}`);
        }
        next = chunk.lastSeq;
      }
    }
    this.applied.set(replica, new Map(versionVector));
  }

  /** Up to where a repair may have brought what `origin` wrote from `seq` on. */
  private repairedTo(versionVector: VersionVector, origin: ReplicaId, seq: number): number | undefined {
    const view = this.views.find((one) => (one.get(origin) ?? 0) >= seq && dominates(versionVector, one));
    return view?.get(origin);
  }

  private learn(node: ClusterNode, bytes: Uint8Array): void {
    const chunk = decodeChunk(bytes);
    let chunks = this.known.get(chunk.origin);
    if (chunks === undefined) {
      chunks = new Map();
      this.known.set(chunk.origin, chunks);
    }
    const same = chunks.get(chunk.firstSeq);
    if (same !== undefined && equalBytes(same.bytes, bytes)) return;
    this.counts.distinct++;
    // The replica may reuse its buffers: what was sent is kept as it was.
    const known = { bytes: bytes.slice(), chunk: decodeChunk(bytes.slice()) };
    for (let seq = chunk.firstSeq; seq <= chunk.lastSeq; seq++) {
      const other = chunks.get(seq);
      if (other !== undefined && !this.forked.has(chunk.origin)) {
        const detail = `n${node.index} sends ${chunk.origin} ${chunk.firstSeq} to ${chunk.lastSeq}`;
        const first = `${other.chunk.firstSeq} to ${other.chunk.lastSeq}`;
        throw new Violation('one-write-per-dot', `${detail} with other bytes than ${first} had before`);
      }
      chunks.set(seq, known);
    }
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
