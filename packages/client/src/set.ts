/**
 * Sets: elements under a key that regions add and remove on their own; an add wins over a remove that did not
 * know of it.
 *
 * Listing is in pages, in the order of the elements' canonical encoding: a page is what one answer of the node
 * holds, and pages are read one after the other.
 */
import { decodeCanonical, type Operation, type Result } from '@causeway/protocol';
import { nothing, type Runner, wrongResult } from './runner.js';
import { encodeValue, encodeValues } from './values.js';

/** An observed-remove set. Elements are equal when their canonical encodings are: 1 is 1.0, but not 1n. */
export interface Set<T> {
  /** Adds all of `values` in one step; resolves when that is durable on the node. */
  add(...values: T[]): Promise<void>;
  /** Removes all of `values` in one step; an add made elsewhere that the node has not seen stays. */
  remove(...values: T[]): Promise<void>;
  /** Removes every element that is visible at the node. */
  clear(): Promise<void>;
  /** True if `value` is an element. Costs the same for ten elements as for a million. */
  has(value: T): Promise<boolean>;
  /** Number of elements. */
  size(): Promise<number>;
  /**
   * The elements, in the same order in all regions: iterate over them, or await them all as an array. They are read in
   * pages of 1,000: one page is one moment, but between two pages the set may change. In a transaction there are
   * no pages, and a set of more than 100,000 elements is CAUSEWAY_TOO_LARGE.
   */
  values(): AsyncIterable<T> & PromiseLike<T[]>;
}

/** Elements asked for at a time. A page is decoded in one go: it should not hold up the event loop. */
const PAGE_ELEMENTS = 1000;

interface Page {
  readonly values: readonly Uint8Array[];
  readonly more: boolean;
}

export class SetHandle<T> implements Set<T> {
  /** `paged`: false where all elements have to come in one answer. */
  constructor(
    private readonly runner: Runner,
    private readonly key: string,
    private readonly paged: boolean,
  ) {}

  add(...values: T[]): Promise<void> {
    return this.update(values, true);
  }

  remove(...values: T[]): Promise<void> {
    return this.update(values, false);
  }

  clear(): Promise<void> {
    return this.runner.execute({ op: 'set.clear', key: this.key }, nothing);
  }

  has(value: T): Promise<boolean> {
    let bytes: Uint8Array;
    try {
      bytes = encodeValue(value);
    } catch (error) {
      return this.runner.refuse(error);
    }
    return this.runner.execute({ op: 'set.has', key: this.key, values: [bytes] }, readHas);
  }

  size(): Promise<number> {
    return this.runner.execute({ op: 'set.size', key: this.key }, readSize);
  }

  values(): AsyncIterable<T> & PromiseLike<T[]> {
    return new Elements<T>((after) => this.page(after), this.paged);
  }

  private update(values: readonly T[], add: boolean): Promise<void> {
    if (values.length === 0) return Promise.resolve();
    let bytes: Uint8Array[];
    try {
      bytes = encodeValues(values);
    } catch (error) {
      return this.runner.refuse(error);
    }
    return this.runner.execute(
      { op: 'set.update', key: this.key, add: add ? bytes : NONE, remove: add ? NONE : bytes },
      nothing,
    );
  }

  private page(after: Uint8Array | undefined): Promise<Page> {
    const { key } = this;
    const operation: Operation = !this.paged
      ? { op: 'set.values', key }
      : after === undefined
        ? { op: 'set.values', key, limit: PAGE_ELEMENTS }
        : { op: 'set.values', key, limit: PAGE_ELEMENTS, after };
    return this.runner.execute(operation, readPage);
  }
}

const NONE: readonly Uint8Array[] = [];

/**
 * What `values()` returns. The first page is asked for at once, so that the reading takes its place among the
 * operations as they are called; reading a second time asks anew, except in a transaction.
 */
export class Elements<T> implements AsyncIterable<T>, PromiseLike<T[]> {
  private first: Promise<Page> | undefined;

  constructor(
    private readonly page: (after: Uint8Array | undefined) => Promise<Page>,
    private readonly paged: boolean,
  ) {
    this.first = page(undefined);
    // Nobody may ever look at the elements; whoever does still sees the rejection.
    this.first.catch(nothing);
  }

  /** In a transaction: the promise that all of this waits for. */
  get source(): Promise<unknown> | undefined {
    return this.paged ? undefined : this.first;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for await (const page of this.pages()) {
      for (const bytes of page.values) yield decodeCanonical(bytes) as T;
    }
  }

  // biome-ignore lint/suspicious/noThenProperty: the elements can be awaited, that is what they are for
  then<A = T[], B = never>(
    fulfilled?: ((values: T[]) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.all().then(fulfilled, rejected);
  }

  private async all(): Promise<T[]> {
    const all: T[] = [];
    for await (const page of this.pages()) {
      for (const bytes of page.values) all.push(decodeCanonical(bytes) as T);
    }
    return all;
  }

  private async *pages(): AsyncGenerator<Page> {
    let next: Promise<Page> | undefined = this.first;
    if (this.paged) this.first = undefined;
    for (;;) {
      const page: Page = await (next ?? this.page(undefined));
      yield page;
      const last = page.values.at(-1);
      if (!this.paged || !page.more || last === undefined) return;
      next = this.page(last);
    }
  }
}

function readHas(result: Result): boolean {
  if (result.op !== 'set.has') throw wrongResult('set.has', result);
  return result.has[0] === true;
}

function readSize(result: Result): number {
  if (result.op !== 'set.size') throw wrongResult('set.size', result);
  return result.size;
}

function readPage(result: Result): Page {
  if (result.op !== 'set.values') throw wrongResult('set.values', result);
  return result;
}
