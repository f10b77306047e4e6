/**
 * Recount: counts all records anew, page by page, while they go on being written. What comes out is what the Merkle
 * index has to be at that moment. After them comes the evidence (evidence-check.ts).
 *
 * Invariants
 * - Records below the cursor are counted as they are after the newest sealed commit; of those above it nothing is.
 * - A page is read on a view, and what is sealed after the view was taken is kept until the page is here: of what lies
 *   in the page the change is counted, of what lies behind it nothing. So no view lives longer than one page.
 * - With the page at which a set ends its size is compared (set-sizes.ts).
 * - A damaged record counts nothing, unless memory still has it: then it is written anew.
 */
import { Digest, Hasher } from '@causeway/crdt';
import { compareBytes } from '@causeway/protocol';
import type { Log } from '../environment.js';
import { DAMAGED_MAX, RECOUNT_CHANGES_MAX, RECOUNT_PAGE } from '../limits.js';
import { EvidenceCheck } from './evidence-check.js';
import { bytesText, detached, textOfKey } from './keyspace.js';
import { type ChangeListener, Leaves, nodeOf } from './merkle.js';
import { SetSizes } from './set-sizes.js';
import type { Store } from './store.js';
import { addStoredDigest } from './stored-digest.js';
import type { View } from './views.js';
import { bytesOf, RECORD_KINDS, WALK_START, type WalkPage, walkPage } from './walk.js';

interface Change {
  readonly key: Uint8Array;
  readonly leaf: number;
  readonly before: Digest;
  readonly after: Digest;
}

const ZERO = new Digest();
/** Damaged records of one pass that are logged one by one. */
const LOGGED_MAX = 100;

export class Recount implements ChangeListener {
  readonly leaves: Leaves;
  readonly sizes = new SetSizes();
  readonly evidence = new EvidenceCheck();
  records = 0;
  bytes = 0;
  /** Records that are damaged, not all where there are very many. */
  readonly damaged: Uint8Array[] = [];
  damagedCount = 0;
  /** Damaged ones that were in memory. */
  healed = 0;
  /** Undefined when all records are counted. */
  private cursor: Uint8Array | undefined = WALK_START;
  /** Since the view of the page that is being read was taken. */
  private changes: Change[] | undefined;
  private readonly hasher = new Hasher();

  constructor(
    private readonly store: Store,
    private readonly log: Log,
  ) {
    this.leaves = new Leaves(store.index.bits);
    store.index.listener = this;
  }

  get isDone(): boolean {
    return this.cursor === undefined && this.evidence.isDone;
  }

  /** From now on nothing is followed or told. */
  stop(): void {
    if (this.isCurrent) this.store.index.listener = undefined;
  }

  changed(key: Uint8Array, leaf: number, before: Digest, after: Digest): void {
    if (this.cursor === undefined || compareBytes(key, this.cursor) < 0) {
      this.count(key, leaf, before, after);
    } else if (this.changes !== undefined && this.changes.length <= RECOUNT_CHANGES_MAX) {
      this.changes.push({ key: detached(key), leaf, before: copy(before), after: copy(after) });
    }
  }

  private count(key: Uint8Array, leaf: number, before: Digest, after: Digest): void {
    this.leaves.change(leaf, before, after);
    this.sizes.changed(key, before, after);
  }

  /** Counts one page; `then` gets its bytes, or undefined when it could not be read just now. */
  page(then: (bytes: number | undefined) => void): void {
    const done = (bytes: number | undefined): void => {
      this.changes = undefined;
      if (this.isCurrent) then(bytes);
    };
    const opened = this.store.views.open((view) => this.read(view, done), {
      index: false,
      lost: () => done(undefined),
    });
    if (!opened) done(undefined);
  }

  private get isCurrent(): boolean {
    return this.store.index.listener === this;
  }

  private read(view: View, done: (bytes: number | undefined) => void): void {
    if (!this.isCurrent) return view.close();
    if (this.cursor === undefined) {
      this.evidence.page(view, (bytes) => {
        view.close();
        done(bytes);
      });
      return;
    }
    const changes: Change[] = [];
    this.changes = changes;
    const unread = (): void => {
      view.close();
      done(undefined);
    };
    const begun = this.sizes.atView();
    walkPage(view, RECORD_KINDS, this.cursor, RECOUNT_PAGE, (page) => {
      if (page === undefined) return unread();
      this.sizes.check(view, begun, page, (takeSizes) => {
        // Too much was written meanwhile: the page is read again.
        if (takeSizes === undefined || changes.length > RECOUNT_CHANGES_MAX) return unread();
        view.close();
        takeSizes();
        this.take(page, changes);
        done(bytesOf(page.entries));
      });
    });
  }

  private take({ entries, next }: WalkPage, changes: readonly Change[]): void {
    const settled = new Set<string>();
    const digest = new Digest();
    for (const { key, value } of entries) {
      digest.clear();
      try {
        addStoredDigest(digest, this.hasher, key, value);
      } catch (error) {
        settled.add(bytesText(key));
        this.damage(key, changes, digest, error);
      }
      if (!digest.isZero()) this.leaves.change(nodeOf(key, this.leaves.bits), ZERO, digest);
    }
    for (const { key, leaf, before, after } of changes) {
      if (next !== undefined && compareBytes(key, next) >= 0) continue;
      if (settled.size === 0 || !settled.has(bytesText(key))) this.count(key, leaf, before, after);
    }
    this.records += entries.length;
    this.bytes += bytesOf(entries);
    this.cursor = next;
  }

  /** Puts into `digest` what the record counts since the newest sealed commit. */
  private damage(key: Uint8Array, changes: readonly Change[], digest: Digest, error: unknown): void {
    const { store } = this;
    const slot = store.records.peek(key);
    const written = changes.findLast((change) => compareBytes(change.key, key) === 0);
    if (written !== undefined) digest.set(written.after);
    if (slot?.loaded === true && !slot.corrupt) {
      store.touch(slot);
      if (slot.counted !== undefined) digest.set(slot.counted);
      this.healed++;
      this.log.warn({ key: textOfKey(key) }, 'a stored record was damaged, and is written anew from memory');
      return;
    }
    this.damagedCount++;
    if (this.damaged.length < DAMAGED_MAX) this.damaged.push(key);
    // A disk that is lost would fill the log, and the rest of the disk.
    if (this.damagedCount <= LOGGED_MAX) {
      this.log.error({ key: textOfKey(key), error }, 'a stored record is damaged');
    }
  }
}

function copy(digest: Digest): Digest {
  const own = new Digest();
  own.set(digest);
  return own;
}
