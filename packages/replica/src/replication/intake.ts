/**
 * Intake: the chunks of the other origins on their way in: from whom each origin is taken, what has come, and
 * what waits for its causes.
 *
 * Invariants
 * - Each origin has exactly one subscription, at one neighbour, so nothing is sent twice but what is under way
 *   when the source changes.
 * - `received` is contiguous: a chunk is queued only behind what is applied or queued already.
 * - A chunk is applied when its origin's earlier ones are and its `deps` are covered (causal delivery).
 * - Unapplied bytes are bounded by the window of each subscription: credit goes back when a chunk is durable.
 */
import { dominates, type ReplicaId, seqOf, type VersionVector } from '@causeway/crdt';
import { CausewayError, CHUNK_BYTES_MAX, chunkHead } from '@causeway/protocol';
import type { Environment, Now } from '../environment.js';
import { CAUSAL_WAIT_MS, DETOUR_LONGER_MS, DETOUR_MS, DETOUR_PAUSE_MS, OVERRIDE_MS } from '../limits.js';
import type { Store } from '../store/store.js';
import type { ChunkApplier } from './apply-chunk.js';
import { Arrival, Arrivals, type Source } from './arrivals.js';
import { hasPart } from './repair-session.js';

/** What is taken of origins that are retired (members.ts). */
export interface RetiredOrigins {
  /** Nothing of it can come any more: whatever it had beyond what is here counts as covered. */
  isSettled(origin: ReplicaId): boolean;
  takenUpTo(origin: ReplicaId, from: ReplicaId): number;
}

interface Inflow {
  readonly origin: ReplicaId;
  received: number;
  readonly arrivals: Arrivals;
  source: Source | undefined;
  owed: number;
  /** Chunks were passed over for want of room, and are to be asked for when there is some. */
  overflowed: boolean;
  /** A hole has been seen and asked for; what is still under way from behind it is passed over. */
  resumed: boolean;
  /** Neighbours whose log does not reach back far enough, until asked again. */
  readonly gaps: Map<ReplicaId, number>;
  /** Taken from this neighbour until then, because it sent what waits for this origin. */
  override: { source: Source; until: number } | undefined;
  /** When chunks came last, monotonic ms. */
  broughtAt: number;
  /** The origin itself is linked, and yet what a detour has on its way is waited for until then, monotonic ms. */
  detourUntil: number;
}

const GAP_RETRY_MS = 5_000;
const NOTHING: VersionVector = new Map();

export class Intake {
  private readonly inflows = new Map<ReplicaId, Inflow>();
  private readonly sources = new Map<ReplicaId, Source>();
  /** Nothing is taken: a bootstrap is to bring what streams would. */
  private held = false;

  constructor(
    private readonly store: Store,
    private readonly applier: ChunkApplier,
    private readonly env: Environment,
    /** Own wall clock minus that of `origin`, ms, as far as known. */
    private readonly offsetOf: (origin: ReplicaId) => number,
    private readonly onLag: (origin: ReplicaId, seconds: number) => void,
    private readonly retired: RetiredOrigins,
    /** A neighbour has sent what is no chunk. */
    private readonly onNonsense: (from: Source, error: CausewayError) => void,
  ) {}

  /** Origins that no neighbour's log reaches for us: only a repair can bring them. */
  get unreachable(): ReplicaId[] {
    const unreachable: ReplicaId[] = [];
    for (const { origin, source, gaps, received } of this.inflows.values()) {
      if (gaps.size === 0 || (source !== undefined && seqOf(source.report(), origin) > received)) continue;
      const isBehind = [...gaps.keys()].some(
        (replica) => seqOf(this.sources.get(replica)?.report() ?? NOTHING, origin) > received,
      );
      if (isBehind) unreachable.push(origin);
    }
    return unreachable;
  }

  /** Drops what waits and takes no more: what a stream brought now, the view that is on its way might know for removed. */
  hold(): void {
    if (this.held) return;
    this.held = true;
    for (const inflow of this.inflows.values()) this.withhold(inflow);
  }

  release(now: Now): void {
    if (!this.held) return;
    this.held = false;
    this.route(now);
  }

  /** The version vector has been moved by a repair: streams go on from there. */
  moved(now: Now): void {
    for (const inflow of this.inflows.values()) {
      const reached = seqOf(this.store.executed, inflow.origin);
      inflow.arrivals.dropThrough(reached);
      this.openAhead(inflow);
      if (inflow.received >= reached) continue;
      inflow.received = reached;
      inflow.gaps.clear();
      if (inflow.source !== undefined) this.subscribe(inflow, inflow.source);
    }
    this.route(now);
  }

  linkUp(source: Source, now: Now): void {
    this.sources.set(source.replica, source);
    const inflow = this.inflowOf(source.replica);
    if (inflow !== undefined) inflow.detourUntil = now.monotonic + DETOUR_MS;
    this.route(now);
  }

  linkDown(source: Source, now: Now): void {
    if (this.sources.get(source.replica) === source) this.sources.delete(source.replica);
    for (const inflow of this.inflows.values()) {
      if (inflow.source === source) inflow.source = undefined;
      if (inflow.override?.source === source) inflow.override = undefined;
      inflow.gaps.delete(source.replica);
    }
    this.route(now);
  }

  /** Gives every origin that anybody knows its best source. */
  route(now: Now): void {
    if (this.held) return;
    for (const source of this.sources.values()) {
      this.inflowOf(source.replica);
      for (const origin of source.report().keys()) this.inflowOf(origin);
    }
    for (const inflow of this.inflows.values()) {
      if (this.needsRepair(inflow)) {
        this.withhold(inflow);
        continue;
      }
      this.unblock(inflow, now);
      const best = this.bestSource(inflow, now);
      if (best !== inflow.source) this.subscribe(inflow, best);
    }
  }

  receive(from: Source, origin: ReplicaId, chunks: readonly Uint8Array[], durableAt: number, now: Now): void {
    const inflow = this.inflows.get(origin);
    try {
      for (const bytes of chunks) {
        if (inflow === undefined || inflow.source !== from) {
          // Under way when the subscription ended: counted if it is here already, else it comes again.
          this.env.telemetry.duplicateChunk(from.replica);
          continue;
        }
        this.receiveChunk(inflow, from, bytes, durableAt, now);
      }
    } finally {
      // Of a message that goes wrong half-way what came before that is as good as any.
      if (inflow !== undefined) this.openAhead(inflow);
    }
  }

  gap(from: Source, origin: ReplicaId, after: number, first: number, now: Now): void {
    const inflow = this.inflows.get(origin);
    if (inflow === undefined || inflow.source !== from) return;
    inflow.source = undefined;
    if (!inflow.gaps.has(from.replica)) {
      this.env.log.error(
        { origin, peer: from.replica, after, first, code: 'CAUSEWAY_LOG_GAP' },
        'the log of the peer no longer reaches back to what is missing here: other peers are asked',
      );
    }
    inflow.gaps.set(from.replica, now.monotonic + GAP_RETRY_MS);
    this.route(now);
  }

  /** Applies what is ready, while the commit has room; `sparing`: half of it is for the clients who wait. */
  apply(now: Now, sparing: boolean): void {
    const { store } = this;
    const hasRoom = () => !(sparing ? store.halfFull : store.full);
    for (let again = true; again && hasRoom(); ) {
      again = false;
      for (const inflow of this.inflows.values()) {
        while (hasRoom() && this.applyHead(inflow, now)) again = true;
      }
    }
  }

  /** Forgets everything that is not durable. */
  restart(now: Now): void {
    for (const inflow of this.inflows.values()) {
      inflow.source = undefined;
      inflow.arrivals.forget();
      inflow.owed = 0;
      inflow.received = seqOf(this.store.executed, inflow.origin);
    }
    this.route(now);
  }

  private withhold(inflow: Inflow): void {
    if (inflow.source !== undefined) this.subscribe(inflow, undefined);
    inflow.arrivals.dropThrough(Number.POSITIVE_INFINITY);
    inflow.received = seqOf(this.store.executed, inflow.origin);
  }

  /**
   * There is nothing of it here, and a neighbour has compacted some: with part of it removed things would come back. Who
   * joins and has part of that neighbour's history already can have the rest by streams alone.
   */
  private needsRepair({ origin }: Inflow): boolean {
    const { executed, wasWhole } = this.store;
    if (seqOf(executed, origin) > 0) return false;
    for (const { horizon } of this.sources.values())
      if (seqOf(horizon, origin) > 0 && (wasWhole || !hasPart(executed, horizon))) return true;
    return false;
  }

  private receiveChunk(inflow: Inflow, from: Source, bytes: Uint8Array, durableAt: number, now: Now): void {
    const chunk = chunkHead(bytes);
    if (chunk.origin !== inflow.origin) {
      throw new CausewayError(
        'CAUSEWAY_BAD_CHUNK',
        `a chunk of ${chunk.origin} came as one of ${inflow.origin}`,
      );
    }
    if (chunk.firstSeq > inflow.received + 1) {
      // A hole: something was lost on the way, so the stream is asked for again, once, from where it was whole.
      const { received, origin } = inflow;
      if (inflow.resumed) return;
      this.env.log.warn({ origin, peer: from.replica, received, got: chunk.firstSeq }, 'a chunk is missing');
      this.subscribe(inflow, from);
      inflow.resumed = true;
      return;
    }
    inflow.resumed = false;
    if (chunk.lastSeq <= inflow.received) {
      this.env.telemetry.duplicateChunk(from.replica);
      this.giveCredit(inflow, from, bytes.length);
      return;
    }
    if (chunk.lastSeq > this.retired.takenUpTo(inflow.origin, from.replica)) {
      return this.subscribe(inflow, undefined);
    }
    if (inflow.arrivals.bytes > this.store.limits.subscriptionWindowBytes + CHUNK_BYTES_MAX) {
      // Each new link brings a window, and a broken peer keeps to none: what waits is bounded, the rest comes again.
      inflow.resumed = true;
      inflow.overflowed = true;
      return;
    }
    inflow.received = chunk.lastSeq;
    inflow.broughtAt = now.monotonic;
    inflow.arrivals.push(new Arrival(chunk, bytes, durableAt, from, now.monotonic));
  }

  /** Decodes what is next. What is no chunk goes, with all behind it, and its sender is told. */
  private openAhead(inflow: Inflow): void {
    const { arrivals } = inflow;
    try {
      arrivals.openAhead();
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      const { from } = arrivals.dropClosed();
      // Not from its firstSeq on: that may be of what is here already.
      inflow.received = arrivals.openThrough ?? seqOf(this.store.executed, inflow.origin);
      // Also what others have sent since is to come again.
      this.subscribe(inflow, undefined);
      this.onNonsense(from, error);
      this.route(this.store.now);
    }
  }

  private applyHead(inflow: Inflow, now: Now): boolean {
    const { arrivals } = inflow;
    const { head } = arrivals;
    if (head?.content === undefined || !this.covers(head.content.chunk.deps) || !head.isLoaded) return false;
    const { chunk, slots } = head.content;
    const after = seqOf(this.store.executed, head.origin);
    this.store.logRemote(head);
    this.applier.apply(chunk, slots, after, now);
    arrivals.shift();
    if (inflow.overflowed && arrivals.bytes < this.store.limits.subscriptionWindowBytes) {
      this.subscribe(inflow, inflow.source);
    }
    this.store.whenDurable((durable) => this.durable(inflow, head, durable), 'patient');
    this.openAhead(inflow);
    return true;
  }

  private durable(inflow: Inflow, { origin, from, bytes, durableAt, at }: Arrival, now: Now): void {
    this.giveCredit(inflow, from, bytes.length);
    // The origin's time of durability, or of the chunk where that is not known, on this node's clock.
    const writtenAt = (durableAt === 0 ? at : durableAt) + this.offsetOf(origin);
    this.onLag(origin, Math.max(0, now.wall - writtenAt) / 1000);
  }

  private covers(deps: VersionVector): boolean {
    if (dominates(this.store.executed, deps)) return true;
    for (const [origin, seq] of deps) {
      if (seqOf(this.store.executed, origin) < seq && !this.retired.isSettled(origin)) return false;
    }
    return true;
  }

  private giveCredit(inflow: Inflow, from: Source, bytes: number): void {
    if (inflow.source !== from) return;
    inflow.owed += bytes;
    if (inflow.owed < this.store.limits.creditPortionBytes) return;
    from.send({ type: 'credit', origin: inflow.origin, bytes: inflow.owed });
    inflow.owed = 0;
  }

  private inflowOf(origin: ReplicaId): Inflow | undefined {
    if (origin === this.store.self) return undefined;
    let inflow = this.inflows.get(origin);
    if (inflow === undefined) {
      inflow = {
        origin,
        received: seqOf(this.store.executed, origin),
        arrivals: new Arrivals(this.store),
        source: undefined,
        owed: 0,
        overflowed: false,
        resumed: false,
        gaps: new Map(),
        override: undefined,
        broughtAt: Number.NEGATIVE_INFINITY,
        detourUntil: 0,
      };
      this.inflows.set(origin, inflow);
    }
    return inflow;
  }

  /** A chunk that has waited too long for another origin has that origin taken from whoever sent the chunk. */
  private unblock({ arrivals, origin }: Inflow, now: Now): void {
    const { head } = arrivals;
    if (head === undefined || now.monotonic - head.receivedAt < CAUSAL_WAIT_MS) return;
    if (this.sources.get(head.from.replica) !== head.from) return;
    for (const [cause, seq] of head.content?.chunk.deps ?? NOTHING) {
      if (cause === origin || seqOf(this.store.executed, cause) >= seq) continue;
      const inflow = this.inflowOf(cause);
      if (inflow === undefined || inflow.received >= seq || inflow.override !== undefined) continue;
      // Of what comes already more would come twice.
      if (now.monotonic - inflow.broughtAt < CAUSAL_WAIT_MS) continue;
      inflow.override = { source: head.from, until: now.monotonic + OVERRIDE_MS };
    }
  }

  private bestSource(inflow: Inflow, now: Now): Source | undefined {
    for (const [replica, until] of inflow.gaps) if (until <= now.monotonic) inflow.gaps.delete(replica);
    const usable = (source: Source | undefined) =>
      source !== undefined &&
      !inflow.gaps.has(source.replica) &&
      inflow.received < this.retired.takenUpTo(inflow.origin, source.replica)
        ? source
        : undefined;
    if (inflow.override !== undefined) {
      const { source, until } = inflow.override;
      if (until > now.monotonic && usable(source) !== undefined) return source;
      inflow.override = undefined;
    }
    const direct = usable(this.sources.get(inflow.origin));
    const current = usable(inflow.source);
    // A source that still has something for us stays: what is under way from it would come twice.
    const hasMore = (source: Source) => seqOf(source.report(), inflow.origin) > inflow.received;
    if (current !== undefined) {
      // One that has just brought something, of an origin that has more, has more under way than its report says.
      const isAtWork = now.monotonic - inflow.broughtAt < DETOUR_PAUSE_MS;
      const brings = isAtWork && direct !== undefined && hasMore(direct);
      const until = inflow.detourUntil + (isAtWork ? DETOUR_LONGER_MS : 0);
      const isDue = direct === undefined || now.monotonic < until;
      if (isDue && (hasMore(current) || brings)) return current;
    }
    if (direct !== undefined) return direct;
    let best = current;
    for (const source of this.sources.values()) {
      if (
        usable(source) !== undefined &&
        (best === undefined || seqOf(source.report(), inflow.origin) > seqOf(best.report(), inflow.origin))
      ) {
        best = source;
      }
    }
    return best;
  }

  private subscribe(inflow: Inflow, source: Source | undefined): void {
    const { origin } = inflow;
    if (inflow.source !== undefined && inflow.source !== source) {
      inflow.source.send({ type: 'unsubscribe', origin });
    }
    inflow.source = source;
    inflow.owed = 0;
    inflow.resumed = false;
    inflow.overflowed = false;
    source?.send({ type: 'subscribe', origin, after: inflow.received });
  }
}
