/**
 * Fork: where this replica's own log and what a peer has under its name part. A directory that was rolled back and
 * has been written since holds other writes under dots that its peers know; those are its own alone, and all before
 * them are common.
 *
 * Every process start writes under a random number of its own, and a roll-back lies between two starts. So the peer
 * is asked for the chunk at the end of each run of one start, newest first, until one is of that start: what the two
 * share ends there, or within that run, where it is searched for by halves. Where the peer's newest chunk is of a
 * start that wrote here too, the two part where the shorter of its runs ends, and nothing needs to be asked. The peer
 * shows chunks, so a claim without them leads nowhere; of a log that was cut there it says so, and those are taken for
 * common, but for what this process has written: who contradicts it at the handshake has none of that but what he shows.
 */
import { CausewayError, chunkHead, isChunkWhole } from '@causeway/protocol';
import { logRange } from '../store/keyspace.js';
import type { Store } from '../store/store.js';

/** Own transactions that one process start wrote in a row. */
interface Run {
  readonly start: number;
  readonly first: number;
  last: number;
}

/** The lower one of two forks, of which 0 is none. */
export function earliest(a: number, b: number): number {
  return a === 0 || b === 0 ? Math.max(a, b) : Math.min(a, b);
}

export interface ForkResult {
  /** Last own seq that both sides have alike. */
  readonly common: number;
}

export class ForkSearch {
  private readonly runs: Run[] = [];
  private asked: { readonly seq: number; readonly answer: (start: number | undefined) => void } | undefined;

  constructor(
    private readonly store: Store,
    /** Of this process. */
    private readonly ownStart: number,
    /** Highest seq that the peer has, and the start under which that was written. */
    private readonly claim: { readonly seq: number; readonly start: number },
    private readonly link: {
      /** Sends `subscribe` to the own origin after `seq`, or ends it. */
      subscribe(after: number): void;
      unsubscribe(): void;
      isOpen(): boolean;
    },
    private readonly found: (result: ForkResult) => void,
    /** The log could not be read, or the peer does not show what it claims. */
    private readonly failed: (reason: string) => void,
  ) {}

  start(): void {
    this.readRuns(1);
  }

  /** Chunks of this replica's own, from the peer. */
  chunks(chunks: readonly Uint8Array[]): void {
    const { asked } = this;
    if (asked === undefined) return;
    for (const bytes of chunks) {
      if (!isChunkWhole(bytes))
        throw new CausewayError('CAUSEWAY_BAD_CHUNK', 'a chunk that is shown is damaged');
      const { origin, firstSeq, lastSeq, start } = chunkHead(bytes);
      if (origin !== this.store.self)
        throw new CausewayError('CAUSEWAY_BAD_CHUNK', `a chunk of ${origin} is shown`);
      if (asked.seq < firstSeq || asked.seq > lastSeq) continue;
      this.asked = undefined;
      this.link.unsubscribe();
      asked.answer(start);
      return;
    }
  }

  /** The peer's log does not reach back so far. */
  gap(): void {
    const { asked } = this;
    this.asked = undefined;
    asked?.answer(undefined);
  }

  private readRuns(from: number): void {
    const { store } = this;
    const { chunkTransactionsMax, logReadBytes } = store.limits;
    store.reads.scan(logRange(store.self, from), chunkTransactionsMax, logReadBytes, (entries) => {
      if (!this.link.isOpen()) return;
      if (entries === undefined) return this.failed('the log cannot be read');
      for (const { value } of entries) if (isChunkWhole(value)) this.add(chunkHead(value));
      const last = this.runs.at(-1)?.last;
      if (entries.length > 0 && last !== undefined && last >= from) return this.readRuns(last + 1);
      this.ask(this.claim.seq, (start) => {
        if (start !== undefined && start !== this.claim.start) return this.failed('it shows another chunk');
        const shared = this.runs.find((run) => run.start === this.claim.start);
        if (shared === undefined) this.look(this.runs.length - 1);
        else this.found({ common: Math.min(shared.last, this.claim.seq) });
      });
    });
  }

  private add({ start, firstSeq, lastSeq }: { start: number; firstSeq: number; lastSeq: number }): void {
    const run = this.runs.at(-1);
    if (run !== undefined && run.start === start) run.last = lastSeq;
    else this.runs.push({ start, first: firstSeq, last: lastSeq });
  }

  private look(index: number): void {
    const run = this.runs[index];
    // What is no longer in the log everybody had.
    if (run === undefined) return this.found({ common: (this.runs[0]?.first ?? 1) - 1 });
    if (run.first > this.claim.seq) return this.look(index - 1);
    const high = Math.min(run.last, this.claim.seq);
    this.ask(high, (start) => {
      if (this.isCommon(run, start)) return this.found({ common: high });
      this.ask(run.first, (atFirst) => {
        if (this.isCommon(run, atFirst)) this.halve(run, run.first, high);
        else this.look(index - 1);
      });
    });
  }

  /** `low` is common, `high` is not. */
  private halve(run: Run, low: number, high: number): void {
    if (high - low <= 1) return this.found({ common: low });
    const middle = (low + high) >>> 1;
    this.ask(middle, (start) => {
      if (this.isCommon(run, start)) this.halve(run, middle, high);
      else this.halve(run, low, middle);
    });
  }

  /** Whether the peer has the run's chunk, of which it has shown `start`, or nothing. */
  private isCommon(run: Run, start: number | undefined): boolean {
    return start === undefined ? run.start !== this.ownStart : start === run.start;
  }

  private ask(seq: number, answer: (start: number | undefined) => void): void {
    this.asked = { seq, answer };
    this.link.subscribe(seq - 1);
  }
}
