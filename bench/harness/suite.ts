/**
 * A suite: what it measures, its options, and the measurement, which tells what it has found to a recorder.
 *
 * Every option has a value for a measurement that is to be quoted and may have another for the quick set. The type of an
 * option is that of its value: a number, a list of numbers, a list of words, a word, or a switch.
 */
import type { Axis, Figure, OptionValue, PlotData, Series } from './result.js';

export interface OptionSpec<V extends OptionValue = OptionValue> {
  readonly about: string;
  readonly value: V;
  readonly quick?: V;
}

type Specs = Readonly<Record<string, OptionSpec>>;
type Widened<V> = V extends number
  ? number
  : V extends boolean
    ? boolean
    : V extends string
      ? string
      : V extends readonly number[]
        ? readonly number[]
        : readonly string[];
export type ValuesOf<S extends Specs> = { readonly [K in keyof S]: Widened<S[K]['value']> };

export interface Suite<S extends Specs = Specs> {
  /** As on the command line. */
  readonly name: string;
  readonly title: string;
  /** One sentence for --help. */
  readonly about: string;
  readonly options: S;
  /** Whether it is part of the quick set. */
  readonly isQuick: boolean;
  run(options: ValuesOf<S>, recorder: Recorder): Promise<void>;
}

/** For the inference of its options. */
export function defineSuite<const S extends Specs>(suite: Suite<S>): Suite {
  return suite as unknown as Suite;
}

export type FigureTraits = Omit<Figure, 'name' | 'unit' | 'samples'>;

/** Takes in what a suite finds. Samples that are not finite are left out: what could not be measured has none. */
export class Recorder {
  readonly plots: PlotData[] = [];
  readonly notes: string[] = [];
  private readonly byName = new Map<string, Figure & { samples: number[] }>();

  /** `tell` shows the person who waits what is going on. */
  constructor(readonly tell: (text: string) => void) {}

  /** Adds samples to a figure; unit and traits are those of the first time. */
  figure(name: string, unit: string, samples: number | readonly number[], traits: FigureTraits = {}): void {
    const taken = (typeof samples === 'number' ? [samples] : samples).filter(Number.isFinite);
    if (taken.length === 0) return;
    const known = this.byName.get(name);
    if (known === undefined) this.byName.set(name, { name, unit, samples: taken, ...traits });
    else known.samples.push(...taken);
  }

  plot(title: string, x: Axis, y: Axis, series: readonly Series[]): void {
    const drawn = series.filter(({ points }) => points.length > 0);
    if (drawn.length > 0) this.plots.push({ title, x, y, series: drawn });
  }

  note(text: string): void {
    this.notes.push(text);
  }

  get figures(): readonly Figure[] {
    return [...this.byName.values()];
  }
}
