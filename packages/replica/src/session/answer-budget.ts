/**
 * The memory of answers that cannot be sent yet, over all sessions: what has been read for requests that wait for
 * more, and replies that wait for a commit.
 *
 * Invariants
 * - What is taken is given back once, at the latest when its commit is durable or lost.
 * - What can still be refused is refused beyond the bound; a reply of what has been done already is counted all the
 *   same.
 */
import { CausewayError } from '@causeway/protocol';
import type { Store } from '../store/store.js';

export class AnswerBudget {
  private bytes = 0;
  /** Replies that wait for each commit, oldest first: the one in flight and the forming one. */
  private held: { readonly commit: number; bytes: number }[] = [];

  constructor(private readonly store: Store) {}

  /** Whether there is room for `bytes` more. */
  fits(bytes: number): boolean {
    const { answersBytesMax } = this.store.limits;
    if (this.bytes + bytes <= answersBytesMax) return true;
    this.settle();
    return this.bytes + bytes <= answersBytesMax;
  }

  take(bytes: number): void {
    this.bytes += bytes;
  }

  give(bytes: number): void {
    this.bytes -= bytes;
  }

  /** A reply of `bytes` waits until `commit` is durable, as far as it has to. */
  hold(bytes: number, commit: number): void {
    if (this.store.isDurable(commit)) return;
    this.bytes += bytes;
    const last = this.held.at(-1);
    if (last?.commit === commit) {
      last.bytes += bytes;
      return;
    }
    this.settle();
    this.held.push({ commit, bytes });
  }

  private settle(): void {
    this.held = this.held.filter(({ commit, bytes }) => {
      if (!this.store.isDurable(commit)) return true;
      this.bytes -= bytes;
      return false;
    });
  }
}

export function overloaded(): CausewayError {
  return new CausewayError(
    'CAUSEWAY_OVERLOADED',
    'the node holds as much of answers as it may: try again in a moment, or ask for less at once',
  );
}
