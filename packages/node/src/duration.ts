/** Durations as settings write them: 500ms, 30s, 15m, 12h, 7d. */

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 24 * 3_600_000 } as const;

/** Milliseconds; undefined when the text is no duration. A number alone is milliseconds. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+)(ms|s|m|h|d)?$/.exec(text.trim());
  if (match === null) return undefined;
  const ms = Number(match[1]) * UNITS[(match[2] ?? 'ms') as keyof typeof UNITS];
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** In the largest unit that keeps it whole. */
export function formatDuration(ms: number): string {
  const units = Object.entries(UNITS).reverse();
  const [unit, size] = units.find(([, length]) => ms > 0 && ms % length === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}
