/**
 * A promise whose reactions run inside the task that settles it, not in a microtask: so a whole simulation is
 * one synchronous loop, in an order that depends on nothing but the seed, and what a reaction throws surfaces
 * in that loop with the time and the node beside it instead of as an unhandled rejection.
 *
 * A completion is always settled by a task of the scheduler, later than it was handed out.
 */
type Reaction = () => void;

export class Completion<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = 'Completion';
  private outcome: { readonly value: T } | { readonly error: unknown } | undefined;
  private readonly reactions: Reaction[] = [];

  resolve(value: T): void {
    this.settle({ value });
  }

  reject(error: unknown): void {
    this.settle({ error });
  }

  // biome-ignore lint/suspicious/noThenProperty: being a thenable is what this class is for
  then<A = T, B = never>(
    onResolved?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const next = new Completion<A | B>();
    this.react((outcome) => {
      if ('error' in outcome) {
        if (onRejected) adopt(next, onRejected(outcome.error));
        else next.reject(outcome.error);
      } else if (onResolved) adopt(next, onResolved(outcome.value));
      else next.resolve(outcome.value as unknown as A);
    });
    return next;
  }

  catch<B = never>(onRejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onRejected);
  }

  finally(onSettled?: (() => void) | null): Promise<T> {
    const next = new Completion<T>();
    this.react((outcome) => {
      onSettled?.();
      next.settle(outcome);
    });
    return next;
  }

  private react(reaction: (outcome: { readonly value: T } | { readonly error: unknown }) => void): void {
    const { outcome } = this;
    if (outcome !== undefined) reaction(outcome);
    else this.reactions.push(() => reaction(this.outcome as NonNullable<typeof outcome>));
  }

  private settle(outcome: { readonly value: T } | { readonly error: unknown }): void {
    if (this.outcome !== undefined) return;
    this.outcome = outcome;
    for (const reaction of this.reactions) reaction();
  }
}

function adopt<T>(next: Completion<T>, result: T | PromiseLike<T>): void {
  if (typeof result === 'object' && result !== null && 'then' in result) {
    result.then(
      (value) => next.resolve(value),
      (error: unknown) => next.reject(error),
    );
  } else next.resolve(result);
}
