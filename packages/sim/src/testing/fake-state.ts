/**
 * What a log of operations amounts to, for the model in fake-replica.ts: removals name the dots that they
 * remove and are kept for ever, so the order of entries does not matter. Its bugs are the data types' own.
 */
import { compareStamps, type ReplicaId, type Stamp } from '@causeway/crdt';
import type { Result } from '@causeway/protocol';

export interface Bugs {
  readonly replyEarly?: boolean;
  readonly skipCausalWait?: boolean;
  readonly splitTransactions?: boolean;
  readonly wrongTieBreak?: boolean;
  readonly resetEatsConcurrent?: boolean;
  readonly removeWins?: boolean;
  readonly forgetKeys?: boolean;
  readonly loseSomeWrites?: boolean;
  readonly skipAnEntry?: boolean;
  readonly neverAnswerSome?: boolean;
}

export type Change =
  | { type: 'set'; key: string; value?: string; stamp: Stamp; expiresAt?: number }
  | { type: 'add'; key: string; element: string }
  | { type: 'remove'; key: string; element: string; dots: string[] }
  | { type: 'increment'; key: string; by: number }
  | { type: 'reset'; key: string; dots: string[] };

export interface Entry {
  readonly origin: ReplicaId;
  readonly seq: number;
  readonly deps: readonly (readonly [ReplicaId, number])[];
  readonly changes: readonly Change[];
  readonly idempotency?: {
    readonly key: string;
    readonly fingerprint: string;
    readonly results: readonly Result[];
  };
}

/** Everything that follows from a log: never partly undone, only built anew. */
export class FakeState {
  readonly vector = new Map<ReplicaId, number>();
  readonly entries: Entry[] = [];
  readonly registers = new Map<string, Extract<Change, { type: 'set' }>>();
  readonly elements = new Map<string, Map<string, Set<string>>>();
  readonly amounts = new Map<string, Map<string, number>>();
  readonly gone = new Set<string>();
  readonly answers = new Map<string, NonNullable<Entry['idempotency']>>();

  constructor(private readonly bugs: Bugs) {}

  apply(entry: Entry, changes: readonly Change[]): void {
    const dot = `${entry.origin}:${entry.seq}`;
    this.vector.set(entry.origin, entry.seq);
    this.entries.push(entry);
    if (entry.idempotency !== undefined) this.answers.set(entry.idempotency.key, entry.idempotency);
    for (const [index, change] of changes.entries()) this.change(change, `${dot}:${index}`);
  }

  change(change: Change, dot: string): void {
    if (change.type === 'set') {
      const known = this.registers.get(change.key);
      const wins =
        known === undefined || this.bugs.wrongTieBreak || compareStamps(change.stamp, known.stamp) > 0;
      if (wins) this.registers.set(change.key, change);
    } else if (change.type === 'add') {
      inner(
        inner(this.elements, change.key, new Map<string, Set<string>>()),
        change.element,
        new Set<string>(),
      ).add(dot);
    } else if (change.type === 'increment')
      inner(this.amounts, change.key, new Map<string, number>()).set(dot, change.by);
    else
      for (const one of change.dots)
        this.gone.add(change.type === 'remove' ? `${change.key} ${change.element} ${one}` : one);
    if (change.type === 'reset' && this.bugs.resetEatsConcurrent) this.amounts.get(change.key)?.clear();
    if (change.type === 'remove' && this.bugs.removeWins)
      this.elements.get(change.key)?.get(change.element)?.clear();
  }

  dotsOf(key: string, element: string): string[] {
    return [...(this.elements.get(key)?.get(element) ?? [])].filter(
      (dot) => !this.gone.has(`${key} ${element} ${dot}`),
    );
  }

  elementsOf(key: string): string[] {
    return [...(this.elements.get(key)?.keys() ?? [])]
      .filter((element) => this.dotsOf(key, element).length > 0)
      .sort();
  }

  countedDots(key: string): string[] {
    return [...(this.amounts.get(key)?.keys() ?? [])].filter((dot) => !this.gone.has(dot));
  }

  count(key: string): number {
    return this.countedDots(key).reduce((sum, dot) => sum + (this.amounts.get(key)?.get(dot) ?? 0), 0);
  }

  register(key: string, wall: number): Extract<Change, { type: 'set' }> | undefined {
    const found = this.registers.get(key);
    return found?.value === undefined || (found.expiresAt ?? Infinity) <= wall ? undefined : found;
  }
}

function inner<K, V>(map: Map<K, V>, key: K, empty: V): V {
  const found = map.get(key) ?? empty;
  map.set(key, found);
  return found;
}
