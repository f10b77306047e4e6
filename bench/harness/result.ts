/**
 * What a run of the benchmark leaves behind: one JSON file, from which report, tables and comparison are made.
 *
 * A figure is one number that was taken several times, its samples in the order in which they were taken: what tables
 * show and `compare` compares. A plot is what the report draws. Both are named for good: files of different days are
 * compared by suite and figure.
 */
import { readFile } from 'node:fs/promises';
import { Ajv } from 'ajv';

export const FORMAT = 'causeway-bench';
/** Raised when a reader of the version before would take a file for something that it is not. */
export const FORMAT_VERSION = 1;

export interface BenchResult {
  readonly format: typeof FORMAT;
  readonly formatVersion: typeof FORMAT_VERSION;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly seconds: number;
  readonly machine: Machine;
  /** By package: Causeway's own, and the libraries that matter here. */
  readonly versions: Readonly<Record<string, string>>;
  /** Null outside of a git checkout. */
  readonly revision: { readonly commit: string; readonly changed: boolean } | null;
  readonly suites: readonly SuiteResult[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
}

export type OptionValue = number | string | boolean | readonly number[] | readonly string[];
export type OptionValues = Readonly<Record<string, OptionValue>>;

export interface SuiteResult {
  readonly suite: string;
  readonly title: string;
  readonly options: OptionValues;
  readonly seconds: number;
  readonly figures: readonly Figure[];
  readonly plots: readonly PlotData[];
  /** What a reader has to know, a sentence or two each. */
  readonly notes: readonly string[];
  /** Why it ended before its end; its figures are those until then. */
  readonly failure?: string;
}

export interface Figure {
  /** Unique within the suite, with the case it belongs to: 'lag p50, 1000/s, a to b'. */
  readonly name: string;
  readonly unit: string;
  /** At least one, in the order in which they were taken. */
  readonly samples: readonly number[];
  /** What a change of it means; absent: nothing good or bad. */
  readonly better?: 'lower' | 'higher';
  /**
   * Two runs of the same code differ by less than this in 9 of 10 tries, as a fraction: `compare` decides by this
   * figure. Absent: it moves with the machine, and is shown without a verdict.
   */
  readonly noise?: number;
  /** What it should reach. */
  readonly aim?: { readonly atMost: number } | { readonly atLeast: number };
}

export type Scale = 'linear' | 'log' | 'percentile';

export interface Axis {
  readonly label: string;
  readonly scale: Scale;
}

export interface PlotData {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

export interface Series {
  readonly name: string;
  /** For a percentile axis x is the percentile, 0 to 100. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

const text = { type: 'string' } as const;
const number = { type: 'number' } as const;
const object = (properties: Readonly<Record<string, unknown>>, optional: readonly string[] = []) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});
const list = (items: unknown, minItems = 0) => ({ type: 'array', items, minItems });
const axis = object({ label: text, scale: { enum: ['linear', 'log', 'percentile'] } });

/** JSON Schema of a file. */
export const RESULT_SCHEMA = object({
  format: { const: FORMAT },
  formatVersion: { const: FORMAT_VERSION },
  startedAt: text,
  seconds: number,
  machine: object({ cpu: text, cores: number, memoryBytes: number, kernel: text, node: text }),
  versions: { type: 'object', additionalProperties: text },
  revision: { anyOf: [{ type: 'null' }, object({ commit: text, changed: { type: 'boolean' } })] },
  suites: list(
    object(
      {
        suite: text,
        title: text,
        options: {
          type: 'object',
          additionalProperties: {
            anyOf: [number, text, { type: 'boolean' }, list(number), list(text)],
          },
        },
        seconds: number,
        figures: list(
          object(
            {
              name: text,
              unit: text,
              samples: list(number, 1),
              better: { enum: ['lower', 'higher'] },
              noise: { type: 'number', minimum: 0 },
              aim: { anyOf: [object({ atMost: number }), object({ atLeast: number })] },
            },
            ['better', 'noise', 'aim'],
          ),
        ),
        plots: list(
          object({
            title: text,
            x: axis,
            y: axis,
            series: list(object({ name: text, points: list({ ...list(number, 2), maxItems: 2 }) })),
          }),
        ),
        notes: list(text),
        failure: text,
      },
      ['failure'],
    ),
  ),
});

const ajv = new Ajv();
const isResult = ajv.compile<BenchResult>(RESULT_SCHEMA);

/** Throws Error that tells the first thing wrong. */
export function checkResult(value: unknown): BenchResult {
  if (isResult(value)) return value;
  throw new Error(`not a result of this benchmark: ${ajv.errorsText(isResult.errors)}`);
}

/** Throws Error for a file that is not there or is no result. */
export async function readResult(path: string): Promise<BenchResult> {
  try {
    return checkResult(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Whether a figure reaches its aim; undefined without one. */
export function reachesAim({ aim }: Figure, value: number): boolean | undefined {
  if (aim === undefined) return undefined;
  return 'atMost' in aim ? value <= aim.atMost : value >= aim.atLeast;
}
