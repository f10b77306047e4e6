/**
 * The store of one machine: an ordered map of byte strings whose durable image outlives every crash.
 *
 * A batch becomes durable and visible at one moment, all of it, some time before its writer is told. A crash
 * before that moment loses it or not, as the seed decides: the bytes may have reached the disk although nobody
 * waited for them. After a write that failed the open handle is poisoned as LevelDB's is: it reads what was
 * there before, acknowledges batches and keeps none, until the store has been opened anew; only then does it
 * show whether the batch that failed is there. Opening waits for the reads under way, and new reads wait for it;
 * it ends all snapshots.
 */
import type { Batch, Scan, ScanEntry } from '@causeway/replica';
import { Completion } from './completion.js';
import { type Delay, drawDelay } from './delay.js';
import { DiskImage } from './disk-image.js';
import type { Prng } from './prng.js';
import type { Scheduler } from './scheduler.js';

export interface DiskProfile {
  readonly write: Delay;
  readonly read: Delay;
  /** Share of the records that are at hand; reading one takes no time. */
  readonly readNow: number;
  readonly open: Delay;
}

export class DiskFailure extends Error {
  override readonly name = 'DiskFailure';
}

export class Disk {
  /** Told of every batch at the moment at which it is durable, before it is in place. */
  onLanding: (batch: Batch, before: (key: Uint8Array) => Uint8Array | undefined) => void = () => {};
  readonly counts = {
    writes: 0,
    failedWrites: 0,
    failedReads: 0,
    full: 0,
    tornAway: 0,
    landedAtCrash: 0,
    reopens: 0,
  };
  /** Planted bugs; only tests of the checkers set them. */
  readonly planted = { acknowledgeEarly: false, loseWrites: 0 };
  /** Share of the writes that fail; while there are any, opening anew may have to wait. */
  failing = 0;
  /** Share of the reads that fail. */
  failingReads = 0;
  /** Times as long as usual. */
  slowness = 1;
  private image = new DiskImage();
  /** A snapshot stands on `image`: it is copied before it changes. */
  private isShared = false;
  private readonly snapshots = new Map<number, DiskImage>();
  /** Batches that are not durable yet, oldest first: one, but for planted bugs. */
  private inFlight: { readonly batch: Batch; readonly fails: boolean }[] = [];
  private landsAt = 0;
  /** Writes whose writer has not been told. */
  private writing = 0;
  private poisoned = false;
  /** The batch whose write failed, when it will be found at the next opening. */
  private limbo: Batch | undefined;
  /** Bytes that still fit. */
  private room = Number.POSITIVE_INFINITY;
  private reading = 0;
  private opening = false;
  /** Reads that wait for the opening. */
  private waiting: (() => void)[] = [];
  /** The opening, while it waits for reads. */
  private open: (() => void) | undefined;
  /** Raised by a crash: what was under way for the process before it is not answered. */
  private life = 0;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly prng: Prng,
    private readonly profile: DiskProfile,
  ) {}

  get isEmpty(): boolean {
    return this.image.isEmpty;
  }

  /** From now on so many bytes fit, then writes fail; Infinity: there is space again. */
  fill(bytes: number): void {
    this.room = bytes;
  }

  /** Nothing fails and all is as fast as usual. */
  heal(): void {
    this.failing = 0;
    this.failingReads = 0;
    this.slowness = 1;
    this.room = Number.POSITIVE_INFINITY;
  }

  /** No write is under way: what is stored is what the process knows to be. */
  get isIdle(): boolean {
    return this.writing === 0;
  }

  /** Atomic and durable when it resolves. One at a time. */
  write(batch: Batch): Promise<void> {
    const done = new Completion<void>();
    this.counts.writes++;
    this.writing++;
    const answer = (outcome: () => void): void => {
      this.writing--;
      outcome();
    };
    const fails = this.prng.chance(this.failing) || !this.fits(batch);
    this.inFlight.push({ batch, fails });
    const latency = this.latency(this.profile.write);
    this.landsAt = Math.max(this.landsAt, this.scheduler.now + latency);
    if (this.planted.acknowledgeEarly && !this.isEmpty) {
      this.later(latency * this.prng.between(0, 0.3), () => done.resolve());
    }
    this.later(this.landsAt - this.scheduler.now, () => {
      this.inFlight.shift();
      if (fails) {
        this.counts.failedWrites++;
        this.poisoned = true;
        if (this.prng.chance(0.5)) this.limbo = batch;
        answer(() => done.reject(new DiskFailure('no space left on device')));
        return;
      }
      if (!this.poisoned && !this.prng.chance(this.planted.loseWrites)) this.apply(batch);
      this.later(this.latency(this.profile.read), () => answer(() => done.resolve()));
    });
    return done;
  }

  /** Closes the handle and opens the store anew; `opened` runs before any read goes on. */
  reopen<T>(opened: () => T): Promise<T> {
    const done = new Completion<T>();
    const open = (): void => {
      this.later(this.latency(this.profile.open), () => {
        this.counts.reopens++;
        this.recover();
        this.opening = false;
        done.resolve(opened());
        const { waiting } = this;
        this.waiting = [];
        for (const read of waiting) read();
      });
    };
    const begin = (): void => {
      if (this.prng.chance(this.failing) || this.room <= 0) {
        // Until the disk takes bytes again the old handle stays open, for reading.
        this.later(this.latency(this.profile.open), begin);
        return;
      }
      this.opening = true;
      if (this.reading === 0) open();
      else this.open = open;
    };
    begin();
    return done;
  }

  /** Until `closeSnapshot`, or until the store is opened anew. */
  openSnapshot(id: number): void {
    this.snapshots.set(id, this.image);
    this.isShared = true;
  }

  closeSnapshot(id: number): void {
    this.snapshots.delete(id);
  }

  /** As `load`, of this moment; `later` for what has to be waited for. */
  readNow(key: Uint8Array): Uint8Array | undefined | 'later' {
    if (this.opening || this.failingReads > 0 || !this.prng.chance(this.profile.readNow)) return 'later';
    return this.image.get(key);
  }

  /** All of `snapshot`, or all of one moment between the call and the answer. */
  load(keys: readonly Uint8Array[], snapshot?: number): Promise<readonly (Uint8Array | undefined)[]> {
    const values = (image: DiskImage) => keys.map((key) => image.get(key));
    if (snapshot !== undefined) return this.onSnapshot(snapshot, values);
    return this.delayed(() => values(this.image), true);
  }

  /** On `snapshot`, or on one of the moment of the call. */
  scan({ from, to, entriesMax, bytesMax, snapshot }: Scan): Promise<readonly ScanEntry[]> {
    const entries = (image: DiskImage) => image.read(from, to, entriesMax, bytesMax);
    if (snapshot !== undefined) return this.onSnapshot(snapshot, entries);
    return this.delayed(() => entries(this.image), false);
  }

  /** At once, outside of virtual time: what a start or a checker reads. [from, to). */
  read(from: Uint8Array, to: Uint8Array, entriesMax = Infinity, bytesMax = Infinity): ScanEntry[] {
    return this.image.read(from, to, entriesMax, bytesMax);
  }

  /** The same for one key. */
  at(key: Uint8Array): Uint8Array | undefined {
    return this.image.get(key);
  }

  /** Everything, in key order. */
  entries(): ScanEntry[] {
    return this.image.entries();
  }

  /** Puts back what `entries` once returned, of this disk or another: a backup, a copied directory. Not while it runs. */
  restore(entries: readonly ScanEntry[]): void {
    this.image = new DiskImage();
    this.put({ puts: entries, deletes: [] });
  }

  /** What is stored under a key is not what was written; `undefined`: it is lost. */
  spoil(key: Uint8Array, value: Uint8Array | undefined): void {
    this.put(value === undefined ? { puts: [], deletes: [key] } : { puts: [{ key, value }], deletes: [] });
  }

  /** The process dies, or its machine does. */
  crash(): void {
    this.life++;
    const [write] = this.inFlight;
    this.inFlight = [];
    this.reading = 0;
    this.writing = 0;
    this.opening = false;
    this.open = undefined;
    this.waiting = [];
    const lands = !this.poisoned && write?.fails === false && this.prng.chance(0.4);
    this.recover();
    if (write === undefined) return;
    if (lands) this.apply(write.batch);
    this.counts[lands ? 'landedAtCrash' : 'tornAway']++;
  }

  /** `late`: the state is that of a moment some time after the call. */
  private delayed<T>(read: () => T, late: boolean): Promise<T> {
    const done = new Completion<T>();
    const answer = (value: T): void => {
      this.later(this.latency(this.profile.read), () => {
        this.reading--;
        if (this.prng.chance(this.failingReads)) {
          this.counts.failedReads++;
          done.reject(new DiskFailure('input/output error'));
        } else done.resolve(value);
        if (this.reading > 0) return;
        this.open?.();
        this.open = undefined;
      });
    };
    const begin = (): void => {
      this.reading++;
      if (late) this.later(this.latency(this.profile.read), () => answer(read()));
      else answer(read());
    };
    if (this.opening) this.waiting.push(begin);
    else begin();
    return done;
  }

  /** A write that is too large takes what room there is, as a file that grew until it could not. */
  private fits({ puts, deletes }: Batch): boolean {
    if (this.room === Number.POSITIVE_INFINITY) return true;
    let bytes = 0;
    for (const { key, value } of puts) bytes += key.length + value.length;
    for (const key of deletes) bytes += key.length;
    this.room -= bytes;
    if (this.room > 0) return true;
    this.counts.full++;
    return false;
  }

  private onSnapshot<T>(snapshot: number, read: (image: DiskImage) => T): Promise<T> {
    const image = this.snapshots.get(snapshot);
    if (image !== undefined && !this.opening) return this.delayed(() => read(image), false);
    const gone = new Completion<T>();
    this.later(this.latency(this.profile.read), () => gone.reject(new DiskFailure('the snapshot is gone')));
    return gone;
  }

  /** What every opening does. */
  private recover(): void {
    this.poisoned = false;
    this.snapshots.clear();
    if (this.limbo !== undefined) this.apply(this.limbo);
    this.limbo = undefined;
  }

  private latency(delay: Delay): number {
    return drawDelay(this.prng, delay) * this.slowness;
  }

  private later(delay: number, task: () => void): void {
    const { life } = this;
    this.scheduler.after(delay, () => {
      if (this.life === life) task();
    });
  }

  private apply(batch: Batch): void {
    this.onLanding(batch, (key) => this.image.get(key));
    this.put(batch);
  }

  private put(batch: Batch): void {
    if (this.isShared) this.image = this.image.copy();
    this.isShared = false;
    this.image.apply(batch);
  }
}
