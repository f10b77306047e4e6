/**
 * Dates as text: ISO 8601 as ECMAScript writes it, `2024-02-29T12:00:00.000Z`. Reading also takes an offset, other
 * fractions, no seconds, and a date alone, which is midnight UTC.
 *
 * A time without zone is refused, since it would mean another moment on every host, and so is a day or a minute that
 * does not exist, and a fraction finer than a millisecond: nothing is rounded in silence.
 */

const PATTERN =
  /^(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:Z|([+-])(\d\d):?(\d\d)))?$/;

/** The moment, or undefined if `text` names none that a Date can hold. */
export function fromIsoDate(text: string): Date | undefined {
  // The longest form has 38 characters; a match must not walk a megabyte.
  if (text.length > 40) return undefined;
  const match = PATTERN.exec(text);
  if (match === null || match[1] === '-000000') return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [hour, minute, second] = [Number(match[4] ?? 0), Number(match[5] ?? 0), Number(match[6] ?? 0)];
  const [offsetHour, offsetMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  const fraction = (match[7] ?? '').padEnd(3, '0');
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined;
  if (/[1-9]/.test(fraction.slice(3))) return undefined;

  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month - 1, day);
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) return undefined;
  const offset = (offsetHour * 60 + offsetMinute) * (match[8] === '-' ? -1 : 1);
  const date = new Date(
    midnight.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + Number(fraction.slice(0, 3)),
  );
  return Number.isNaN(date.getTime()) ? undefined : date;
}
