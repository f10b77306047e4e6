/**
 * What happens in the demo: in each region somebody likes a page, edits its headline and fills a shared cart.
 *
 * Headline and cart are written by all regions at once, so that they conflict now and then; likes never do.
 */
import type { Database } from '@causeway/client';

export const KEYS = { likes: 'likes', headline: 'headline', cart: 'cart' } as const;

const TICK_MS = 50;
/** Odds in each tick: by chance, so that regions meet now and then. */
const HEADLINE_ODDS = 1 / 10;
const CART_ODDS = 1 / 8;

const HEADLINES: Readonly<Record<string, readonly string[]>> = {
  'eu-west': ['Tea at five', 'Rain again', 'Fog lifts', 'Trains on time'],
  'us-east': ['Budget passed', 'Cherry blossom', 'Snow day', 'Late session'],
  'ap-south': ["Surf's up", 'Heat record', 'Ferry returns', 'Opera opens'],
};
const GOODS = ['tea', 'milk', 'jam', 'rice', 'figs'];

export class Workload {
  /** Operations acknowledged by the region's own node. */
  writes = 0;
  /** The first thing that went wrong. */
  failure: unknown;
  private timer: NodeJS.Timeout | undefined;
  private readonly underWay = new Set<Promise<void>>();

  constructor(
    private readonly region: string,
    private readonly db: Database,
  ) {}

  start(): void {
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Resolves when everything that was written is acknowledged. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.underWay);
  }

  private tick(): void {
    this.write(this.db.counter(KEYS.likes).increment());
    if (Math.random() < HEADLINE_ODDS) {
      this.write(this.db.register(KEYS.headline).set(oneOf(HEADLINES[this.region] ?? [this.region])));
    }
    if (Math.random() < CART_ODDS) {
      const cart = this.db.set<string>(KEYS.cart);
      this.write(Math.random() < 0.5 ? cart.add(oneOf(GOODS)) : cart.remove(oneOf(GOODS)));
    }
  }

  private write(operation: Promise<unknown>): void {
    const settled = operation.then(
      () => {
        this.writes++;
      },
      (error: unknown) => {
        this.failure ??= error;
      },
    );
    this.underWay.add(settled);
    void settled.finally(() => this.underWay.delete(settled));
  }
}

function oneOf(choices: readonly string[]): string {
  return choices[Math.floor(Math.random() * choices.length)] ?? '';
}
