/** Values as they are typed and printed. */
import { fromJsonValue, toJsonValue } from '@causeway/protocol';

/**
 * The value of an argument: JSON, with `{"$date": …}`, `{"$bytes": …}` and `{"$bigint": …}` for what JSON lacks; what
 * is no JSON is the text itself. Throws CAUSEWAY_BAD_VALUE.
 */
export function parseValue(text: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Text is what people type most: quotes within quotes would be a nuisance.
    return text;
  }
  return fromJsonValue(json);
}

/** For people: text as it is, everything else as JSON. */
export function showValue(value: unknown): string {
  return typeof value === 'string' ? value : toJson(value);
}

/** JSON on one line. */
export function toJson(value: unknown): string {
  return JSON.stringify(toJsonValue(value));
}
