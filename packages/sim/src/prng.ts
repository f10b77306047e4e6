/**
 * All chance of a simulation comes from one seed through this generator.
 *
 * Streams are split by name, not by drawing: a part that draws more does not shift what the others draw, so
 * that a shortened or extended run stays close to the failing one.
 *
 * sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes BigCrush, a handful of integer operations.
 */
export class Prng {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** The same name gives the same stream, for ever. */
  constructor(private readonly name: string) {
    // FNV-1a over the name in three lanes; the rounds below mix them.
    let a = 0x811c9dc5;
    let b = 0x01000193;
    let c = 0x9e3779b9;
    for (let index = 0; index < name.length; index++) {
      const unit = name.charCodeAt(index);
      a = Math.imul(a ^ unit, 0x01000193);
      b = Math.imul(b ^ unit, 0x85ebca6b) + a;
      c = Math.imul(c ^ (unit + index), 0xc2b2ae35) ^ (b >>> 13);
    }
    this.a = a | 0;
    this.b = b | 0;
    this.c = c | 0;
    for (let round = 0; round < 15; round++) this.uint32();
  }

  /** An independent stream for a part; not a draw. */
  split(part: string | number): Prng {
    return new Prng(`${this.name}/${part}`);
  }

  uint32(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1), 53 bits. */
  random(): number {
    return ((this.uint32() >>> 5) * 0x4000000 + (this.uint32() >>> 6)) / 0x20000000000000;
  }

  /** Uniform integer in [0, bound). */
  int(bound: number): number {
    return Math.floor(this.random() * bound);
  }

  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    return from + this.random() * (to - from);
  }

  /** Every order of magnitude between `from` and `to` (both > 0) is equally likely. */
  logUniform(from: number, to: number): number {
    return from * (to / from) ** this.random();
  }

  /** Time to the next event of a Poisson process whose events are `mean` apart. */
  exponential(mean: number): number {
    return -Math.log(1 - this.random()) * mean;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  /** @throws RangeError for an empty list */
  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('nothing to pick from');
    return list[this.int(list.length)] as T;
  }

  /** One of the choices, each as likely as its weight (>= 0, at least one above 0) says. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const entries = Object.entries(weights) as [T, number][];
    let left = this.random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [choice, weight] of entries) {
      left -= weight;
      if (left < 0) return choice;
    }
    return (entries.findLast(([, weight]) => weight > 0) ?? this.pick(entries))[0];
  }

  /** A new list in random order. */
  shuffle<T>(list: readonly T[]): T[] {
    const result = [...list];
    for (let end = result.length - 1; end > 0; end--) {
      const other = this.int(end + 1);
      [result[end], result[other]] = [result[other] as T, result[end] as T];
    }
    return result;
  }
}
