/** Quantities as settings write them: durations 500ms, 30s, 15m, 12h, 7d, and sizes 64MiB, 4GiB. */

type Units = Readonly<Record<string, number>>;

const DURATIONS: Units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 24 * 3_600_000 };
const SIZES: Units = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** Milliseconds; undefined when the text is no duration. A number alone is milliseconds. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATIONS);
}

/** In the largest unit that keeps it whole. */
export function formatDuration(ms: number): string {
  return format(ms, DURATIONS);
}

/** Bytes; undefined when the text is no size. A number alone is bytes. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZES);
}

/** In the largest unit that keeps it whole. */
export function formatSize(bytes: number): string {
  return format(bytes, SIZES);
}

function parse(text: string, units: Units): number | undefined {
  const match = /^(\d+)([A-Za-z]*)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, count, name = ''] = match;
  const unit = name === '' ? 1 : Object.entries(units).find(([known]) => known === name)?.[1];
  if (unit === undefined) return undefined;
  const quantity = Number(count) * unit;
  return Number.isSafeInteger(quantity) ? quantity : undefined;
}

function format(quantity: number, units: Units): string {
  const all = Object.entries(units);
  const [unit, size] = all.findLast(([, length]) => quantity > 0 && quantity % length === 0) ?? all[0]!;
  return `${quantity / size}${unit}`;
}
