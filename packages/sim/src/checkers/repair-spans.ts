/**
 * When each node was being repaired: from its first adopted record until its version vector has moved it may show part
 * of a transaction, and an effect without its causes, and says so. What it answers then is not judged by what others
 * have seen; it is by what is there afterwards.
 */
import type { ClusterNode, Durable } from '../cluster.js';

interface Span {
  readonly from: number;
  to: number;
}

export class RepairSpans {
  private readonly spans = new Map<number, Span[]>();
  private readonly open = new Map<number, Span>();

  /** A commit of the node has become durable. */
  progressed({ index }: ClusterNode, { isRepairing }: Durable, now: number): void {
    const open = this.open.get(index);
    if (isRepairing === (open !== undefined)) return;
    if (open !== undefined) {
      open.to = now;
      this.open.delete(index);
      return;
    }
    const span = { from: now, to: Number.POSITIVE_INFINITY };
    this.open.set(index, span);
    const spans = this.spans.get(index);
    if (spans === undefined) this.spans.set(index, [span]);
    else spans.push(span);
  }

  /** Whether the node was being repaired at any moment of this time. */
  overlap(node: number, from: number, to: number): boolean {
    return (this.spans.get(node) ?? []).some((span) => span.from <= to && from <= span.to);
  }

  /** The last moment up to `at` at which the node was being repaired; undefined when it never was. */
  last(node: number, at: number): number | undefined {
    const span = (this.spans.get(node) ?? []).findLast(({ from }) => from <= at);
    return span && Math.min(span.to, at);
  }
}
