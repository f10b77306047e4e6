/** Arguments that are numbers. */
import { InvalidArgumentError } from 'commander';

/** A whole number above 0. */
export function parseWhole(text: string): number {
  const value = parseAmount(text);
  if (value <= 0) throw new InvalidArgumentError('It must be a whole number above 0.');
  return value;
}

/** A whole number that JavaScript holds exactly. */
export function parseAmount(text: string): number {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('It must be a whole number within ±9007199254740991.');
  }
  return value;
}

/** For options that may be given several times, or hold a comma-separated list. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  const items = text.split(',').filter((item) => item !== '');
  return [...(before ?? []), ...items];
}
