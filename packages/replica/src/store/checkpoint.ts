/**
 * Checkpoints: store the pages of the Merkle index that have changed, a few with each commit, and drop the journals that they make
 * obsolete. Begun when a start would have to read too many journals, at a stop, and after the records have been counted
 * anew.
 */
import type { Schedule } from './job.js';
import type { Store } from './store.js';

/** Pages of one commit: 64 KiB that the writes beside them wait for. */
const PAGES_PER_STEP = 4;

export class Checkpoint {
  private running = false;
  /** The stored pages are not those of this index, whatever the journals hold. */
  private stale = false;

  constructor(
    private readonly store: Store,
    private readonly schedule: Schedule,
  ) {}

  /** At the start and after a discard. */
  restart(): void {
    this.running = false;
    this.stale = false;
  }

  get isRunning(): boolean {
    return this.running;
  }

  /** The index is another one than what is stored. */
  replaced(): void {
    this.stale = true;
    // One that is under way has stored pages of the index before.
    if (!this.running) this.start();
  }

  /** Every now and then. */
  tick(): void {
    const { limits, indexPages } = this.store;
    if (indexPages.journalBytes > limits.indexJournalBytesMax || this.stale) this.start();
  }

  start(): void {
    const { index, indexPages } = this.store;
    if (this.running || !index.isWhole || index.bits === 0) return;
    this.running = true;
    this.stale = false;
    this.step(0, indexPages.journalBytes);
  }

  private step(from: number, bytesBefore: number): void {
    const { store } = this;
    this.schedule({
      slots: [],
      run: () => {
        const { indexPages } = store;
        let page = indexPages.unstoredFrom(from);
        for (let left = PAGES_PER_STEP; page !== undefined && left > 0; left--) {
          const { key, value } = indexPages.page(page);
          store.put(key, value);
          page = indexPages.unstoredFrom(page + 1);
        }
        const next = page;
        store.whenDurable(() => {
          if (next !== undefined) return this.step(next, bytesBefore);
          indexPages.checkpointed(bytesBefore);
          this.running = false;
          this.dropJournals();
        });
      },
    });
  }

  private dropJournals(): void {
    const { store } = this;
    const keys = store.indexPages.takeObsolete(store.limits.housekeepingRecords);
    if (keys.length === 0) return;
    this.schedule({
      slots: [],
      run: () => {
        for (const key of keys) store.delete(key);
        store.whenDurable(() => this.dropJournals());
      },
    });
  }
}
