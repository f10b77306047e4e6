/**
 * What every type must keep, as checks that throw: the laws of a join, and that a digest tells states
 * apart exactly by their live records. The histories that feed them are made in history.ts.
 *
 * The laws in words
 * - Commutative, associative, idempotent: the order, the grouping and the repetition of what arrives do
 *   not matter (a join semilattice: Shapiro et al., INRIA RR-7506, 2011).
 * - Inflationary: joining in what is already there changes nothing, and says so by identity where a type
 *   promises the same object.
 */

/** A type as the laws see it. `show` is canonical: equal texts mean equal states. */
export interface Lattice<State> {
  readonly join: (a: State, b: State) => State;
  readonly show: (state: State) => string;
}

/** Throws when the three states break a law of the join. */
export function checkJoinLaws<S>(lattice: Lattice<S>, a: S, b: S, c: S): void {
  const { join, show } = lattice;
  const before = [a, b, c].map(show).join();
  same(show(join(a, a)), show(a), 'idempotent');
  same(show(join(a, b)), show(join(b, a)), 'commutative');
  same(show(join(join(a, b), c)), show(join(a, join(b, c))), 'associative');
  same(show(join(join(a, b), b)), show(join(a, b)), 'absorbs what it holds');
  same([a, b, c].map(show).join(), before, 'pure');
}

/** Throws when joining what a state already holds gives another object than the state. */
export function checkSameObject<S>(lattice: Lattice<S>, a: S, b: S): void {
  const both = lattice.join(a, b);
  if (lattice.join(both, b) !== both) throw new Error('join of what is held made a new object');
  if (lattice.join(both, a) !== both) throw new Error('join of what is held made a new object');
}

/** Throws unless `digest` gives equal texts exactly where `live` does. */
export function checkDigestsTellApart<S>(
  states: readonly S[],
  live: (state: S) => string,
  digest: (state: S) => string,
): void {
  const liveByDigest = new Map<string, string>();
  const digestByLive = new Map<string, string>();
  for (const state of states) {
    const records = live(state);
    const text = digest(state);
    same(liveByDigest.get(text) ?? records, records, `equal digests, equal live records (${text})`);
    same(digestByLive.get(records) ?? text, text, `equal live records, equal digests (${records})`);
    liveByDigest.set(text, records);
    digestByLive.set(records, text);
  }
}

/** Throws with both texts when they differ. `law` names what is broken. */
export function same(actual: string, wanted: string, law: string): void {
  if (actual !== wanted) throw new Error(`broken: ${law}\n  is     ${actual}\n  wanted ${wanted}`);
}
