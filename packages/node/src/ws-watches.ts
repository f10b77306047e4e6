/**
 * Watches of one client: what it calls them, and the numbers under which the replica tells of their changes.
 *
 * Numbers are never used twice and are apart from those of requests, since changes may come after the end.
 */
const NUMBERS_FROM = 2 ** 31;

export class WatchTable {
  private readonly numbers = new Map<number, number>();
  private readonly ids = new Map<number, number>();
  private last = NUMBERS_FROM;

  static isWatch(number: number): boolean {
    return number > NUMBERS_FROM;
  }

  /** A number for the watch; undefined while another one has this id. */
  add(id: number): number | undefined {
    if (this.numbers.has(id)) return undefined;
    const number = ++this.last;
    this.numbers.set(id, number);
    this.ids.set(number, id);
    return number;
  }

  /** The client's id; undefined when the watch has ended. */
  id(number: number): number | undefined {
    return this.ids.get(number);
  }

  /** The number that it had; undefined when there is no such watch. */
  remove(id: number): number | undefined {
    const number = this.numbers.get(id);
    if (number === undefined) return undefined;
    this.numbers.delete(id);
    this.ids.delete(number);
    return number;
  }
}
