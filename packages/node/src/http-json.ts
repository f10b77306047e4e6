/**
 * JSON bodies, read strictly: UTF-8, one value, no name twice in an object, nesting bounded before anything is
 * built.
 *
 * JSON.parse alone takes the last of two equal names, so that two readers of one body may act on different
 * values, and builds a hundred times the size of a body that is nothing but brackets.
 */
import { CausewayError, NESTING_MAX } from '@causeway/protocol';
import { JSON_ENVELOPE_DEPTH } from './client-limits.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const DEPTH_MAX = NESTING_MAX + JSON_ENVELOPE_DEPTH;

/** Throws CAUSEWAY_BAD_REQUEST for what is no JSON, CAUSEWAY_BAD_VALUE for what is nested too deep. */
export function parseJson(body: Uint8Array): unknown {
  const text = decodeUtf8(body);
  checkShape(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.slice(0, 200) : 'malformed';
    throw new CausewayError('CAUSEWAY_BAD_REQUEST', `the body is not JSON: ${reason}`, { cause });
  }
}

function decodeUtf8(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch (cause) {
    throw new CausewayError('CAUSEWAY_BAD_REQUEST', 'the body is not UTF-8', { cause });
  }
}

/** Names of an object so far: none, one, several. An array has no entry of its own here. */
type Names = string | Set<string> | undefined;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/** Checks nesting and names of well-formed JSON; of anything else it only promises to return or to throw. */
function checkShape(text: string): void {
  const isObject: boolean[] = [];
  const names: Names[] = [];
  let nameNext = false;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE: {
        const end = stringEnd(text, i + 1);
        if (nameNext) {
          const depth = isObject.length - 1;
          names[depth] = withName(names[depth], text.slice(i, end + 1));
          nameNext = false;
        }
        i = end;
        break;
      }
      case 0x7b: // {
      case 0x5b: // [
        if (isObject.length === DEPTH_MAX) throw tooDeep();
        nameNext = text.charCodeAt(i) === 0x7b;
        isObject.push(nameNext);
        names.push(undefined);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        nameNext = false;
        isObject.pop();
        names.pop();
        break;
      case COMMA:
        nameNext = isObject.at(-1) === true;
        break;
      default:
    }
  }
}

/** Index of the quote that ends the string whose first character is at `at`; the text's end if there is none. */
function stringEnd(text: string, at: number): number {
  let i = at;
  while (i < text.length) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) return i;
    i += unit === BACKSLASH ? 2 : 1;
  }
  return text.length;
}

function withName(names: Names, quoted: string): Names {
  const name = quoted.includes('\\') ? unescaped(quoted) : quoted.slice(1, -1);
  if (names === undefined) return name;
  const all = typeof names === 'string' ? new Set([names]) : names;
  if (all.has(name)) {
    throw new CausewayError(
      'CAUSEWAY_BAD_REQUEST',
      `a name stands twice in one object: ${name.slice(0, 64)}`,
    );
  }
  return all.add(name);
}

function unescaped(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    // Malformed: parsing the whole body says so, and where.
    return quoted;
  }
}

function tooDeep(): CausewayError {
  return new CausewayError('CAUSEWAY_BAD_VALUE', `a value may be nested ${NESTING_MAX} deep`);
}
