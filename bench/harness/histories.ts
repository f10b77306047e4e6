/**
 * What every region did, read from the logs of stopped nodes: each chunk tells what its writer had seen, so the conflicts
 * can be counted again, by nothing of the engine but the format.
 *
 * A region had taken a chunk of another before it made one of its own exactly if the latter's `deps` cover it, so between
 * two regions the order is known. Of chunks of two others between two own ones it is not; any causal order is taken. A log
 * keeps the last 10,000 transactions of each origin: a history that was longer throws.
 */
import { compareStamps, covers, type Dot, type Stamp, type VersionVector } from '@causeway/crdt';
import { type Chunk, decodeChunk } from '@causeway/protocol';
import { Level } from 'level';

const LOG_KIND = 0x6c;

/** Chunks of the log of a stopped node, by origin, in the order of their seqs. */
export async function readHistory(database: string): Promise<Map<string, Chunk[]>> {
  const level = new Level<Uint8Array, Uint8Array>(database, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing: false,
  });
  await level.open();
  const chunks = new Map<string, Chunk[]>();
  try {
    for await (const bytes of level.values({
      gte: Uint8Array.of(LOG_KIND),
      lt: Uint8Array.of(LOG_KIND + 1),
    })) {
      const chunk = decodeChunk(bytes);
      const known = chunks.get(chunk.origin);
      if (known === undefined) chunks.set(chunk.origin, [chunk]);
      else known.push(chunk);
    }
  } finally {
    await level.close();
  }
  for (const [origin, [first]] of chunks) {
    if (first?.firstSeq !== 1) throw new Error(`the beginning of the log of ${origin} is cut`);
  }
  return chunks;
}

/** Register writes that met one that their writer had not seen, in all regions together. */
export function countConflicts(chunks: ReadonlyMap<string, readonly Chunk[]>): number {
  let conflicts = 0;
  for (const replica of chunks.keys()) conflicts += new Region(replica, chunks).run();
  return conflicts;
}

class Region {
  private conflicts = 0;
  private readonly taken = new Map<string, number>();
  private readonly registers = new Map<string, { readonly stamp: Stamp; readonly dot: Dot }>();

  constructor(
    private readonly replica: string,
    private readonly chunks: ReadonlyMap<string, readonly Chunk[]>,
  ) {}

  run(): number {
    for (const own of this.chunks.get(this.replica) ?? []) {
      this.takeOthers(own.deps);
      this.apply(own);
    }
    this.takeOthers(undefined);
    return this.conflicts;
  }

  /** Those that `deps` cover, or all. */
  private takeOthers(deps: VersionVector | undefined): void {
    for (let progress = true; progress; ) {
      progress = false;
      for (const [origin, chunks] of this.chunks) {
        if (origin === this.replica) continue;
        const next = chunks[this.taken.get(origin) ?? 0];
        if (next === undefined) continue;
        const last = { replica: next.origin, seq: next.lastSeq };
        if ((deps !== undefined && !covers(deps, last)) || !this.isNext(next)) continue;
        this.apply(next);
        progress = true;
      }
    }
  }

  private isNext({ deps }: Chunk): boolean {
    return [...deps].every(([replica, seq]) => this.seqOf(replica) >= seq);
  }

  private seqOf(replica: string): number {
    return this.chunks.get(replica)?.[(this.taken.get(replica) ?? 0) - 1]?.lastSeq ?? 0;
  }

  private apply(chunk: Chunk): void {
    this.taken.set(chunk.origin, (this.taken.get(chunk.origin) ?? 0) + 1);
    for (const [index, records] of chunk.transactions.entries()) {
      const dot = { replica: chunk.origin, seq: chunk.firstSeq + index };
      for (const record of records) {
        if (record.type !== 'register') continue;
        const met = this.registers.get(record.key);
        const seen = met === undefined || met.dot.replica === chunk.origin || covers(chunk.deps, met.dot);
        if (!seen) this.conflicts++;
        if (met === undefined || compareStamps(met.stamp, record.stamp) < 0) {
          this.registers.set(record.key, { stamp: record.stamp, dot });
        }
      }
    }
  }
}
