/**
 * Scrub: looks through all stored records at a pace that nobody notices, and compares what they count with the Merkle
 * index; counts them anew when the index is lost.
 *
 * Invariants
 * - There is one pass at a time, and a page of it only when the pace allows the next.
 * - What a pass has counted is right whatever the index says: a replica that has lost a record tells digests without it
 *   afterwards, so that a comparison with a peer finds what is lost.
 */
import type { Log, Now } from '../environment.js';
import { DAMAGE_SCRUB_MS, RECOUNT_RETRY_MS } from '../limits.js';
import type { ScrubStatus } from '../status.js';
import { Recount } from './recount.js';
import type { Store } from './store.js';

export class Scrub {
  private pass: Recount | undefined;
  /** The pass under way replaces an index that was lost. */
  private rebuilds = false;
  private reading = false;
  private nextPageAt = 0;
  /** Of the next pass that nobody asks for. */
  private nextPassAt: number | undefined;
  private lastPassAt = Number.NEGATIVE_INFINITY;
  private wanted = false;
  private readonly total = { passes: 0, records: 0, damaged: 0, healed: 0, corrected: 0 };
  /** Told after each pass of the records that lack something: damaged now or before, or without their evidence. */
  found: (lacking: readonly Uint8Array[]) => void = () => {};

  constructor(
    private readonly store: Store,
    private readonly log: Log,
    /** The index is not what is stored of it. */
    private readonly replaced: () => void,
    /** The sizes of these sets are not those of their elements. */
    private readonly miscounted: (sets: readonly string[]) => void,
  ) {
    store.reads.damageFound = () => this.damageFound();
  }

  /** At the start and after a discard. */
  restart(): void {
    this.pass?.stop();
    this.pass = undefined;
    this.reading = false;
    this.nextPageAt = 0;
    if (!this.store.index.isWhole) this.log.info({}, 'the index of the records is counted anew');
  }

  /** A pass begins as soon as the one that is under way ends. */
  request(): void {
    this.wanted = true;
  }

  /** Monotonic ms. */
  get deadline(): number {
    if (this.reading || this.store.index.bits === 0) return Number.POSITIVE_INFINITY;
    return this.pass === undefined ? (this.nextPassAt ?? 0) : this.nextPageAt;
  }

  /** At every turn. */
  turn(now: Now): void {
    if (this.reading) return;
    if (this.pass === undefined && !this.begin(now.monotonic)) return;
    if (now.monotonic >= this.nextPageAt) this.page();
  }

  status(): ScrubStatus {
    const state = this.pass === undefined ? 'idle' : this.rebuilds ? 'counting' : 'scrubbing';
    return { state, ...this.total };
  }

  private begin(now: number): boolean {
    const { index, limits } = this.store;
    if (index.bits === 0) return false;
    this.nextPassAt ??= now + limits.scrubIntervalMs;
    if (index.isWhole && !this.wanted && now < this.nextPassAt) return false;
    this.rebuilds = !index.isWhole;
    // One that replaces the index is asked for by nobody, and is as good as one that was.
    this.wanted = false;
    this.nextPassAt = now + limits.scrubIntervalMs;
    this.lastPassAt = now;
    this.nextPageAt = now;
    this.pass = new Recount(this.store, this.log);
    return true;
  }

  private page(): void {
    const { pass, store } = this;
    if (pass === undefined) return;
    this.reading = true;
    pass.page((bytes) => {
      this.reading = false;
      const { scrubBytesPerSecond, recountBytesPerSecond } = store.limits;
      const rate = this.rebuilds ? recountBytesPerSecond : scrubBytesPerSecond;
      const ms = bytes === undefined ? RECOUNT_RETRY_MS : Math.ceil((bytes / rate) * 1_000);
      this.nextPageAt = store.now.monotonic + ms;
      this.total.records = pass.records;
      if (pass.isDone) this.end(pass);
    });
  }

  private end(pass: Recount): void {
    const { store, log, total } = this;
    pass.stop();
    this.pass = undefined;
    const { records, damagedCount: damaged, healed } = pass;
    const before = store.index.root.toHex();
    const wrong = store.index.adopt(pass.leaves);
    const root = store.index.root.toHex();
    total.passes++;
    total.damaged += damaged;
    total.healed += healed;
    if (root !== before) {
      log.warn({ before, root, damaged }, 'the root digest was not that of the stored records, and is now');
    }
    if (this.rebuilds) {
      log.info({ records, damaged }, 'the index of the records is counted');
      this.replaced();
    } else if (wrong > 0) {
      total.corrected += wrong;
      log.warn({ leaves: wrong, damaged }, 'the index was not that of the stored records, and is now');
      this.replaced();
      store.records.readAnew();
    }
    const sets = pass.sizes.wrong;
    if (sets.length > 0) {
      log.warn(
        { sets: sets.length, first: sets[0] },
        'sets had a size that was not that of their elements, and are counted',
      );
      this.miscounted(sets);
    }
    log.debug({ records, damaged, healed, wrong }, 'all stored records were looked through');
    const { lost } = pass.evidence;
    if (lost.length > 0)
      log.warn({ records: lost.length }, 'evidence of removals is missing: a peer is asked for it');
    const lacking = [...pass.damaged, ...lost, ...store.reads.damagedKeys()];
    if (lacking.length > 0) this.found(lacking);
  }

  private damageFound(): void {
    const at = Math.max(this.store.now.monotonic, this.lastPassAt + DAMAGE_SCRUB_MS);
    this.nextPassAt = Math.min(this.nextPassAt ?? at, at);
  }
}
